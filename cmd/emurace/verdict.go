package main

import (
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/explore"
	"emurace/heap"
	"emurace/internal/printable"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
)

// assumes lists what a clean result takes for granted.
func (o *outcome) assumes() []string {
	locks := "nothing of locks"
	if o.locks == "abstract" {
		locks = "trying in vain to take a lock makes no difference, nor which other thread's a recursive lock is found to be, as far as it was tried out"
	}
	covers := "this libc, these calls and parameters"
	if o.recipe.Program != nil {
		covers = "this program and libc, with these arguments, environment, files and input"
		if w := o.windowed(); w != "" {
			covers += ", " + w + "; other orders outside of that were not tried"
		}
	}
	assumed := []string{}
	if len(o.result.Met) > 0 {
		var texts []string
		for _, m := range o.result.Met {
			texts = append(texts, printable.Line(m.Text))
		}
		assumed = append(assumed, "problems that are known do not count: "+strings.Join(texts, ", "))
	}
	step := "what an instruction reads is one step, and what it writes, also where that is several words"
	switch whole := o.whole && o.strategy != strategyBounded; {
	case o.recipe.Arch == loader.ARM64 && !whole:
		step += ", but of a pair of registers each is one, the first one first"
	case o.recipe.Arch == loader.AMD64 && whole:
		step += ", and one that reads and changes memory does both in one step, also without LOCK"
	}
	return append([]string{
		o.modelText(),
		o.timeouts(),
		"signal handlers run at once, and where between two events of its thread one runs makes no difference",
		step,
		locks,
	}, append(assumed, covers)...)
}

// timeouts says when a deadline passes.
func (o *outcome) timeouts() string {
	return o.recipe.Timeouts.Assumes()
}

// printClean says that nothing failed, and what that assumes.
func (o *outcome) printClean(p *replay.Printer, seconds string) {
	r := o.result
	bound := "with at most " + plural(uint64(max(r.Preemptions, 0)), "preemption", "preemptions")
	if o.memory != "" {
		p.Printf("%s: no schedule fails: %s all that %s allows, %s\n", p.Good("CLEAN"), plural(r.Schedules, "execution is", "executions are"), o.modelCovers(), seconds)
		o.printEnded(p)
		o.printAssumed(p)
		return
	}
	switch covering := plural(r.Schedules, "interleaving covers", "interleavings cover"); {
	case r.Preemptions < 0 || o.strategy == strategyDPOR && r.Unbounded:
		which := ""
		if o.windowed() != "" {
			which = " of the window"
		}
		p.Printf("%s: no schedule fails: %s every schedule%s, %s\n", p.Good("CLEAN"), covering, which, seconds)
	case o.strategy == strategyDPOR:
		p.Printf("%s: no schedule %s fails: %s all of them, %s\n", p.Good("CLEAN"), bound, covering, seconds)
	default:
		if r.Unbounded {
			bound = "whatever the preemptions"
		}
		p.Printf("%s: of %s %s none fails, %s\n", p.Good("CLEAN"), plural(r.Schedules, "schedule", "schedules"), bound, seconds)
	}
	o.printEnded(p)
	o.printDrawnFirst(p)
	o.printAssumed(p)
}

// printAssumed says what a clean result takes for granted, and what was tried beside it.
func (o *outcome) printAssumed(p *replay.Printer) {
	list := o.assumes()
	last := len(list) - 1
	p.Printf("%s\n", p.Faint("This assumes: "+strings.Join(list[:last], "; ")+". It covers "+list[last]+"."))
	if x := o.result.SelfCheck; x != nil {
		p.Printf("%s\n", p.Faint("Tried beside it: "+tried(x)+"; none fails."))
	}
	if o.freed {
		p.Printf("%s      blocks of memory are freed in the race, and a use of them need not fail: try --detect use-after-free\n", p.Head("hint"))
	}
}

// expecter is who has said which endings are right.
func (o *outcome) expecter() string {
	if o.recipe.Program != nil {
		return "expected"
	}
	return "the scenario expects"
}

// windowed says which window of a program was searched; "" where nobody has asked for one.
func (o *outcome) windowed() string {
	if o.recipe.Program == nil {
		return ""
	}
	return o.recipe.Program.Window()
}

// printWindow says which window of a program was searched, and what of the rest.
func (o *outcome) printWindow(p *replay.Printer) {
	w := o.windowed()
	if w == "" || !o.raced.Load() {
		return
	}
	p.Printf("%s    %s; outside of it the threads run in one fixed order, and others were not tried\n", p.Head("window"), w)
	if to := o.recipe.Program.To; to != "" && o.result.Closed == 0 && o.result.Schedules > 0 {
		p.Printf("note: no schedule came to %s, so the window has ended with the process\n", printable.Line(to))
	}
}

// printEnded says how many schedules ended as the scenario expects, and which endings
// never came.
func (o *outcome) printEnded(p *replay.Printer) {
	for _, e := range o.ended() {
		switch {
		case e.Schedules > 0:
			p.Printf("%s     in %s the process ends with %v, as %s\n", p.Head("ends"), plural(e.Schedules, "of them", "of them"), e.Ending, o.expecter())
		case o.result.Complete && o.recipe.Program == nil:
			p.Printf("note: no schedule ends with %v, which the scenario expects; what it declares with may_end or must_end may not be what it means\n", e.Ending)
		}
	}
}

// ended are the endings that the scenario expects, in its order, also those that never
// came.
func (o *outcome) ended() []explore.Ended {
	var list []explore.Ended
	for _, e := range o.endings {
		ended := explore.Ended{Ending: e}
		for _, known := range o.result.Ended {
			if known.Ending == e {
				ended = known
			}
		}
		list = append(list, ended)
	}
	return list
}

// printUndecided says why nothing is known.
func (o *outcome) printUndecided(p *replay.Printer, seconds string) {
	r := o.result
	if len(r.Doubts) > 0 {
		p.Printf("%s: %s; of %s, %s\n", p.Head("UNDECIDED"), doubtsText(r.Doubts), plural(r.Schedules, "schedule", "schedules"), seconds)
		for _, d := range r.Doubts {
			if d.Kind == scenario.Unrepeated {
				p.Printf("    %s failed only once: %s\n", plural(d.Failing, "schedule", "schedules"), d.Outcome)
			} else if d.Failing > 0 {
				p.Printf("    %s with %v, which on Linux need not be so: %s\n", plural(d.Failing, "schedule fails", "schedules fail"), d.Doubt, d.Outcome)
			}
		}
		if slices.ContainsFunc(r.Doubts, func(d explore.Doubt) bool { return d.Kind == scenario.UnendedThread }) {
			p.Printf("%s      t.call(\"pthread_exit\", 0) as its last call ends a thread\n", p.Head("hint"))
		}
	} else {
		p.Printf("%s: of %s so far none fails; %s, %s\n", p.Head("UNDECIDED"), plural(r.Schedules, "schedule", "schedules"), o.unfinished(), seconds)
	}
	if o.raced.Load() {
		o.printEnded(p)
		o.printCoverage(p)
		o.printDrawnFirst(p)
		o.printPlayed(p)
		o.printLazy(p)
	}
}

// printDrawnFirst tells of the schedules that were drawn before a systematic search.
func (o *outcome) printDrawnFirst(p *replay.Printer) {
	if n := o.result.Drawn; n > 0 && o.result.Failing == 0 {
		p.Printf("%s\n", p.Faint(fmt.Sprintf("Drawn before the search: %s by pos; none fails.", plural(n, "schedule", "schedules"))))
	}
}

// printLazy says what makes a proof of a program large without need: each function that is bound
// when it is first called is looked up by ld.so, whose counters and tables threads then share.
func (o *outcome) printLazy(p *replay.Printer) {
	x := o.recipe.Program
	if x == nil || o.strategy != strategyDPOR && o.strategy != strategyBounded || slices.ContainsFunc(x.Env, func(v string) bool { return strings.HasPrefix(v, "LD_BIND_NOW=") }) {
		return
	}
	p.Printf("%s      threads bind functions when they first call them, and each order of that is one to search; --env LD_BIND_NOW=1 has all bound before\n", p.Head("hint"))
}

// unfinished says what of a search that found nothing was done.
func (o *outcome) unfinished() string {
	r := o.result
	switch {
	case !o.raced.Load() && o.interrupted:
		return "the process had not come to the race"
	case !o.raced.Load():
		return "the time was up before the process had come to the race"
	case o.fixed():
		return "it says nothing of others"
	case o.strategy == strategyScript && r.Schedules <= explore.InOrder:
		return "they run the threads in order, and the script has chosen none"
	case o.strategy == strategyScript:
		return fmt.Sprintf("%d run the threads in order and the script has chosen the others, which say nothing of further ones", explore.InOrder)
	case drawn(o.strategy):
		return "they were drawn at random and say nothing of others"
	case r.Due:
		return "when timeouts are due depends on the order of all instructions, which this search does not cover"
	case r.Endless:
		return "some were cut off at the instruction limit"
	case r.Preemptions >= 0:
		return "those with at most " + plural(uint64(r.Preemptions), "preemption", "preemptions") + " are finished"
	}
	return "the search was cut short"
}

// doubtsText says in a line why nothing is said to be proved, or to fail.
func doubtsText(list []explore.Doubt) string {
	words := map[scenario.DoubtKind]string{
		scenario.UnknownSyscall:    "the process makes system calls that emurace does not have",
		scenario.UnscheduledThread: "the process has threads that are not the scenario's, and those are not run",
		scenario.ThreadLimit:       "the process makes more threads than it may",
		scenario.UnendedThread:     "threads have made their calls and do not end by that, though others wait for it",
		scenario.InstructionLimit:  "runs were cut off at the limit of instructions, while threads that could go on had no turn",
		scenario.AtMemoryLimit:     "the process takes more memory than it may",
		scenario.AtOutputLimit:     "the process prints more than it may",
		scenario.AtMappingLimit:    "the process has more mappings than it may",
		scenario.AtFileLimit:       "the process writes more to files than it may, or makes too many",
		scenario.AtLogLimit:        "runs make more accesses to memory than are logged",
		scenario.AtBootLimit:       "the process had not come to the race when the instructions for that were used up",
		scenario.GoneWrong:         "a check, or a thread's function, has gone wrong itself in some of the runs",
		scenario.Unrepeated:        "schedules failed, and did not when they were run again, which is a fault of emurace: please report it, with the scenario",
		scenario.CallLimit:         "runs were cut off where a thread had made as many calls as it may, as in an endless loop",
		scenario.NotInGraphs:       "a search under a memory model does not cover all of it",
		scenario.UnsureOrder:       "executions fail that a processor may not allow: an order of accesses may be there that is not known",
	}
	var parts []string
	for _, kind := range scenario.DoubtKinds() {
		var places []string
		for _, d := range list {
			d.Thread = "" // it is the same place
			if d.Kind == kind && !slices.Contains(places, d.String()) {
				places = append(places, d.String())
			}
		}
		const most = 4
		if n := len(places); n > most {
			places = append(places[:most], fmt.Sprintf("and %d more", n-most))
		}
		if len(places) > 0 {
			parts = append(parts, fmt.Sprintf("%s (%s)", words[kind], strings.Join(places, ", ")))
		}
	}
	return strings.Join(parts, "; ")
}

// checkObject is what was run beside a search that came to a proof, in the result object.
type checkObject struct {
	Orders       int    `json:"orders"` // of the threads, one after the other
	Drawn        int    `json:"drawn"`  // schedules at any instruction
	Instructions uint64 `json:"instructions"`
}

// tried says what was run beside the search.
func tried(x *explore.SelfCheck) string {
	return fmt.Sprintf("%s of the threads and %s drawn at any instruction",
		plural(uint64(x.Orders), "order", "orders"), plural(uint64(x.Drawn), "schedule", "schedules"))
}

// printHole says that a search was about to say that nothing fails.
func (o *outcome) printHole(p *replay.Printer) {
	p.Printf("note: the search had come to say that no schedule fails, so its proof has a hole. This one is of the %s that are run after it.\n"+
		"      That is a fault of emurace: please report it, with the scenario\n", tried(o.result.SelfCheck))
}

// doubtObject is why a result is undecided, in the result object.
type doubtObject struct {
	scenario.Doubt
	Schedules uint64 `json:"schedules"`
	Failing   uint64 `json:"failing"`           // of them: schedules that fail, which need not be so
	Outcome   string `json:"outcome,omitempty"` // of the first of these
}

// kindDue is the kind of a doubt about when timeouts are due.
const kindDue scenario.DoubtKind = "timeouts-due"

// because lists why the result is no proof, beside the search's own limits.
func (o *outcome) because() []doubtObject {
	var list []doubtObject
	for _, d := range o.result.Doubts {
		list = append(list, doubtObject{d.Doubt, d.Schedules, d.Failing, d.Outcome})
	}
	if o.result.Due && o.result.Verdict == explore.Undecided {
		list = append(list, doubtObject{Doubt: scenario.Doubt{Kind: kindDue}})
	}
	return list
}

// unknown names the system calls that emurace does not have, each once.
func (o *outcome) unknown() []string {
	var names []string
	for _, d := range o.result.Doubts {
		if d.Kind == scenario.UnknownSyscall {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// endingObject is an ending that the scenario expects, in the result object.
type endingObject struct {
	Kind      scenario.Kind `json:"kind"`
	Code      *int          `json:"code,omitempty"`   // of an exit
	Signal    int           `json:"signal,omitempty"` // of a signal
	Schedules uint64        `json:"schedules"`
}

func (o *outcome) endingObjects() []endingObject {
	var list []endingObject
	for _, e := range o.ended() {
		x := endingObject{Kind: e.Kind, Signal: e.Signal, Schedules: e.Schedules}
		if e.Kind == scenario.Exit {
			x.Code = &e.Code
		}
		list = append(list, x)
	}
	return list
}

// freesBlocks tells whether blocks of memory are freed in a race whose threads run one
// after the other, in their order or in the reverse. It has the session's process traced,
// which must be as it was when it was started: nothing of it has been run but in order.
func freesBlocks(s *scenario.Session) (bool, error) {
	if err := s.Restart(); err != nil {
		return false, err
	}
	freed := false
	err := heap.TraceWanted(s.Process(), func(c emu.CallEvent) bool {
		return !freed && heap.Releases(c.Func) && c.Args[0] != 0 && c.Depth == 0 && !c.Returned
	}, func(c emu.CallEvent) { freed = freed || c.Depth == 0 })
	if err != nil {
		return false, err
	}
	for _, last := range []bool{false, true} {
		if err := s.Restart(); err != nil {
			return false, err
		}
		if _, err := inOrder(s, last); err != nil {
			return false, err
		}
	}
	return freed, nil
}

// inOrder runs the threads to their ends, each as far as it gets, and the clock with them. It
// returns what it has run.
func inOrder(s *scenario.Session, reverse bool) (scenario.Schedule, error) {
	var played scenario.Schedule
	for {
		for k := range s.Schedulable() {
			if _, over := s.Outcome(); over {
				return played, nil
			}
			if reverse {
				k = s.Schedulable() - 1 - k
			}
			if !s.Runnable(k) {
				continue
			}
			ran, err := s.Run(k, 0)
			if err != nil {
				return nil, err
			}
			if ran > 0 {
				played = played.Add(k, ran)
			}
		}
	}
}

package replay

import (
	"fmt"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Headline says in a few words what happened: "main dies in getenv".
func (x *Explanation) Headline() string {
	switch {
	case x.Outcome.Kind == scenario.Deadlock:
		return x.deadlock()
	case x.Outcome.Kind == scenario.Livelock:
		if x.Round {
			return "those that are left go round for ever: a livelock"
		}
		return "no end is reached within the instruction limit, though every thread has its turns: a livelock"
	case x.Outcome.Kind == scenario.OK:
		return "nothing failed"
	case x.Outcome.Kind == scenario.Check && x.Outcome.Thread >= 0:
		return x.Names[x.Outcome.Thread] + " finds a fault"
	case x.Outcome.Kind == scenario.Check:
		return "a check fails"
	case x.At == nil:
		return x.Outcome.String()
	}
	where := "in " + x.At.Location.Function
	if x.At.Location.Function == "" {
		where = "at " + x.At.Location.String()
	}
	if x.Outcome.Limited() {
		return fmt.Sprintf("%s comes to %v %s", x.At.Thread, x.Outcome.End.Limit, where)
	}
	switch x.Outcome.Kind {
	case scenario.Abort:
		return fmt.Sprintf("%s aborts %s%s", x.At.Thread, where, x.expected())
	case scenario.Exit:
		return fmt.Sprintf("%s exits with status %d%s", x.At.Thread, x.Outcome.End.Code, x.expected())
	case scenario.Signal:
		return fmt.Sprintf("%s dies %s%s", x.At.Thread, where, x.expected())
	}
	return fmt.Sprintf("%s dies %s", x.At.Thread, where)
}

// expected is what there is to add of a process that ended as it may.
func (x *Explanation) expected() string {
	if x.Outcome.Expected {
		return ", as the scenario expects"
	}
	return ""
}

// Tell writes the explanation: the failing instruction, and why.
func (x *Explanation) Tell(p *Printer) {
	if x.At != nil {
		p.Printf("    %s  %s%s\n", p.Name(x.At.Location.String()), p.Head(x.At.Instruction), x.fault(p))
	}
	if x.Message != "" {
		p.Printf("    it said: %s\n", strings.TrimSpace(x.Message))
	}
	for _, t := range x.Threads {
		if t.Status == "waiting" {
			p.Printf("    %s waits in %s: %s\n", p.Name(t.Name), t.Call, symbolize.Chain(t.Backtrace))
		}
	}
	if lines := x.why(p); len(lines) > 0 {
		p.Printf("%s\n", p.Head("why"))
		for _, l := range lines {
			p.Printf("    %s\n", l)
		}
	}
	x.tellTicks(p)
	x.tellRaces(p)
}

// tellTicks says when time passed.
func (x *Explanation) tellTicks(p *Printer) {
	if len(x.Ticks) == 0 {
		return
	}
	p.Printf("%s\n", p.Head("when time passed"))
	const most = 6
	for i, t := range x.Ticks {
		if i == most {
			p.Printf("    and %d times more\n", len(x.Ticks)-most)
			break
		}
		p.Printf("    %s: %s, after %s\n", p.Name(scenario.ClockName), t.Text, words.Count(t.Step, "instruction"))
	}
}

// fault is the second half of the failing instruction's line.
func (x *Explanation) fault(p *Printer) string {
	end := x.Outcome.End
	if end.Kind != emu.EndFault {
		return "      " + end.String()
	}
	what := "nothing is mapped there"
	if end.Mapped {
		what = fmt.Sprintf("its page forbids to %s", end.Access)
	}
	if x.Register == "" {
		return fmt.Sprintf("      address %s, and %s", p.Number(words.Hex(end.Addr)), what)
	}
	s := fmt.Sprintf("      %s = %s, and %s", x.Register, p.Number(words.Hex(x.Value)), what)
	if end.Addr != x.Value {
		s = fmt.Sprintf("      %s = %s gives address %s, and %s", x.Register, p.Number(words.Hex(x.Value)), words.Hex(end.Addr), what)
	}
	return s
}

// why are the sentences that lead from the failing register to the write.
func (x *Explanation) why(p *Printer) []string {
	if x.Outcome.Kind == scenario.Deadlock {
		return x.whyDeadlock(p)
	}
	if x.Register == "" {
		return nil
	}
	thread := p.Name(x.At.Thread)
	if x.Load == nil {
		return append([]string{x.whyNoLoad(thread)}, x.tellUnmapped(p)...)
	}
	var lines []string
	way := ""
	if n := len(x.Hops) - 1; n > 0 {
		way = fmt.Sprintf(", through %s,", words.Count(uint64(n), "copy"))
	}
	lines = append(lines, fmt.Sprintf("%s loaded %s%s at %s (%s) from %s, in its call of %s.",
		thread, x.Register, way, p.Name(x.Load.Location.String()), x.Load.Instruction, p.Number(words.Hex(x.LoadAddr)), x.Load.Call))
	if x.Writer == nil {
		lines = append(lines, "Nothing has written there since the race began: the value is older.")
		lines = append(lines, x.whyHeap(p)...)
		return append(lines, x.tellUnmapped(p)...)
	}
	value := ""
	if x.Written == x.Value {
		value = " " + p.Number(words.Hex(x.Value))
	}
	lines = append(lines,
		fmt.Sprintf("%s had written%s there last, in its call of %s:", p.Name(x.Writer.Thread), value, x.Writer.Call),
		fmt.Sprintf("  %s  %s", p.Name(x.Writer.Location.String()), x.Writer.Instruction),
		"  "+symbolize.Chain(x.Writer.Backtrace))
	lines = append(lines, x.whyHeap(p)...)
	return append(lines, x.tellUnmapped(p)...)
}

func (x *Explanation) whyNoLoad(thread string) string {
	if len(x.Hops) == 0 {
		return fmt.Sprintf("%s has had that value in %s since before the race or as an argument of its call.", thread, x.Register)
	}
	last := x.Hops[len(x.Hops)-1]
	if last.Kind == HopCopy {
		return fmt.Sprintf("%s copied it at %#x (%s), and had it before the race or as an argument of its call.", thread, last.PC, last.Inst.Text)
	}
	verb := "computed"
	if last.Kind == HopConst {
		verb = "set"
	}
	return fmt.Sprintf("%s %s it at %#x (%s).", thread, verb, last.PC, last.Inst.Text)
}

// Switching writes the schedule in a line: "main 412 instructions, worker
// 1,203, main".
func (x *Explanation) Switching() string {
	const most = 12
	if len(x.Schedule) == 0 {
		return "the race was over before an instruction of it ran"
	}
	var parts []string
	for i, sl := range x.Schedule {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more slices", len(x.Schedule)-most))
			break
		}
		switch {
		case sl.N == 0:
			parts = append(parts, x.Names[sl.Thread])
		case i == 0:
			parts = append(parts, x.Names[sl.Thread]+" "+words.Count(sl.N, "instruction"))
		default:
			parts = append(parts, x.Names[sl.Thread]+" "+words.Grouped(sl.N))
		}
	}
	return strings.Join(parts, ", ")
}

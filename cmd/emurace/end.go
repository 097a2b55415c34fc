package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore"
	"emurace/explore/target"
	"emurace/internal/printable"
	"emurace/replay"
	"emurace/scenario"
	"emurace/sysroot"
)

func endFlag() cli.Flag {
	return &cli.StringFlag{Name: "end", Usage: "look for the end that `FILE` has: what emurace diagnose --json or emurace explore --json printed, or a trace; none for any failure, also where the scenario declares an end"}
}

// endSource is where the end is from that a search looks for.
type endSource struct {
	end     *target.End
	trace   *replay.Trace // whose run is to be run for it, nil for none
	recipe  replay.Recipe
	sys     *emu.System
	cache   *sysroot.Cache
	spec    sysroot.Spec
	folders map[string]*emu.Folder
	name    string
}

// noEnd is the name of --end by which any failure is looked for.
const noEnd = "none"

// endOf reads the file of --end; nil without one, and for noEnd. That of a trace is known once its run has been run,
// behind the walls; see found.
func endOf(c *cli.Context) (*endSource, error) {
	name := c.String("end")
	if name == noEnd {
		return nil, nil
	}
	if name == "" {
		if c.IsSet("end") {
			return nil, usage(errors.New("--end: the name of the file is empty"), "")
		}
		return nil, nil
	}
	for _, flag := range []string{"resume", "detect"} {
		if c.IsSet(flag) {
			return nil, usage(fmt.Errorf("--end does not go with --%s", flag), "")
		}
	}
	e := &endSource{name: name}
	var err error
	if strings.HasSuffix(name, traceSuffix) {
		if e.trace, err = readTrace(name); err != nil {
			return nil, err
		}
	} else if e.end, err = readEnd(name); errors.Is(err, target.ErrNone) { // or a trace of another name
		if t, failed := replay.Read(name); failed == nil {
			e.trace, err = t, nil
		}
	}
	if err != nil {
		return nil, environmentError(fmt.Errorf("--end: %s: %w", name, err), "it is what emurace diagnose --json or emurace explore --json printed, or a trace")
	}
	if e.trace == nil {
		return e, nil
	}
	if e.recipe, e.folders, err = traceRecipe(c, e.trace, ""); err != nil {
		return nil, err
	}
	return e, e.open(c)
}

func readEnd(name string) (*target.End, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer func() { _ = f.Close() }() // it is only read
	return target.Read(f)
}

// open opens the sysroot of the trace.
func (e *endSource) open(c *cli.Context) error {
	log, err := logOf(c)
	if err == nil {
		e.spec, err = sysroot.Parse(e.recipe.Source)
	}
	if err == nil {
		e.cache, err = sysroot.Open(c.String("cache"))
	}
	if err == nil {
		e.sys, err = system(e.cache, e.spec, e.recipe.Arch, log)
	}
	if err != nil {
		closeFolders(e.folders)
	}
	return err
}

// grant is what running the trace takes behind the walls.
func (e *endSource) grant(g *grants) {
	if e == nil || e.trace == nil {
		return
	}
	g.sysroot(e.cache, e.spec, e.recipe.Arch)
	if p := e.trace.Program; p != nil {
		for _, f := range p.Folders {
			g.Read = append(g.Read, f.Host)
		}
	}
}

// found is the end, nil for none. It runs the trace, behind the walls.
func (e *endSource) found(c *cli.Context) (*target.End, error) {
	if e == nil || e.trace == nil {
		if e == nil {
			return nil, nil
		}
		return e.end, nil
	}
	e.sys.Interrupt(c.Context.Err)
	s, err := start(e.sys, e.recipe)
	if err != nil {
		closeFolders(e.folders)
		return nil, errors.Join(withPackage(err, e.cache, e.spec, e.recipe.Arch), e.sys.Close())
	}
	r := &run{trace: e.trace, recipe: e.recipe, sys: e.sys, session: s, heaps: &heaps{sys: e.sys, recipe: e.recipe}, folders: e.folders}
	defer r.close()
	if r.verification, err = replay.Verify(s, e.trace); err == nil {
		err = r.mustMatch()
	}
	switch {
	case errors.Is(err, replay.ErrOtherLibc):
		return nil, environmentError(fmt.Errorf("--end: %s: %w", e.name, err), "pull the sysroot that the trace names, or give --end the JSON object of the search that found it")
	case errors.Is(err, replay.ErrFormat):
		return nil, environmentError(fmt.Errorf("--end: %s: %w", e.name, err), "the trace was changed or belongs to another scenario")
	case err != nil:
		return nil, err
	}
	x, _, err := r.explain()
	if err != nil {
		return nil, err
	}
	if !x.Outcome.Failed() {
		return nil, usage(fmt.Errorf("--end: %s: its run does not fail by itself", e.name), "a trace of a failure has an end to look for")
	}
	end := x.End()
	if err := end.Check(); err != nil {
		return nil, usage(fmt.Errorf("--end: %s: %w", e.name, err), "")
	}
	return &end, nil
}

// close is for a source whose end was not asked for.
func (e *endSource) close() {
	if e != nil && e.trace != nil {
		closeFolders(e.folders)
		_ = e.sys.Close() // it was only read
	}
}

// setEnd has searches look for an end: that of --end, or the one that the scenario declares.
func setEnd(c *cli.Context, jobs []job, end *target.End) error {
	for i := range jobs {
		j := &jobs[i]
		if j.end = end; end == nil && c.String("end") != noEnd {
			j.end = j.recipe.Scenario.End
		}
		if j.end == nil {
			continue
		}
		for _, flag := range []string{"resume", "detect"} {
			if c.IsSet(flag) {
				return usage(fmt.Errorf("%s: it has an end that is looked for, and --%s does not go with that", j.recipe.Scenario.Name, flag), "leave the flag out, or add --end none to search for any failure")
			}
		}
		j.detect = nil
	}
	return nil
}

// lookedFor is the end of --end, nil without, and puts the process behind its walls.
func lookedFor(c *cli.Context, jobs []job) (*target.End, error) {
	from, err := endOf(c)
	if err != nil {
		return nil, err
	}
	if err := raiseExplore(c, jobs, from); err != nil {
		from.close()
		return nil, err
	}
	return from.found(c)
}

// staged tells whether an end is looked for by several strategies in turn: where nothing asks for
// a certain one.
func (j job) staged(c *cli.Context) bool {
	return j.end != nil && j.memory == "" && strategy(c) != strategyScript && c.String("locks") != "abstract" &&
		!slices.ContainsFunc([]string{"strategy", "preemptions", "depth"}, c.IsSet)
}

// endSearch grades the ends of a search's runs.
type endSearch struct {
	want   *target.End
	sys    *emu.System
	recipe replay.Recipe

	once sync.Once
	best target.Grade // that any run can come to
	why  string       // it is not the highest one

	mu      sync.Mutex // of what explains runs
	session *scenario.Session
	heaps   *heaps
}

func newEndSearch(sys *emu.System, j job) *endSearch {
	return &endSearch{want: j.end, sys: sys, recipe: j.recipe, heaps: &heaps{sys: sys, recipe: j.recipe}}
}

// begin finds out, with a session at the start of its race, what can be come to.
func (e *endSearch) begin(s *scenario.Session) {
	if e == nil {
		return
	}
	e.once.Do(func() {
		e.sys.LoadDebug() // for names
		e.best, e.why = target.Best(e.want, replay.EndProcess(s))
	})
}

// grade is explore.Ends.Grade. What the bad value was is looked at only where that decides whether the search
// has come to its end.
func (e *endSearch) grade(s *scenario.Session, schedule scenario.Schedule) (target.Grade, error) {
	got := replay.EndOf(s)
	g := target.Compare(e.want, &got, replay.EndProcess(s)).Grade
	if g != target.Function || e.best != target.SameValue || e.want.Value == "" {
		return g, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	m, err := e.match(s.Made(), schedule)
	return m.Grade, err
}

// match explains a run and compares its end. It is called by one at a time.
func (e *endSearch) match(made []string, schedule scenario.Schedule) (target.Match, error) {
	if e.session == nil {
		s, err := start(e.sys, e.recipe)
		if err != nil {
			return target.Match{}, err
		}
		e.session = s
	}
	if err := e.session.SetMade(made); err != nil {
		return target.Match{}, err
	}
	h, err := replay.NewHistory(e.session, schedule)
	if err != nil {
		return target.Match{}, err
	}
	x, err := e.heaps.explain(h, schedule)
	if err != nil {
		return target.Match{}, err
	}
	got := x.End()
	return target.Compare(e.want, &got, replay.EndProcess(e.session)), nil
}

func (e *endSearch) close() {
	e.heaps.close()
	if e.session != nil {
		e.session.Close()
	}
}

// searchStaged looks for the end with one strategy after the other.
func (j job) searchStaged(ctx context.Context, o *outcome, show *progress, start func() (*scenario.Session, error), options explore.Options) (*explore.Result, error) {
	r, by, err := explore.Towards(ctx, start, options, explore.Stages(), func(s explore.Stage) {
		show.finish()
		show.drawn = s.Strategy != explore.StageBounded
	})
	if by != "" {
		o.strategy = string(by)
	}
	return r, err
}

// rank puts the finding first that comes nearest to the end that is looked for, and grades those that
// are explained anyway by the kind of value too.
func (o *outcome) rank(made []string) error {
	if o.ends == nil {
		return nil
	}
	list := o.result.Findings
	for i := range list {
		if o.result.Nearest() == target.Instruction || i >= maxExplained {
			break
		}
		if list[i].Grade == target.Function && o.ends.want.Value != "" {
			m, err := o.ends.match(made, list[i].Schedule)
			if err != nil {
				return err
			}
			list[i].Grade = max(list[i].Grade, m.Grade)
		}
	}
	slices.SortStableFunc(list, func(a, b explore.Finding) int { return cmp.Compare(b.Grade, a.Grade) })
	return nil
}

// endKept tells whether a schedule that was cut down ends as near as the finding that it is of.
func (o *outcome) endKept(made []string, schedule scenario.Schedule, f explore.Finding) (bool, error) {
	if o.ends == nil || f.Grade == target.None {
		return true, nil
	}
	m, err := o.ends.match(made, schedule)
	return m.Grade >= f.Grade, err
}

// gradeEnd notes how near a finding's end comes.
func (o *outcome) gradeEnd(found *replay.Finding, x *replay.Explanation, s *scenario.Session, f explore.Finding) {
	if o.ends == nil {
		return
	}
	m := target.Match{Grade: f.Grade}
	if x != nil {
		end := x.End()
		m = target.Compare(o.ends.want, &end, replay.EndProcess(s))
	}
	found.EndGrade = m.Grade.String()
	if len(o.findings) == 0 {
		o.nearest = m
	}
}

// gradeTexts say what was come to.
var gradeTexts = map[target.Grade]string{
	target.Instruction: "same instruction",
	target.SameValue:   "same function, same kind of value",
	target.Function:    "same function",
}

// text says what was come to, in the words of the kind of end.
func (e *endSearch) text(g target.Grade) string {
	switch {
	case g == target.SameValue && e.want.Kind == string(scenario.Deadlock):
		return "same functions, waiting for the same kinds of things"
	case g == target.SameValue && e.want.Kind == string(scenario.Check):
		return "same check"
	case g == target.SameValue && e.want.Kind != string(scenario.Segv):
		return "same function, same message"
	case g == target.Function && len(e.want.Backtrace)+len(e.want.Waits) == 0:
		return "same kind of end"
	}
	return gradeTexts[g]
}

// what is the kind of end in a word.
func (e *endSearch) what() string {
	if k := e.want.Kind; k == string(scenario.Deadlock) || k == string(scenario.Livelock) || k == string(scenario.Check) {
		return k
	}
	return "crash"
}

// printEnd says how near the search has come to the end that it looks for.
func (o *outcome) printEnd(p *replay.Printer) {
	if o.ends == nil || !o.raced.Load() {
		return
	}
	what := o.ends.what()
	differs := ""
	if len(o.nearest.Differs) > 0 {
		differs = "; " + printable.Line(strings.Join(o.nearest.Differs, "; "))
	}
	switch {
	case o.nearest.Grade > target.None:
		p.Printf("%s       a way to this %s (%s)%s\n", p.Head("end"), what, o.ends.text(o.nearest.Grade), differs)
	case o.result.Failing > 0:
		p.Printf("%s       no way to this %s was found; this is another failure%s\n", p.Head("end"), what, differs)
	default:
		p.Printf("%s       no way to this %s was found\n", p.Head("end"), what)
	}
	if o.ends.why != "" && len(o.ends.want.Backtrace)+len(o.ends.want.Waits) > 0 {
		p.Printf("note: no run here can come nearer than %s: %s\n", o.ends.text(o.ends.best), printable.Line(o.ends.why))
	}
	if n := o.result.Unlike; n > 0 && o.nearest.Grade > target.None {
		p.Printf("note: %s in other ways\n", plural(n, "further schedule failed", "further schedules failed"))
	}
}

// shownFirst is which of several failures is described.
func (o *outcome) shownFirst() string {
	if o.nearest.Grade > target.None {
		return "nearest"
	}
	return "first"
}

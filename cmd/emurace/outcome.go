package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/guard"
	"emurace/internal/printable"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// outcome is what one search has found, ready to be shown.
type outcome struct {
	job
	ctx         context.Context
	result      *explore.Result
	elapsed     time.Duration
	interrupted bool
	minimizing  bool
	keepGoing   bool
	strategy    string      // that has come to the result
	locks       string      // raw or abstract
	bound       int         // of preemptions that was asked for, -1 for none
	proofWanted bool        // with --require-proof
	raced       atomic.Bool // a race was come to
	aimed       bool        // with --only or --focus

	libc     scenario.LibcID
	first    *replay.Explanation // of the first finding
	minimal  *explore.Minimal    // of the first finding, nil without --minimize
	findings []replay.Finding
	objects  []findingObject
	problems []problem // that inspections found, apart from the findings
	trace    string
	traceErr error             // why there is none
	stateErr error             // why the search's state could not be saved, or it could not go on
	endings  []scenario.Ending // that the scenario expects
	coverage *coverageObject   // of a drawn search
	freed    bool              // blocks are freed in the race; known of clean results without --detect
	whole    bool              // instructions that could be two steps are one to the search, as nothing divides them
}

// maxExplained bounds how many kinds of failure are explained. Any further
// ones are listed without a cause.
const maxExplained = 32

// explain runs each finding again, writes the first one's trace, and finds out
// why it failed.
func (o *outcome) explain(sys *emu.System, output string) error {
	o.setProblemsApart()
	s, err := startKnowing(sys, o.recipe, o.result.Made)
	if err != nil {
		return err
	}
	defer s.Close()
	o.libc, o.whole = s.Libc(), !s.Process().Splits()
	if err := o.repeat(s); err != nil {
		return err
	}
	if err := o.minimize(sys, s); err != nil {
		return err
	}
	heaps := &heaps{sys: sys, recipe: o.recipe}
	defer heaps.close()
	found := o.result.Findings
	o.result.Findings = nil
	for i, f := range found {
		first := len(o.result.Findings) == 0
		var x *replay.Explanation
		var failed error
		if first || i < maxExplained {
			if x, failed = o.explained(s, heaps, f, first); failed == nil && x == nil {
				o.minimal = nil
				o.unrepeated(f)
				continue
			}
		}
		if o.result.Findings = append(o.result.Findings, f); first {
			// The finding is kept all the same: it may have cost hours.
			o.traceErr = o.writeTrace(s, f, output)
		}
		if failed != nil {
			return failed
		}
		o.addFinding(s, f, x)
	}
	if err := o.explainProblems(sys, s, output); err != nil {
		return err
	}
	o.settle()
	if o.fixed() && o.trace == "" && o.traceErr == nil && output != "" {
		// A schedule of the user's own is worth looking at also when it does not fail.
		o.traceErr = o.writeTrace(s, explore.Finding{Schedule: o.played.Schedule}, output)
	}
	o.objects = o.findingObjects(s.ScheduleNames())
	o.endings = s.Plan().Endings
	if err := o.nameCoverage(s); err != nil {
		return err
	}
	if o.result.Verdict == explore.Clean && len(o.detect) == 0 {
		if o.freed, err = freesBlocks(sys, o.recipe, o.result.Made); err != nil {
			return err
		}
	}
	return nil
}

// addFinding lists a failure, with its explanation where it has one.
func (o *outcome) addFinding(s *scenario.Session, f explore.Finding, x *replay.Explanation) {
	found := replay.Finding{Kind: f.Outcome.Kind, Switches: f.Schedule.Switches(), Schedule: f.Schedule.Texts(s.ScheduleNames())}
	if x != nil {
		found = x.Finding()
	}
	if len(o.findings) == 0 {
		o.first = x
		found.Trace, found.Minimal, found.Fewest = o.trace, o.minimal != nil, o.fewest()
	}
	if f.Preemptions >= 0 {
		found.Preemptions = &f.Preemptions
	}
	found.Count, found.Hole = f.Count, f.Hole
	o.findings = append(o.findings, found)
}

// certifyFor bounds how long a minimal schedule is checked for one with fewer
// preemptions.
const certifyFor = 5 * time.Second

// minimize replaces the first finding's schedule with one that has only what
// the failure needs.
func (o *outcome) minimize(sys *emu.System, s *scenario.Session) error {
	if !o.minimizing || len(o.result.Findings) == 0 {
		return nil
	}
	f := &o.result.Findings[0]
	m, err := explore.Minimize(o.ctx, func() (*scenario.Session, error) { return startKnowing(sys, o.recipe, o.result.Made) }, *f, certifyFor)
	var wrong *scenario.UnjudgedError
	if errors.Is(err, context.Canceled) || errors.Is(err, explore.ErrLivelock) || errors.As(err, &wrong) {
		return nil // the schedule that was found is as good, only longer
	}
	if err != nil {
		return err
	}
	if ok, err := fails(s, m.Schedule); err != nil || !ok {
		return err // likewise
	}
	o.minimal = m
	f.Schedule, f.Outcome, f.Preemptions = m.Schedule, m.Outcome, m.Preemptions
	return nil
}

// essential is what had to come first in a minimal schedule.
func essential(m *explore.Minimal) replay.Essential {
	return replay.Essential{Races: racePoints(m), Together: m.Together, Sections: sectionPoints(m)}
}

// racePoints names the essential races of a minimal schedule.
func racePoints(m *explore.Minimal) [][2]replay.Point {
	var pairs [][2]replay.Point
	for _, e := range m.Essential {
		pairs = append(pairs, [2]replay.Point{{Thread: e.First.Thread, Step: e.First.Step}, {Thread: e.Second.Thread, Step: e.Second.Step}})
	}
	return pairs
}

// sectionPoints names the critical sections of a minimal schedule whose order decides.
func sectionPoints(m *explore.Minimal) [][2]replay.SectionPoints {
	var pairs [][2]replay.SectionPoints
	for _, p := range m.Sections {
		var points [2]replay.SectionPoints
		for i, s := range p {
			points[i] = replay.SectionPoints{
				Word: s.Word, Lock: replay.Point{Thread: s.Thread, Step: s.First.Step},
				Unlock: replay.Point{Thread: s.Thread, Step: s.Last.Step}, NeverUnlocked: s.Held,
			}
		}
		pairs = append(pairs, points)
	}
	return pairs
}

func (o *outcome) writeTrace(s *scenario.Session, f explore.Finding, output string) error {
	t, err := replay.Record(s, o.recipe, f.Schedule)
	if err != nil {
		return err
	}
	if o.minimal != nil && slices.Equal(f.Schedule, o.minimal.Schedule) {
		t.Keep(essential(o.minimal), s.ScheduleNames())
	}
	for _, k := range o.detect {
		t.Detect = append(t.Detect, string(k))
	}
	o.trace = output
	if o.trace == "" {
		o.trace = fmt.Sprintf("%s-%s-%s.trace", o.recipe.Scenario.Name, o.recipe.Arch, fileName(o.libcName()))
	}
	if err := t.Write(o.trace); err != nil {
		o.trace = ""
		return traceError(err)
	}
	return rememberTrace(guard.From(o.ctx), o.trace)
}

func traceError(err error) error {
	return environmentError(fmt.Errorf("write the trace: %w", err), "name another file with --output FILE")
}

// libcName names the libc in a file's name: by its version, which is enough for
// glibc's.
func (o *outcome) libcName() string {
	if o.libc.Name == "glibc" && o.libc.Version != "" {
		return o.libc.Version
	}
	return strings.ReplaceAll(o.libc.String(), " ", "-")
}

// fileName keeps of a text what is safe in a file's name.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, s)
}

// result object of --json; its schema is in docs/result.md.
type resultObject struct {
	Event                string          `json:"event"`
	Schema               int             `json:"schema"`
	Scenario             string          `json:"scenario"`
	Settings             []string        `json:"settings"`
	Program              *programObject  `json:"program,omitempty"` // in place of a scenario
	Arch                 string          `json:"arch"`
	Libc                 replay.Libc     `json:"libc"`
	Strategy             string          `json:"strategy"`
	Depth                int             `json:"depth,omitempty"` // of pct
	Only                 []string        `json:"only,omitempty"`
	Focus                []string        `json:"focus,omitempty"`
	Seed                 uint64          `json:"seed"`
	Preemptions          *int            `json:"preemptions"` // the bound asked for; null is none
	PreemptionsCompleted *int            `json:"preemptions_completed,omitempty"`
	Locks                string          `json:"locks"`
	Timeouts             string          `json:"timeouts"`
	MemoryModel          string          `json:"memory_model"`
	Verdict              explore.Verdict `json:"verdict"`
	Complete             bool            `json:"complete"`
	Interrupted          bool            `json:"interrupted,omitempty"`
	Endless              bool            `json:"endless,omitempty"`
	ProofTried           *triedObject    `json:"proof_tried,omitempty"` // before schedules were drawn
	RawLocks             int             `json:"raw_locks,omitempty"`
	Schedules            uint64          `json:"schedules"`
	Failing              uint64          `json:"failing"`
	DrawnFirst           uint64          `json:"drawn_first,omitempty"` // before a systematic search of a program
	Closed               uint64          `json:"closed,omitempty"`      // schedules that came to where the window of a program ends
	Blocked              uint64          `json:"blocked"`
	Pairs                *int            `json:"pairs,omitempty"`    // of fuzz
	Corpus               *int            `json:"corpus,omitempty"`   // likewise
	Traits               *int            `json:"traits,omitempty"`   // of deep
	Moments              *int            `json:"moments,omitempty"`  // likewise
	Coverage             *coverageObject `json:"coverage,omitempty"` // of a drawn search
	Instructions         uint64          `json:"instructions"`
	Elapsed              float64         `json:"elapsed_s"`
	Rate                 float64         `json:"schedules_per_s"`
	Runs                 []runObject     `json:"runs,omitempty"` // of a schedule in words
	UnknownSyscalls      []string        `json:"unknown_syscalls,omitempty"`
	Assumes              []string        `json:"assumes,omitempty"`           // of a clean result
	SelfCheck            *checkObject    `json:"self_check,omitempty"`        // of a search that came to a proof
	UndecidedBecause     []doubtObject   `json:"undecided_because,omitempty"` // beside the search's own limits
	Known                []knownObject   `json:"known,omitempty"`             // problems that do not count
	UnusedSuppressions   []string        `json:"unused_suppressions,omitempty"`
	Expected             *expectedObject `json:"expected,omitempty"` // where the result differs from it
	Endings              []endingObject  `json:"endings,omitempty"`  // that the scenario expects
	Findings             []findingObject `json:"findings"`
}

// runObject is how a run of a schedule in words stopped.
type runObject struct {
	Thread       string       `json:"thread"`
	Stopped      portable.Why `json:"stopped"`
	Where        string       `json:"where,omitempty"`
	Instructions uint64       `json:"instructions"`
}

func (o *outcome) object(c *cli.Context) resultObject {
	r := resultObject{
		Event: "result", Schema: 1, Scenario: o.recipe.Scenario.Name, Settings: o.recipe.Scenario.Settings(o.recipe.Values),
		Arch: o.recipe.Arch.String(), Strategy: o.strategy, Only: o.only, Focus: o.focus, Seed: o.recipe.Seed, Locks: o.locks, Timeouts: string(o.recipe.Timeouts), MemoryModel: "sc",
		Libc:    replay.Libc{Name: o.libc.Name, Version: o.libc.Version, BuildID: o.libc.BuildID, SHA256: o.libc.SHA256, Source: o.recipe.Source},
		Verdict: o.result.Verdict, Complete: o.result.Complete, Interrupted: o.interrupted, Endless: o.result.Endless, RawLocks: o.result.RawLocks,
		DrawnFirst: o.result.Drawn, Closed: o.result.Closed, Schedules: o.result.Schedules, Failing: o.result.Failing, Blocked: o.result.Blocked, Instructions: o.result.Instructions,
		Elapsed: o.elapsed.Seconds(), Rate: float64(o.result.Schedules) / o.elapsed.Seconds(),
		UnknownSyscalls: o.unknown(), UndecidedBecause: o.because(), Coverage: o.coverage, Endings: o.endingObjects(), Findings: o.objects,
	}
	if x := o.recipe.Program; x != nil {
		r.Program = &programObject{x.Path, x.Argv, x.Expect, x.From, x.To}
	}
	if r.Verdict == explore.Clean {
		r.Assumes = o.assumes()
	}
	r.ProofTried, r.Known, r.UnusedSuppressions, r.Expected = o.triedBefore(), o.knownObjects(), suppressionTexts(o.unused()), o.differs()
	if x := o.result.SelfCheck; x != nil {
		r.SelfCheck = &checkObject{x.Orders, x.Drawn, x.Instructions}
	}
	if o.fixed() {
		for i, st := range o.played.Stops {
			r.Runs = append(r.Runs, runObject{o.schedule.Runs[i].Thread, st.Why, st.Where, st.Ran})
		}
	}
	if n := c.Int("preemptions"); n >= 0 {
		r.Preemptions = &n
	}
	switch o.strategy {
	case string(explore.PCT):
		r.Depth = c.Int("depth")
	case string(explore.Fuzz):
		r.Pairs, r.Corpus = &o.result.Pairs, &o.result.Corpus
	case string(explore.Deep):
		r.Traits, r.Moments = &o.result.Traits, &o.result.Moments
	}
	if n := o.result.Preemptions; n >= 0 {
		r.PreemptionsCompleted = &n
	}
	if r.Findings == nil {
		r.Findings = []findingObject{}
	}
	return r
}

func (o *outcome) printJSON(c *cli.Context) error {
	return printable.JSON(c.App.Writer, o.object(c))
}

// print writes the result for people.
func (o *outcome) print(p *replay.Printer) error {
	buildID := o.libc.BuildID
	if len(buildID) > 8 {
		buildID = buildID[:8] + ".."
	}
	if o.raced.Load() {
		p.Printf("%s on %v, %s (%s, build-id %s)\n", p.Head(o.recipe.Scenario.Name), o.recipe.Arch, o.libc, o.recipe.Source, buildID)
	} else {
		p.Printf("%s on %v (%s)\n", p.Head(o.recipe.Scenario.Name), o.recipe.Arch, o.recipe.Source)
	}
	seconds := fmt.Sprintf("%.1f s", o.elapsed.Seconds())
	r := o.result
	switch r.Verdict {
	case explore.Failing:
		o.printFailing(p, seconds)
	case explore.Clean:
		o.printClean(p, seconds)
	default:
		o.printUndecided(p, seconds)
	}
	o.printWindow(p)
	o.printTried(p)
	o.printKnown(p)
	if len(r.Doubts) > 0 && r.Verdict == explore.Failing {
		p.Printf("note: %s\n", doubtsText(r.Doubts))
	}
	if note := o.aimNote(); note != "" {
		p.Printf("note: %s\n", note)
	}
	if r.Endless {
		p.Printf("note: runs were cut off at the instruction limit, as livelocks; what would come after it was not searched\n")
	}
	if n := uint64(r.RawLocks); n > 0 {
		p.Printf("note: %s left raw: more is done with them than with locks, or trying in vain to take them is no mere waiting\n", plural(n, "word that looks like a lock was", "words that look like locks were"))
	}
	o.printDiffers(p)
	o.printUnproved(p)
	if o.interrupted {
		p.Printf("note: interrupted; this is the result so far\n")
	}
	return p.Err()
}

// fixed tells whether a single schedule in words was run.
func (o *outcome) fixed() bool { return o.strategy == strategyScript && o.schedule.Fixed() }

// printPlayed says how far the runs of a schedule came that does not fail, so that its
// author can go on from there.
func (o *outcome) printPlayed(p *replay.Printer) {
	if !o.fixed() {
		return
	}
	for i, st := range o.played.Stops {
		p.Printf("%s    %s\n", p.Head(fmt.Sprintf("run %d", i+1)), st.Text(o.schedule.Runs[i].Thread))
	}
	p.Printf("%s     the threads run in order to their ends\n", p.Head("then"))
	if o.trace != "" {
		p.Printf("%s    %s\n", p.Head("trace"), o.trace)
	} else {
		p.Printf("%s     --output FILE writes it as a trace, to be looked at with emurace step\n", p.Head("next"))
	}
}

func (o *outcome) printFailing(p *replay.Printer, seconds string) {
	if len(o.result.Findings) == 0 {
		p.Printf("%s: %d of %d schedules, %s: none crashes, but there are problems\n", p.Bad("FAILING"), o.result.Failing, o.result.Schedules, seconds)
	} else {
		o.printFailures(p, seconds)
	}
	o.printProblems(p)
	if o.trace == "" {
		return
	}
	p.Printf("%s     %s\n", p.Head("trace"), o.trace)
	p.Printf("%s      emurace replay %s\n", p.Head("next"), o.trace)
	p.Printf("          emurace step --lesson, emurace gdb --launch, emurace report\n")
}

// printFailures describes the first run that failed by itself, and lists others.
func (o *outcome) printFailures(p *replay.Printer, seconds string) {
	f := o.result.Findings[0]
	if o.result.Failing == 1 && !o.keepGoing {
		drawn := ""
		if f.Drawn {
			drawn = ", of those drawn before the search"
		}
		p.Printf("%s at schedule %d%s, %s: %s\n", p.Bad("FAILING"), f.Number, drawn, seconds, o.first.Headline())
	} else {
		p.Printf("%s: %d of %d schedules, %s; the first, number %d: %s\n", p.Bad("FAILING"),
			o.result.Failing, o.result.Schedules, seconds, f.Number, o.first.Headline())
	}
	if f.Hole {
		o.printHole(p)
	}
	o.first.Tell(p)
	p.Printf("%s  %s%s\n", p.Head("schedule"), o.first.Switching(), o.preemptionText(f.Preemptions))
	for i, other := range o.findings[1:] {
		if i == 8 {
			p.Printf("%s   and %d more kinds of failure; --json lists them\n", p.Head("also"), len(o.findings)-1-i)
			break
		}
		p.Printf("%s      %s\n", p.Head("also"), alsoText(other))
	}
}

// plural is a number with the word for it.
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// preemptionText says what is known of the preemptions a failure needs.
func (o *outcome) preemptionText(n int) string {
	switch {
	case n < 0 || len(o.first.Schedule) == 0:
		return ""
	case n == 0:
		return "; no preemption, the threads just run one after the other"
	}
	text := "; " + plural(uint64(n), "preemption", "preemptions")
	switch o.fewest() {
	case "any":
		text += ", and none with fewer fails"
	case "same":
		text += ", and none with fewer fails in this way"
	}
	return text
}

// fewest tells what is known of schedules with fewer preemptions than the first finding has, all of
// which were run: that none fails in "any" way, or none in the "same"; "" for nothing.
func (o *outcome) fewest() string {
	switch m := o.minimal; {
	case m == nil && o.strategy == strategyBounded && o.result.Findings[0].Preemptions >= 0, m != nil && m.Certified:
		return "any"
	case m != nil && m.Fewest:
		return "same"
	}
	return ""
}

// alsoText is one further kind of failure in a line.
func alsoText(f replay.Finding) string {
	s := fmt.Sprintf("%d times %s", f.Count, f.Kind)
	if f.Function != "" {
		s += fmt.Sprintf(" of %s at %s+%#x", f.Thread, f.Function, *f.Offset)
	}
	if f.Register != "" {
		s += fmt.Sprintf(", %s = %s", f.Register, f.Value)
	}
	if f.Cause != nil && f.Cause.WrittenBy != nil {
		w := f.Cause.WrittenBy
		s += fmt.Sprintf(", written by %s at %s+%#x", w.Thread, w.Function, w.Offset)
	}
	return s
}

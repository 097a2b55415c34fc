package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"emurace/emu"
	"emurace/explore"
	"emurace/explore/target"
	"emurace/internal/guard"
	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/scenario"
)

// outcome is what one search has found, ready to be shown.
type outcome struct {
	job
	ctx         context.Context
	result      *explore.Result
	elapsed     time.Duration
	interrupted bool
	listing     bool // with --json, which lists what a text only counts
	minimizing  bool
	keepGoing   bool
	strategy    string      // that has come to the result
	locks       string      // raw or abstract
	bound       int         // of preemptions that was asked for, -1 for none
	proofWanted bool        // with --require-proof
	raced       atomic.Bool // a race was come to
	aimed       bool        // with --only or --focus
	force       bool        // the trace may be written over a file

	libc     scenario.LibcID
	settings settings
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
	ends     *endSearch        // for a certain end, nil for any failure
	nearest  target.Match      // that the first finding comes to
	freed    bool              // blocks are freed in the race; known of clean results without --detect
	missing  []missingObject   // barriers without which the failure is there
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
	o.nameMissing(s)
	o.libc, o.whole, o.settings = s.Libc(), !s.Process().Splits(), unusual(s, o.recipe)
	if err := o.repeat(s); err != nil {
		return err
	}
	if err := o.rank(s.Made()); err != nil {
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
			o.traceErr = o.writeTrace(sys, s, f, output)
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
		o.traceErr = o.writeTrace(sys, s, explore.Finding{Schedule: o.played.Schedule}, output)
	}
	o.objects = o.findingObjects(s.ScheduleNames())
	o.endings = s.Plan().Endings
	if o.listing {
		if err := o.nameCoverage(s); err != nil {
			return err
		}
	}
	if o.result.Verdict == explore.Clean && len(o.detect) == 0 {
		fresh := s
		if o.fixed() { // what was run may have been any schedule
			if fresh, err = startKnowing(sys, o.recipe, o.result.Made); err != nil {
				return err
			}
			defer fresh.Close()
		}
		if o.freed, err = freesBlocks(fresh); err != nil {
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
	o.gradeEnd(&found, x, s, f)
	if len(o.findings) == 0 {
		o.first = x
		found.Trace, found.Minimal, found.Fewest = o.trace, o.minimal != nil && o.minimizing, o.fewest()
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
// the failure needs. Of one in words it finds out no more than what had to come first.
func (o *outcome) minimize(sys *emu.System, s *scenario.Session) error {
	if (!o.minimizing && !o.fixed()) || len(o.result.Findings) == 0 {
		return nil
	}
	f := &o.result.Findings[0]
	if f.Schedule.Odd() {
		return nil // an order of instructions alone does not lead there
	}
	start := func() (*scenario.Session, error) { return startKnowing(sys, o.recipe, o.result.Made) }
	find := func() (*explore.Minimal, error) { return explore.Minimize(o.ctx, start, *f, certifyFor) }
	if !o.minimizing { // it stays as it is written
		find = func() (*explore.Minimal, error) { return explore.Deciding(o.ctx, start, *f) }
	}
	m, err := find()
	var wrong *scenario.UnjudgedError
	if errors.Is(err, context.Canceled) || errors.Is(err, explore.ErrLivelock) || errors.As(err, &wrong) {
		return nil // the schedule that was found is as good, only longer
	}
	if err != nil || m == nil {
		return err
	}
	if ok, err := fails(s, m.Schedule); err != nil || !ok {
		return err // likewise
	}
	if ok, err := o.endKept(s.Made(), m.Schedule, *f); err != nil || !ok {
		return err // it fails in the same place, called from elsewhere or by another value
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

func (o *outcome) writeTrace(sys *emu.System, s *scenario.Session, f explore.Finding, output string) error {
	t, err := replay.Record(s, o.recipe, f.Schedule)
	if err != nil {
		return err
	}
	if o.minimal != nil && slices.Equal(f.Schedule, o.minimal.Schedule) {
		t.Keep(essential(o.minimal), s.ScheduleNames())
	}
	if err := o.recordProblems(t, sys, s, f.Schedule); err != nil {
		return err
	}
	switch o.trace = output; {
	case output != "":
		err = t.Write(output)
	case o.force:
		o.trace = o.traceName()
		err = t.Write(o.trace)
	default:
		o.trace, err = keepTrace(t, o.traceName())
	}
	if err != nil {
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
	o.settings.print(p)
	if o.ends != nil {
		p.Printf("%s    %s\n", p.Head("wanted"), printable.Line(o.ends.want.String()))
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
	if r.Verdict != explore.Failing {
		o.printEnd(p)
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

// fixed tells whether a single schedule in words is run. It is kept as it is written.
func (j job) fixed() bool { return j.schedule != nil && j.schedule.Fixed() }

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
		p.Printf("%s: %s of %s, %s: none fails by itself, but there are problems\n", p.Bad("FAILING"), words.Grouped(o.result.Failing), plural(o.result.Schedules, "schedule", "schedules"), seconds)
	} else {
		o.printFailures(p, seconds)
	}
	o.printProblems(p)
	if o.trace == "" {
		return
	}
	p.Printf("%s     %s\n", p.Head("trace"), o.trace)
	p.Printf("%s      %s\n", p.Head("next"), traceCommand("replay", o.trace))
	p.Printf("          emurace step --lesson, emurace gdb --launch, emurace report\n")
}

// printFailures describes the first run that failed by itself, and lists others.
func (o *outcome) printFailures(p *replay.Printer, seconds string) {
	f := o.result.Findings[0]
	if !o.keepGoing && (o.result.Failing == 1 || len(o.findings) == 1 && o.findings[0].Count == 1) {
		drawn := ""
		if f.Drawn {
			drawn = ", of those drawn before the search"
		}
		p.Printf("%s at schedule %s%s, %s: %s\n", p.Bad("FAILING"), words.Grouped(f.Number), drawn, seconds, o.first.Headline())
	} else {
		p.Printf("%s: %s of %s, %s; the %s, number %s: %s\n", p.Bad("FAILING"),
			words.Grouped(o.result.Failing), plural(o.result.Schedules, "schedule", "schedules"), seconds, o.shownFirst(), words.Grouped(f.Number), o.first.Headline())
	}
	if f.Hole {
		o.printHole(p)
	}
	o.first.Tell(p)
	o.printEnd(p)
	o.printMissing(p)
	p.Printf("%s  %s%s\n", p.Head("schedule"), o.first.Switching(), o.preemptionText(f.Preemptions))
	const most = 8
	lines := alsoTexts(o.findings[1:])
	for _, line := range lines[:min(len(lines), most)] {
		p.Printf("%s      %s\n", p.Head("also"), line)
	}
	if n := len(lines) - most; n > 0 {
		p.Printf("%s      %s; --json lists them\n", p.Head("also"), plural(uint64(n), "more kind of failure", "more kinds of failure"))
	}
}

// plural is a number with the word for it.
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return words.Grouped(n) + " " + many
}

// preemptionText says what is known of the preemptions a failure needs.
func (o *outcome) preemptionText(n int) string {
	switch {
	case n < 0 || len(o.first.Schedule) == 0 || o.first.Schedule.Odd():
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

// numbers are what messages of one kind differ in.
var numbers = regexp.MustCompile(`0x[0-9a-f]+|[0-9]+`)

// alsoTexts are further kinds of failure, a line each. Failed checks whose messages differ in nothing
// but numbers are one line.
func alsoTexts(list []replay.Finding) []string {
	type group struct {
		first replay.Finding
		count uint64
		ways  int
	}
	var groups []*group
	at := map[string]*group{}
	for _, f := range list {
		key := fmt.Sprint(f.Kind, f.Thread, f.Function, f.PC, f.Value, numbers.ReplaceAllString(f.Message, "#"))
		g := at[key]
		if g == nil {
			g = &group{first: f}
			at[key] = g
			groups = append(groups, g)
		}
		g.count, g.ways = g.count+f.Count, g.ways+1
	}
	var lines []string
	for _, g := range groups {
		g.first.Count = g.count
		line := alsoText(g.first)
		if g.ways > 1 {
			line += fmt.Sprintf(" (and %d messages like it, with other numbers)", g.ways-1)
		}
		lines = append(lines, line)
	}
	return lines
}

// alsoText is one further kind of failure in a line.
func alsoText(f replay.Finding) string {
	s := fmt.Sprintf("%s times %s", words.Grouped(f.Count), f.Kind)
	if f.Function != "" {
		s += fmt.Sprintf(" of %s at %s+%#x", f.Thread, f.Function, *f.Offset)
	}
	if f.Message != "" {
		line, more, _ := strings.Cut(strings.TrimSpace(f.Message), "\n")
		if more != "" {
			line += " ..."
		}
		s += ": " + line
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

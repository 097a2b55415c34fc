package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"emurace/internal/printable"
	"emurace/scenario"
)

// ErrOtherLibc is wrapped by the error about a session whose libraries are not
// the trace's.
var ErrOtherLibc = errors.New("the libraries are not those of the trace")

// Verification is what came of running a trace again.
type Verification struct {
	Match    bool
	Digest   string
	Outcome  scenario.Outcome
	Schedule scenario.Schedule
	// Difference says what was not as in the trace, when Match is false.
	Difference string
}

// checkLibraries tells whether a session, at the start of its race, has the libraries
// of the trace, content for content, and whether the race can load the others.
func (t *Trace) checkLibraries(s *scenario.Session) error {
	if id := s.Libc(); id.SHA256 != t.Libc.SHA256 {
		return fmt.Errorf("%w: the trace has %s, build-id %s; here is %s, build-id %s",
			ErrOtherLibc, t.Libc, t.Libc.BuildID, id, id.BuildID)
	}
	for _, f := range t.Modules {
		im, err := s.Process().Image(f.Path)
		if err != nil {
			return fmt.Errorf("%w: %s is not among those here", ErrOtherLibc, f.Path)
		}
		if im.SHA256() != f.SHA256 {
			return fmt.Errorf("%w: %s is another file", ErrOtherLibc, f.Path)
		}
	}
	return nil
}

// compareLoads says how the libraries of a run that is over differ from the trace's,
// "" when they do not. before are those that were there at the start of the race.
func (t *Trace) compareLoads(s *scenario.Session, before []File) (string, error) {
	have, err := loads(s, before)
	if err != nil {
		return "", err
	}
	marked := slices.ContainsFunc(t.Modules, func(f File) bool { return f.Loaded })
	for _, f := range t.Modules {
		switch {
		case !f.Loaded && named(before, f.Path):
		case !named(have, f.Path):
			return fmt.Sprintf("%s is not loaded here", f.Path), nil
		case !f.Loaded && marked:
			return fmt.Sprintf("%s is loaded by the race, and in the trace before", f.Path), nil
		}
	}
	for _, f := range have {
		if !named(t.Modules, f.Path) {
			return fmt.Sprintf("%s is loaded here, and not in the trace", f.Path), nil
		}
	}
	return "", nil
}

// Verify runs the trace's schedule on a session made for it and compares how
// it ends with what the trace says. The session then knows the trace's threads. The session is left at the end of the run.
func Verify(s *scenario.Session, t *Trace) (*Verification, error) {
	if err := s.SetMade(t.Made); err != nil {
		return nil, fmt.Errorf("%w: field made: %w", ErrFormat, err)
	}
	if err := s.Restart(); err != nil {
		return nil, err
	}
	if err := t.checkLibraries(s); err != nil {
		return nil, err
	}
	before := modules(s)
	schedule, err := scenario.ParseSchedule(t.Schedule, s.ScheduleNames())
	if err != nil {
		return nil, fmt.Errorf("%w: schedule: %w", ErrFormat, err)
	}
	v := &Verification{Schedule: schedule}
	if v.Difference, err = t.Program.compareBoot(s); err != nil || v.Difference != "" {
		return v, err
	}
	v.Outcome, v.Digest, err = run(s, schedule)
	if errors.Is(err, context.Canceled) {
		return nil, err
	}
	if err != nil {
		v.Difference = err.Error()
		return v, nil
	}
	got := outcomeText(v.Outcome, s.Names())
	libraries, err := t.compareLoads(s, before)
	if err != nil {
		return nil, err
	}
	switch {
	case !got.equal(t.Outcome):
		v.Difference = fmt.Sprintf("it ended with %s, the trace with %s", got, t.Outcome)
	case libraries != "":
		v.Difference = libraries
	case s.Steps() != t.Steps:
		v.Difference = fmt.Sprintf("it took %d instructions, the trace %d", s.Steps(), t.Steps)
	case v.Digest != t.Digest:
		v.Difference = fmt.Sprintf("the digest is %s, the trace's %s", v.Digest, t.Digest)
	default:
		v.Match = true
	}
	return v, nil
}

// String says the outcome in a few words.
func (o Outcome) String() string {
	s := string(o.Kind)
	if o.Thread != "" {
		s += " of " + o.Thread
	}
	if o.Address != "" {
		s += fmt.Sprintf(", %s of %s", o.Access, o.Address)
	}
	if o.PC != "" {
		s += " at " + o.PC
	}
	for _, more := range o.more() {
		s += " (" + more + ")"
	}
	return printable.Line(s) // a trace's text may be anybody's
}

// more are the facts of the rarer outcomes.
func (o Outcome) more() []string {
	var list []string
	if o.Signal != 0 {
		list = append(list, fmt.Sprintf("signal %d", o.Signal))
	}
	if o.Code != nil {
		list = append(list, fmt.Sprintf("status %d", *o.Code))
	}
	if o.Detail != "" {
		list = append(list, o.Detail)
	}
	if o.Expected {
		list = append(list, "as the scenario expects")
	}
	return list
}

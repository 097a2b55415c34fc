package strategylang

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/portable"
	"emurace/scripts/sandbox"
)

// local is the name under which a run of a script knows its lines.
const local = "emurace/steer"

// lines are the runs of a file that is being read.
type lines struct {
	over   bool
	runs   []portable.Run
	places []string // FILE:LINE:COLUMN of each
}

// NewLocals is what a run of a file needs that uses the names of this package, when
// nobody asks what schedule it holds.
func NewLocals() map[string]any { return map[string]any{local: &lines{}} }

// Host is what files are run with.
type Host struct {
	// Locals makes what functions of other packages find on a run of the file; nil for
	// none.
	Locals func() map[string]any
	// Print shows what a file prints; nil drops it.
	Print func(pos, text string)
	// Ran is given the variables of a file that has been run; nil for nobody.
	Ran func(globals starlark.StringDict)
}

// Schedule is what a file says about schedules.
type Schedule struct {
	Runs []portable.Run

	program *sandbox.Program
	host    sandbox.Host
	places  []string
	next    *starlark.Function
	search  *starlark.Function
}

// ErrNone is the error of a file that says nothing about schedules.
var ErrNone = errors.New("it holds no schedule: no run(...), no function next(point) and no function search(s)")

// Read runs a program that was compiled with Names and returns its schedule; ErrNone
// when it has none.
func Read(program *sandbox.Program, host Host) (*Schedule, error) {
	l := &lines{}
	locals := map[string]any{}
	if host.Locals != nil {
		maps.Copy(locals, host.Locals())
	}
	locals[local] = l
	s := &Schedule{program: program, host: sandbox.Host{Locals: locals, Print: host.Print}}
	globals, err := program.Run(s.host)
	l.over = true
	if err != nil {
		return nil, err
	}
	if host.Ran != nil {
		host.Ran(globals)
	}
	s.Runs, s.places = l.runs, l.places
	for _, f := range []struct {
		name string
		to   **starlark.Function
	}{{"next", &s.next}, {"search", &s.search}} {
		fn, ok := globals[f.name].(*starlark.Function)
		if !ok {
			continue
		}
		if fn.NumParams() != 1 || fn.HasVarargs() || fn.HasKwargs() {
			return nil, &sandbox.Error{Msg: fmt.Sprintf("%s has to take one argument", f.name), Pos: fn.Position().String()}
		}
		*f.to = fn
	}
	switch {
	case s.next != nil && s.search != nil:
		return nil, &sandbox.Error{Msg: "it has both next(point) and search(s): a search gives its own next to s.run", Pos: s.search.Position().String()}
	case s.search != nil && len(s.Runs) > 0:
		return nil, &sandbox.Error{Msg: "it has both run(...) and search(s): a search gives its runs to s.run", Pos: s.search.Position().String()}
	case s.next == nil && s.search == nil && len(s.Runs) == 0:
		return nil, ErrNone
	}
	return s, nil
}

// Fixed tells whether the file is one schedule in words and nothing else.
func (s *Schedule) Fixed() bool { return s.next == nil && s.search == nil }

// Sequential tells whether schedules follow from those before, so that they cannot
// be run side by side.
func (s *Schedule) Sequential() bool { return s.search != nil }

// Play runs a schedule in words from the start of the race to its end. An error that
// is the file's has its place.
func (s *Schedule) Play(session *scenario.Session) (portable.Result, error) {
	r, err := portable.Play(session, s.Runs)
	return r, s.placed(err)
}

// placed adds to the error of a run where in the file that is.
func (s *Schedule) placed(err error) error {
	number := numberOf(err)
	if number == nil || *number < 1 || *number > len(s.places) {
		return err
	}
	return &sandbox.Error{Msg: err.Error(), Pos: s.places[*number-1], Cause: err}
}

// Walk is one schedule while the script decides about it, as explore's Walk is.
type Walk interface {
	Session() *scenario.Session
	Rand() *rand.Rand
	Over() bool
	Enabled() []int
	Step(thread int) (scenario.Event, error)
	Peek(thread int) (scenario.Event, error)
	Ran(thread int, n uint64, events []scenario.Event) error
	// Pairs are numbers for which reads have seen which writes.
	Pairs() []uint64
}

// ErrEnd is the error of a walk when the script's own search has ended.
var ErrEnd = errors.New("the script's search has ended")

// Walk makes the function that runs schedules for explore's strategy Script. It is
// to be used for one search, and closed after it.
// What end returns is an error of a search(s) that it went on to after its last schedule.
func (s *Schedule) Walk(o SearchOptions) (walk func(Walk) error, end func() error) {
	if s.search != nil {
		l := newLoop(s, o)
		return l.walk, l.close
	}
	players := &players{}
	return func(w Walk) error {
		d := newDecider(s, w, players, s.next)
		defer d.end()
		if _, err := d.play(s.Runs, false); err != nil {
			return s.placed(err)
		}
		return d.decide()
	}, func() error { return nil }
}

// SearchOptions are what a search(s) can ask about.
type SearchOptions struct {
	Seed uint64
	// Saved is what a search of before has saved, as JSON; nil for none. Save keeps
	// what this one does; nil when there is nowhere to keep it.
	Saved []byte
	Save  func([]byte) error
}

package strategylang

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/portable"
	"emurace/scripts/sandbox"
)

// loop is a search of the script's own. The script runs in a coroutine: where it
// calls s.run it waits, and goes on when that schedule was run. So neither ever runs
// beside the other.
type loop struct {
	schedule *Schedule
	options  SearchOptions
	random   *rand.Rand
	players  players
	names    []string
	ran      uint64
	err      error // of the script

	next func() (*order, bool)
	stop func()
	want *order // what the script waits for
	anew bool   // it was run, and is to be run again
	over bool   // no more schedules are run
}

// order is a schedule that the script wants to be run.
type order struct {
	threads []string           // one an event, each run if it can
	runs    []portable.Run     // to begin with
	next    *starlark.Function // to go on with
	place   string             // of the call of s.run, FILE:LINE:COLUMN
	result  starlark.Value     // nil until the schedule has come to its end
}

func newLoop(s *Schedule, o SearchOptions) *loop {
	l := &loop{schedule: s, options: o, random: rand.New(rand.NewPCG(o.Seed, 0x73656172636820))}
	l.next, l.stop = iter.Pull(func(yield func(*order) bool) {
		_, l.err = s.program.Call(s.host, s.search, &searcher{loop: l, yield: yield})
	})
	return l
}

// close ends the search. When a schedule has come to its end that the script has not
// seen yet, it is shown that one and may go on to its own end, so that what it does
// behind its loop is done; it runs no more schedules. In the midst of a schedule, or
// when that could not be run, the script is broken off.
func (l *loop) close() error {
	defer l.stop()
	if l.want == nil || l.want.result == nil {
		return nil
	}
	l.over = true
	l.next()
	return l.failure()
}

// failure is what went wrong in the script; that its search was ended is nothing wrong.
func (l *loop) failure() error {
	if errors.Is(l.err, errStopped) {
		return nil
	}
	return l.err
}

// walk runs the next schedule that the script wants.
func (l *loop) walk(w Walk) error {
	l.names = w.Session().Names()
	more := l.anew
	if !l.anew {
		l.want, more = l.next()
	}
	if l.anew = false; !more {
		if err := l.failure(); err != nil {
			return err
		}
		return ErrEnd
	}
	want := l.want
	d := newDecider(l.schedule, w, &l.players, want.next)
	defer d.end()
	whole, err := d.play(want.runs, true)
	if numberOf(err) != nil {
		return l.schedule.program.ErrorAt(want.place, err)
	}
	if err != nil {
		return err
	}
	if err := d.order(want.threads, w.Session().ScheduleNames()); err != nil {
		return err
	}
	if err := d.decide(); err != nil {
		return err
	}
	if w.Session().Strange() {
		l.anew = true // with threads known that it has made: what came of it does not count
		return nil
	}
	l.ran++
	want.result = newResult(w, d, whole)
	return nil
}

// order lets threads run an event each, as a list says; those that cannot run when
// it is their turn are passed over.
func (d *decider) order(threads, names []string) error {
	for _, name := range threads {
		if d.walk.Over() {
			return nil
		}
		if t := slices.Index(names, name); slices.Contains(d.walk.Enabled(), t) {
			if err := d.step(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// newResult is what came of a schedule, as the script sees it.
func newResult(w Walk, d *decider, met bool) starlark.Value {
	o, _ := w.Session().Outcome()
	names := w.Session().ScheduleNames()
	order := make([]starlark.Value, len(d.events))
	for i, e := range d.events {
		order[i] = starlark.String(names[e.Thread])
	}
	var pairs []starlark.Value
	for _, p := range w.Pairs() {
		pairs = append(pairs, starlark.MakeUint64(p))
	}
	return &sandbox.Record{Kind: "result", Fields: starlark.StringDict{
		"failed": starlark.Bool(o.Failed()), "kind": starlark.String(o.Kind), "text": starlark.String(o.String()),
		"met": starlark.Bool(met), "order": starlark.NewList(order), "pairs": starlark.NewList(pairs), "steps": starlark.MakeUint64(w.Session().Steps()),
	}}
}

// searcher is what search(s) is given.
type searcher struct {
	*loop
	yield func(*order) bool
}

var _ starlark.HasAttrs = (*searcher)(nil)

func (s *searcher) String() string        { return "<search>" }
func (s *searcher) Type() string          { return "search" }
func (s *searcher) Freeze()               {}
func (s *searcher) Truth() starlark.Bool  { return true }
func (s *searcher) Hash() (uint32, error) { return 0, errors.New("a search cannot be a key") }

// AttrNames are the names that Attr knows.
func (s *searcher) AttrNames() []string {
	return []string{"choice", "more", "ran", "random", "run", "save", "saved", "threads"}
}

// Attr is s.name.
func (s *searcher) Attr(name string) (starlark.Value, error) {
	switch name {
	case "random", "choice":
		return chance(name, s.random), nil
	case "ran":
		return starlark.MakeUint64(s.ran), nil
	case "threads":
		var list []starlark.Value
		for _, n := range s.names {
			list = append(list, starlark.String(n))
		}
		return starlark.NewList(list), nil
	case "more":
		return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 0)
			return starlark.Bool(!s.over), err
		}), nil
	case "run":
		return starlark.NewBuiltin(name, s.runOne), nil
	case "saved":
		if s.options.Saved == nil {
			return starlark.None, nil
		}
		v, err := decode(s.options.Saved)
		if err != nil {
			err = fmt.Errorf("saved: %w", err)
		}
		return v, err
	case "save":
		return starlark.NewBuiltin(name, s.save), nil
	}
	return nil, nil
}

// save keeps a value for the next search of this kind, where the user has said where.
func (s *searcher) save(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var v starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &v); err != nil {
		return nil, err
	}
	data, err := encode(v)
	if err != nil {
		return nil, fmt.Errorf("save: %w", err)
	}
	s.options.Saved = data
	if s.options.Save != nil {
		err = s.options.Save(data)
	}
	return starlark.None, err
}

// errStopped ends a script whose search has ended.
var errStopped = errors.New("the search has ended")

// maxOrder bounds a list of threads.
const maxOrder = 1 << 20

// runOne runs a schedule: run(order = ["main", "worker", ...], runs = [run(...), ...],
// next = f). The runs come first, each as far as it gets, then the threads of the order, one event each, then
// what the function says; without one, the thread that ran last goes on, and then the
// others in order.
func (s *searcher) runOne(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var threads, runs starlark.Iterable
	w := &order{}
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "order??", &threads, "runs??", &runs, "next??", &w.next); err != nil {
		return nil, err
	}
	if threads != nil {
		for v := range starlark.Elements(threads) {
			name, ok := starlark.AsString(v)
			if !ok || !slices.Contains(s.names, name) && name != scenario.ClockName {
				return nil, fmt.Errorf("run: order: %v is no thread's name", v)
			}
			if w.threads = append(w.threads, name); len(w.threads) > maxOrder {
				return nil, fmt.Errorf("run: order: more than %d", maxOrder)
			}
		}
	}
	if runs != nil {
		for v := range starlark.Elements(runs) {
			r, ok := v.(runValue)
			if !ok {
				return nil, fmt.Errorf("run: runs: %s is no run(...)", v.Type())
			}
			w.runs = append(w.runs, r.is)
		}
	}
	if w.next != nil {
		w.next.Freeze()
		if w.next.NumParams() != 1 {
			return nil, fmt.Errorf("run: next: %s has to take one argument", w.next.Name())
		}
	}
	if s.over {
		return nil, errStopped
	}
	w.place = sandbox.Where(t)
	resume := sandbox.Pause(t)
	more := s.yield(w)
	resume()
	if !more {
		return nil, errStopped
	}
	return w.result, nil
}

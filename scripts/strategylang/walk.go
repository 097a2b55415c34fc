package strategylang

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/portable"
	"emurace/scripts/sandbox"
)

// players keeps a player of words for each session: it costs some milliseconds to
// make one.
type players struct {
	sync.Mutex
	known map[*scenario.Session]*portable.Player
}

func (p *players) of(s *scenario.Session) *portable.Player {
	p.Lock()
	defer p.Unlock()
	if p.known == nil {
		p.known = map[*scenario.Session]*portable.Player{}
	}
	if p.known[s] == nil {
		p.known[s] = portable.New(s)
	}
	return p.known[s]
}

// decider runs one schedule, as a script's function says.
type decider struct {
	schedule *Schedule
	walk     Walk
	player   *portable.Player
	fn       *starlark.Function
	memory   *starlark.Dict // the function's own, for this schedule

	events []scenario.Event // those that have happened
	told   []*event         // what the script was given for them, nil for those it was not given
	past   bool             // the schedule is over
	last   int              // the thread that ran last, -1 before any has
	met    bool             // the last run came to its end as it was to
}

// maxEvents bounds what a script can be told of a schedule's past.
const maxEvents = 1 << 16

// maxAsked is how often a function may be asked about one schedule.
const maxAsked = 1 << 20

func newDecider(s *Schedule, w Walk, p *players, fn *starlark.Function) *decider {
	return &decider{schedule: s, walk: w, player: p.of(w.Session()), fn: fn, memory: starlark.NewDict(0), last: -1, met: true}
}

// end says that what the schedule has shown is past.
func (d *decider) end() { d.past = true }

// decide asks the function until the race is over.
func (d *decider) decide() error {
	for asked := 0; !d.walk.Over(); asked++ {
		if asked == maxAsked {
			return &sandbox.Error{Msg: fmt.Sprintf("%s was asked %d times in one schedule", d.fn.Name(), maxAsked), Pos: d.fn.Position().String()}
		}
		if d.fn == nil {
			return d.rest()
		}
		p := &point{decider: d, random: d.walk.Rand()}
		v, err := d.schedule.program.Call(d.schedule.host, d.fn, p)
		p.decider = nil // it is of this moment only
		if err != nil {
			return err
		}
		done, err := d.follow(v)
		if err != nil || done {
			return err
		}
	}
	return nil
}

// follow does what the function has returned.
func (d *decider) follow(v starlark.Value) (done bool, err error) {
	switch v := v.(type) {
	case starlark.NoneType:
		return true, d.rest()
	case *candidate:
		return false, d.step(v.thread)
	case starlark.String:
		i := slices.Index(d.walk.Session().ScheduleNames(), string(v))
		if i < 0 {
			return false, d.wrong(fmt.Sprintf("no thread %q", string(v)))
		}
		if !slices.Contains(d.walk.Enabled(), i) {
			return false, d.wrong(fmt.Sprintf("%s cannot run now: choose one of point.threads", string(v)))
		}
		return false, d.step(i)
	case runValue:
		return false, d.run(v.is)
	}
	return false, d.wrong(fmt.Sprintf("returned %s, not a thread, a run(...) or None", v.Type()))
}

func (d *decider) wrong(what string) error {
	return &sandbox.Error{Msg: d.fn.Name() + ": " + what, Pos: d.fn.Position().String()}
}

// step runs a thread's next event.
func (d *decider) step(thread int) error {
	e, err := d.walk.Step(thread)
	d.note(thread, []scenario.Event{e})
	d.met = true
	return err
}

func (d *decider) note(thread int, events []scenario.Event) {
	d.last = thread
	if room := maxEvents - len(d.events); room > 0 {
		d.events = append(d.events, events[:min(room, len(events))]...)
	}
}

// run runs a thread as words say. A condition that does not come true because the
// thread cannot go on is no error here: the script sees it and decides anew.
func (d *decider) run(r portable.Run) error {
	st, err := d.player.Step(r)
	thread := slices.Index(d.walk.Session().ScheduleNames(), r.Thread)
	var unmet *portable.UnmetError
	if errors.As(err, &unmet) && st.Ran > 0 {
		err = nil
	}
	if numberOf(err) != nil {
		return &sandbox.Error{Msg: d.fn.Name() + ": " + err.Error(), Pos: d.fn.Position().String(), Cause: err}
	}
	if err != nil {
		return err
	}
	d.met = reached(st, r)
	d.note(thread, st.Events)
	return d.walk.Ran(thread, st.Ran, st.Events)
}

// reached tells whether a run has come to the end that it was to have.
func reached(st portable.Stopped, r portable.Run) bool {
	return st.Why == portable.Reached || r.Until == nil && r.N == 0
}

// numberOf is the number that an error about a run has for it, nil for other errors.
func numberOf(err error) *int {
	var unmet *portable.UnmetError
	var wrong *portable.RunError
	switch {
	case errors.As(err, &unmet):
		return &unmet.Number
	case errors.As(err, &wrong):
		return &wrong.Number
	}
	return nil
}

// play plays the runs that a schedule begins with, and tells whether each has come to
// its end. In a file one that does not is an error, since its author was sure of it. A
// search makes its runs by changing others, so there it is no more than something to
// know, and the next run goes on from where that one came to.
func (d *decider) play(runs []portable.Run, lenient bool) (whole bool, err error) {
	whole = true
	for i, r := range runs {
		if d.walk.Over() {
			return whole, nil
		}
		st, err := d.player.Step(r)
		var unmet *portable.UnmetError
		if lenient && errors.As(err, &unmet) {
			err = nil
		}
		if err != nil {
			if number := numberOf(err); number != nil {
				*number = i + 1
			}
			return false, err
		}
		d.met = reached(st, r) && st.Ran > 0
		if whole = whole && d.met; st.Ran == 0 {
			continue // it could not run at all
		}
		thread := slices.Index(d.walk.Session().ScheduleNames(), r.Thread)
		d.note(thread, st.Events)
		if err := d.walk.Ran(thread, st.Ran, st.Events); err != nil {
			return false, err
		}
	}
	return whole, nil
}

// rest runs the threads in order, the one that ran last first, each as long as it
// can.
func (d *decider) rest() error {
	for !d.walk.Over() {
		can := d.walk.Enabled()
		t := can[0]
		if slices.Contains(can, d.last) {
			t = d.last
		}
		if err := d.step(t); err != nil {
			return err
		}
	}
	return nil
}

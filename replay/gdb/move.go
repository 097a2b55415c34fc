package gdb

import (
	"emurace/emu"
	"emurace/replay/timeline"
	"emurace/scenario"
)

// chunk is how many moments are gone through before looking whether the client
// wants it to end, unless a test has a smaller one.
const chunk = 1 << 18

// hit is a condition to run to and what it means.
type hit struct {
	stop  timeline.Stop
	point *stopPoint // nil: the turn of the thread that is to step
}

// conditions are what a resumption stops at, in the order in which they count: a
// watchpoint's access has happened; then the thread that steps, even from a
// breakpoint where it stands; then breakpoints. stepper is an index of the
// race's threads, or timeline.Any.
func (c *client) conditions(stepper int) []hit {
	var watches, breaks []hit
	for i := range c.stops {
		p := &c.stops[i]
		if h := (hit{p.condition(), p}); p.isWatch() {
			watches = append(watches, h)
		} else {
			breaks = append(breaks, h)
		}
	}
	if stepper != timeline.Any {
		watches = append(watches, hit{stop: timeline.Turn{Thread: stepper}})
	}
	return append(watches, breaks...)
}

// find looks for the nearest of the conditions, a chunk at a time. hit is nil when
// time ends before, at which moment is then; interrupted tells that the client
// has called off the search.
func (c *client) find(d timeline.Direction, hits []hit) (at timeline.Moment, h *hit, interrupted bool) {
	stops := make([]timeline.Stop, 0, len(hits)+1)
	for _, h := range hits {
		stops = append(stops, h.stop)
	}
	at = c.tl.At()
	for {
		limit := at + c.chunk
		if d == timeline.Backwards {
			limit = at - min(at, c.chunk)
		}
		n, which, found := c.tl.Find(at, d, append(stops, timeline.Reach{Moment: limit})...)
		switch {
		case !found:
			return n, nil, false
		case which < len(hits):
			return n, &hits[which], false
		case c.interrupted():
			return n, nil, true
		}
		at = n
	}
}

// seek goes to a moment. Only backwards does it arrive at once; false when the
// client has called it off on the way.
func (c *client) seek(n timeline.Moment) (arrived bool, err error) {
	c.told = false
	for c.tl.At() < n {
		to := min(c.tl.At()+c.chunk, n)
		if err := c.tl.Seek(to); err != nil || to == n {
			return true, err
		}
		if c.interrupted() {
			return false, nil
		}
	}
	return true, c.tl.Seek(n)
}

// arrive goes to a moment and stops there.
func (c *client) arrive(n timeline.Moment, s stop) (stop, error) {
	arrived, err := c.seek(n)
	if !arrived {
		s = c.interruptStop()
	}
	return s, err
}

func (c *client) interruptStop() stop { return stop{signal: sigINT, thread: c.current()} }

// machineThread is the number on the machine of the thread that runs at a moment.
func (c *client) machineThread(n timeline.Moment) int {
	if i := c.tl.Thread(n); i >= 0 {
		return c.tl.Session().MachineThread(i)
	}
	return 0
}

// forward runs on. stepper is the racing thread that is to do one instruction, or
// timeline.Any to run until something stops it.
func (c *client) forward(stepper int) (stop, error) {
	from, end := c.tl.At(), c.tl.Len()
	if from == end {
		return c.atEnd(), nil
	}
	if stepper != timeline.Any && c.tl.Thread(from) == stepper {
		return c.stepHere(from)
	}
	n, h, interrupted := c.find(timeline.Forwards, c.conditions(stepper))
	switch {
	case interrupted:
		return c.arrive(n, stop{signal: sigINT, thread: c.machineThread(n)})
	case h == nil || h.point == nil && n == end: // where the step would be, the thread fails
		if arrived, err := c.seek(end); err != nil || !arrived {
			return c.interruptStop(), err
		}
		return c.atEnd(), nil
	case h.point == nil:
		if arrived, err := c.seek(n); err != nil || !arrived {
			return c.interruptStop(), err
		}
		return c.stepHere(n)
	case h.point.isWatch():
		return c.watched(n-1, timeline.Forwards, *h.point)
	}
	return c.arrive(n, breakStop(*h.point, c.machineThread(n)))
}

// stepHere runs instruction n, at which the run stands.
func (c *client) stepHere(n timeline.Moment) (stop, error) {
	for _, p := range c.stops {
		if !p.isWatch() {
			continue
		}
		if _, ok := p.watch().Hit(c.tl, n); ok {
			return c.watched(n, timeline.Forwards, p)
		}
	}
	return c.arrive(n+1, stop{signal: sigTRAP, thread: c.machineThread(n)})
}

// watched stops around instruction n, whose access a watchpoint is for: behind it
// in the direction of travel, or, where gdb steps over it by itself, before it.
func (c *client) watched(n timeline.Moment, d timeline.Direction, p stopPoint) (stop, error) {
	at := n
	if (d == timeline.Forwards) != c.target.stepsOverWatch {
		at++
	}
	return c.arrive(at, watchStop(p, c.machineThread(n)))
}

// backward runs back; see forward.
func (c *client) backward(stepper int) (stop, error) {
	n, h, interrupted := c.find(timeline.Backwards, c.conditions(stepper))
	switch {
	case interrupted:
		return c.arrive(n, stop{signal: sigINT, thread: c.machineThread(n)})
	case h == nil:
		return c.arrive(0, beginStop(c.machineThread(0)))
	case h.point == nil:
		return c.arrive(n, stop{signal: sigTRAP, thread: c.machineThread(n)})
	case h.point.isWatch():
		return c.watched(n, timeline.Backwards, *h.point)
	}
	return c.arrive(n, breakStop(*h.point, c.machineThread(n)))
}

// atEnd is the stop at the run's end: a crash shows as its signal, once, and then,
// as any other end does at once, as the end of the recording.
func (c *client) atEnd() stop {
	thread := c.machineThread(c.tl.Len())
	o, _ := c.tl.Outcome()
	if signal := endSignal(o); signal != 0 && !c.told {
		c.told = true
		return stop{signal: signal, thread: thread}
	}
	s := endStop(thread)
	if !c.told {
		c.told = true
		s.say = "The run ends here: " + c.Headline + ".\n"
	}
	return s
}

// endSignal is the signal that the run ends with, 0 for none.
func endSignal(o scenario.Outcome) int {
	if o.End == nil {
		return 0
	}
	switch o.End.Kind {
	case emu.EndFault:
		return sigSEGV
	case emu.EndSignal:
		return gdbSignal(o.End.Signal)
	case emu.EndIllegal:
		return sigILL
	case emu.EndException:
		return sigTRAP
	case emu.EndExit, emu.EndLimit: // no signal
	}
	return 0
}

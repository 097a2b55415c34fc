package timeline

import (
	"sort"

	"emurace/scenario"
)

// Tick is where the clock is moved on to a deadline. That is between two instructions:
// at its moment it has not happened yet, unless that is the end of the run, but before the
// next instruction it has.
type Tick struct {
	At   Moment
	Text string // whose deadline passes
}

// Ticks are where the clock is moved on, in order.
func (t *Timeline) Ticks() []Tick { return t.ticks }

// recordClock moves the clock on n times, or with n 0 for as long as it can, at the end
// of what is recorded.
func (t *Timeline) recordClock(n uint64) (ran uint64, err error) {
	clock := t.s.Clock()
	for !t.over && (n == 0 || ran < n) && t.s.Runnable(clock) {
		text := t.s.Passing()
		if _, err := t.s.Run(clock, 1); err != nil {
			return ran, err
		}
		t.ticks = append(t.ticks, Tick{t.at, text})
		t.ticked = len(t.ticks)
		ran++
		t.end, t.over = t.s.Outcome()
	}
	return ran, nil
}

// tick moves the clock on as it was at the present moment, if it has not been yet.
func (t *Timeline) tick() error {
	for ; t.ticked < len(t.ticks) && t.ticks[t.ticked].At == t.at; t.ticked++ {
		if _, err := t.s.Run(t.s.Clock(), 1); err != nil {
			return err
		}
	}
	return nil
}

// nextTick is the moment of the next one that has not happened, the end when there is
// none.
func (t *Timeline) nextTick() Moment {
	if t.ticked < len(t.ticks) {
		return t.ticks[t.ticked].At
	}
	return t.Len()
}

// forgetTicks drops those from a moment on, but at the present moment what has happened.
func (t *Timeline) forgetTicks(n Moment) {
	k := sort.Search(len(t.ticks), func(i int) bool { return t.ticks[i].At >= n })
	if n == t.at {
		k = max(k, t.ticked)
	}
	t.ticks = t.ticks[:k]
	t.ticked = min(t.ticked, k)
}

// stepClock is StepThread for the clock.
func (t *Timeline) stepClock(n uint64) (ran uint64, err error) {
	for ; ran < n && t.ticked < len(t.ticks) && t.ticks[t.ticked].At == t.at; t.ticked++ {
		if _, err := t.s.Run(t.s.Clock(), 1); err != nil {
			return ran, err
		}
		ran++
	}
	if ran == n || !t.s.Runnable(t.s.Clock()) {
		return ran, nil
	}
	t.forget(t.at)
	more, err := t.recordClock(n - ran)
	return ran + more, err
}

// withTicks puts the clock's slices between those of the threads.
func (t *Timeline) withTicks(threads scenario.Schedule) scenario.Schedule {
	var out scenario.Schedule
	at, ticks := Moment(0), t.ticks
	pass := func() {
		for ; len(ticks) > 0 && ticks[0].At == at; ticks = ticks[1:] {
			out = out.Add(t.s.Clock(), 1)
		}
	}
	for _, sl := range threads {
		for sl.N > 0 {
			pass()
			n := sl.N
			if len(ticks) > 0 {
				n = min(n, ticks[0].At-at)
			}
			part := sl.Part(0, n)
			if k := len(out); k > 0 && !out[k-1].Half {
				out = out.Then(part)
			} else {
				out = append(out, part) // its first step is the rest of the last one's instruction
			}
			at += n
			sl.N -= n
		}
	}
	pass()
	return out
}

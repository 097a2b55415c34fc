package replay

import (
	"emurace/scenario"
	"emurace/symbolize"
)

// Tick is a moment at which the clock was moved on, so that waits with a deadline ended.
type Tick struct {
	// Step counts the instructions of the race that had run.
	Step uint64 `json:"step"`
	Text string `json:"text"` // as in "the deadline of main's sem_timedwait passes"
}

// tick moves the clock on as a slice says, or what is left of one, and notes when and
// what for.
func (h *History) tick(sl scenario.Slice, done uint64) error {
	for ; (sl.N == 0 || done < sl.N) && h.s.Runnable(sl.Thread); done++ {
		t := Tick{Step: h.s.Steps(), Text: h.s.Passing()}
		if _, err := h.s.Run(sl.Thread, 1); err != nil {
			return err
		}
		h.ticks = append(h.ticks, t)
		h.usage.look(h.s, -1, h.s.Process().Steps())
	}
	return nil
}

// Ticks are where the clock was moved on by the schedule, in order, as far back as the
// history goes.
func (h *History) Ticks() []Tick { return h.ticks }

// touchOfClock is the clock's side of a race: it is at a moment that is before it.
func (h *History) touchOfClock() Touch {
	return Touch{Act: symbolize.Act{Thread: scenario.ClockName, Step: h.s.Steps(), Instruction: h.s.Passing()}}
}

package explore

import (
	"errors"
	"slices"

	"emurace/scenario"
)

// Where timeouts pass when they are due, and one has passed, the number of instructions between
// two events matters: a sequence of threads, each for its next event, is not a run. Such a schedule
// is cut down as what it is, slices of threads.

// bySlices leaves out slices, many at once and then fewer (delta debugging: Zeller and Hildebrandt,
// IEEE TSE 28(2), 2002), until the failure needs each that is left. Which orders of accesses it
// depends on is not looked for.
func (m *minimizer) bySlices(schedule scenario.Schedule) (*Minimal, error) {
	m.s.WantEvents(false)
	defer m.s.WantEvents(true)
	best, ok, err := m.plays(schedule)
	if err == nil && !ok {
		err = errUnlike
	}
	if err != nil {
		return nil, err
	}
	for size := (len(best) + 1) / 2; size > 0; {
		shorter := false
		for from := 0; from < len(best); {
			rest := joined(slices.Concat(best[:from], best[min(from+size, len(best)):]))
			played, ok, err := m.plays(rest)
			if err != nil {
				return nil, err
			}
			if ok && len(played) < len(best) {
				best, shorter = played, true
			} else {
				from += size
			}
		}
		if size > 1 || !shorter {
			size /= 2
		}
	}
	if _, ok, err = m.plays(best); err == nil && !ok {
		err = errors.New("minimize: the result does not fail")
	}
	if err != nil {
		return nil, err
	}
	o, _ := m.s.Outcome()
	min := &Minimal{Outcome: o, Schedule: best.ToEnd()}
	min.Switches = min.Schedule.Switches()
	min.Preemptions, err = m.preemptions(min.Schedule)
	return min, err
}

// joined has slices of one thread that have come to be neighbours as one.
func joined(list scenario.Schedule) (s scenario.Schedule) {
	for _, sl := range list {
		if n := len(s); n > 0 && s[n-1].Thread == sl.Thread && (s[n-1].N == 0 || sl.N == 0) {
			s[n-1].N, s[n-1].Half = 0, false
		} else {
			s = s.AddEvent(scenario.Event{Thread: sl.Thread, Ran: sl.N, Half: sl.Half})
		}
	}
	return s
}

// plays runs a schedule, without slices of threads that cannot run, and then the thread that is to
// fail. It returns what has been run, and tells whether the run ends in the same way.
func (m *minimizer) plays(schedule scenario.Schedule) (played scenario.Schedule, same bool, err error) {
	if err := m.ctx.Err(); err != nil {
		return nil, false, err
	}
	if err := m.s.Restart(); err != nil {
		return nil, false, err
	}
	defer m.bound()()
	if t := m.want.Thread; t >= 0 {
		schedule = append(slices.Clone(schedule), scenario.Slice{Thread: t})
	}
	for _, sl := range schedule {
		if _, over := m.s.Outcome(); over {
			break
		}
		if !m.s.Runnable(sl.Thread) {
			continue
		}
		ran, err := m.s.RunSlice(sl)
		if err != nil {
			return nil, false, err
		}
		if ran > 0 {
			played = played.AddEvent(scenario.Event{Thread: sl.Thread, Ran: ran, Half: m.s.Holds(sl.Thread)})
		}
	}
	return played, m.same(), nil
}

// bound keeps a try from going on for much longer than what is cut down: who has not failed
// by then is not to. It returns what ends that.
func (m *minimizer) bound() (end func()) {
	limit := m.s.Limit
	m.s.Limit = min(limit, m.most)
	return func() { m.s.Limit = limit }
}

package explore

import (
	"fmt"
	"strings"

	"emurace/internal/logging"
	"emurace/scenario"
)

// logRun tells of a run that has come to its end: what it was for, its schedule, how it
// ended.
func logRun(l *logging.Log, s *scenario.Session, what string, schedule func() scenario.Schedule, o scenario.Outcome) {
	if l.On(logging.Search) {
		l.Printf(logging.Search, "%s: %s: %v", what, strings.Join(schedule().Texts(s.ScheduleNames()), ", "), o)
	}
}

// logRace tells that the last event of a run races with an earlier one, so that a thread is
// to run first there.
func (d *subtree) logRace(j, first int) {
	if !d.log.On(logging.Search) {
		return
	}
	n := len(d.order.events) - 1
	d.log.Printf(logging.Search, "race: event %d, %s, and event %d, %s: %s is to run before event %d",
		j, d.text(d.order.events[j]), n, d.text(d.order.events[n]), d.s.ScheduleNames()[first], j)
}

// text says which event it is.
func (d *subtree) text(e *event) string {
	name := d.s.ScheduleNames()[e.Thread]
	if e.PC == 0 { // a system call, or an end
		return name
	}
	if sym, off, ok := d.s.Process().Symbol(e.PC); ok {
		return fmt.Sprintf("%s at %s+%#x", name, sym, off)
	}
	return fmt.Sprintf("%s at %#x", name, e.PC)
}

// logLearned tells that a search goes on with more known of what threads share, and of
// which the process makes.
func logLearned(l *logging.Log, what string, bytes map[uint64]uint8, made []string) {
	if !l.On(logging.Search) {
		return
	}
	threads := ""
	if len(made) > 0 {
		threads = ", and the process makes " + strings.Join(made, ", ")
	}
	l.Printf(logging.Search, "%s: bytes of %d words are shared%s", what, len(bytes), threads)
}

package replay

import (
	"cmp"
	"slices"

	"emurace/scenario"
)

// Signalled is a call that was to wake who waits for an object and was over when the run ended.
type Signalled struct {
	Thread string
	Call   string // as the scenario has it
	Step   uint64 // number of its last instruction
	When   When
}

// When is where a call that wakes lies with respect to the waiter's.
type When uint8

// The places.
const (
	BeforeCall When = iota // it was over before the waiter's call began
	BeforeWait             // it was over when the waiter had begun its call, and did not wait yet
	AfterWait              // it went on, or began, when the waiter waited already
)

// wakers are the functions that wake who waits for an object.
var wakers = map[string][]string{
	"condition variable": {"pthread_cond_signal", "pthread_cond_broadcast", "cnd_signal", "cnd_broadcast"},
	"semaphore":          {"sem_post"},
}

// mostSignalled bounds the calls that are told of.
const mostSignalled = 4

// signalled are the calls of other threads of the plan's that were to wake a thread in the call that it
// waits in, the latest first.
func (h *History) signalled(waiter int, what string) (list []Signalled) {
	own, ok := h.callAt(waiter, len(h.results[waiter]))
	if !ok || len(own.Args) == 0 || wakers[what] == nil {
		return nil
	}
	first, last := h.span(waiter, len(h.results[waiter]))
	for t := range h.s.Names() {
		for c := range h.results[t] {
			made, ok := h.callAt(t, c)
			if t == waiter || !ok || !slices.Contains(wakers[what], made.Func) || len(made.Args) == 0 || made.Args[0].Value != own.Args[0].Value {
				continue
			}
			_, end := h.span(t, c)
			if end == 0 {
				continue // it is not among the instructions that are kept
			}
			s := Signalled{Thread: h.s.Names()[t], Call: made.String(), Step: end - h.s.Base(), When: AfterWait}
			switch {
			case end < first:
				s.When = BeforeCall
			case end < last:
				s.When = BeforeWait
			}
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Signalled) int { return cmp.Compare(b.Step, a.Step) })
	return list[:min(len(list), mostSignalled)]
}

// callAt is a call of a thread of the plan's by its number.
func (h *History) callAt(thread, call int) (scenario.Call, bool) {
	body := h.s.Body(thread)
	if body == nil {
		return scenario.Call{}, false
	}
	made, ok, err := body.Next(h.results[thread][:call])
	return made, ok && err == nil
}

// span are the first and the last instruction of a thread's call, 0 for none that is kept.
func (h *History) span(thread, call int) (first, last uint64) {
	for _, i := range h.byThread[thread] {
		if e := h.events[i]; e.Call == call {
			if first == 0 {
				first = e.Step
			}
			last = e.Step
		}
	}
	return first, last
}

// tell says where the signal went.
func (s *Signalled) tell(waiter, what string) Text {
	did := "had signalled it"
	if what == "semaphore" {
		did = "had posted it"
	}
	t := say("  %s %s in %s,", name(s.Thread), did, s.Call)
	switch s.When {
	case BeforeCall:
		t = say("%s which was over before %s began its call", t, name(waiter))
	case BeforeWait:
		t = say("%s which was over before %s waited", t, name(waiter))
	case AfterWait:
		return say("%s when %s waited already, and it did not wake %s.", t, name(waiter), name(waiter))
	}
	if what == "condition variable" {
		return say("%s: a signal is for those who wait already.", t)
	}
	return say("%s.", t)
}

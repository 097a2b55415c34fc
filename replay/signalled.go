package replay

import (
	"fmt"
	"slices"

	"emurace/loader"
)

// Signalled is a call that was to wake who waits for a condition variable or a semaphore, and what
// became of that. All numbers are of instructions of the race.
type Signalled struct {
	Thread string
	Call   string // as in pthread_cond_signal(0x5555555760a0)
	// Step is the instruction that put the signal into the object, or else the one that woke, or else
	// the last one of the call.
	Step uint64
	// Back tells that the thread was not asked to signal, but waits itself: it puts a signal back.
	Back bool
	// All tells that it was to wake all who wait.
	All bool
	// Word is the word of the object that it was put into, 0 where that is not known.
	Word  uint64
	Place string // the member of the object that Word is, "" for not known
	Woke  []Woken
	// Taken is who took it, where it was one and the only one in its word, Dropped who took it away
	// again untaken: to begin with a new group of waiters, as glibc does.
	Taken, Dropped *Taken
	// Asleep waited in the kernel all the while and were not woken, at other words than Word where Apart
	// tells so; Awake were in a call that waits, and were not asleep.
	Asleep, Awake []string
	Apart         bool
}

// Woken is a thread that a signal woke.
type Woken struct {
	Thread string
	Since  uint64 // when it began to wait, 0 for before the race
	Took   uint64 // when it took a signal, 0 for not
	Back   uint64 // when its call came back, 0 for not
	Again  uint64 // when it waited for the object again, 0 for not
	Still  bool   // and does so at the end
}

// Taken is when a thread took a signal.
type Taken struct {
	Thread string
	Call   string
	Step   uint64
}

// wakers are the functions that wake who waits for an object.
var wakers = map[string][]string{
	conditionVariable: {"pthread_cond_signal", "pthread_cond_broadcast", "cnd_signal", "cnd_broadcast"},
	semaphore:         {"sem_post"},
}

// toAll are those of them that wake all.
var toAll = []string{"pthread_cond_broadcast", "cnd_broadcast"}

// mostSignalled bounds the calls that are known of, mostTold those that are told of.
const (
	mostSignalled = 64
	mostTold      = 8
)

// signalled are the calls that were to wake who waits for the object that a thread waits for, in their
// order, the latest where there are very many, and how many more there were.
func (h *History) signalled(waiter int, what string) (object uint64, list []Signalled, more int) {
	if wakers[what] == nil {
		return 0, nil, 0
	}
	object, ok := h.waitsOn(waiter, what)
	if !ok {
		return 0, nil, 0
	}
	if list, ok = h.fates[object]; !ok {
		list = h.fatesOf(object, what)
		if h.fates == nil {
			h.fates = map[uint64][]Signalled{}
		}
		h.fates[object] = list
	}
	more = max(0, len(list)-mostSignalled)
	return object, list[more:], more
}

// forSignal tells whether a wait in the kernel, in a call that is noted, is one for a signal: at a word
// that holds some, or, with musl's condition variables, at one that the thread has for this on its stack. In
// the same call a thread may wait for a mutex, or for the object's own lock.
func (h *History) forSignal(p *sleep) bool {
	const near = 4096
	if p.use == nil || p.use.wakes {
		return false
	}
	at, _ := h.signalWords(p.use.what)
	return slices.Contains(at, p.first-p.use.object) || len(at) == 0 && p.first-p.sp < near
}

// waitsOn is the object that a thread waits for at the end.
func (h *History) waitsOn(waiter int, what string) (uint64, bool) {
	s := h.usage.asleep[waiter]
	if s == nil {
		return 0, false
	}
	if s.use != nil {
		return s.use.object, s.use.what == what && h.forSignal(s)
	}
	at, _ := h.signalWords(what)
	for _, u := range h.usage.uses { // its own call began before the race
		if u.what == what && slices.Contains(at, s.first-u.object) {
			return u.object, true
		}
	}
	return 0, false
}

// signalWords are where the words of an object are that hold its signals, and how much of them is one.
// Glibc's condition variables have one for each of two groups of waiters, __g_signals, and until 2.40
// a bit below that closes the group (nptl/pthread_cond_wait.c); musl's have none.
func (h *History) signalWords(what string) (at []uint64, one uint64) {
	id := h.s.Libc()
	switch {
	case what == semaphore:
		return []uint64{0}, 1
	case id.Name != loader.Glibc.String():
		return nil, 1
	case closesGroups(id.Version):
		return []uint64{40, 44}, 2
	}
	return []uint64{32, 36}, 1
}

// closesGroups tells whether a glibc is of before 2.41.
func closesGroups(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && major == 2 && minor < 41
}

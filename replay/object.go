package replay

import (
	"slices"
	"strings"

	"emurace/symbolize"
)

// object is something that threads wait for, by the function of the C library that they are in
// while they do.
type object struct {
	what      string   // as Wait.What
	left      string   // what nobody is left to do with it
	functions []string // as symbols have them, without what a libc puts in front
}

const (
	conditionVariable = "condition variable"
	semaphore         = "semaphore"
	barrier           = "barrier"
	readWriteLock     = "read-write lock"
	once              = "once"
)

var onceFunctions = []string{"pthread_once", "pthread_once_slow", "pthread_once_full", "call_once"}

var objects = []object{
	{conditionVariable, "signal it", []string{"pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait", "cnd_wait", "cnd_timedwait"}},
	{semaphore, "post it", []string{"sem_wait", "sem_timedwait", "sem_clockwait", "sem_wait_slow", "sem_wait_slow64"}},
	{barrier, "come to it", []string{"pthread_barrier_wait"}},
	{readWriteLock, "unlock it", []string{
		"pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "pthread_rwlock_timedrdlock", "pthread_rwlock_timedwrlock",
		"pthread_rwlock_clockrdlock", "pthread_rwlock_clockwrlock",
	}},
	{once, "end its routine", onceFunctions},
	{"thread", "end it", []string{"pthread_join", "pthread_timedjoin_np", "pthread_clockjoin_np", "pthread_clockjoin_ex", "pthread_timedjoin_ex", "thrd_join"}},
	{"mutex", "unlock it", []string{"pthread_mutex_lock", "pthread_mutex_timedlock", "pthread_mutex_clocklock", "pthread_mutex_lock_full", "mtx_lock", "mtx_timedlock"}},
}

// objectOf is what a thread with that stack waits for: by the innermost function that it can be
// told by. A thread that has been woken and takes its mutex again is still in
// pthread_cond_wait, and in the function that takes the mutex too.
func objectOf(stack []symbolize.Location) (o object, ok bool) {
	for _, l := range stack {
		if i := slices.IndexFunc(objects, func(o object) bool { return slices.Contains(o.functions, plainName(l.Function)) }); i >= 0 {
			return objects[i], true
		}
	}
	return object{}, false
}

// objectNamed is the one of a kind that there is.
func objectNamed(what string) object {
	return objects[slices.IndexFunc(objects, func(o object) bool { return o.what == what })]
}

// plainName is a function's name without what a libc's own symbols have around it, as in
// ___pthread_cond_wait, __new_sem_wait_slow64.constprop.0 or __GI___pthread_once.
func plainName(name string) string {
	name, _, _ = strings.Cut(name, ".")
	for {
		short := strings.TrimLeft(name, "_")
		for _, prefix := range []string{"GI_", "new_", "old_"} {
			short = strings.TrimPrefix(short, prefix)
		}
		if short == name {
			return name
		}
		name = short
	}
}

// writerAt is where struct __pthread_rwlock_arch_t has __cur_writer, the thread id of who has
// locked it for writing, from its beginning, and waitedAt where it has the words that others wait on,
// __wrphase_futex and __writers_futex (glibc, sysdeps/nptl/bits/struct_rwlock.h).
const writerAt = 24

var waitedAt = []uint64{8, 12}

// writerOf is the thread of the machine that has locked a read-write lock for writing, for a word of
// it that another one waits on; -1 for none known.
func (h *History) writerOf(word uint64) int {
	for _, at := range waitedAt {
		if id := h.word32(word - at + writerAt); id != 0 {
			if t, ok := h.threadOf(id); ok {
				return t
			}
		}
	}
	return -1
}

// runsOnce is the thread of the machine that is in a call of pthread_once and does not wait for its
// word: it runs the routine. It is -1 where none is, or more are.
func (h *History) runsOnce(word uint64) int {
	found := -1
	for t := range h.s.Process().Threads() {
		if at, waits := h.s.Process().WaitsFor(t); !h.s.Process().Alive(t) || waits && at == word {
			continue
		}
		inside := func(l symbolize.Location) bool { return slices.Contains(onceFunctions, plainName(l.Function)) }
		if slices.ContainsFunc(symbolize.Backtrace(h.s.Process(), t), inside) {
			if found >= 0 {
				return -1
			}
			found = t
		}
	}
	return found
}

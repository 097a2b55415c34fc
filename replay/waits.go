package replay

import (
	"encoding/binary"
	"slices"

	"emurace/emu"
	"emurace/symbolize"
)

// Wait is a thread that waits in the kernel at the end of a run, and what for.
type Wait struct {
	Thread  string
	Address uint64 // of the futex word, 0 when it waits for something else
	Place   string // the static data that Address is in, as in _IO_stdfile_1_lock; "" for none
	For     string // which is this, as in "read of a pipe (fd 3) that nobody writes"; else ""
	Value   uint32 // that it holds
	// What is "mutex", "lock", "thread" when its end is waited for, "condition variable",
	// "semaphore", "barrier", "read-write lock", "once", or "".
	What   string
	HeldBy string // the thread that has to let go, "" when nobody is known
	// Taken is the instruction that took the lock, nil when it was taken before
	// the race or that is not known.
	Taken *symbolize.Act
	Since uint64 // the instruction with which it began to, 0 for before the race or not known
	// Object is the condition variable or semaphore that nobody holds, where its beginning is known, and
	// Signals what became of the calls that were to wake who waits for it: the latest, in their order, and
	// how many came before those. Unsignalled tells that there was none since the race began.
	Object      uint64
	Signals     []Signalled
	Earlier     int
	Unsignalled bool
	count       string // of a barrier, how many have come
	left        string // what nobody is left to do with it, as "post it"
}

// addWaits finds out what each thread waits for, and puts the ones that wait for
// each other first. The session is left at the end of the run.
func (h *History) addWaits(x *Explanation) error {
	waits := map[int]Wait{} // by racing thread
	holder := map[int]int{}
	for i, name := range h.s.Names() {
		addr, ok := h.s.Process().WaitsFor(h.s.MachineThread(i))
		if what := h.s.Process().WaitsForText(h.s.MachineThread(i)); what != "" {
			waits[i] = Wait{Thread: name, For: what}
		}
		if !ok {
			continue
		}
		w := Wait{Thread: name, Address: addr, Place: h.place(addr), Value: h.word32(addr)}
		machine, what, step := h.holder(h.s.MachineThread(i), addr, w.Value)
		o, ok := objectOf(symbolize.Backtrace(h.s.Process(), h.s.MachineThread(i)))
		if s := h.usage.asleep[i]; !ok && s != nil && h.forSignal(s) { // a libc without unwind tables
			o, ok = objectNamed(s.use.what), true
		}
		switch {
		case ok && what == "lock" && (o.what == readWriteLock || o.what == once):
			what = o.what
		case ok && machine < 0:
			what, w.left = o.what, o.left
			switch what {
			case readWriteLock:
				machine = h.writerOf(addr)
			case barrier:
				w.count = h.barrier(addr)
			case once:
				machine = h.runsOnce(addr)
			}
		}
		w.What = what
		if s := h.usage.asleep[i]; s != nil && s.from > h.s.Base() {
			w.Since = s.from - h.s.Base()
		}
		if machine < 0 {
			w.Object, w.Signals, w.Earlier = h.signalled(i, what)
			w.Unsignalled = w.Object != 0 && len(w.Signals) == 0 && h.usage.wholly
		}
		if machine >= 0 {
			w.HeldBy = h.s.Process().Threads()[machine].Name
			holder[i] = h.s.RacingThread(machine)
		}
		if step != 0 {
			act, err := h.actOf(step)
			if err != nil {
				return err
			}
			w.Taken = act
		}
		waits[i] = w
	}
	cycle := findCycle(holder)
	for _, i := range cycle {
		x.Waits = append(x.Waits, waits[i])
	}
	x.Cycle = len(cycle)
	for i := range h.s.Names() {
		if w, ok := waits[i]; ok && !slices.Contains(cycle, i) {
			x.Waits = append(x.Waits, w)
		}
	}
	return nil
}

// findCycle returns threads each of which waits for the next, and the last for
// the first, beginning with the lowest; nil when there are none.
func findCycle(waitsFor map[int]int) []int {
	best := -1
	for start := range waitsFor {
		at, ok := start, true
		for range len(waitsFor) {
			if at, ok = waitsFor[at]; !ok || at == start {
				break
			}
		}
		if ok && at == start && (best < 0 || start < best) {
			best = start
		}
	}
	if best < 0 {
		return nil
	}
	cycle := []int{best}
	for at := waitsFor[best]; at != best; at = waitsFor[at] {
		cycle = append(cycle, at)
	}
	return cycle
}

// ownerAt is where struct __pthread_mutex_s has __owner, the thread id of who
// has locked it, from its __lock (glibc, sysdeps/nptl/bits/struct_mutex.h).
const ownerAt = 8

// holder finds out which thread of the machine keeps a futex word, for which
// another one waits, from becoming free; -1 for none known. For a lock it tells
// at which step that thread took it, 0 for before the race.
func (h *History) holder(waiter int, addr uint64, value uint32) (machine int, what string, step uint64) {
	if value == 0 {
		return -1, "", 0
	}
	if t, ok := h.s.Process().ClearsAtEnd(addr); ok {
		return t, "thread", 0
	}
	taker, step, released := h.taker(addr)
	if owner, ok := h.threadOf(h.word32(addr + ownerAt)); ok && !released && (step == 0 || owner == taker) {
		return owner, "mutex", step
	}
	if step != 0 && h.tried(waiter, addr) {
		return taker, "lock", step
	}
	return -1, "", 0
}

// taker finds who has changed a word from 0 last, as one does who takes a lock;
// who finds it taken only marks it. Released tells that it became 0 again.
func (h *History) taker(addr uint64) (machine int, step uint64, released bool) {
	for _, a := range slices.Backward(h.log) {
		switch {
		case a.Kind == emu.LogRead || a.Addr != addr || a.Size < 4:
		case uint32(a.Value) == 0:
			return -1, 0, true
		case uint32(a.Old) == 0:
			return int(a.Thread), a.Step, false
		}
	}
	return -1, 0, false
}

// tried tells whether a thread's last write to a word found it not zero: it tried
// to take a lock and marked it instead.
func (h *History) tried(machine int, addr uint64) bool {
	for _, a := range slices.Backward(h.log) {
		if a.Kind == emu.LogWrite && a.Addr == addr && int(a.Thread) == machine {
			return uint32(a.Old) != 0
		}
	}
	return false
}

func (h *History) threadOf(tid uint32) (machine int, ok bool) {
	for t := range h.s.Process().Threads() {
		if id, alive := h.s.Process().TID(t); alive && id == tid {
			return t, true
		}
	}
	return -1, false
}

func (h *History) word32(addr uint64) uint32 {
	b, ok := h.s.Process().Read(addr, 4)
	if !ok {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// actOf describes the instruction of a step of the race and returns to the end.
func (h *History) actOf(step uint64) (*symbolize.Act, error) {
	for _, e := range slices.Backward(h.events) {
		if e.Step != step {
			continue
		}
		if err := h.SeekTo(step - 1 - h.s.Base()); err != nil {
			return nil, err
		}
		act := h.act(e.Thread, e.PC, e.Step)
		return act, h.SeekEnd()
	}
	return nil, nil
}

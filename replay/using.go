package replay

import (
	"bytes"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// use is a call of a function that waits for a condition variable or a semaphore, or wakes who does.
type use struct {
	thread int
	name   string // of the function, as in pthread_cond_signal
	what   string // as Wait.What
	wakes  bool
	object uint64
	// first and last are its first and last instruction, last 0 for one that has not come back.
	first, last uint64

	ret, sp uint64 // where it comes back to, and the stack pointer when it began
}

// sleep is a wait for a futex word in the kernel.
type sleep struct {
	thread   int
	use      *use   // that it is part of, nil for none
	first    uint64 // the word that it began with
	word     uint64 // and the one it came to: others may be put in its place
	from, to uint64 // the system calls that began and ended it; from 0 for before, to 0 for never
	sp       uint64 // of the thread
	by       int    // the thread that ended it, -1 for the clock
	woken    bool   // it was ended by a wake-up, and not by a deadline or a signal handler
}

// usage is taken down while a run is gone through instruction by instruction.
type usage struct {
	p      *emu.Process
	known  map[uint64]spot // by pc
	uses   []*use
	open   [][]*use // by racing thread, the innermost last
	sleeps []*sleep
	asleep []*sleep // by racing thread, nil for who is awake
	wholly bool     // from the race's start on
	// typed are objects of the C library's by their addresses, with their types.
	typed map[uint64]string
}

// spot is what there is to note of the instruction at some place.
type spot struct {
	enters *function
	typ    string // of what the first argument of the function that begins there points to, "" for not known
	kernel bool   // it is a system call
}

// function is one that is noted, with its object as its first argument.
type function struct {
	name, what string
	wakes      bool
}

// noted are the functions that are noted, by their plain names.
var noted = func() map[string]*function {
	list := map[string]*function{"sem_trywait": {"sem_trywait", semaphore, false}}
	for _, o := range objects {
		for _, name := range o.functions {
			if wakers[o.what] != nil {
				list[name] = &function{name, o.what, false}
			}
		}
	}
	for what, names := range wakers {
		for _, name := range names {
			list[name] = &function{name, what, true}
		}
	}
	return list
}()

func newUsage(s *scenario.Session, whole bool) *usage {
	u := &usage{p: s.Process(), known: map[uint64]spot{}, typed: map[uint64]string{}, open: make([][]*use, s.Threads()), asleep: make([]*sleep, s.Threads()), wholly: whole}
	u.look(s, -1, 0)
	return u
}

// before notes what a thread is about to run.
func (u *usage) before(s *scenario.Session, thread int, pc, step uint64) (kernel bool) {
	m := s.MachineThread(thread)
	for i, o := range u.open[thread] {
		if pc != o.ret {
			continue
		}
		if sp, ok := u.p.StackPointer(m); ok && sp >= o.sp {
			u.back(thread, i, step-1)
			break
		}
	}
	k, ok := u.known[pc]
	if !ok {
		k = u.spotOf(pc)
		u.known[pc] = k
	}
	if k.typ != "" {
		u.seen(m, k.typ)
	}
	if k.enters != nil {
		u.enter(m, thread, k.enters, step)
	}
	return k.kernel
}

func (u *usage) spotOf(pc uint64) (k spot) {
	if name, off, ok := u.p.Symbol(pc); ok && off == 0 {
		k.enters, k.typ = noted[plainName(name)], pointedTo[plainName(name)]
	}
	if u.p.Arch() == loader.ARM64 {
		b, ok := u.p.Read(pc, 4)
		k.kernel = ok && bytes.Equal(b, []byte{0x01, 0, 0, 0xd4}) // svc #0
		return k
	}
	b, ok := u.p.Read(pc, 2)
	k.kernel = ok && bytes.Equal(b, []byte{0x0f, 0x05})
	return k
}

// enter notes a call that begins. One inside of another one for the same object is a part of that.
func (u *usage) enter(m, thread int, f *function, step uint64) {
	args, _, _ := u.p.CallRegisters()
	object, ok := u.p.Register(m, args[0])
	sp, ok2 := u.p.StackPointer(m)
	if !ok || !ok2 {
		return
	}
	for i, o := range u.open[thread] {
		if o.object != object || o.what != f.what || o.wakes != f.wakes {
			continue
		}
		if sp <= o.sp {
			return
		}
		u.back(thread, i, step-1) // it was left by a longjmp
		break
	}
	n := &use{thread: thread, name: f.name, what: f.what, wakes: f.wakes, object: object, first: step, sp: sp}
	if u.p.Arch() == loader.ARM64 {
		n.ret, _ = u.p.Register(m, "x30")
	} else if n.ret, ok = u.p.Read64(sp); !ok {
		return
	}
	u.uses = append(u.uses, n)
	u.open[thread] = append(u.open[thread], n)
}

// back notes that a thread's calls from number i on have come back.
func (u *usage) back(thread, i int, last uint64) {
	for _, o := range u.open[thread][i:] {
		o.last = last
	}
	u.open[thread] = u.open[thread][:i]
}

// look notes who has begun or ceased to wait by a step of a thread's; -1 is the clock.
func (u *usage) look(s *scenario.Session, by int, step uint64) {
	for t := range u.asleep {
		m := s.MachineThread(t)
		if m < 0 {
			continue
		}
		word, waits := u.p.WaitsFor(m)
		switch now := u.asleep[t]; {
		case now == nil && waits:
			now = &sleep{thread: t, first: word, word: word, from: step}
			now.sp, _ = u.p.StackPointer(m)
			if open := u.open[t]; len(open) > 0 {
				now.use = open[len(open)-1]
			}
			u.asleep[t], u.sleeps = now, append(u.sleeps, now)
		case now != nil && waits:
			now.word = word
		case now != nil:
			r, err := u.p.Result(m)
			sp, _ := u.p.StackPointer(m) // another one where a signal handler runs now
			now.to, now.by, now.woken = step, by, err == nil && r == 0 && sp == now.sp
			u.asleep[t] = nil
		}
	}
}

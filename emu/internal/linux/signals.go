package linux

import "slices"

// Handler is what rt_sigaction was last given for a signal: struct sigaction
// as the kernel has it.
type Handler [32]byte

// What stands for a handler: SIG_DFL and SIG_IGN.
const (
	byDefault = 0
	ignore    = 1
)

// ignores tells whether it does nothing for a signal. SIGCHLD, SIGCONT, SIGURG and
// SIGWINCH are ignored by default.
func (h Handler) ignores(sig uint64) bool {
	const harmless = 1<<(17-1) | 1<<(18-1) | 1<<(23-1) | 1<<(28-1)
	switch le.Uint64(h[:]) {
	case ignore:
		return true
	case byDefault:
		return harmless&bit(sig) != 0
	}
	return false
}

// What sigaction says of a handler, include/uapi/asm-generic/signal-defs.h.
const (
	withInfo    = 0x4
	hasRestorer = 0x04000000
	onStack     = 0x08000000
	restarts    = 0x10000000
	noDefer     = 0x40000000
	resetHand   = 0x80000000
)

func (h Handler) address() uint64  { return le.Uint64(h[:]) }
func (h Handler) flags() uint64    { return le.Uint64(h[8:]) }
func (h Handler) restorer() uint64 { return le.Uint64(h[16:]) }
func (h Handler) mask() uint64     { return le.Uint64(h[24:]) }

// runs tells whether it is a function of the process's.
func (h Handler) runs() bool { return h.address() > ignore }

// info is a signal with what its handler is told of it.
type info struct {
	sig  uint64
	data [48]byte // the beginning of siginfo_t, the rest of which is zeros
	// Of a fault, what the processor says of it: x86's number of the exception and its error
	// code.
	vector, code uint64
	fault        bool
}

// infoOf is siginfo_t of a signal without more to tell, include/uapi/asm-generic/siginfo.h.
func infoOf(sig uint64, code int32) (v info) {
	v.sig = sig
	le.PutUint32(v.data[:], uint32(sig))
	le.PutUint32(v.data[8:], uint32(code))
	return v
}

// sentBy is siginfo_t of a signal that the process has sent itself.
func sentBy(sig uint64, code int32) info {
	v := infoOf(sig, code)
	le.PutUint32(v.data[16:], FirstTID)
	le.PutUint32(v.data[20:], UserID)
	return v
}

// Codes of siginfo_t.
const (
	codeUser   = 0
	codeQueue  = -1
	codeTkill  = -6
	codeKernel = 0x80
)

// MaxSignal is the highest signal number; 9 and 19 (SIGKILL, SIGSTOP) cannot be handled.
const MaxSignal = 64

// never are the signals that are neither handled nor blocked.
const never = 1<<(9-1) | 1<<(19-1)

// bit is a signal in a set of signals.
func bit(sig uint64) uint64 { return 1 << (sig - 1) }

// signals is what signals do, as a system call sees it.
type signals struct{ access }

func (k *Kernel) signals(r *Result) signals { return signals{access{k, r}} }

// handler is what was last set for a signal, false when nothing was.
func (s signals) handler(sig int) (Handler, bool) {
	h, ok := s.reads(ObjectSignals, uint64(sig)).Handlers[sig]
	return h, ok
}

// setHandler says what a signal does from now on.
func (s signals) setHandler(sig int, h Handler) {
	st := s.writes(ObjectSignals, uint64(sig))
	if st.Handlers == nil {
		st.Handlers = map[int]Handler{}
	}
	st.Handlers[sig] = h
}

// wholeProcess is the object of what is pending for any thread.
const wholeProcess = 0

// mask is what the calling thread blocks, which nobody else changes.
func (s signals) mask() uint64 { return s.own().SigMask }

func (s signals) setMask(m uint64) {
	s.writes(ObjectBlocked, uint64(s.own().TID))
	s.changeOwn().SigMask = m
}

// pending is what waits for the calling thread to unblock it, or for any thread.
func (s signals) pending(all bool) uint64 {
	if all {
		return s.reads(ObjectBlocked, wholeProcess).Pending
	}
	tid := s.own().TID
	s.reads(ObjectBlocked, uint64(tid))
	return s.own().Pending
}

// savedMask is what the calling thread blocks but for a call that is not over yet.
func (s signals) savedMask() uint64 {
	if t := s.own(); t.Saved != nil {
		return *t.Saved
	}
	return s.own().SigMask
}

// borrowMask has a thread block other signals until giveBack, or until a handler returns.
func (s signals) borrowMask(m uint64) {
	if s.own().Saved == nil {
		before := s.own().SigMask
		s.changeOwn().Saved = &before
	}
	s.setMask(m)
}

// giveBack ends borrowMask.
func (s signals) giveBack() {
	if t := s.own(); t.Saved != nil {
		m := *t.Saved
		s.changeOwn().Saved = nil
		s.setMask(m)
	}
}

// forgetMask has what borrowMask has put away forgotten: a handler's return brings it back.
func (s signals) forgetMask() {
	if s.own().Saved != nil {
		s.changeOwn().Saved = nil
	}
}

// take takes a signal away that is pending, and tells what came with it. Of a real-time one
// others may be left.
func (s signals) take(all bool, sig uint64) info {
	var at *[]info
	var set *uint64
	if all {
		st := s.writes(ObjectBlocked, wholeProcess)
		at, set = &st.infos, &st.Pending
	} else {
		s.writes(ObjectBlocked, uint64(s.own().TID))
		t := s.changeOwn()
		at, set = &t.Infos, &t.Pending
	}
	found := info{sig: sig}
	if i := slices.IndexFunc(*at, func(v info) bool { return v.sig == sig }); i >= 0 {
		found = (*at)[i]
		*at = slices.Delete(slices.Clone(*at), i, i+1)
	}
	if !slices.ContainsFunc(*at, func(v info) bool { return v.sig == sig }) {
		*set &^= bit(sig)
	}
	return found
}

// blocked tells whether a thread, or every thread, blocks a signal. Of those that do not it
// tells the first, which is the process's first one if it is among them.
func (s signals) blocked(tid int, sig uint64, all bool) (thread int, blocked bool) {
	for n, o := range s.k.s.Tasks {
		if o.TID != tid && !all || all && !s.k.tasks(s.r).there(o.TID) {
			continue
		}
		if s.reads(ObjectBlocked, uint64(o.TID)); o.alive() && o.SigMask&bit(sig) == 0 {
			return n, false
		}
	}
	return 0, true
}

// maxQueued bounds the signals that wait, as RLIMIT_SIGPENDING does.
const maxQueued = 256

// queued is what is pending with one signal more: of the others than real-time ones there is
// one at most. False when there is no room.
func queued(list []info, v info) ([]info, bool) {
	const realtime = 32
	if v.sig < realtime && slices.ContainsFunc(list, func(o info) bool { return o.sig == v.sig }) {
		return list, true
	}
	if len(list) >= maxQueued {
		return list, v.sig < realtime
	}
	return append(slices.Clip(list), v), true
}

// setPending has a signal wait until the thread unblocks it, or any.
func (s signals) setPending(tid int, v info, all bool) (ok bool) {
	if all {
		st := s.writes(ObjectBlocked, wholeProcess)
		st.infos, ok = queued(st.infos, v)
		st.Pending |= bit(v.sig)
		return ok
	}
	st := s.writes(ObjectBlocked, uint64(tid))
	ok = true
	if slot := st.slotOf(tid); slot >= 0 {
		o := &st.Tasks[slot]
		o.Infos, ok = queued(o.Infos, v)
		o.Pending |= bit(v.sig)
	}
	return ok
}

// interrupt has a thread run the handler of a signal before it does anything else.
func (s signals) interrupt(thread int, v info) (bool, error) {
	tid := s.k.s.Tasks[thread].TID
	s.writes(ObjectInterrupts, uint64(tid))
	if !s.setPending(tid, v, false) {
		return false, nil
	}
	return true, s.k.waiters(s.r).interrupt(thread)
}

// ended makes the calling thread forget that its call was interrupted, and tells what is left
// of the call.
func (s signals) ended() again {
	was := s.own().Again
	s.changeOwn().Again = again{}
	return was
}

// goOn has the calling thread make its call again with what is left of it.
func (s signals) goOn(left again) { s.changeOwn().Again = left }

// drop takes a signal away from all for which it is pending. Where it is not is no note:
// who sends it looks at its handler.
func (s signals) drop(sig uint64) {
	is := func(v info) bool { return v.sig == sig }
	if s.k.s.Pending&bit(sig) != 0 {
		st := s.writes(ObjectBlocked, wholeProcess)
		st.Pending &^= bit(sig)
		st.infos = slices.DeleteFunc(slices.Clone(st.infos), is)
	}
	for i, o := range s.k.s.Tasks {
		if o.Pending&bit(sig) != 0 {
			t := &s.writes(ObjectBlocked, uint64(o.TID)).Tasks[i]
			t.Pending &^= bit(sig)
			t.Infos = slices.DeleteFunc(slices.Clone(t.Infos), is)
		}
	}
}

// setAlarm sets the timer of setitimer, and tells what it was.
func (s signals) setAlarm(t timer) (before timer) {
	before = s.alarm()
	s.writes(ObjectAlarm, 0).alarm = t
	return before
}

func (s signals) alarm() timer { return s.reads(ObjectAlarm, 0).alarm }

// Interrupted tells whether the handler of a signal is to run in a thread now.
func (k *Kernel) Interrupted(thread int) bool {
	t := &k.s.Tasks[thread]
	return t.Status == Runnable && t.Pending&^t.SigMask != 0 && !t.Again.Interrupted
}

// Interrupts is the object that each event of a thread reads where threads send each other
// signals that have handlers.
func (k *Kernel) Interrupts(thread int) Object {
	return Object{Class: ObjectInterrupts, ID: uint64(k.s.Tasks[thread].TID)}
}

package linux

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

// take takes signals of these away.
func (s signals) take(all bool, set uint64) {
	if all {
		s.writes(ObjectBlocked, wholeProcess).Pending &^= set
		return
	}
	s.writes(ObjectBlocked, uint64(s.own().TID))
	s.changeOwn().Pending &^= set
}

// blocked tells whether a thread, or every thread, blocks a signal.
func (s signals) blocked(tid int, sig uint64, all bool) bool {
	for _, o := range s.k.s.Tasks {
		if o.Status == None {
			break
		}
		if o.TID != tid && !all || all && !s.k.tasks(s.r).there(o.TID) {
			continue
		}
		if s.reads(ObjectBlocked, uint64(o.TID)); o.alive() && o.SigMask&bit(sig) == 0 {
			return false
		}
	}
	return true
}

// setPending has a signal wait until the thread unblocks it, or any.
func (s signals) setPending(tid int, sig uint64, all bool) {
	if all {
		s.writes(ObjectBlocked, wholeProcess).Pending |= bit(sig)
		return
	}
	st := s.writes(ObjectBlocked, uint64(tid))
	for i := range st.Tasks {
		if o := &st.Tasks[i]; o.TID == tid && o.alive() {
			o.Pending |= bit(sig)
		}
	}
}

// drop takes a signal away from all for which it is pending. Where it is not is no note:
// who sends it looks at its handler.
func (s signals) drop(sig uint64) {
	if s.k.s.Pending&bit(sig) != 0 {
		s.writes(ObjectBlocked, wholeProcess).Pending &^= bit(sig)
	}
	for i, o := range s.k.s.Tasks {
		if o.Pending&bit(sig) != 0 {
			s.writes(ObjectBlocked, uint64(o.TID)).Tasks[i].Pending &^= bit(sig)
		}
	}
}

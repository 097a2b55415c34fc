package linux

// Handler is what rt_sigaction was last given for a signal: struct sigaction
// as the kernel has it.
type Handler [32]byte

// MaxSignal is the highest signal number; 9 and 19 (SIGKILL, SIGSTOP) cannot be handled.
const MaxSignal = 64

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

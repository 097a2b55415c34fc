package scenario

// What a search by graphs of events needs to know beside; see package explore/graph.

// Done tells whether a thread has made all its calls, or has ended.
func (s *Session) Done(i int) bool { return !s.IsClock(i) && s.threads[i].done }

// Registers are the registers of a racing thread as one string of bytes, in a fixed order.
func (s *Session) Registers(i int) ([]byte, error) { return s.m.State(s.threads[i].machine) }

// Restored tells whether all bytes that a thread has written since an entry of the log hold what they
// held before.
func (s *Session) Restored(i, from int) bool {
	machine := s.threads[i].machine
	first := map[uint64]byte{}
	for a := range s.m.Log().From(from).All() {
		if int(a.Thread) != machine || a.Old == a.Value {
			continue
		}
		for k := range uint64(a.Size) {
			if _, ok := first[a.Addr+k]; !ok {
				first[a.Addr+k] = byte(a.Old >> (8 * k))
			}
		}
	}
	for at, b := range first {
		if now, ok := s.m.Peek(at, 1); !ok || now[0] != b {
			return false
		}
	}
	return true
}

// Begins are the machine's steps behind which calls of the thread were begun: its registers were set there.
func (s *Session) Begins(i int) []uint64 { return s.threads[i].begins }

// LoopsFrom tells whether what the thread's Body does next is what it did when it had so many results:
// it has none more, or is in a state of then.
func (s *Session) LoopsFrom(i, results int) bool {
	r := &s.threads[i]
	if len(r.results) == results {
		return true
	}
	body, ok := r.body.(Loops)
	if !ok {
		return false
	}
	before, ok := body.Same(r.results)
	return ok && before == results
}

// JudgesCalls tells whether a check is asked after each call.
func (s *Session) JudgesCalls() bool { return s.plan.AfterCall != nil }

// ShareEvery makes events of all conflicting accesses of two threads, not only of those that nothing
// orders; see [emu.Machine.ShareEvery].
func (s *Session) ShareEvery(on bool) { s.m.ShareEvery(on) }

// TracePCs keeps where instructions stand; see [emu.Machine.TracePCs].
func (s *Session) TracePCs(on bool) { s.m.TracePCs(on) }

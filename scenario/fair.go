package scenario

// CutShort tells whether the race has come to the limit of instructions, or a thread to
// that of calls. What would come after it is not known.
func (s *Session) CutShort() bool { return s.Steps() >= s.Limit || s.endless != 0 }

// turns is into how many parts the second half of a run is cut: in a fair one, nobody who
// can run is passed over for as long as a part.
const turns = 8

// fair tells whether a run that has come to the limit is a fair one. A schedule that runs
// one thread for ever because another one gets no turn is none that a machine would have
// (Musuvathi and Qadeer, Fair Stateless Model Checking, PLDI 2008). Only the second half
// is judged: what led there may be as it likes.
func (s *Session) fair() bool {
	if s.endless != 0 {
		return false // it has not come to the second half
	}
	for i := range s.threads {
		if s.threads[i].passed > s.limit()/2/turns {
			return false
		}
	}
	return true
}

// limit is Limit, whatever RunEvents has made of it.
func (s *Session) limit() uint64 { return max(s.Limit, s.whole) }

// pass notes, in the second half of the limit, that a thread has run while others that
// can run did not.
func (s *Session) pass(i int, ran uint64) {
	half := s.limit() / 2
	if s.Steps() <= half {
		return
	}
	ran = min(ran, s.Steps()-half)
	for t := range s.threads {
		r := &s.threads[t]
		switch {
		case t == i || !s.m.Runnable(r.machine):
			r.waits = 0
		default:
			r.waits += ran
			r.passed = max(r.passed, r.waits)
		}
	}
}

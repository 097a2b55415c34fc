package scenario

// CutShort tells whether the race has come to the limit of instructions. What would come
// after it is not known.
func (s *Session) CutShort() bool { return s.Steps() >= s.Limit }

// turnsOf is what part of the second half of a run a thread must have had, times the
// number of threads, for the run to be a fair one.
const turnsOf = 16

// fair tells whether no thread that can run had to wait for long. That is judged by the
// second half of the limit: a schedule that runs one thread for ever because another
// one gets no turn is none that a machine would have (Musuvathi and Qadeer, Fair Stateless
// Model Checking, PLDI 2008).
func (s *Session) fair() bool {
	half := s.limit() / 2
	for i, r := range s.threads {
		if s.Runnable(i) && r.late < half/uint64(turnsOf*len(s.threads)) {
			return false
		}
	}
	return true
}

// limit is Limit, whatever RunEvents has made of it.
func (s *Session) limit() uint64 { return max(s.Limit, s.whole) }

// countLate counts the instructions that a thread has just run in the second half of the
// limit.
func (s *Session) countLate(i int, ran uint64) {
	if half := s.limit() / 2; s.Steps() > half {
		s.threads[i].late += min(ran, s.Steps()-half)
	}
}

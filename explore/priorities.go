package explore

import "math/rand/v2"

// priorities are those of the threads' next events, drawn at random.
//
// A thread that spins draws a new one each time round. Had the one that it spins
// for drawn a low one and kept it, the number of rounds would have no mean: it is
// n or more with a chance of 1/(n+1). So who is passed over for longer than the
// shorter run of the profile takes, which is where nobody spins if that can be,
// draws anew. Runs that are not much longer than that one are as they would be
// without.
type priorities struct {
	of      []uint64
	drawn   []bool   // has one
	passed  []uint64 // events that others ran since a thread drew
	patient uint64   // how many of them before it draws anew
	rand    *rand.Rand
}

func newPriorities(r *run) *priorities {
	n := r.s.Schedulable()
	p := &priorities{of: make([]uint64, n), passed: make([]uint64, n), drawn: make([]bool, n), rand: r.rand, patient: r.profile.shortest}
	for t := range r.s.Threads() {
		p.draw(t)
	}
	return p
}

func (p *priorities) draw(t int) { p.of[t], p.passed[t], p.drawn[t] = p.rand.Uint64(), 0, true }

// highest is the thread of a set with the highest priority. The clock, which most races
// have no use for, draws its first one when it can run.
func (p *priorities) highest(threads set) int {
	for t, drawn := range p.drawn {
		if !drawn && threads.has(t) {
			p.draw(t)
		}
	}
	return highest(p.of, threads)
}

// pass counts an event that ran while others could have.
func (p *priorities) pass(others set) {
	for t := range p.of {
		if !others.has(t) {
			continue
		}
		if p.passed[t]++; p.passed[t] > p.patient {
			p.draw(t)
		}
	}
}

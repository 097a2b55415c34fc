package scenario

import "emurace/emu"

// tails are what the last stretches of threads have accessed, those that end the process.
// No run has two of them: what one has accessed meets what another one has in no run, and
// so no run shows that they are not ordered. It is kept from run to run, until the machine
// forgets which bytes are shared.
type tails struct {
	forgotten uint64
	touched   map[uint64]*[2]map[int]uint8 // by address/8: who has read, and written, which of the eight
}

// endsWith notes the accesses of an event that ends the process, from an entry of the log
// on. The first that conflicts with another thread's makes its bytes shared: with events
// there, runs have both stretches up to them, and show what else is not ordered.
func (s *Session) endsWith(e *Event, from int) error {
	if n := s.M.Forgotten(); s.tails.touched == nil || s.tails.forgotten != n {
		s.tails = tails{forgotten: n, touched: map[uint64]*[2]map[int]uint8{}}
	}
	machine, learned := s.threads[e.Thread].machine, s.M.SharedGrown()
	for _, a := range s.M.Log()[from:] {
		if int(a.Thread) != machine {
			continue
		}
		way := 0
		if a.Kind != emu.LogRead {
			way = 1
		}
		for i := range uint64(a.Size) {
			granule, mask := (a.Addr+i)/8, uint8(1)<<((a.Addr+i)&7)
			if !s.endTouches(granule, mask, way, e.Thread) || s.M.SharedGrown() != learned {
				continue
			}
			if err := s.M.LearnShared(granule*8, mask); err != nil {
				return err
			}
		}
	}
	return nil
}

// endTouches notes an access and tells whether it conflicts with another thread's.
func (s *Session) endTouches(granule uint64, mask uint8, way, thread int) (conflict bool) {
	g := s.tails.touched[granule]
	if g == nil {
		g = &[2]map[int]uint8{{}, {}}
		s.tails.touched[granule] = g
	}
	g[way][thread] |= mask
	for w, by := range g {
		for t, m := range by {
			conflict = conflict || t != thread && m&mask != 0 && (way == 1 || w == 1)
		}
	}
	return conflict
}

package execution

import "slices"

// byteOrder is what is known of a shared byte while the run is gone through.
type byteOrder struct {
	order   []int       // who has written it, as memory had it
	readers []int       // of what it holds
	under   map[int]int // of a write that was overwritten already, by whom
}

// holder is who has written what memory holds.
func (b *byteOrder) holder() int {
	if n := len(b.order); n > 0 {
		return b.order[n-1]
	}
	return Before
}

// behind is a write that comes behind one of others in the byte's order, the next one where that is known.
func (b *byteOrder) behind(w int) (int, bool) {
	if by, ok := b.under[w]; ok {
		return by, true
	}
	i := slices.Index(b.order, w) // Before is in front of all
	if i+1 < len(b.order) && (i >= 0 || w == Before) {
		return b.order[i+1], true
	}
	return 0, false
}

// relate finds who has seen and overwritten whose bytes.
func (r *run) relate() {
	bytes := map[uint64]*byteOrder{}
	for i := range r.events {
		e := &r.events[i]
		y := r.line.Seeing(e.At)
		var unseen, over []int
		for k := range e.Parts {
			p := &e.Parts[k]
			for at := p.Addr; at < p.Addr+uint64(p.Size); at++ {
				if !r.shared[at] {
					continue
				}
				b := bytes[at]
				if b == nil {
					b = &byteOrder{under: map[int]int{}}
					bytes[at] = b
				}
				switch {
				case !p.Write:
					from, known := b.holder(), true
					if g, ok := given(y, at); ok && g.Step == 0 {
						from = Before
					} else if ok {
						from, known = r.number[g.Step], false
						known = r.writes(from, g.Step, at)
					}
					if !known {
						continue
					}
					p.Old = p.Old || from == Before
					r.add(Arrow{Kind: ReadsFrom, From: from, To: i})
					if from == b.holder() {
						b.readers = append(b.readers, i)
					} else if next, ok := b.behind(from); ok {
						unseen = append(unseen, next)
						r.add(Arrow{Kind: FromRead, From: i, To: next})
					}
				case covered(y, at):
					if h := b.holder(); h != Before {
						b.under[i] = h
						over = append(over, h)
						r.add(Arrow{Kind: Coherence, From: i, To: h})
					}
				default:
					if h := b.holder(); h != Before {
						r.add(Arrow{Kind: Coherence, From: h, To: i})
					}
					for _, reader := range b.readers {
						r.add(Arrow{Kind: FromRead, From: reader, To: i})
					}
					b.order, b.readers = append(b.order, i), nil
				}
			}
		}
		e.Stale, e.Under = r.note(i, FromRead, unseen), r.note(i, Coherence, over)
	}
}

// note keeps an oddity, if there is any later write.
func (r *run) note(event int, kind Kind, later []int) bool {
	slices.Sort(later)
	later = slices.DeleteFunc(slices.Compact(later), func(i int) bool { return i == event })
	if len(later) > 0 {
		r.odd = append(r.odd, oddity{event, kind, later})
	}
	return len(later) > 0
}

// writes tells whether an event is the instruction of a number, and writes a byte.
func (r *run) writes(event int, number, at uint64) bool {
	return r.events[event].Number() == number && slices.ContainsFunc(r.events[event].Parts, func(p Part) bool {
		return p.Write && at-p.Addr < uint64(p.Size)
	})
}

// add keeps an arrow, once. Within an event there is none.
func (r *run) add(a Arrow) {
	if a.From != a.To && !r.known[a] {
		r.known[a] = true
		r.arrows = append(r.arrows, a)
	}
}

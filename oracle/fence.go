package oracle

import "emurace/emu"

// fence is a barrier of arm64's that a thread has run: DMB or DSB.
type fence struct {
	step   uint64
	thread int
	loads  bool // it orders loads before it with all behind it
	stores bool // and stores before it with stores behind it
}

// fenceOf reads the word of an instruction, false when it is no such barrier, or one
// that does not order for other processors (Arm ARM, C6.2, DMB and DSB: the option is
// in bits 11 to 8, the domain in its upper two bits, 01 for this processor alone).
func fenceOf(word uint32) (f fence, ok bool) {
	const dmb, dsb = 0xd50330bf, 0xd503309f
	if rest := word &^ 0xf00; rest != dmb && rest != dsb || word>>10&3 == 1 {
		return fence{}, false
	}
	kind := word >> 8 & 3
	f = fence{loads: kind&1 != 0, stores: kind&2 != 0}
	return f, f.loads || f.stores
}

// traceFences makes runs tell of their barriers.
func (p *inspector) traceFences() error {
	is := func(word uint32) bool {
		_, ok := fenceOf(word)
		return ok
	}
	return p.s.Process().TraceWords(is, func(t int, word uint32) {
		f, _ := fenceOf(word)
		f.thread, f.step = t, p.s.Process().Steps()+1
		p.fences = append(p.fences, f)
	})
}

// neighbour is what a thread has done last, and the barrier behind that, if there is
// one.
type neighbour struct {
	last    *emu.LogEntry // the last access
	atomic  bool          // it was an atomic instruction's
	barrier *fence
}

// pair is a load and a store of one thread with nothing but a full barrier between
// them.
type pair struct{ load, store *emu.LogEntry }

// The compiler makes of a fence a barrier, and of the atomic access that it goes with
// a plain one beside that. So a plain load right before a barrier that orders it, and
// a plain store right behind one, are of atomic variables, and so are a store and a
// load with a full barrier between them. A barrier right behind an atomic instruction
// goes with that. Between a load and a store a full barrier goes with the one or the
// other; see settle.

func (s *survey) fenced(f fence) {
	n := &s.near[f.thread]
	s.besideBarrier(n, nil)
	n.barrier = &f
	if n.last == nil {
		n.last, n.atomic = &emu.LogEntry{}, true // nothing that is known of
	}
}

// beside takes in an access of a thread, by an atomic instruction or a plain one.
func (s *survey) beside(e *emu.LogEntry, atomic bool) {
	n := &s.near[e.Thread]
	if atomic {
		s.besideBarrier(n, nil)
	} else {
		s.besideBarrier(n, e)
	}
	*n = neighbour{last: e, atomic: atomic}
}

// besideBarrier looks at what is on both sides of a thread's barrier, if it has run
// one since its last access; behind it is a plain access, or nil.
func (s *survey) besideBarrier(n *neighbour, behind *emu.LogEntry) {
	f, before := n.barrier, n.last
	if f == nil || n.atomic {
		return
	}
	stores := behind != nil && behind.Kind == emu.LogWrite
	switch {
	case before.Kind == emu.LogRead && f.loads && f.stores && stores:
		s.pairs = append(s.pairs, pair{before, behind})
	case before.Kind == emu.LogRead && f.loads:
		s.mark(before)
	case before.Kind == emu.LogWrite && f.loads && f.stores && behind != nil && !stores:
		s.mark(before)
		s.mark(behind)
	case f.stores && stores:
		s.mark(behind)
	}
}

// settle decides of pairs which one is atomic, when all other signs are in: neither,
// if one of them is known to be, and else the store, of a message that is sent.
func (s *survey) settle() {
	for _, t := range s.near {
		s.besideBarrier(&t, nil)
	}
	for _, p := range s.pairs {
		if !s.isAtomic(p.load) && !s.isAtomic(p.store) {
			s.mark(p.store)
		}
	}
}

// mark takes the bytes of an access for an atomic variable, if it can be one.
func (s *survey) mark(e *emu.LogEntry) {
	if e.Size == 0 || e.Addr%uint64(e.Size) != 0 {
		return
	}
	for w, mask := range wordsOf(e.Addr, e.Size) {
		s.atomic[w] |= mask
	}
}

// fenced orders what a thread does by a barrier, as C11 has it (7.17.4): one that
// orders loads makes the thread know what those have told that it has loaded from
// atomic variables, and what an atomic store behind a barrier hands on is what the
// thread knew there: of reads where the barrier orders loads, of writes where it
// orders stores.
func (d *races) fenced(f fence) {
	c := d.clocks[f.thread]
	if f.loads {
		c.join(d.loaded[f.thread])
	}
	released := d.released[f.thread]
	if f.loads {
		released[:d.threads].join(c[:d.threads])
	}
	if f.stores {
		released[d.threads:].join(c[d.threads:])
	}
	d.tick(f.thread)
}

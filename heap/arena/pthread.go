package arena

import "emurace/loader"

// Where a thread's id and its place in the list of threads lie in struct pthread (nptl/descr.h), the
// same from 2.17 to 2.43: the id behind the list, and that behind what the thread pointer needs (704
// bytes on amd64, where the struct begins with it) or behind 24 words.
const (
	tidAMD64 = 0x2d0
	tidARM64 = 0xd0
)

const (
	maxAbove  = 16 << 20  // bytes above a stack pointer that are searched
	maxEdge   = 1 << 20   // bytes at the ends of other memory
	maxHunted = 256 << 20 // of all that
	// On arm64 the thread pointer is at the end of struct pthread, whose size differs:
	// 1792 bytes in 2.31, 1856 in 2.36, 1824 in 2.41 and 2.43.
	minDescriptor, maxDescriptor = 1024, 4096
)

// hunt is the search for threads by their ids.
type hunt struct {
	m      *Malloc
	wanted map[uint32]int // indexes in m.Threads, by id
	found  map[int]uint64 // struct pthread
	left   uint64         // bytes to search
	tid    uint64
}

// findPointers finds the thread pointers that were not given: a thread's struct pthread has its id in it, and
// lies at the top of its stack; that of the first thread lies in memory that ld.so has.
func (m *Malloc) findPointers() {
	h := &hunt{m: m, wanted: map[uint32]int{}, found: map[int]uint64{}, left: maxHunted, tid: tidARM64}
	if m.p.Arch == loader.AMD64 {
		h.tid = tidAMD64
	}
	for i, t := range m.Threads {
		if t.TP == 0 && t.ID != 0 {
			h.wanted[t.ID] = i
		}
	}
	for _, t := range m.Threads {
		if g, ok := m.mem.region(t.SP); ok && t.TP == 0 {
			h.search(Extent{t.SP, min(g.Hi, t.SP+maxAbove)})
		}
	}
	for _, g := range m.mem.regions {
		if !g.Writable || g.File != "" || m.heapAt(g.Lo) != nil || m.heapAt(g.Hi-1) != nil {
			continue
		}
		if g.Hi-g.Lo <= 2*maxEdge {
			h.search(Extent{g.Lo, g.Hi})
			continue
		}
		h.search(Extent{g.Hi - maxEdge, g.Hi})
		h.search(Extent{g.Lo, g.Lo + maxEdge})
	}
	h.settle()
}

// search looks for the ids that are still wanted.
func (h *hunt) search(e Extent) {
	for at := (e.Lo + 15) &^ 15; at < e.Hi && len(h.wanted) > 0; at += 16 {
		if h.left < 16 {
			return
		}
		h.left -= 16
		v, ok := h.m.mem.next(at)
		if !ok {
			at = (at | (pageSize - 1)) - 15
			continue
		}
		if _, ok := h.wanted[uint32(v)]; ok && at > h.tid && h.take(at-h.tid) {
			h.others(at - h.tid)
		}
	}
}

// take takes in a struct pthread, if it is one that is wanted.
func (h *hunt) take(pd uint64) bool {
	id := h.m.mem.u32(pd + h.tid)
	i, ok := h.wanted[id]
	if !ok || !h.is(pd) {
		return false
	}
	h.found[i] = pd
	delete(h.wanted, id)
	return true
}

// others follows the list that a thread is in: all that pthread_create made are in one.
func (h *hunt) others(pd uint64) {
	const most = 1 << 16
	first := pd + h.tid - 16
	at := h.m.mem.word(first)
	for n := 0; n < most && at != first && at > h.tid && len(h.wanted) > 0; n++ {
		h.take(at + 16 - h.tid)
		at = h.m.mem.word(at)
	}
}

// is tells whether a struct pthread is at an address: it is in the list of threads, and on amd64 it leads
// to itself twice.
func (h *hunt) is(pd uint64) bool {
	mem := h.m.mem
	if h.m.p.Arch == loader.AMD64 && (mem.word(pd) != pd || mem.word(pd+16) != pd) {
		return false
	}
	list := pd + h.tid - 16
	next, prev := mem.word(list), mem.word(list+8)
	return next != 0 && prev != 0 && mem.word(next+8) == list && mem.word(prev) == list
}

// settle turns the structs that were found into thread pointers.
func (h *hunt) settle() {
	size := uint64(0)
	if h.m.p.Arch != loader.AMD64 {
		votes := map[uint64]int{}
		for _, pd := range h.found {
			for n := uint64(minDescriptor); n < maxDescriptor; n += 16 {
				if h.hasTable(pd + n) {
					votes[n]++
				}
			}
		}
		var sure bool
		if size, sure = most(votes); !sure {
			return
		}
	}
	for i, pd := range h.found {
		if size == 0 || h.hasTable(pd+size) {
			h.m.Threads[i].TP = pd + size
		}
	}
}

// hasTable tells whether an address on arm64 is a thread pointer: it leads to a dtv, in which the first
// module's variables are those behind it (elf/dl-tls.c).
func (h *hunt) hasTable(tp uint64) bool {
	mem := h.m.mem
	dtv := mem.word(tp)
	if dtv%8 != 0 || dtv < 16 || dtv >= addressLimit {
		return false
	}
	length := mem.word(dtv - 16)
	if length == 0 || length > 1<<16 || mem.word(dtv) > 1<<16 {
		return false
	}
	for i := uint64(1); i <= min(length, maxModules); i++ {
		if at := mem.word(dtv + 16*i); at >= tp+16 && at-tp < maxAbove {
			return true
		}
	}
	return false
}

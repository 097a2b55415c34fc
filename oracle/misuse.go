package oracle

import (
	"cmp"
	"slices"

	"emurace/emu"
	"emurace/heap"
	"emurace/scenario"
)

// Kinds of what an inspection finds.
const (
	UseAfterFree scenario.Kind = "use-after-free" // an access to a block that was freed
	DoubleFree   scenario.Kind = "double-free"    // a block that was freed is freed or resized
	InvalidFree  scenario.Kind = "invalid-free"   // so is what is no block
	OutOfBounds  scenario.Kind = "out-of-bounds"  // an access to the heap that is in no block
	DataRace     scenario.Kind = "data-race"
)

// access is one access of a run.
type access struct {
	thread int // of the machine
	step   uint64
	pc     uint64
	addr   uint64
	size   uint8
	write  bool
}

func accessOf(e *emu.LogEntry) access {
	return access{thread: int(e.Thread), step: e.Step, pc: e.PC, addr: e.Addr, size: e.Size, write: e.Kind != emu.LogRead}
}

// misuse is a use of memory that was not to be used.
type misuse struct {
	kind scenario.Kind
	access
	block *heap.Piece    // the freed one, or the one that the access missed; nil when there is none near
	free  *emu.CallEvent // set when the access is a call that frees or resizes
	count uint64         // accesses of this instruction
}

// How far string functions read beyond a block: they take up to four vectors of
// 32 bytes at a time, and begin at a multiple of that.
const (
	overread  = 256
	underread = 128
)

// visit is a thread's stay in the string functions.
type visit struct {
	read    []heap.Piece // blocks in use that were read
	pending []*misuse    // reads elsewhere, to be judged at the end
	heap    *heap.Heap   // when the first of these was made
}

// doubt is a read of a string function that may be no more than reading ahead.
type doubt struct {
	*misuse
	heap *heap.Heap // at some moment of the thread's stay in the string functions
}

// reach is what one instruction of a libc has read, of a thread.
type reach struct {
	step, start, end uint64
	used             bool // bytes of a block in use are among it
}

// misuses finds the accesses of a run to memory that is not in use.
type misuses struct {
	*walker
	heap   *heap.Heap
	visits []visit // of each thread
	reach  []reach // of each thread
	doubts []doubt
	found  []*misuse
	known  map[misuseKey]*misuse
}

type misuseKey struct {
	kind   scenario.Kind
	thread int
	pc     uint64
}

// findMisuses goes through a run that began with the given heap, which it
// changes. What is doubtful is tried when everything else is known; nil dismisses
// it.
func findMisuses(r *run, h *heap.Heap, try func([]doubt) ([]*misuse, error)) ([]*misuse, error) {
	m := &misuses{walker: newWalker(r), heap: h, visits: make([]visit, r.threads), reach: make([]reach, r.threads), known: map[misuseKey]*misuse{}}
	m.walk(m)
	for t := range m.visits {
		m.leave(&m.visits[t])
	}
	if try != nil && len(m.doubts) > 0 {
		slices.SortStableFunc(m.doubts, func(a, b doubt) int { return cmp.Compare(a.step, b.step) })
		real, err := try(m.doubts)
		if err != nil {
			return nil, err
		}
		for _, f := range real {
			m.add(f)
		}
	}
	slices.SortStableFunc(m.found, func(a, b *misuse) int { return cmp.Compare(a.step, b.step) })
	return m.found, nil
}

// called carries out a call. One that frees what it must not is a misuse at its
// beginning.
func (m *misuses) called(c *emu.CallEvent) {
	m.leave(&m.visits[c.Thread])
	ch := m.heap.Apply(c)
	var kind scenario.Kind
	switch ch.Misuse {
	case heap.Proper:
		return
	case heap.FreedTwice:
		kind = DoubleFree
	case heap.NoBlock:
		if kind = InvalidFree; ch.Block == nil && m.early != nil && m.early(c.Args[0]) {
			return
		}
	}
	m.add(&misuse{
		kind: kind, block: ch.Block, free: c,
		access: access{thread: c.Thread, step: c.Step, pc: c.Caller, addr: c.Args[0], size: 1, write: true},
	})
}

func (m *misuses) woke(wake) {}

func (m *misuses) fenced(fence) {}

func (m *misuses) access(_ int, e *emu.LogEntry) {
	if e.Kind == emu.LogZero {
		return // the kernel takes pages away, which is no use of them
	}
	v := &m.visits[e.Thread]
	text := m.text(e.PC)
	reading := text && e.Kind == emu.LogRead
	if !text {
		m.leave(v)
	}
	f, used := judge(m.heap, e)
	aligned := m.alignedRead(e, used != nil)
	switch {
	case f == nil:
	case !reading && !(aligned && f.kind == OutOfBounds):
		m.add(f)
	case reading:
		if v.pending == nil {
			v.heap = m.heap.Clone()
		}
		v.pending = append(v.pending, f)
	}
	if reading && used != nil && !slices.Contains(v.read, *used) {
		v.read = append(v.read, *used)
	}
}

// alignedRead tells whether an access is part of a read, by an instruction of a libc,
// of an aligned unit of 8, 16 or 32 bytes that begins in a block in use. Such a
// unit cannot fault where its first byte does not, and its end may be no business of
// the function's.
func (m *misuses) alignedRead(e *emu.LogEntry, used bool) bool {
	if m.libc == nil || e.Kind != emu.LogRead || !m.libc(e.PC) {
		return false
	}
	r := &m.reach[e.Thread]
	if r.step != e.Step || r.end != e.Addr {
		*r = reach{step: e.Step, start: e.Addr, used: used}
	}
	r.end = e.Addr + uint64(e.Size)
	size := r.end - r.start
	return r.used && e.Size == 8 && size <= 32 && r.start%min(16, size&-size) == 0
}

// judge says what is wrong with an access, and which block in use it touches.
func judge(h *heap.Heap, e *emu.LogEntry) (f *misuse, used *heap.Piece) {
	end := e.Addr + uint64(e.Size)
	for at := e.Addr; at < end; {
		p, ok := h.At(at)
		if ok && p.Freed == nil {
			used = &p
			at = p.Hi
			continue
		}
		// A freed byte says more than one that is in no block, wherever the two
		// are in the access.
		if (f == nil || f.kind == OutOfBounds) && ok || f == nil && h.Within(at) {
			f = &misuse{kind: UseAfterFree, access: accessOf(e), block: &p}
			if !ok {
				f.kind, f.block = OutOfBounds, nil
				if n, ok := h.Nearest(at); ok {
					f.block = &n
				}
			}
		}
		at++
	}
	return f, used
}

// leave ends a stay in the string functions. A read near to a block that was
// read during the stay may be no more than reading ahead.
func (m *misuses) leave(v *visit) {
	for _, f := range v.pending {
		ahead := slices.ContainsFunc(v.read, func(p heap.Piece) bool {
			return f.addr+underread >= p.Lo && f.addr < p.Hi+overread
		})
		if ahead {
			m.doubts = append(m.doubts, doubt{f, v.heap})
		} else {
			m.add(f)
		}
	}
	*v = visit{read: v.read[:0]}
}

func (m *misuses) add(f *misuse) {
	key := misuseKey{f.kind, f.thread, f.pc}
	if known := m.known[key]; known != nil {
		known.count++
		return
	}
	f.count = 1
	m.known[key] = f
	m.found = append(m.found, f)
}

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
	block *heap.Piece // the freed one, or the one that the access missed; nil when there is none near
	count uint64      // accesses of this instruction
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
}

// misuses finds the accesses of a run to memory that is not in use.
type misuses struct {
	*walker
	heap   *heap.Heap
	visits []visit // of each thread
	found  []*misuse
	known  map[misuseKey]*misuse
}

type misuseKey struct {
	kind   scenario.Kind
	thread int
	pc     uint64
}

// findMisuses goes through a run that began with the given heap, which it
// changes.
func findMisuses(r *run, h *heap.Heap) []*misuse {
	m := &misuses{walker: newWalker(r), heap: h, visits: make([]visit, r.threads), known: map[misuseKey]*misuse{}}
	m.walk(m)
	for t := range m.visits {
		m.leave(&m.visits[t])
	}
	slices.SortStableFunc(m.found, func(a, b *misuse) int { return cmp.Compare(a.step, b.step) })
	return m.found
}

func (m *misuses) called(c *emu.CallEvent) { m.heap.Apply(c) }

func (m *misuses) woke(wake) {}

func (m *misuses) access(_ int, e *emu.LogEntry) {
	if e.Kind == emu.LogZero {
		return // the kernel takes pages away, which is no use of them
	}
	v := &m.visits[e.Thread]
	reading := e.Kind == emu.LogRead && m.text(e.PC)
	if !reading {
		m.leave(v)
	}
	f, used := m.judge(e)
	switch {
	case !reading && f != nil:
		m.add(f)
	case reading && f != nil:
		v.pending = append(v.pending, f)
	}
	if reading && used != nil && !slices.Contains(v.read, *used) {
		v.read = append(v.read, *used)
	}
}

// judge says what is wrong with an access, and which block in use it touches.
func (m *misuses) judge(e *emu.LogEntry) (f *misuse, used *heap.Piece) {
	end := e.Addr + uint64(e.Size)
	for at := e.Addr; at < end; {
		p, ok := m.heap.At(at)
		if ok && p.Freed == nil {
			used = &p
			at = p.Hi
			continue
		}
		// A freed byte says more than one that is in no block, wherever the two
		// are in the access.
		if (f == nil || f.kind == OutOfBounds) && ok || f == nil && m.heap.Within(at) {
			f = &misuse{kind: UseAfterFree, access: accessOf(e), block: &p}
			if !ok {
				f.kind, f.block = OutOfBounds, nil
				if n, ok := m.heap.Nearest(at); ok {
					f.block = &n
				}
			}
		}
		at++
	}
	return f, used
}

// leave ends a stay in the string functions. A read near to a block that was
// read during the stay is no more than reading ahead.
func (m *misuses) leave(v *visit) {
	for _, f := range v.pending {
		ahead := slices.ContainsFunc(v.read, func(p heap.Piece) bool {
			return f.addr+underread >= p.Lo && f.addr < p.Hi+overread
		})
		if !ahead {
			m.add(f)
		}
	}
	v.read, v.pending = v.read[:0], v.pending[:0]
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

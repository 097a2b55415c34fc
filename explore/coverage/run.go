package coverage

import (
	"cmp"
	"math/bits"
	"slices"

	"emurace/emu"
	"emurace/scenario"
)

// Bounds of what is kept of one run. What lies beyond is left out of the account, which then
// says so.
const (
	maxWords     = 1 << 16 // words and objects that are watched
	maxTouches   = 1 << 18 // words that accesses go through in all
	maxMarks     = 64      // accesses that a word remembers
	maxRunOrders = 1 << 12 // orders
)

// Site is an instruction that accesses memory, and whether it writes there.
type Site struct {
	PC    uint64 `json:"pc"`
	Write bool   `json:"write,omitempty"`
}

func (s Site) compare(o Site) int {
	switch c := cmp.Compare(s.PC, o.PC); {
	case c != 0:
		return c
	case s.Write == o.Write:
		return 0
	case o.Write:
		return -1
	}
	return 1
}

// Pair is two instructions that were seen in a conflict, the lower address first.
type Pair struct {
	A Site `json:"a"`
	B Site `json:"b"`
}

// order is a pair in one of its two orders: 0 with A first. Where an instruction conflicts
// with itself, 0 has the thread with the lower index first.
type order struct {
	Pair
	dir uint8
}

// place is an address divided by eight, or a kernel object.
type place struct {
	class emu.ObjectClass // 0 for memory
	id    uint64
}

// mark is the latest access of a thread by an instruction to a word.
type mark struct {
	pc     uint64
	at     uint64 // instructions that the thread had run by then
	thread int32
	write  bool
	bytes  uint8 // of the word, that nobody has written since
}

// Run watches one run. It is used again for the next one, since what it keeps is made once.
type Run struct {
	index map[place]int32 // in words
	words [][]mark
	at    []uint64 // of each thread, instructions that it has run

	orders  map[order]struct{}
	list    []order // in the order in which they came
	class   uint64
	touches int
	cut     bool
}

// NewRun is a run that has not begun.
func NewRun() *Run { return &Run{index: map[place]int32{}, orders: map[order]struct{}{}} }

// maxKept is how many words a run may have had whose memory is used again.
const maxKept = 1 << 12

// Reset makes it watch another run.
func (r *Run) Reset() {
	if len(r.words) > maxKept {
		*r = *NewRun()
		return
	}
	clear(r.index)
	clear(r.orders)
	for i := range r.words {
		r.words[i] = r.words[i][:0]
	}
	r.words, r.at, r.list = r.words[:0], r.at[:0], r.list[:0]
	r.class, r.touches, r.cut = 0, 0, false
}

// Add takes in the run's next event.
func (r *Run) Add(e *scenario.Event) {
	r.Ran(e.Thread, e.Ran)
	for _, write := range []bool{false, true} {
		m := mark{pc: e.PC, at: r.at[e.Thread], thread: int32(e.Thread), write: write}
		for _, a := range e.Accesses {
			if a.Write == write && a.Size > 0 && (write || !replaces(e, a)) {
				r.access(m, a.Addr, a.Addr+a.Size)
			}
		}
		for _, o := range e.Objects {
			if o.Write == write {
				m.bytes = 1
				r.touch(place{o.Class, o.ID}, m)
			}
		}
	}
}

// replaces tells whether an event writes the bytes of a read: an atomic instruction, whose read and
// write nothing comes between. It counts as a write.
func replaces(e *scenario.Event, read scenario.Access) bool {
	read.Write = true
	return len(e.Accesses) <= maxMarks && slices.Contains(e.Accesses, read)
}

// Ran tells of instructions of a thread that are no event of the run.
func (r *Run) Ran(thread int, n uint64) {
	for len(r.at) <= thread {
		r.at = append(r.at, 0)
	}
	r.at[thread] += n
}

// access goes through the words of a range of bytes.
func (r *Run) access(m mark, addr, end uint64) {
	for id := addr / 8; id*8 < end; id++ {
		m.bytes = 0xff
		if id*8 < addr {
			m.bytes &= 0xff << (addr & 7)
		}
		if end-id*8 < 8 {
			m.bytes &= 0xff >> (8 - end&7)
		}
		if !r.touch(place{id: id}, m) {
			return
		}
	}
}

// touch notes an access to a word, and the conflicts with those before it; false when no
// more are noted.
func (r *Run) touch(p place, m mark) bool {
	if r.touches++; r.touches > maxTouches {
		r.cut = true
		return false
	}
	i, ok := r.index[p]
	if !ok {
		if len(r.words) == maxWords {
			r.cut = true
			return true // another one may be among those that are watched
		}
		i = int32(len(r.words))
		r.index[p] = i
		if len(r.words) < cap(r.words) {
			r.words = r.words[:i+1] // with the room for marks that it has
		} else {
			r.words = append(r.words, nil)
		}
	}
	marks := r.words[i]
	left, earlier := marks[:0], uint8(0) // bytes that the same instruction has read just before
	for _, o := range marks {
		if o.bytes&m.bytes != 0 && o.thread != m.thread && (o.write || m.write) {
			r.conflict(o, m)
		}
		switch {
		case m.write:
			o.bytes &^= m.bytes
		case o.thread == m.thread && o.pc == m.pc && !o.write && o.at == m.at:
			earlier |= o.bytes
			continue
		case o.thread == m.thread && o.pc == m.pc && !o.write: // of an earlier time: what is read again
			o.bytes &^= m.bytes
		}
		if o.bytes != 0 {
			left = append(left, o)
		}
	}
	if m.bytes |= earlier; len(left) < maxMarks {
		left = append(left, m)
	} else {
		r.cut = true
	}
	r.words[i] = left
	return true
}

// conflict notes that one access came before another one that conflicts with it.
func (r *Run) conflict(first, then mark) {
	r.class += mix(uint64(first.thread), first.at, uint64(then.thread), then.at)
	if first.pc == 0 || then.pc == 0 {
		return // of a system call that has accessed no memory: it has no place
	}
	o := order{Pair: Pair{Site{first.pc, first.write}, Site{then.pc, then.write}}}
	switch c := o.A.compare(o.B); {
	case c > 0:
		o.A, o.B, o.dir = o.B, o.A, 1
	case c == 0 && first.thread > then.thread:
		o.dir = 1
	}
	if _, known := r.orders[o]; known {
		return
	}
	if len(r.list) == maxRunOrders {
		r.cut = true
		return
	}
	r.orders[o] = struct{}{}
	r.list = append(r.list, o)
}

// mix is a number for four that hardly any other four have. Such numbers are added up, so
// their bits have to be mixed well.
func mix(v ...uint64) uint64 {
	h := uint64(0)
	for _, v := range v {
		hi, lo := bits.Mul64(h^v^0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
		h = hi ^ lo + 0x2545f4914f6cdd1d
	}
	return h
}

// Shown is what a run has shown.
type Shown struct {
	orders []order
	// class is the same for two runs that differ only in the order of what does not
	// conflict: the sum over all conflicts, each named by the threads and by how far these
	// had come, and over the threads, of how far each came. By it Mazurkiewicz's traces are
	// told apart, which dpor runs one schedule of.
	class uint64
	cut   bool
}

// Shown is what there was to see so far; it stays as it is when the run is used again.
func (r *Run) Shown() *Shown {
	s := &Shown{orders: append([]order(nil), r.list...), class: r.class, cut: r.cut}
	for t, n := range r.at {
		s.class += mix(uint64(t), n)
	}
	return s
}

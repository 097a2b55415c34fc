package shim

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/loader"
)

// clocks are a vector clock of three threads.
type clocks [3]int

func (c *clocks) join(o clocks) {
	for i := range c {
		c[i] = max(c[i], o[i])
	}
}

// known is what there is to know of a byte: its last write, the reads behind it, both as
// their threads' own clocks, and, of one that makes events, what comes after them.
type known struct {
	writer, wrote int // wrote is 0 for no write
	reads         clocks
	recorded      bool
	afterWrites   clocks
	afterReads    clocks
}

type block struct {
	lo, hi        uint64
	thread, clock int
}

// history is what a run has shown, as simply as it can be said. It goes back with it.
type history struct {
	bytes     map[uint64]known
	seen      map[uint64]bool // by eight bytes, where there was an access
	blocks    []block
	objects   map[uint64][2]clocks
	clock     [3]clocks
	published [3]bool
}

// sharing is what an engine is to know of shared bytes, byte by byte.
type sharing struct {
	history
	learned, told map[uint64]bool
	grown         uint64
}

func newHistory() history {
	h := history{bytes: map[uint64]known{}, seen: map[uint64]bool{}, objects: map[uint64][2]clocks{}}
	for i := range h.clock {
		h.clock[i][i] = 1
	}
	return h
}

func (h history) clone() history {
	h.bytes, h.seen, h.objects = maps.Clone(h.bytes), maps.Clone(h.seen), maps.Clone(h.objects)
	h.blocks = slices.Clone(h.blocks)
	return h
}

func (s *sharing) forget() { s.history, s.learned = newHistory(), map[uint64]bool{} }

func (s *sharing) shared(b uint64) bool { return s.learned[b] || s.told[b] }

// step begins a thread's next instruction.
func (s *sharing) step(thread int) {
	if s.published[thread] {
		s.clock[thread][thread]++
	}
	s.published[thread] = false
}

func (s *sharing) see(granule uint64) {
	if s.seen[granule] {
		return
	}
	s.seen[granule] = true
	for b := granule * 8; b < granule*8+8; b++ {
		for _, l := range s.blocks {
			if l.lo <= b && b < l.hi {
				s.bytes[b] = known{writer: l.thread, wrote: l.clock}
			}
		}
	}
}

func (s *sharing) access(thread int, addr, size uint64, write bool) {
	for granule := addr / 8; granule*8 < addr+size; granule++ {
		s.see(granule)
		s.look(thread, granule, addr, addr+size, write)
	}
	s.settle(thread, addr, addr+size, write)
}

// block is a write of a whole block: of what no access has been to, only the
// first byte counts at once.
func (s *sharing) block(thread int, addr, size uint64) (shared []Bytes) {
	end := addr + size
	s.see(addr / 8)
	s.blocks = append(s.blocks, block{addr, end, thread, s.clock[thread][thread]})
	for granule := addr / 8; granule*8 < end; granule++ {
		if !s.seen[granule] && !slices.ContainsFunc([]uint64{0, 1, 2, 3, 4, 5, 6, 7}, func(i uint64) bool { return s.shared(granule*8 + i) }) {
			continue
		}
		s.see(granule)
		s.look(thread, granule, addr, end, true)
	}
	s.settle(thread, addr, end, true)
	for b := addr; b < end; b++ {
		if !s.shared(b) {
			continue
		}
		if n := len(shared); n > 0 && shared[n-1].Addr+shared[n-1].Size == b {
			shared[n-1].Size++
		} else {
			shared = append(shared, Bytes{b, 1})
		}
	}
	return shared
}

// look takes in an access to those of eight bytes that lie in [lo, hi).
func (s *sharing) look(thread int, granule, lo, hi uint64, write bool) {
	lo, hi = max(lo, granule*8), min(hi, granule*8+8)
	now, grew := s.clock[thread], false
	for b := lo; b < hi; b++ {
		k := s.bytes[b]
		conflict := k.wrote > now[k.writer]
		for u, c := range k.reads {
			conflict = conflict || write && c > now[u]
		}
		switch {
		case s.shared(b):
		case conflict:
			s.learned[b], grew = true, true
		case write:
			s.bytes[b] = known{writer: thread, wrote: now[thread]}
		default:
			k.reads[thread] = now[thread]
			s.bytes[b] = k
		}
	}
	if grew {
		s.grown++
	}
}

// settle orders an access to what is shared of it: behind all that conflicts with it, and
// then all that comes later behind it.
func (s *sharing) settle(thread int, lo, hi uint64, write bool) {
	for b := lo; b < hi; b++ {
		if !s.shared(b) {
			continue
		}
		k := s.bytes[b]
		if !k.recorded {
			k.recorded, k.afterReads = true, k.reads
			k.afterWrites[k.writer] = k.wrote
			for u, c := range k.reads {
				s.published[u] = s.published[u] || c > 0 && c == s.clock[u][u]
			}
			s.published[k.writer] = s.published[k.writer] || k.wrote > 0 && k.wrote == s.clock[k.writer][k.writer]
		}
		s.follow(thread, k.afterWrites, k.afterReads, write)
		s.bytes[b] = k
	}
	for b := lo; b < hi; b++ {
		if s.shared(b) {
			k := s.bytes[b]
			s.lead(thread, &k.afterWrites, &k.afterReads, write)
			s.bytes[b] = k
		}
	}
}

func (s *sharing) follow(thread int, writes, reads clocks, write bool) {
	s.clock[thread].join(writes)
	if write {
		s.clock[thread].join(reads)
	}
}

func (s *sharing) lead(thread int, writes, reads *clocks, write bool) {
	if write {
		reads = writes
	}
	reads.join(s.clock[thread])
	s.published[thread] = true
}

func (s *sharing) object(thread int, id uint64, write bool) {
	o := s.objects[id]
	s.follow(thread, o[0], o[1], write)
	s.lead(thread, &o[0], &o[1], write)
	s.objects[id] = o
}

func (s *sharing) join(from, to int) {
	s.clock[to].join(s.clock[from])
	s.published[from] = true
}

func (s *sharing) known() map[uint64]uint8 {
	m := map[uint64]uint8{}
	for _, set := range []map[uint64]bool{s.learned, s.told} {
		for b := range set {
			m[b&^7] |= 1 << (b & 7)
		}
	}
	return m
}

// Which bytes are shared follows from the accesses of a run, from what orders them, and
// from what was told, and from nothing else: also when the run has gone back. The
// accesses are the kernel's, which go the same way as a thread's.
func TestSharing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		slots := rapid.SampledFrom([][3]int{{0, 1, 2}, {5, 6, 7}, {0, 7, 8}}).Draw(r, "slots")
		e := newEngine(t, loader.ARM64, loops[loader.ARM64], slots[2]+1, true)
		defer e.Close()
		must(t, e.SetLogging(true))
		e.SetSharing(true)
		want := &sharing{told: map[uint64]bool{}}
		want.forget()
		var marks []*Mark
		var then []history
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			thread := rapid.IntRange(0, 2).Draw(r, "thread")
			write := rapid.Bool().Draw(r, "write")
			switch step := rapid.IntRange(0, 21).Draw(r, "step"); step {
			case 0:
				e.ForgetShared()
				want.forget()
				for i := range then { // nothing of before is known any more
					then[i] = newHistory()
				}
			case 1:
				addr := dataAt + 8*rapid.Uint64Range(0, 3).Draw(r, "granule")
				mask := rapid.Uint8().Draw(r, "mask")
				must(t, e.AddShared(map[uint64]uint8{addr: mask}))
				for i := range uint64(8) {
					if mask&(1<<i) != 0 {
						want.told[addr+i] = true
					}
				}
			case 2, 3, 4:
				addr := dataAt + rapid.Uint64Range(0, 30).Draw(r, "block")
				size := rapid.Uint64Range(1, 40).Draw(r, "bytes")
				got, err := e.NoteBlock(slots[thread], addr, size)
				must(t, err)
				if shared := want.block(thread, addr, size); !slices.Equal(got, shared) {
					r.Fatalf("of the %d bytes at %#x, %v are shared, want %v", size, addr, got, shared)
				}
			case 5, 6:
				id := rapid.Uint64Range(0, 1).Draw(r, "object")
				must(t, e.NoteObject(slots[thread], 1, id, write))
				want.object(thread, id, write)
			case 7:
				to := (thread + 1) % 3
				must(t, e.NoteJoin(slots[thread], slots[to]))
				want.join(thread, to)
			case 8, 9:
				m, err := e.Mark()
				must(t, err)
				marks, then = append(marks, m), append(then, want.history.clone())
			case 10, 11:
				if len(marks) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(marks)-1).Draw(r, "mark")
				must(t, marks[i].Rewind())
				want.history = then[i].clone()
				for _, m := range marks[i+1:] {
					m.Drop()
				}
				marks, then = marks[:i+1], then[:i+1]
			case 12, 13, 14: // an instruction, perhaps with accesses
				want.step(thread)
				n := e.LogLen()
				_, err := e.Run(slots[thread], 1)
				must(t, err)
				for a := range e.Log().From(n).All() {
					want.access(thread, a.Addr, uint64(a.Size), a.Kind != AccessRead)
				}
			default:
				addr := dataAt + rapid.Uint64Range(0, 30).Draw(r, "at")
				size := rapid.Uint64Range(1, rapid.SampledFrom([]uint64{8, 8, 8, 90}).Draw(r, "most")).Draw(r, "size")
				if write {
					must(t, e.Store(slots[thread], addr, make([]byte, size)))
				} else {
					must(t, e.Touch(slots[thread], addr, size))
				}
				for i := uint64(0); i < size; i += 8 {
					want.access(thread, addr+i, min(size-i, 8), write)
				}
			}
			got, known := e.SharedBytes(), want.known()
			maps.DeleteFunc(got, func(_ uint64, m uint8) bool { return m == 0 })
			if !maps.Equal(got, known) {
				r.Fatalf("shared are %v, want %v", got, known)
			}
			if e.SharedGrown() != want.grown {
				r.Fatalf("grown %d times, want %d", e.SharedGrown(), want.grown)
			}
		}
		for addr, m := range want.known() {
			if got := e.sharedMask(addr + 3); got != m {
				r.Fatalf("of the bytes at %#x, %08b are shared, want %08b", addr, got, m)
			}
		}
	})
}

// What a thread does to bytes that it alone uses is looked for in the log when another one
// comes, and where that happens often, all at once. An engine that notes every access from
// the start, since it was told of these bytes, comes to the same.
func TestSharedLate(t *testing.T) {
	t.Run("words", func(t *testing.T) { sharedLate(t, 1<<13, 8, 1, 2) })
	t.Run("ranges", func(t *testing.T) { sharedLate(t, 1<<10, 96, 80, 93) })
	t.Run("ranges that meet", func(t *testing.T) { sharedLate(t, 1<<10, 93, 93, 93) })
}

// sharedLate has threads store to so many places, which are so far apart, and read or write
// some bytes of them later.
func sharedLate(t *testing.T, places int, apart, stored, later uint64) {
	const roomAt = dataAt + 1<<20 + 3
	var engines []*Engine
	for range 2 {
		e := newEngine(t, loader.ARM64, loops[loader.ARM64], 3, true)
		defer e.Close()
		must(t, e.SetLogging(true))
		e.SetSharing(true)
		engines = append(engines, e)
	}
	for at := uint64(0); at < uint64(places)*apart; at += 8 {
		must(t, engines[1].AddShared(map[uint64]uint8{(roomAt + at) &^ 7: 0}))
	}
	same := func(what string, events [2]int) {
		t.Helper()
		late, first := engines[0].SharedBytes(), engines[1].SharedBytes()
		if !maps.Equal(late, first) || events[0] != events[1] || len(late) == 0 {
			t.Fatalf("%s: %d words have shared bytes, and %d accesses are events; noted at once %d and %d",
				what, len(late), events[0], len(first), events[1])
		}
	}
	var bases []*Mark
	for _, e := range engines {
		base, err := e.Mark()
		must(t, err)
		bases = append(bases, base)
	}
	for range 3 {
		var wrote []*Mark
		for _, e := range engines {
			for i := range uint64(places) {
				must(t, e.Store(int(i%2), roomAt+apart*i, bytes.Repeat([]byte{1}, int(stored))))
			}
			m, err := e.Mark()
			must(t, err)
			wrote = append(wrote, m)
			_, err = e.Run(2, 10) // not of these bytes
			must(t, err)
		}
		for again := range 2 {
			var events [2]int
			for k, e := range engines {
				for i := range uint64(places) {
					thread := 1 - int(i%2) // the other one, of one word in three a third one
					if i%3 == 0 {
						thread = 2
					}
					if i%100 == 0 { // what comes now is of another epoch
						_, err := e.Run(thread, 1)
						must(t, err)
					}
					if (i+uint64(again))%5 == 0 {
						must(t, e.Store(thread, roomAt+apart*i, bytes.Repeat([]byte{2}, int(stored))))
					} else {
						must(t, e.Touch(thread, roomAt+apart*i, later))
					}
					if e.TouchedShared() {
						events[k]++
					}
				}
			}
			same("behind the stores", events)
			for _, m := range wrote {
				must(t, m.Rewind())
			}
		}
		for k, e := range engines {
			wrote[k].Drop()
			must(t, bases[k].Rewind())
			e.ForgetShared()
		}
	}
}

// A block may be larger than anything that could be kept byte by byte, and
// reach up to the end of the address space.
func TestHugeBlock(t *testing.T) {
	const thread, other = 0, 1
	for _, size := range []uint64{1 << 44, ^uint64(0)} {
		e := newEngine(t, loader.ARM64, loops[loader.ARM64], 2, true)
		must(t, e.SetLogging(true))
		e.SetSharing(true)
		must(t, e.Touch(other, dataAt+16, 4))
		must(t, e.Touch(thread, dataAt+24, 8))
		got, err := e.NoteBlock(thread, dataAt+3, size)
		must(t, err)
		if want := []Bytes{{dataAt + 16, 4}}; !slices.Equal(got, want) {
			t.Errorf("a block of %#x bytes shares %v, want %v", size, got, want)
		}
		// What comes later meets it too.
		must(t, e.Touch(other, dataAt+100, 1))
		if m := e.sharedMask(dataAt + 100); m != 1<<4 {
			t.Errorf("a block of %#x bytes and a later read share %08b", size, m)
		}
		e.Close()
	}
}

// Blocks are noted, and bytes read, only while sharing is on.
func TestBlockWithoutSharing(t *testing.T) {
	e := newEngine(t, loader.ARM64, loops[loader.ARM64], 2, true)
	defer e.Close()
	must(t, e.SetLogging(true))
	for thread := range 2 {
		got, err := e.NoteBlock(thread, dataAt, 64)
		must(t, err)
		if got != nil || e.NoteRead(thread, dataAt) || e.SharedGrown() != 0 {
			t.Errorf("thread %d: shares %v", thread, got)
		}
	}
	e.SetSharing(true)
	if e.NoteRead(0, dataAt) || e.NoteRead(1, dataAt) {
		t.Error("two reads share the byte")
	}
	if _, err := e.NoteBlock(0, dataAt, 1); err != nil || !e.NoteRead(1, dataAt) || e.NoteRead(1, dataAt+1) {
		t.Errorf("a block and a read share nothing (%v), or too much", err)
	}
}

package shim

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/loader"
)

// sharing is what an engine is to know of shared bytes, byte by byte.
type sharing struct {
	touched map[uint64]map[int]bool // by whom
	written map[uint64]bool
	learned map[uint64]bool
	told    map[uint64]bool
	seen    map[uint64]bool // by eight bytes, where there was an access
	grown   uint64
}

func (s *sharing) forget() {
	s.touched, s.written, s.learned = map[uint64]map[int]bool{}, map[uint64]bool{}, map[uint64]bool{}
	s.seen = map[uint64]bool{}
	for b := range s.told {
		s.seen[b/8] = true
	}
}

func (s *sharing) access(thread int, addr uint64, size uint8, write bool) {
	for b := addr; b < addr+uint64(size); b++ {
		s.seen[b/8] = true
	}
	s.note(thread, addr, uint64(size), write)
}

// block is a write of a whole block: of what no access has been to, only the
// first byte counts at once.
func (s *sharing) block(thread int, addr, size uint64) (shared []Bytes) {
	s.seen[addr/8] = true
	s.note(thread, addr, size, true)
	for b := addr; b < addr+size; b++ {
		if !s.learned[b] && !s.told[b] {
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

func (s *sharing) note(thread int, addr, size uint64, write bool) {
	grew := map[uint64]bool{} // by eight bytes
	for b := addr; b < addr+size; b++ {
		if s.touched[b] == nil {
			s.touched[b] = map[int]bool{}
		}
		s.touched[b][thread] = true
		s.written[b] = s.written[b] || write
		if len(s.touched[b]) > 1 && s.written[b] && !s.learned[b] && s.seen[b/8] {
			s.learned[b] = true
			grew[b/8] = grew[b/8] || !s.told[b]
		}
	}
	for _, g := range grew {
		if g {
			s.grown++
		}
	}
}

func (s *sharing) bytes() map[uint64]uint8 {
	m := map[uint64]uint8{}
	for _, set := range []map[uint64]bool{s.learned, s.told} {
		for b := range set {
			m[b&^7] |= 1 << (b & 7)
		}
	}
	return m
}

// What is known of shared bytes follows from the accesses since they were last
// forgotten and from what was told, and from nothing else. The accesses are the
// kernel's, which go the same way as a thread's.
func TestSharing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		e := newEngine(t, loader.ARM64, loops[loader.ARM64], 3, true)
		defer e.Close()
		must(t, e.SetLogging(true))
		e.SetSharing(true)
		want := &sharing{told: map[uint64]bool{}}
		want.forget()
		for range rapid.IntRange(1, 60).Draw(r, "steps") {
			switch rapid.IntRange(0, 9).Draw(r, "step") {
			case 0:
				e.ForgetShared()
				want.forget()
			case 1:
				addr := dataAt + 8*rapid.Uint64Range(0, 3).Draw(r, "granule")
				mask := rapid.Uint8().Draw(r, "mask")
				must(t, e.AddShared(map[uint64]uint8{addr: mask}))
				want.seen[addr/8] = true
				for i := range uint64(8) {
					if mask&(1<<i) != 0 {
						want.told[addr+i] = true
					}
				}
			case 2, 3, 4:
				thread := rapid.IntRange(0, 2).Draw(r, "thread")
				addr := dataAt + rapid.Uint64Range(0, 30).Draw(r, "block")
				size := rapid.Uint64Range(1, 40).Draw(r, "bytes")
				got, err := e.NoteBlock(thread, addr, size)
				must(t, err)
				if shared := want.block(thread, addr, size); !slices.Equal(got, shared) {
					r.Fatalf("of the %d bytes at %#x, %v are shared, want %v", size, addr, got, shared)
				}
			default:
				thread := rapid.IntRange(0, 2).Draw(r, "thread")
				addr := dataAt + rapid.Uint64Range(0, 30).Draw(r, "at")
				size := rapid.Uint8Range(1, 8).Draw(r, "size")
				write := rapid.Bool().Draw(r, "write")
				if write {
					must(t, e.Store(thread, addr, make([]byte, size)))
				} else {
					must(t, e.Touch(thread, addr, uint64(size)))
				}
				want.access(thread, addr, size, write)
			}
			got, known := e.SharedBytes(), want.bytes()
			for addr := uint64(dataAt); addr < dataAt+72; addr += 8 {
				if m := e.SharedMask(addr + 3); m != known[addr] {
					r.Fatalf("of the bytes at %#x, %08b are shared, want %08b", addr, m, known[addr])
				}
			}
			maps.DeleteFunc(got, func(_ uint64, m uint8) bool { return m == 0 })
			maps.DeleteFunc(known, func(_ uint64, m uint8) bool { return m == 0 })
			if !maps.Equal(got, known) {
				r.Fatalf("shared are %v, want %v", got, known)
			}
			if e.SharedGrown() != want.grown {
				r.Fatalf("grown %d times, want %d", e.SharedGrown(), want.grown)
			}
		}
	})
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
		if m := e.SharedMask(dataAt + 100); m != 1<<4 {
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

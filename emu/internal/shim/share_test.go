package shim

import (
	"maps"
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
	grown   uint64
}

func (s *sharing) forget() {
	s.touched, s.written, s.learned = map[uint64]map[int]bool{}, map[uint64]bool{}, map[uint64]bool{}
}

func (s *sharing) access(thread int, addr uint64, size uint8, write bool) {
	grew := map[uint64]bool{} // by eight bytes
	for b := addr; b < addr+uint64(size); b++ {
		if s.touched[b] == nil {
			s.touched[b] = map[int]bool{}
		}
		s.touched[b][thread] = true
		s.written[b] = s.written[b] || write
		if len(s.touched[b]) > 1 && s.written[b] && !s.learned[b] {
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
				for i := range uint64(8) {
					if mask&(1<<i) != 0 {
						want.told[addr+i] = true
					}
				}
			default:
				thread := rapid.IntRange(0, 2).Draw(r, "thread")
				addr := dataAt + rapid.Uint64Range(0, 30).Draw(r, "at")
				size := rapid.Uint8Range(1, 8).Draw(r, "size")
				write := rapid.Bool().Draw(r, "write")
				if write {
					must(t, e.Store(thread, addr, make([]byte, size)))
				} else {
					must(t, e.Touch(thread, addr, size))
				}
				want.access(thread, addr, size, write)
			}
			got, known := e.SharedBytes(), want.bytes()
			for addr := uint64(dataAt); addr < dataAt+40; addr += 8 {
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

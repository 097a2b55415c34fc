package arena_test

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"emurace/heap/arena"
	"emurace/loader"
)

// built is memory made word by word as malloc/malloc.c of a version lays it out, for versions that no
// sysroot has, and for sizes that no test wants to fill.
type built struct {
	words   map[uint64]uint64
	regions []arena.Region
	// From lo to hi are chunks of 96 bytes in use, if there are any.
	lo, hi uint64
}

const (
	libcAt  = 0x7f00_0000_0000
	arenaAt = libcAt + 0x2aa0
	heapAt  = 0x5555_0000_0000
	tlsAt   = 0x7f10_0000_0000
	tp      = tlsAt + 0x2000
	filler  = 96
)

func (b *built) Regions() []arena.Region { return b.regions }

func (b *built) Read64(addr uint64) (uint64, bool) {
	for _, r := range b.regions {
		if addr >= r.Lo && addr+8 <= r.Hi {
			if addr%8 == 0 {
				return b.word(addr), true
			}
			shift := 8 * (addr % 8)
			return b.word(addr&^7)>>shift | b.word(addr&^7+8)<<(64-shift), true
		}
	}
	return 0, false
}

func (b *built) word(addr uint64) uint64 {
	if v, ok := b.words[addr]; ok || addr < b.lo || addr >= b.hi {
		return v
	}
	if (addr-b.lo)%filler == 8 {
		return filler | 1
	}
	return 0
}

func (b *built) Read(addr, size uint64) ([]byte, bool) {
	for _, r := range b.regions {
		if addr < r.Lo || addr >= r.Hi || size > r.Hi-addr {
			continue
		}
		out := make([]byte, size)
		if addr >= b.lo && addr+size <= b.hi && size == 64<<10 {
			// The large part is quick: nothing else is in it.
			for at := addr + (filler-(addr-b.lo)%filler)%filler; at < addr+size-8; at += filler {
				binary.LittleEndian.PutUint64(out[at+8-addr:], filler|1)
			}
			if off := (addr - b.lo) % filler; off == 8 {
				binary.LittleEndian.PutUint64(out, filler|1)
			}
			return out, true
		}
		for i := range size {
			at := addr + i
			out[i] = byte(b.word(at&^7) >> (8 * (at % 8)))
		}
		return out, true
	}
	return nil, false
}

// version is how one lays out what the others have elsewhere.
type version struct {
	text     string
	bins     uint64 // in malloc_state
	attached bool
	cache    uint64 // size of the cache's chunk, 0 for none
	counts   uint64 // bytes of each count
	lists    uint64 // from the cache to its lists
	mangled  bool
}

var versions = []version{
	{"2.17", 104, false, 0, 0, 0, false}, {"2.22", 104, false, 0, 0, 0, false}, {"2.23", 104, true, 0, 0, 0, false},
	{"2.26", 104, true, 0x250, 1, 64, false}, {"2.27", 112, true, 0x250, 1, 64, false}, {"2.30", 112, true, 0x290, 2, 128, false},
	{"2.32", 112, true, 0x290, 2, 128, true}, {"2.42", 112, true, 0x300, 2, 152, true}, {"2.43", 24, true, 0x300, 2, 152, true},
}

// made is what a built process has.
type made struct {
	arena.Process
	mem    *built
	chunks []arena.Chunk // Addr, Size and State
}

// build makes a process with a heap of chunks; draw decides on each one's size and state.
func build(v version, arch loader.Arch, n int, draw func(i int) (size uint64, state arena.State)) made {
	b := &built{words: map[uint64]uint64{}, regions: []arena.Region{
		{Lo: heapAt, Writable: true},
		{Lo: libcAt, Hi: libcAt + 0x8000, Writable: true, File: "/lib/libc.so.6"},
		{Lo: tlsAt, Hi: tlsAt + 0x4000, Writable: true},
	}}
	d := made{mem: b}
	bins := arenaAt + v.bins
	for i := range uint64(127) {
		b.words[bins+16*i], b.words[bins+16*i+8] = bins+16*i-16, bins+16*i-16
	}
	at, free := uint64(heapAt), false
	put := func(size uint64, state arena.State) uint64 {
		used := uint64(1)
		if free {
			used = 0
		}
		b.words[at+8] = size | used
		free = state == arena.Unsorted
		d.chunks = append(d.chunks, arena.Chunk{Addr: at, Size: size, State: state})
		at += size
		if free {
			b.words[at] = size
		}
		return at - size
	}
	cache := uint64(0)
	if v.cache != 0 {
		cache = put(v.cache, arena.Internal) + 16
	}
	for i := range n {
		size, state := draw(i)
		if state == arena.Unsorted && free || state == arena.InCache && (cache == 0 || size > 0x410) || state == arena.InFast && (v.bins == 24 || size > 0x80) {
			state = arena.InUse
		}
		c := put(size, state)
		push := func(head, to uint64) {
			next := b.words[head]
			if b.words[c+16] = next; v.mangled {
				b.words[c+16] = next ^ (c+16)>>12
			}
			b.words[head] = c + to
		}
		switch state {
		case arena.InCache:
			bin := (size - 32) / 16
			count := cache + v.counts*bin
			one := uint64(1) << (8 * (count % 8))
			if v.cache == 0x300 {
				one = -one
			}
			b.words[count&^7] += one
			push(cache+v.lists+8*bin, 16)
			b.words[c+24] = 0x1234_5678_9abc_def1
		case arena.InFast:
			push(bins-16-80+8*(size-32)/16, 0)
		case arena.Unsorted:
			first := b.words[bins]
			b.words[c+16], b.words[c+24] = first, bins-16
			b.words[bins], b.words[first+24] = c, c
		default:
		}
	}
	put(0x8000, arena.Top)
	b.words[bins-16] = at - 0x8000
	system := bins + 2048 + 16
	if v.attached {
		b.words[system] = 1
		system += 8
	}
	b.words[system], b.words[bins+2048] = at-heapAt, arenaAt
	b.regions[0].Hi = at
	where := uint64(tp + 0x40)
	if arch == loader.AMD64 {
		where = tp - 0x40
	}
	b.words[where], b.words[where+8] = arenaAt, cache
	d.Process = arena.Process{
		Memory: b, Arch: arch, Version: v.text, Threads: []arena.Thread{{ID: 7, TP: tp}},
		Libc: arena.Module{Lo: libcAt, Hi: libcAt + 0x8000, Base: libcAt},
	}
	return d
}

// TestBuilt: of each version, each chunk is known for what it is.
func TestBuilt(t *testing.T) {
	states := []arena.State{arena.InUse, arena.InUse, arena.InCache, arena.InFast, arena.Unsorted}
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(versions).Draw(t, "version")
		arch := rapid.SampledFrom([]loader.Arch{loader.ARM64, loader.AMD64}).Draw(t, "arch")
		d := build(v, arch, rapid.IntRange(1, 60).Draw(t, "chunks"), func(int) (uint64, arena.State) {
			return 32 + 16*rapid.Uint64Range(0, 80).Draw(t, "size"), rapid.SampledFrom(states).Draw(t, "state")
		})
		mal := arena.Read(d.Process)
		// Of 2.42 and 2.43 the places that are left are counted from 16 of a cache; here from 0.
		for i, want := range d.chunks {
			c, ok := mal.At(want.Addr + 16)
			if !ok || c.Addr != want.Addr || c.Size != want.Size || c.State != want.State || !c.Certain {
				t.Fatalf("%s: chunk %d, want %+v: %+v, %v; %v", v.text, i, want, c, ok, mal.Problems)
			}
			if list := mal.Around(want.Addr+16, 3, 3); len(list) != min(i, 3)+1+min(len(d.chunks)-1-i, 3) || list[min(i, 3)].Addr != want.Addr {
				t.Fatalf("around chunk %d of %d: %+v", i, len(d.chunks), list)
			}
		}
		o, ok := mal.Owners(d.chunks[0].Addr + 16)
		if !ok || !o.Certain || len(o.Threads) != 1 || v.attached != (o.Others == 0) {
			t.Fatalf("%s: owners %+v, %v", v.text, o, ok)
		}
	})
}

// TestLarge: a heap of many chunks is gone through once, in bounded memory.
func TestLarge(t *testing.T) {
	size := uint64(512 << 20)
	if testing.Short() {
		size = 64 << 20
	}
	large(t, size)
}

func large(t testing.TB, size uint64) {
	t.Helper()
	d := build(versions[6], loader.ARM64, 0, nil)
	b := d.mem
	b.lo = heapAt + 0x290
	b.hi = b.lo + size/filler*filler
	delete(b.words, b.lo+8)
	b.regions[0].Hi = b.hi + 0x8000
	b.words[b.hi+8] = 0x8001
	b.words[arenaAt+112-16] = b.hi
	b.words[arenaAt+112+2048+24] = b.hi + 0x8000 - heapAt
	start := time.Now()
	mal := arena.Read(d.Process)
	n := size / filler
	for _, k := range []uint64{0, 1, n / 2, n - 1} {
		c, ok := mal.At(b.lo + k*filler + 40)
		if !ok || !c.Certain || c.Addr != b.lo+k*filler || c.State != arena.InUse {
			t.Fatalf("chunk %d: %+v, %v, %v", k, c, ok, mal.Problems)
		}
	}
	t.Logf("%d MiB, %d chunks: %v", size>>20, n, time.Since(start))
}

// BenchmarkLarge is TestLarge with 4 GiB.
func BenchmarkLarge(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		large(b, 4<<30)
	}
}

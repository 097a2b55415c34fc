package arena_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"emurace/emu"
	"emurace/heap"
	"emurace/heap/arena"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
)

// damaged is memory in which words are overwritten, or pages gone.
type damaged struct {
	arena.Memory
	words map[uint64]uint64
	gone  map[uint64]bool
}

func (d damaged) Read64(addr uint64) (uint64, bool) {
	b, ok := d.Read(addr, 8)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b), true
}

func (d damaged) Read(addr, size uint64) ([]byte, bool) {
	b, ok := d.Memory.Read(addr, size)
	if !ok {
		return nil, false
	}
	for at, v := range d.words {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], v)
		for i, c := range w {
			if off := at + uint64(i) - addr; off < size {
				b[off] = c
			}
		}
	}
	for page := range d.gone {
		if addr < page+4096 && addr+size > page {
			return nil, false
		}
	}
	return b, true
}

// harm overwrites some words of malloc's.
func harm(rnd *rand.Rand, m *emu.Process, h *heap.History, mal *arena.Malloc) map[uint64]uint64 {
	words := map[uint64]uint64{}
	blocks := h.Blocks()
	for range 1 + rnd.IntN(4) {
		b := blocks[rnd.IntN(len(blocks))]
		at := b.Addr - 8
		switch k := rnd.IntN(10); {
		case k < 4:
		case k < 6:
			at += b.ChunkSize
		case k < 9:
			at = b.Addr + 8*rnd.Uint64N(4)
		default:
			a := mal.Arenas[rnd.IntN(len(mal.Arenas))]
			at = a.Addr + 8*rnd.Uint64N(280)
			if c := mal.Caches; len(c) > 0 && rnd.IntN(2) == 0 {
				at = c[rnd.IntN(len(c))].Addr + 8*rnd.Uint64N(80)
			}
		}
		v, _ := m.Read64(at)
		switch rnd.IntN(6) {
		case 0:
			v = rnd.Uint64()
		case 1:
			v &^= 0xff // as a string that is one byte too long
		case 2:
			v += 16 * (1 + rnd.Uint64N(64))
		case 3:
			v = 0x4141414141414141
		case 4:
			v, _ = m.Read64(blocks[rnd.IntN(len(blocks))].Addr - 8)
		default:
			v ^= 1 << rnd.IntN(48)
		}
		words[at] = v
	}
	return words
}

// TestDamage: whatever is overwritten, the time is bounded, and what is said to be certain of a block
// whose own books were left alone is right.
func TestDamage(t *testing.T) {
	seed := testseed.Of(t, 1)
	rnd := rand.New(rand.NewPCG(seed, 1))
	rounds := 30
	if testing.Short() {
		rounds = 10
	}
	for _, env := range settings {
		testsystem.EachSuite(t, []string{"bookworm", "bullseye", "forky"}, func(t *testing.T, _ string, sys *emu.System) {
			m, h := calls{n: 800, threads: 2, env: env}.run(t, sys, seed)
			p := dead(t, m, true)
			whole := arena.Read(p)
			wrong, sure, all := 0, 0, 0
			for range rounds {
				words := harm(rnd, m, h, whole)
				q := p
				q.Memory = damaged{Memory: p.Memory, words: words}
				start := time.Now()
				mal := arena.Read(q)
				for _, b := range h.Blocks() {
					if b.Freed != nil || spoilt(words, b) {
						continue
					}
					all++
					c, ok := mal.At(b.Addr)
					mal.Meaning(b.Addr, words[b.Addr])
					if !ok || !c.Certain {
						continue
					}
					sure++
					// A new size may lead to where a chunk begins or began: for malloc it is one.
					if (c.State != arena.InUse && c.State != arena.Mmapped || c.Size != b.ChunkSize) && !astray(words, mal, b) {
						if wrong++; wrong < 4 {
							t.Errorf("%#x: block %#x of %#x is %+v", words, b.Addr, b.ChunkSize, c)
						}
					}
				}
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("%#x: took %v", words, took)
				}
			}
			t.Logf("%d of %d blocks are certain, %d wrong", sure, all, wrong)
		})
	}
}

// spoilt tells whether what malloc notes of a block itself is overwritten.
func spoilt(words map[uint64]uint64, b *heap.Block) bool {
	for at := range words {
		if at == b.Addr-8 || at == b.Addr-8+b.ChunkSize {
			return true
		}
	}
	return false
}

// astray tells whether a size that is overwritten has led to the chunk that a block seems to be in.
func astray(words map[uint64]uint64, mal *arena.Malloc, b *heap.Block) bool {
	for _, c := range mal.Around(b.Addr, 8, 0) {
		if _, led := words[c.Addr+8]; led {
			return true
		}
	}
	return false
}

package arena_test

import (
	"slices"
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/heap/arena"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
)

// TestMeaning: what a word in a freed block is agrees with what the run itself tells of it.
func TestMeaning(t *testing.T) {
	seed := testseed.Of(t, 1)
	for _, env := range settings {
		testsystem.EachSuite(t, suites, func(t *testing.T, _ string, sys *emu.System) {
			m, h := calls{n: 500, threads: 2, env: env}.run(t, sys, seed)
			for _, debug := range []bool{true, false} {
				p := dead(t, m, true)
				p.Libc.Image = libc(t, sys, m, debug)
				meanings(t, m, h, arena.Read(p))
			}
		})
	}
}

func meanings(t *testing.T, m *emu.Process, h *heap.History, mal *arena.Malloc) {
	t.Helper()
	kinds := map[arena.Kind]int{}
	bad := 0
	step := m.Steps()
	for _, b := range h.Blocks() {
		if h.Owner(b.Addr, step) != b || !b.FreedBy(step) {
			continue
		}
		c, ok := mal.At(b.Addr)
		if !ok || c.Addr+16 != b.Addr || c.State == arena.Top {
			continue // it is no chunk of its own any more, from which the run's are found
		}
		for addr := b.Addr - 8; addr < b.Addr+b.ChunkSize-8; addr += 8 {
			v, _ := m.Read64(addr)
			want := h.Meaning(m, heap.Word{Addr: addr, Value: v, Owner: b, Old: true, Step: step})
			list := mal.Meaning(addr, v)
			got := arena.Meaning{}
			if len(list) > 0 {
				got = list[0]
			}
			if got.Field == "" || !got.Certain {
				got.Kind = ""
			}
			kinds[got.Kind]++
			fits := true
			switch got.Kind {
			case arena.SizeField, arena.Foot:
				// Behind top is nothing, so to the run it is no chunk.
				fits = got.Chunk.State == arena.Top || want.Kind == heap.MallocSize && want.Chunk == got.Chunk.Addr && want.Foot == (got.Kind == arena.Foot)
			case arena.FreeLink, arena.CacheLink:
				fits = want.Kind == heap.MallocLink && want.Target == got.Target && want.Mangled == got.Mangled
			case arena.CacheKey:
				fits = want.Kind == heap.MallocKey
			case "":
				// What is left over is not certain, but seen.
				fits = want.Kind != heap.MallocLink || want.Target == 0 || slices.ContainsFunc(list, func(s arena.Meaning) bool { return s.Target == want.Target })
			default:
			}
			if !fits {
				if bad++; bad < 4 {
					t.Errorf("%#x of block %#x of %#x, chunk %+v: %#x is %v (%+v), want %+v", addr, b.Addr, b.ChunkSize, c, v, got.Kind, list, want)
				}
			}
		}
	}
	t.Log(kinds)
}

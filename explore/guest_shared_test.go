package explore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testseed"
)

const bytesAndMore = `
union { u8 b[24]; u16 h[12]; u32 w[6]; u64 d[3]; } m;
u64 get8(u32 i) { return ((volatile u8 *)m.b)[i]; }
u64 get32(u32 i) { return *(volatile u32 *)(m.b + i); }
u64 get64(u32 i) { return *(volatile u64 *)(m.b + i); }
void put8(u32 i) { ((volatile u8 *)m.b)[i] = 1; }
void put32(u32 i) { *(volatile u32 *)(m.b + i) = 1; }
void put64(u32 i) { *(volatile u64 *)(m.b + i) = 1; }
void add16(u32 i) { __atomic_fetch_add(&m.h[i / 2], 1, __ATOMIC_SEQ_CST); }
`

// Which bytes make events is learned from runs of one schedule until no run shows more:
// then all conflicting accesses to other bytes are ordered by those to these, whatever
// the number of threads and in whatever order; and there are no more of them than have
// conflicts. Fewer would make a search miss schedules.
func TestSharedBytes(t *testing.T) {
	const rounds = 12
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 1)
		for round := range rounds {
			if testing.Short() && round >= 3 {
				break
			}
			r := rand.New(rand.NewPCG(seed, uint64(round)))
			var threads []string
			for range 2 + r.IntN(5) {
				var calls []string
				for range 1 + r.IntN(4) {
					ops := []string{"get8", "get32", "get64", "put8", "put32", "put64", "add16"}
					calls = append(calls, fmt.Sprintf("%s %d", ops[r.IntN(len(ops))], r.IntN(17)))
				}
				threads = append(threads, strings.Join(calls, ";"))
			}
			g := program{fmt.Sprint(round), bytesAndMore, threads}.start(t, sys)
			// One thread after the other, in pieces, and the other way round.
			order := append(r.Perm(len(threads)), r.Perm(len(threads))...)
			for known, first := uint64(0), true; first || g.s.Grown() != known; first = false {
				known = g.s.Grown()
				must(t, g.s.Restart())
				for turn, i := range order {
					for n := 0; g.s.Runnable(i) && (n < 3 || turn >= len(threads)); n++ {
						_, err := g.s.RunEvent(i)
						must(t, err)
					}
				}
			}
			shared := g.s.SharedBytes()
			is := func(b uint64) bool { return shared[b&^7]>>(b&7)&1 != 0 }
			conflicts, unordered := conflictsOf(g.s.Process().Log().From(g.s.StartLog()).List(), is)
			for b := range conflicts {
				if unordered[b] && !is(b) {
					t.Errorf("round %d of seed %d, threads %q: accesses to %#x are not ordered, and it is not shared", round, seed, threads, b)
				}
			}
			for at, mask := range shared {
				for i := range uint64(8) {
					if mask>>i&1 != 0 && !conflicts[at+i] {
						t.Errorf("round %d of seed %d, threads %q: %#x is shared without a conflict", round, seed, threads, at+i)
					}
				}
			}
		}
	})
}

// conflictsOf lists the bytes of which threads' accesses conflict, and those of which
// not all such pairs are ordered by what conflicts on shared bytes. It tries all pairs.
func conflictsOf(log []emu.LogEntry, shared func(uint64) bool) (conflicts, unordered map[uint64]bool) {
	conflicts, unordered = map[uint64]bool{}, map[uint64]bool{}
	overlap := func(a, b emu.LogEntry, found func(byte uint64)) {
		if a.Thread == b.Thread || a.Kind == emu.LogRead && b.Kind == emu.LogRead {
			return
		}
		for at := max(a.Addr, b.Addr); at < min(a.Addr+uint64(a.Size), b.Addr+uint64(b.Size)); at++ {
			found(at)
		}
	}
	before := make([]map[int]bool, len(log)) // what comes before an access
	last := map[uint16]int{}
	for i, a := range log {
		before[i] = map[int]bool{}
		add := func(j int) {
			if !before[i][j] {
				before[i][j] = true
				maps.Copy(before[i], before[j])
			}
		}
		// All accesses of an instruction are one event: the ones before it count.
		if j, ok := last[a.Thread]; ok {
			add(j)
		}
		for j := i - 1; j >= 0; j-- {
			overlap(log[j], a, func(b uint64) {
				if shared(b) {
					add(j)
				}
			})
		}
		last[a.Thread] = i
	}
	for i, a := range log {
		for j := range i {
			overlap(log[j], a, func(b uint64) {
				conflicts[b] = true
				if !before[i][j] {
					unordered[b] = true
				}
			})
		}
	}
	return conflicts, unordered
}

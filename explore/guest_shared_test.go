package explore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"emurace/emu"
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

// Which bytes are shared is learned exactly: those that two threads or more
// have touched and any has written, however many threads touch their neighbours
// and in whatever order. Fewer would make a search miss schedules.
func TestSharedBytes(t *testing.T) {
	const seed, rounds = 1, 12
	eachArch(t, func(t *testing.T, sys *emu.System) {
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
			// One thread after the other, and the other way round.
			for _, i := range append(r.Perm(len(threads)), r.Perm(len(threads))...) {
				for g.s.Runnable(i) {
					_, err := g.s.RunEvent(i)
					must(t, err)
				}
			}
			touched, written := map[uint64]map[uint16]bool{}, map[uint64]bool{}
			for _, a := range g.s.M.Log()[g.s.StartLog():] {
				for b := a.Addr; b < a.Addr+uint64(a.Size); b++ {
					if touched[b] == nil {
						touched[b] = map[uint16]bool{}
					}
					touched[b][a.Thread] = true
					written[b] = written[b] || a.Kind != emu.LogRead
				}
			}
			want := map[uint64]uint8{}
			for b, by := range touched {
				if len(by) > 1 && written[b] {
					want[b&^7] |= 1 << (b & 7)
				}
			}
			if got := g.s.M.SharedBytes(); !maps.Equal(got, want) {
				t.Errorf("round %d of seed %d, threads %q: shared bytes %x, want %x", round, seed, threads, got, want)
			}
		}
	})
}

package explore

import (
	"testing"

	"emurace/emu"
)

// Functions for litmus tests, named as the literature names the accesses: Wx
// stores to x, Ry loads from y, and two of them do so in that order.
const litmus = `
volatile u32 x, y, z;
void Wx(u32 v) { x = v; }
void Wy(u32 v) { y = v; }
void WxWy(u32 v, u32 w) { x = v; y = w; }
void WyWx(u32 v, u32 w) { y = v; x = w; }
u32 WxRy(void) { x = 1; return y; }
u32 WyRx(u32 v) { y = v; return x; }
u32 RxWy(void) { u32 r = x; y = 1; return r; }
u32 RyWx(void) { u32 r = y; x = 1; return r; }
u32 RyWz(void) { u32 r = y; z = 1; return r; }
u32 RxRx(void) { u32 r = x; return 16 * r + x; }
u32 RxRy(void) { u32 r = x; return 16 * r + y; }
u32 RyRx(void) { u32 r = y; return 16 * r + x; }
u32 RzRx(void) { u32 r = z; return 16 * r + x; }
`

// A program of accesses of different sizes to the same bytes.
const mixed = `
union { u8 b[16]; u32 w[4]; u64 d[2]; } m;
#define AT(type, i) (*(volatile type *)(m.b + (i)))
void W1(u32 i) { AT(u8, i) = 1; }
void W4(u32 i) { AT(u32, i) = 0x01010101; }
void W8(u32 i) { AT(u64, i) = 0x0101010101010101; }
u64 R1(u32 i) { return AT(u8, i); }
u64 R8(u32 i) { return AT(u64, i); }
u64 R4R4(u32 i, u32 j) { u64 r = AT(u32, i); return r << 32 | AT(u32, j); }
`

// Of two dependent accesses in different threads either comes first, and of
// these combinations those go away that would be a circle with the order in
// which the threads make theirs. Under sequential consistency nothing else may
// be seen: for SB, say, both loads never return 0.
func TestLitmus(t *testing.T) {
	test := func(name string, source string, want uint64, threads ...string) row {
		return row{program: program{name, source, threads}, want: want}
	}
	testRows(t, []row{
		test("SB", litmus, 3, "WxRy", "WyRx 1"),
		test("MP", litmus, 3, "WxWy 1 1", "RyRx"),
		test("LB", litmus, 3, "RxWy", "RyWx"),
		test("S", litmus, 3, "WxWy 2 1", "RyWx"),
		test("R", litmus, 3, "WxWy 1 1", "WyRx 2"),
		test("2+2W", litmus, 3, "WxWy 1 2", "WyWx 1 2"),
		test("CoRR", litmus, 3, "Wx 1", "RxRx"),
		test("WRC", litmus, 7, "Wx 1", "RxWy", "RyRx"),
		test("RWC", litmus, 7, "Wx 1", "RxRy", "WyRx 1"),
		test("ISA2", litmus, 7, "WxWy 1 1", "RyWz", "RzRx"),
		test("IRIW", litmus, 15, "Wx 1", "Wy 1", "RxRy", "RyRx"),

		test("eight bytes and their halves", mixed, 3, "W8 0", "R4R4 0 4"),
		test("halves and all eight bytes", mixed, 4, "W4 0", "W4 4", "R8 0"),
		test("neighbouring bytes", mixed, 1, "W1 0", "W1 1"),
		test("neighbouring bytes of one word", mixed, 4, "W1 3", "W1 4", "R8 0"),
		test("a word across two eights", mixed, 4, "W4 6", "R1 7", "R1 8"),
		test("next to a word across two eights", mixed, 1, "W4 6", "R1 5", "R1 10"),
		test("eight bytes unaligned", mixed, 8, "W8 3", "R1 3", "R8 8", "R1 10"),
	})
}

// What sequential consistency lets be seen, and nothing else.
func TestLitmusEnds(t *testing.T) {
	type seen map[[2]uint64]bool
	for _, c := range []struct {
		name    string
		threads []string
		want    seen
	}{
		{"SB", []string{"WxRy", "WyRx 1"}, seen{{1, 1}: true, {0, 1}: true, {1, 0}: true}},
		{"LB", []string{"RxWy", "RyWx"}, seen{{0, 0}: true, {0, 1}: true, {1, 0}: true}},
		{"CoRR", []string{"RxRx", "Wx 1"}, seen{{0, 0}: true, {0x01, 0}: true, {0x11, 0}: true}},
		{"MP", []string{"RyRx", "WxWy 1 1"}, seen{{0, 0}: true, {0x01, 0}: true, {0x11, 0}: true}},
	} {
		eachArch(t, func(t *testing.T, sys *emu.System) {
			g := program{c.name, litmus, c.threads}.start(t, sys)
			got := seen{}
			f := exploredEach(t, g, func() {
				pair := [2]uint64{}
				for i := range pair {
					if name := c.threads[i]; name[0] == 'R' || len(name) >= 4 && name[2] == 'R' {
						pair[i] = g.s.Results(i)[0]
					}
				}
				got[pair] = true
			})
			if f.traces != 3 || len(got) != len(c.want) {
				t.Errorf("%s: %d traces, seen %v, want %v", c.name, f.traces, got, c.want)
			}
			for pair := range c.want {
				if !got[pair] {
					t.Errorf("%s: %#x is never seen", c.name, pair)
				}
			}
		})
	}
}

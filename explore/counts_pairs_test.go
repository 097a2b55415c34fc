package explore

import (
	"testing"

	"emurace/loader"
)

// Loads and stores of pairs of registers of arm64, and the same in instructions of one register
// each, whose names end in 2.
const pairs = `
union { u8 b[64]; u32 w[16]; u64 d[8]; } m __attribute__((aligned(16)));
#define PAIR(name, body, body2) u64 name(void) { u64 a = 1, b = 2, p = (u64)m.d, t = 0; body return 3 * a + b + t; } \
	u64 name##2(void) { u64 a = 1, b = 2, p = (u64)m.d, t = 0; body2 return 3 * a + b + t; }
#define A(code) asm volatile(code : [a] "+&r"(a), [b] "+&r"(b), [p] "+&r"(p), [t] "+&r"(t) : : "memory", "v0", "v1");
PAIR(loads, A("ldp %[a], %[b], [%[p]]"), A("ldr %[a], [%[p]]\nldr %[b], [%[p], #8]"))
PAIR(stores, A("stp %[a], %[b], [%[p]]"), A("str %[a], [%[p]]\nstr %[b], [%[p], #8]"))
PAIR(zeros, A("stp xzr, xzr, [%[p]]"), A("str xzr, [%[p]]\nstr xzr, [%[p], #8]"))
PAIR(words, A("ldp %w[a], %w[b], [%[p], #4]"), A("ldr %w[a], [%[p], #4]\nldr %w[b], [%[p], #8]"))
PAIR(signs, A("ldpsw %[a], %[b], [%[p]], #8"), A("ldrsw %[a], [%[p]]\nldrsw %[b], [%[p], #4]"))
PAIR(base, A("ldp %[b], %[p], [%[p]]\nmov %[a], %[p]"), A("ldr %[b], [%[p]]\nldr %[p], [%[p], #8]\nmov %[a], %[p]"))
PAIR(before, A("add %[p], %[p], #16\nldp %[a], %[b], [%[p], #-16]!"), A("ldr %[a], [%[p]]\nldr %[b], [%[p], #8]"))
PAIR(apart, A("stnp %[a], %[b], [%[p]]"), A("str %[a], [%[p]]\nstr %[b], [%[p], #8]"))
PAIR(floats, A("ldp d0, d1, [%[p]]\nfmov %[a], d0\nfmov %[b], d1"), A("ldr d0, [%[p]]\nldr d1, [%[p], #8]\nfmov %[a], d0\nfmov %[b], d1"))
PAIR(vectors, A("ldp q0, q1, [%[p]]\nfmov %[a], d0\nfmov %[b], v1.d[1]"), A("ldr q0, [%[p]]\nldr q1, [%[p], #16]\nfmov %[a], d0\nfmov %[b], v1.d[1]"))
PAIR(saves, A("stp %[a], %[b], [sp, #-16]!\nldp %[b], %[a], [sp], #16"), 
	A("str %[a], [sp, #-16]!\nstr %[b], [sp, #8]\nldr %[b], [sp]\nldr %[a], [sp, #8]\nadd sp, sp, #16"))
u64 exclusive(void) { u64 a = 1, b = 2, p = (u64)m.d, t = 0; A("ldxp %[a], %[b], [%[p]]") return 3 * a + b + t; }
u64 swaps(void) { u64 a = 1, b = 2, p = (u64)m.d, t = 0; A("ldxp %[a], %[b], [%[p]]\nstxp %w[t], %[b], %[a], [%[p]]") return 3 * a + b + t; }
u64 put(u64 i, u64 v) { *(volatile u64 *)(m.b + i) = v; return 0; }
u64 get(u64 i) { return *(volatile u64 *)(m.b + i); }
`

// The traces of pairs are those of two accesses in the order of the registers.
func TestPairsCounts(t *testing.T) {
	sys := system(t, loader.ARM64)
	for i, r := range []row{
		// Each word is read before or behind its write, and every combination has an order.
		{program: program{"a pair read, its words written in order", pairs, []string{"loads", "put 0 5;put 8 6"}}, want: 4},
		// Both late, both early, or the first early and the second late: not the other way.
		{program: program{"a pair read, its words written backwards", pairs, []string{"loads", "put 8 6;put 0 5"}}, want: 3},
		{program: program{"a pair written and one read", pairs, []string{"stores", "loads"}}, want: 4},
		{program: program{"2 pairs written", pairs, times(2, "stores")}, want: 4},
		// Both words have an order of their three writes, and all combinations are possible.
		{program: program{"3 pairs written", pairs, times(3, "stores")}, want: 36},
		{program: program{"2 pairs read", pairs, times(2, "loads")}, want: 1},
		{program: program{"3 pairs read, and one written", pairs, []string{"loads", "loads", "loads", "stores"}}, want: 64},
		{program: program{"a pair and a write of its first word", pairs, []string{"stores", "put 0 5"}}, want: 2},
		{program: program{"a pair and a write of its second word", pairs, []string{"loads", "put 8 5"}}, want: 2},
		{program: program{"a pair and a write of both words' middle", pairs, []string{"loads", "put 4 5"}}, want: 3},
		{program: program{"a pair and a read of both words' middle", pairs, []string{"zeros", "get 4"}}, want: 3},
		{program: program{"words, and eight bytes over both", pairs, []string{"words", "put 4 5"}}, want: 3},
		{program: program{"words with a sign", pairs, []string{"signs", "put 0 5"}}, want: 3},
		{program: program{"a pair over its base", pairs, []string{"base", "stores"}}, want: 4},
		{program: program{"a pair with another base behind it", pairs, []string{"before", "apart"}}, want: 4},
		{program: program{"a pair of floating point registers", pairs, []string{"floats", "stores"}}, want: 4},
		// Registers of 16 bytes: the first one's two words, and then the second one's.
		{program: program{"a pair of vectors", pairs, []string{"vectors", "put 8 5;put 16 6"}}, want: 4},
		{program: program{"a pair of vectors and a write over both", pairs, []string{"vectors", "put 12 5"}}, want: 3},
		// What nobody shares, and what is atomic, is not divided.
		{program: program{"the stack", pairs, times(3, "saves")}, want: 1},
		{program: program{"a load exclusive of a pair", pairs, []string{"exclusive", "put 0 5;put 8 6"}}, want: 3},
		{program: program{"a load exclusive and a pair", pairs, []string{"exclusive", "stores"}}, want: 3},
	} {
		if !inShort(i, 4) {
			continue
		}
		t.Run(r.name, func(t *testing.T) { r.checkWithOracle(t, sys) })
	}
}

// Whatever a pair can do, two instructions of one register each can, and the other way round.
func TestPairsAsTwoInstructions(t *testing.T) {
	sys := system(t, loader.ARM64)
	for _, threads := range [][2][]string{
		{{"loads;stores", "stores;loads"}, {"loads2;stores2", "stores2;loads2"}},
		{{"loads", "zeros;loads", "stores"}, {"loads2", "zeros2;loads2", "stores2"}},
		{{"words;apart", "signs;stores"}, {"words2;apart2", "signs2;stores2"}},
		{{"base;apart", "before;zeros"}, {"base2;apart2", "before2;zeros2"}},
		{{"floats;stores", "vectors;zeros"}, {"floats2;stores2", "vectors2;zeros2"}},
		{{"swaps;loads", "stores;loads"}, {"swaps;loads2", "stores2;loads2"}},
		{{"saves;stores", "saves;loads", "put 4 5"}, {"saves2;stores2", "saves2;loads2", "put 4 5"}},
	} {
		ones := explored(t, program{"ones", pairs, threads[0]}.start(t, sys))
		twos := explored(t, program{"twos", pairs, threads[1]}.start(t, sys))
		if ones.traces != twos.traces || !sameWays(ones.ends, twos.ends) {
			t.Errorf("%v: %d traces in %d ways; %v: %d in %d", threads[0], ones.traces, len(ones.ends), threads[1], twos.traces, len(twos.ends))
		}
	}
}

// A thread can be preempted between the registers of a pair; see TestHalvesBounded. What is
// atomic has no middle.
func TestPairsBounded(t *testing.T) {
	code := func(words ...uint32) routine { return routine{arm64: words} }
	const load, store, exclusive, none, back = 0xa9400801, 0xa9000801, 0xc87f0801, 0xd503201f, 0xd65f03c0
	checkBounded(t, system(t, loader.ARM64), []boundedHalves{
		{[2]routine{code(none, load, none, back), code(none, store, none, back)}, 4, 4},
		{[2]routine{code(load, store, back), code(none, none, back)}, 4, 2},
		{[2]routine{code(exclusive, none, back), code(store, back)}, 2, 2},
	})
}

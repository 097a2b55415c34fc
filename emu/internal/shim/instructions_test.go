package shim

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
)

// instruction is one instruction that touches memory, or a pair that belongs
// together, with what the access log must say about it.
type instruction struct {
	text   string
	code   string // hex, as an assembler gives it
	at     int    // what the address register holds, counted from dataAt
	regs   map[string]uint64
	ran    uint64   // instructions; 0 means one
	reads  []extent // merged, ascending
	writes []extent
}

// extent is a run of bytes, counted from dataAt.
type extent struct{ at, size int }

// Offsets of the cases: in the middle of a page, and three bytes before the
// end of one.
const (
	mid   = 0x140
	cross = PageSize - 3
	stack = 2 * PageSize // what newEngine sets the stack pointer to
)

// untouched is what pattern puts at a place, as a word.
func untouched(at, size int) uint64 {
	var b [8]byte
	copy(b[:], pattern()[at:at+size])
	return binary.LittleEndian.Uint64(b[:])
}

// pattern is what the data pages hold: no two neighbouring words are equal, and
// no byte is 0.
func pattern() []byte {
	b := make([]byte, 4*PageSize)
	for i := range b {
		b[i] = byte(i*7+i>>8) | 1
	}
	return b
}

// vectors loads the SIMD registers that the cases store: v2 to v5, or xmm1 and
// xmm2, from the address in x9 or r9.
var vectors = map[loader.Arch]string{
	loader.ARM64: "2221404c",           // ld1 {v2.16b, v3.16b, v4.16b, v5.16b}, [x9]
	loader.AMD64: "410f1009410f105110", // movups (%r9), %xmm1; movups 16(%r9), %xmm2
}

var arm64Instructions = []instruction{
	{text: "ldr x1, [x0]", code: "010040f9", at: cross, reads: []extent{{cross, 8}}},
	{text: "str x1, [x0]", code: "010000f9", at: cross, writes: []extent{{cross, 8}}},
	{text: "strh w1, [x0]", code: "01000079", at: PageSize - 1, writes: []extent{{PageSize - 1, 2}}},
	{text: "ldrsb x1, [x0]", code: "01008039", at: mid, reads: []extent{{mid, 1}}},
	{text: "ldp q0, q1, [x0]", code: "000440ad", at: mid, reads: []extent{{mid, 32}}},
	{text: "ldp q0, q1, [x0], crossing", code: "000440ad", at: cross, reads: []extent{{cross, 32}}},
	{text: "stp q2, q3, [x0, #32]", code: "020c01ad", at: mid, writes: []extent{{mid + 32, 32}}},
	{text: "stp q2, q3, [x0], crossing", code: "020c00ad", at: cross, writes: []extent{{cross, 32}}},
	{text: "stp x1, x2, [x0, #-16]!", code: "0108bfa9", at: mid, writes: []extent{{mid - 16, 16}}},
	{text: "ld1 {v0.16b-v3.16b}, [x0]", code: "0020404c", at: mid, reads: []extent{{mid, 64}}},
	{text: "ld1r {v0.2d}, [x0]", code: "00cc404d", at: mid, reads: []extent{{mid, 8}}},
	{text: "st1 {v2.4s, v3.4s}, [x0], #32", code: "02a89f4c", at: mid, writes: []extent{{mid, 32}}},
	{text: "st1 {v2.4s, v3.4s}, [x0], crossing", code: "02a8004c", at: cross, writes: []extent{{cross, 32}}},
	{text: "st4 {v2.16b-v5.16b}, [x0]", code: "0200004c", at: mid, writes: []extent{{mid, 64}}},
	{text: "st1 {v2.b}[3], [x0]", code: "020c000d", at: mid, writes: []extent{{mid, 1}}},
	{text: "dc zva, x0", code: "20740bd5", at: mid + 5, writes: []extent{{mid, 64}}},
	{text: "ldar x1, [x0]", code: "01fcdfc8", at: mid, reads: []extent{{mid, 8}}},
	{text: "stlr x1, [x0]", code: "01fc9fc8", at: mid, writes: []extent{{mid, 8}}},
	{text: "ldadd x1, x3, [x0]", code: "030021f8", at: mid, reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	{text: "swpal w1, w3, [x0]", code: "0380e1b8", at: mid, reads: []extent{{mid, 4}}, writes: []extent{{mid, 4}}},
	{text: "ldclrh w1, w3, [x0]", code: "03102178", at: mid, reads: []extent{{mid, 2}}, writes: []extent{{mid, 2}}},
	{text: "cas x1, x2, [x0], equal", code: "027ca1c8", at: mid, regs: map[string]uint64{"x1": untouched(mid, 8)},
		reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	// One that finds another value stores that value back, as x86's does.
	{text: "cas x1, x2, [x0], other", code: "027ca1c8", at: mid, reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	{text: "casp x4, x5, x6, x7, [x0], other", code: "067c2448", at: mid, reads: []extent{{mid, 16}}, writes: []extent{{mid, 16}}},
	{text: "casp x4, x5, x6, x7, [x0], equal", code: "067c2448", at: mid,
		regs:  map[string]uint64{"x4": untouched(mid, 8), "x5": untouched(mid+8, 8)},
		reads: []extent{{mid, 16}}, writes: []extent{{mid, 16}}},
	{text: "ldxr x3, [x0]; stxr w4, x1, [x0]", code: "037c5fc8017c04c8", at: mid, ran: 2,
		reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	{text: "ldaxrb w3, [x0]; stlxrb w4, w1, [x0]", code: "03fc5f0801fc0408", at: mid, ran: 2,
		reads: []extent{{mid, 1}}, writes: []extent{{mid, 1}}},
	{text: "ldxp x3, x4, [x0]; stxp w5, x1, x2, [x0]", code: "03107fc8010825c8", at: mid, ran: 2,
		reads: []extent{{mid, 16}}, writes: []extent{{mid, 16}}},
	{text: "stxr w4, x1, [x0], monitor open", code: "017c04c8", at: mid},
}

var amd64Instructions = []instruction{
	{text: "mov (%rdi), %rax", code: "488b07", at: cross, reads: []extent{{cross, 8}}},
	{text: "mov %rdx, (%rdi)", code: "488917", at: cross, writes: []extent{{cross, 8}}},
	{text: "movups (%rdi), %xmm0", code: "0f1007", at: cross - 4, reads: []extent{{cross - 4, 16}}},
	{text: "movups %xmm2, (%rdi)", code: "0f1117", at: cross - 4, writes: []extent{{cross - 4, 16}}},
	{text: "movaps %xmm2, (%rdi)", code: "0f2917", at: mid, writes: []extent{{mid, 16}}},
	{text: "movnti %rdx, (%rdi)", code: "480fc317", at: mid, writes: []extent{{mid, 8}}},
	{text: "addb $1, (%rdi)", code: "800701", at: mid, reads: []extent{{mid, 1}}, writes: []extent{{mid, 1}}},
	// Each round of a repeated instruction counts as one, and so does the last
	// look at a count of zero.
	{text: "rep movsb", code: "f3a4", at: cross, regs: map[string]uint64{"rcx": 5, "rsi": dataAt + mid}, ran: 5 + 1,
		reads: []extent{{mid, 5}}, writes: []extent{{cross, 5}}},
	{text: "rep movsq, overlapping", code: "f348a5", at: mid + 8, regs: map[string]uint64{"rcx": 4, "rsi": dataAt + mid}, ran: 4 + 1,
		reads: []extent{{mid, 32}}, writes: []extent{{mid + 8, 32}}},
	{text: "rep stosq", code: "f348ab", at: cross, regs: map[string]uint64{"rcx": 3, "rax": 0x1122334455667788}, ran: 3 + 1,
		writes: []extent{{cross, 24}}},
	{text: "rep stosq of nothing", code: "f348ab", at: mid, regs: map[string]uint64{"rcx": 0}, ran: 1},
	{text: "repne scasb", code: "f2ae", at: mid, regs: map[string]uint64{"rcx": 100, "rax": untouched(mid+6, 1)}, ran: 7,
		reads: []extent{{mid, 7}}},
	{text: "xchg %rdx, (%rdi)", code: "488717", at: mid, reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	{text: "lock cmpxchg %rdx, (%rdi), equal", code: "f0480fb117", at: mid, regs: map[string]uint64{"rax": untouched(mid, 8)},
		reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	{text: "lock cmpxchg %rdx, (%rdi), other", code: "f0480fb117", at: mid, reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	{text: "lock cmpxchg16b (%rdi), equal", code: "f0480fc70f", at: mid,
		regs:  map[string]uint64{"rax": untouched(mid, 8), "rdx": untouched(mid+8, 8), "rbx": 1, "rcx": 2},
		reads: []extent{{mid, 16}}, writes: []extent{{mid, 16}}},
	{text: "lock xadd %rdx, (%rdi)", code: "f0480fc117", at: mid, reads: []extent{{mid, 8}}, writes: []extent{{mid, 8}}},
	{text: "lock incl (%rdi)", code: "f0ff07", at: mid, reads: []extent{{mid, 4}}, writes: []extent{{mid, 4}}},
	{text: "push %rdx", code: "52", writes: []extent{{stack - 8, 8}}},
	{text: "pop %rdx", code: "5a", reads: []extent{{stack, 8}}},
	{text: "push (%rdi)", code: "ff37", at: mid, reads: []extent{{mid, 8}}, writes: []extent{{stack - 8, 8}}},
	{text: "call .+5", code: "e800000000", writes: []extent{{stack - 8, 8}}},
	{text: "enter $16, $0", code: "c8100000", writes: []extent{{stack - 8, 8}}},
	{text: "fld1; fstpt (%rdi)", code: "d9e8db3f", at: cross, ran: 2, writes: []extent{{cross, 10}}},
	{text: "maskmovdqu %xmm1, %xmm2", code: "660ff7d1", at: cross, writes: maskedBytes(cross)},
}

// maskedBytes are the bytes that maskmovdqu writes: those for which the byte of
// xmm1 has its top bit set.
func maskedBytes(at int) []extent {
	var out []extent
	for i, b := range pattern()[vectorsFrom : vectorsFrom+16] {
		if b&0x80 == 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].at+out[n-1].size == at+i {
			out[n-1].size++
			continue
		}
		out = append(out, extent{at + i, 1})
	}
	return out
}

// vectorsFrom is where in the data the SIMD registers are loaded from.
const vectorsFrom = 3 * PageSize

func merged(log []Access, kind AccessKind) []extent {
	var e []extent
	for _, a := range log {
		if a.Kind == kind {
			e = append(e, extent{int(a.Addr - dataAt), int(a.Size)})
		}
	}
	slices.SortFunc(e, func(a, b extent) int { return a.at - b.at })
	var out []extent
	for _, x := range e {
		if n := len(out); n > 0 && x.at <= out[n-1].at+out[n-1].size {
			out[n-1].size = max(out[n-1].size, x.at+x.size-out[n-1].at)
			continue
		}
		out = append(out, x)
	}
	return out
}

// prepare is an engine that stands before the instruction, with the SIMD
// registers loaded and nothing logged yet.
func prepare(t *testing.T, arch loader.Arch, c instruction) *Engine {
	t.Helper()
	code, err := hex.DecodeString(vectors[arch] + c.code)
	must(t, err)
	e := newEngine(t, arch, append(code, nops[arch]...), 1, true)
	must(t, e.Store(0, dataAt, pattern()))
	prelude := uint64(len(vectors[arch]) / 2)
	set(t, e, 0, map[loader.Arch]string{loader.ARM64: "x9", loader.AMD64: "r9"}[arch], dataAt+vectorsFrom)
	for e.ReadPC(t) < codeAt+prelude {
		run(t, e, 0, 1)
	}
	set(t, e, 0, "addr", uint64(dataAt+c.at))
	set(t, e, 0, map[loader.Arch]string{loader.ARM64: "x1", loader.AMD64: "rdx"}[arch], 0x0123456789abcdef)
	for name, v := range c.regs {
		set(t, e, 0, name, v)
	}
	return e
}

// ReadPC is the program counter of thread 0.
func (e *Engine) ReadPC(t testing.TB) uint64 { return get(t, e, 0, "pc") }

var nops = map[loader.Arch][]byte{
	loader.ARM64: words(0xd503201f, 0xd503201f, 0xd503201f, 0xd503201f),
	loader.AMD64: {0x90, 0x90, 0x90, 0x90},
}

// TestInstructionsAreLoggedAndUndone: for every way to touch memory, the log
// names exactly the bytes, in entries that alone lead from the memory before to
// the memory after; and a rewind takes all of it back.
func TestInstructionsAreLoggedAndUndone(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		cases := arm64Instructions
		if arch == loader.AMD64 {
			cases = amd64Instructions
		}
		for _, c := range cases {
			t.Run(strings.ReplaceAll(c.text, " ", "_"), func(t *testing.T) { checkInstruction(t, arch, c) })
		}
	})
}

func checkInstruction(t *testing.T, arch loader.Arch, c instruction) {
	e := prepare(t, arch, c)
	ran := max(c.ran, 1)
	begin, first := e.ReadPC(t), e.Steps()+1
	mark, err := e.Mark()
	must(t, err)
	defer mark.Drop()
	before, regs := snapshot(t, e)
	// Twice, since the first run translates the code and fills the TLB.
	for round := range 2 {
		if s := run(t, e, 0, ran); s.Reason != StopBudget || s.Ran != ran {
			t.Fatalf("round %d: %+v", round, s)
		}
		if pc, want := e.ReadPC(t), begin+uint64(len(c.code)/2); pc != want {
			t.Fatalf("round %d: %d instructions lead to %#x, want %#x", round, ran, pc, want)
		}
		log := slices.Clone(e.Log().List())
		if got := merged(log, AccessRead); !slices.Equal(got, c.reads) {
			t.Errorf("round %d: reads %v, want %v", round, got, c.reads)
		}
		if got := merged(log, AccessWrite); !slices.Equal(got, c.writes) {
			t.Errorf("round %d: writes %v, want %v", round, got, c.writes)
		}
		after, _ := snapshot(t, e)
		replayed := bytes.Clone(before)
		for i, a := range log {
			if a.Step < first || a.Step >= first+ran || a.PC < begin || a.PC >= begin+uint64(len(c.code)/2) {
				t.Errorf("round %d: entry %d is of another instruction: %+v", round, i, a)
			}
			at := replayed[a.Addr-dataAt:][:a.Size]
			if got := wordOf(at); got != a.Old {
				t.Errorf("round %d: entry %d: old %#x, memory held %#x", round, i, a.Old, got)
			}
			putWord(at, a.Value)
		}
		if !bytes.Equal(replayed, after) {
			t.Errorf("round %d: the log's values do not lead to the memory after: %s", round, firstDifference(replayed, after))
		}
		must(t, mark.Rewind())
		undone, undoneRegs := snapshot(t, e)
		if !bytes.Equal(undone, before) {
			t.Errorf("round %d: rewinding left %s", round, firstDifference(undone, before))
		}
		if !bytes.Equal(undoneRegs, regs) {
			t.Errorf("round %d: rewinding left other registers", round)
		}
		if e.LogLen() != 0 {
			t.Errorf("round %d: %d entries are left", round, e.LogLen())
		}
	}
	// And in single steps it is the same.
	end := func(slices int) ([]byte, []byte) {
		for range slices {
			run(t, e, 0, ran/uint64(slices))
		}
		m, r := snapshot(t, e)
		must(t, mark.Rewind())
		return m, r
	}
	m1, r1 := end(1)
	m2, r2 := end(int(ran))
	if !bytes.Equal(m1, m2) || !bytes.Equal(r1, r2) {
		t.Errorf("%d single steps differ from one run", ran)
	}
}

func wordOf(b []byte) uint64 {
	var w [8]byte
	copy(w[:], b)
	return binary.LittleEndian.Uint64(w[:])
}

func putWord(b []byte, v uint64) {
	var w [8]byte
	binary.LittleEndian.PutUint64(w[:], v)
	copy(b, w[:])
}

// snapshot copies the data pages and the registers of thread 0.
func snapshot(t testing.TB, e *Engine) (mem, regs []byte) {
	t.Helper()
	regs, err := e.ReadRegs(0)
	must(t, err)
	return bytes.Clone(e.View(dataAt, 4*PageSize)), regs
}

func firstDifference(got, want []byte) string {
	for i := range want {
		if got[i] != want[i] {
			return fmt.Sprintf("%#x at %#x, want %#x", got[i], dataAt+i, want[i])
		}
	}
	return "no difference"
}

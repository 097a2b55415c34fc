package shim

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// pairCode is a load or store of a pair, in the fields of its encoding (Arm ARM, C4.1).
type pairCode struct {
	opc, vector, kind, load, imm, rt2, rn, rt uint32
}

func (p pairCode) word() uint32 {
	return p.opc<<30 | 5<<27 | p.vector<<26 | p.kind<<23 | p.load<<22 | p.imm&0x7f<<15 | p.rt2<<10 | p.rn<<5 | p.rt
}

func (p pairCode) String() string { return fmt.Sprintf("%+v, %08x", struct{ pairCode }{p}, p.word()) }

// pairKinds are the variants of how the address comes about.
const (
	pairNoAllocate = iota
	pairPost
	pairOffset
	pairPre
)

// size is how many bytes each register has in memory.
func (p pairCode) size() uint64 {
	if p.vector == 1 {
		return 4 << p.opc
	}
	return 4 << (p.opc >> 1)
}

func (p pairCode) offset() uint64 { return uint64(int64(int32(p.imm<<25)>>25)) * p.size() }

// pairState is what a pair instruction can change: x0 to x30 and sp, v0 to v31, and memory.
type pairState struct {
	x   [32]uint64
	v   [32][16]byte
	mem []byte // from dataAt
}

// pairModel does what the manual says of an instruction, one register's access after the
// other. Halved, the second one is missing.
func pairModel(p pairCode, s pairState, halved bool) pairState {
	s.mem = slices.Clone(s.mem)
	size, sign := p.size(), p.vector == 0 && p.opc == 1
	at := s.x[p.rn]
	back := at + p.offset()
	if p.kind != pairPost {
		at = back
	}
	before := s
	for i, reg := range []uint32{p.rt, p.rt2} {
		if i == 1 && halved {
			break
		}
		bytes := s.mem[at-dataAt+uint64(i)*size:][:size]
		switch {
		case p.load == 0 && p.vector == 1:
			copy(bytes, before.v[reg][:])
		case p.load == 0:
			var b [8]byte
			if reg != 31 { // the zero register
				binary.LittleEndian.PutUint64(b[:], before.x[reg])
			}
			copy(bytes, b[:])
		case p.vector == 1:
			s.v[reg] = [16]byte{}
			copy(s.v[reg][:], bytes)
		case reg != 31:
			var b [8]byte
			copy(b[:], bytes)
			s.x[reg] = binary.LittleEndian.Uint64(b[:])
			if sign {
				s.x[reg] = uint64(int64(int32(s.x[reg])))
			}
		}
	}
	if p.kind == pairPost || p.kind == pairPre {
		s.x[p.rn] = back
	}
	return s
}

func pairReg(t *testing.T, n int) Reg {
	if n == 31 {
		return regNamed(t, loader.ARM64, "sp")
	}
	return regNamed(t, loader.ARM64, fmt.Sprintf("x%d", n))
}

// put gives a thread the registers, and the machine the memory.
func (s pairState) put(t *testing.T, e *Engine, thread int) {
	t.Helper()
	for i := range 32 {
		must(t, e.WriteReg(thread, pairReg(t, i), s.x[i]))
		must(t, e.WriteRegBytes(thread, regNamed(t, loader.ARM64, fmt.Sprintf("v%d", i)), s.v[i][:]))
	}
	must(t, e.Store(thread, dataAt, s.mem))
}

func pairStateOf(t *testing.T, e *Engine, thread int) (s pairState) {
	t.Helper()
	block, err := e.ReadRegs(thread)
	must(t, err)
	for _, r := range Regs(loader.ARM64) {
		for i := range 32 {
			switch r.Name {
			case pairReg(t, i).Name:
				s.x[i] = binary.LittleEndian.Uint64(block)
			case fmt.Sprintf("v%d", i):
				copy(s.v[i][:], block)
			}
		}
		block = block[r.Size:]
	}
	s.mem = bytes.Clone(e.View(dataAt, 4*PageSize))
	return s
}

func (s pairState) diff(want pairState) string {
	for i := range 32 {
		if s.x[i] != want.x[i] {
			return fmt.Sprintf("x%d is %#x, want %#x", i, s.x[i], want.x[i])
		}
		if s.v[i] != want.v[i] {
			return fmt.Sprintf("v%d is %x, want %x", i, s.v[i], want.v[i])
		}
	}
	if !bytes.Equal(s.mem, want.mem) {
		return "memory: " + firstDifference(s.mem, want.mem)
	}
	return ""
}

// pairStateDrawn is a random one, in which the base register points into the data.
func pairStateDrawn(r *rand.Rand, base uint32, at uint64) (s pairState) {
	for i := range 32 {
		s.x[i] = r.Uint64()
		for k := range s.v[i] {
			s.v[i][k] = byte(r.Uint32())
		}
	}
	s.x[31] = dataAt + 2*PageSize // a stack's pointer is aligned
	if base != 31 {
		s.x[base] = at
	}
	s.mem = make([]byte, 4*PageSize)
	for i := range s.mem {
		s.mem[i] = byte(r.Uint32())
	}
	return s
}

// twoSteps tells whether the manual defines what the instruction does, so that it is two steps.
func (p pairCode) twoSteps() bool {
	if p.opc == 3 || p.vector == 0 && p.opc == 1 && (p.load == 0 || p.kind == pairNoAllocate) {
		return false
	}
	back := p.vector == 0 && p.kind&1 == 1 && p.rn != 31 && (p.rt == p.rn || p.rt2 == p.rn)
	return !(p.load == 1 && p.rt == p.rt2) && !back
}

// Every form of the instructions, with registers of every role: behind the first half and
// behind the second the machine is as the manual has it, going back to the middle too, and the
// halves are two steps with their own entries of the log.
func TestPairs(t *testing.T) {
	const rounds = 3
	seed := testseed.Of(t, 1)
	divided, whole := 0, 0
	for opc := range uint32(4) {
		for vector := range uint32(2) {
			for kind := range uint32(4) {
				for load := range uint32(2) {
					r := rand.New(rand.NewPCG(seed, uint64(opc<<4|vector<<3|kind<<1|load)))
					for round := range uint32(4 * rounds) {
						p := pairCode{opc: opc, vector: vector, kind: kind, load: load, imm: r.Uint32() & 0x7f, rn: r.Uint32() % 31, rt: r.Uint32() % 32, rt2: r.Uint32() % 32}
						switch round / rounds { // registers with more than one role
						case 1:
							p.rt = p.rn
						case 2:
							p.rt2 = p.rn
						case 3:
							p.rn = 31
						}
						if !p.twoSteps() {
							whole++
							checkOneStep(t, r, p)
							continue
						}
						divided++
						at := uint64(dataAt + 2*PageSize - 40 + r.Uint64()%80) // also over the end of a page
						if kind != pairPost {
							at -= p.offset()
						}
						checkTwoSteps(t, p, pairStateDrawn(r, p.rn, at))
						if t.Failed() {
							t.Fatalf("it was %v, seed %d", p, seed)
						}
					}
				}
			}
		}
	}
	if divided < 250 || whole < 80 {
		t.Errorf("%d instructions were two steps, %d one", divided, whole)
	}
}

func pairEngine(t *testing.T, p pairCode) *Engine {
	t.Helper()
	e := newEngine(t, loader.ARM64, append(words(p.word()), nops[loader.ARM64]...), 2, true)
	t.Cleanup(e.Close)
	return e
}

// checkOneStep lets an instruction that is one step be halved.
func checkOneStep(t *testing.T, r *rand.Rand, p pairCode) {
	t.Helper()
	e := pairEngine(t, p)
	defer e.Close()
	pairStateDrawn(r, p.rn, dataAt+PageSize).put(t, e, 0)
	m, err := e.Mark()
	must(t, err)
	defer m.Drop()
	if !e.Indivisible(codeAt) {
		t.Errorf("%v is two steps", p)
	}
	if _, err := e.RunHalf(0); err != nil || e.Holds(0) {
		t.Errorf("%v has ended in its middle: %v", p, err)
	}
}

func checkTwoSteps(t *testing.T, p pairCode, s pairState) {
	t.Helper()
	e := pairEngine(t, p)
	defer e.Close()
	s.put(t, e, 0)
	m, err := e.Mark()
	must(t, err)
	defer m.Drop()
	half, all := pairModel(p, s, true), pairModel(p, s, false)
	if st := run(t, e, 0, 1); st.Reason != StopBudget || st.Ran != 1 {
		t.Fatalf("in one step: %+v", st)
	}
	if d := pairStateOf(t, e, 0).diff(all); d != "" {
		t.Errorf("in one step: %s", d)
	}
	in, entries := logOf(e)
	must(t, m.Rewind())
	if e.Indivisible(codeAt) {
		t.Error("it is said to be one step")
	}
	for round := range 2 {
		if st, err := e.RunHalf(0); err != nil || st.Reason != StopBudget || st.Ran != 1 || !e.Holds(0) {
			t.Fatalf("round %d: %+v %v, it holds %v", round, st, err, e.Holds(0))
		}
		if d := pairStateOf(t, e, 0).diff(half); d != "" {
			t.Errorf("round %d, in the middle: %s", round, d)
		}
		register := ""
		if name := map[bool]string{true: "v", false: "x"}[p.vector == 1] + fmt.Sprint(p.rt2); p.load == 1 && name != "x31" {
			register = name
		}
		if pc, list := e.Held(0); pc != codeAt || len(list) == 0 || list[0].Load != (p.load == 1) || list[0].Register != register {
			t.Errorf("it holds %+v of %#x", list, pc)
		}
		between, err := e.Mark()
		must(t, err)
		for range 2 {
			if st := run(t, e, 0, 9); st.Reason != StopBudget || st.Ran != 1 || e.Holds(0) {
				t.Fatalf("the rest: %+v", st)
			}
			if d := pairStateOf(t, e, 0).diff(all); d != "" {
				t.Errorf("round %d, at the end: %s", round, d)
			}
			if pc := get(t, e, 0, "pc"); pc != codeAt+4 {
				t.Errorf("pc %#x", pc)
			}
			if round == 0 {
				twice, list := logOf(e)
				if twice != in || list[0].Step+1 != list[len(list)-1].Step || entries[0].Step != list[0].Step {
					t.Errorf("the log has %s, want %s: %+v", twice, in, list)
				}
			}
			must(t, between.Rewind())
			if d := pairStateOf(t, e, 0).diff(half); d != "" || !e.Holds(0) {
				t.Errorf("back in the middle: %s, it holds %v", d, e.Holds(0))
			}
		}
		between.Drop()
		must(t, m.Rewind())
	}
	if d := pairStateOf(t, e, 0).diff(s); d != "" || e.Holds(0) {
		t.Errorf("back at the beginning: %s", d)
	}
}

// logOf is the log but for the steps, and all of it.
func logOf(e *Engine) (text string, list []Access) {
	list = slices.Collect(e.Log().All())
	for _, a := range list {
		text += fmt.Sprintf("%d %#x %#x %d %#x %#x; ", a.Kind, a.PC, a.Addr, a.Size, a.Old, a.Value)
	}
	return text, list
}

// ldp and stp of x1 and x2 at [x0], and what comes before and behind.
const (
	ldp = 0xa9400801
	stp = 0xa9000801
	nop = 0xd503201f
)

// pairsEngine has the code, and two threads whose x0 is cell, with 5 and 6 in memory there, and
// 100 and 101 in x1 and x2.
func pairsEngine(t *testing.T, code ...uint32) *Engine {
	t.Helper()
	e := newEngine(t, loader.ARM64, words(append(code, nop, nop, nop, nop)...), 2, true)
	for thread := range 2 {
		for name, v := range map[string]uint64{"x0": cell, "x1": 100, "x2": 101} {
			set(t, e, thread, name, v)
		}
	}
	storeWord(t, e, cell, 5)
	storeWord(t, e, cell+8, 6)
	return e
}

// While shared bytes are wanted, a pair is two events if both its registers touch some, in
// whichever gear, and otherwise one.
func TestPairsAreEvents(t *testing.T) {
	for _, hooked := range []bool{false, true} {
		for _, word := range []uint32{ldp, stp} {
			for shared := range 4 {
				t.Run(fmt.Sprintf("hooked=%v %08x shared=%b", hooked, word, shared), func(t *testing.T) {
					e := pairsEngine(t, nop, word)
					needSplits(t, e)
					e.SetHooked(hooked)
					keep(t, e)
					e.SetSharing(true)
					e.SetSplits(true)
					for i := range 2 {
						if shared>>i&1 == 1 {
							must(t, e.AddShared(map[uint64]uint8{cell + uint64(8*i): 0x10}))
						}
					}
					s := run(t, e, 0, 3)
					if both := shared == 3; e.Holds(0) != both || both && s.Ran != 2 {
						t.Fatalf("%+v, holds %v", s, e.Holds(0))
					}
					if shared != 3 {
						if want := map[bool]StopReason{true: StopEvent, false: StopBudget}[shared != 0]; s.Reason != want {
							t.Errorf("%+v", s)
						}
						return
					}
					first, second := get(t, e, 0, "x1"), get(t, e, 0, "x2")
					if word == stp {
						first, second = wordAt(t, e, cell)-95, wordAt(t, e, cell+8)+95
					}
					if first != 5 || second != 101 {
						t.Errorf("in the middle they are %d and %d", first, second)
					}
					storeWord(t, e, cell+8, 7)
					if s = run(t, e, 0, 10); s.Reason != StopEvent || s.Ran != 1 || e.Holds(0) {
						t.Fatalf("the rest: %+v, holds %v", s, e.Holds(0))
					}
					if word == ldp && get(t, e, 0, "x2") != 7 || word == stp && wordAt(t, e, cell+8) != 101 {
						t.Errorf("x2 is %d, the word %d", get(t, e, 0, "x2"), wordAt(t, e, cell+8))
					}
					e.SetSplits(false)
					if s = run(t, e, 1, 10); s.Reason != StopEvent || s.Ran != 2 || e.Holds(1) || !e.Divisible() {
						t.Errorf("without splits: %+v", s)
					}
				})
			}
		}
	}
}

// A conflict at the second register that is behind the first one's, where another thread has
// come in between, is found: what is ordered by the first access is not by it behind the second.
func TestPairsLearn(t *testing.T) {
	// Thread 0 stores a pair, thread 1 reads the second word and then the first.
	e := pairsEngine(t, stp, 0xf9400003, 0xf9400404) // ldr x3, [x0]; ldr x4, [x0, #8]
	needSplits(t, e)
	keep(t, e)
	e.SetSharing(true)
	e.SetSplits(true)
	must(t, e.AddShared(map[uint64]uint8{cell: 0xff}))
	set(t, e, 1, "pc", codeAt+4)
	if s := run(t, e, 0, 1); s.Reason != StopEvent || e.Holds(0) {
		t.Fatalf("%+v", s)
	}
	for range 2 {
		if s := run(t, e, 1, 1); s.Reason != StopEvent {
			t.Fatalf("%+v: it is not known that the second word is shared", s)
		}
	}
}

// An access that a page refuses: neither half has happened, and another page between the halves
// has the instruction begin again.
func TestPairsAndPages(t *testing.T) {
	const second = dataAt + PageSize
	for _, word := range []uint32{ldp, stp, 0xa9c10801 /* ldp x1, x2, [x0, #16]! */, 0xa8c10801 /* ..., [x0], #16 */, 0xad000400 /* stp q0, q1, [x0] */, 0xad400400} {
		for _, refused := range []int{0, 1, 2} {
			t.Run(fmt.Sprintf("%08x, page %d", word, refused), func(t *testing.T) {
				e := pairsEngine(t, word)
				size := uint64(8)
				if word>>26&1 == 1 {
					size = 16
				}
				base := second - size
				if word>>23&3 == pairPre {
					base -= 16
				}
				set(t, e, 0, "x0", base)
				if refused < 2 {
					must(t, e.SetPages(dataAt+uint64(refused)*PageSize, PageSize, 0))
				}
				keep(t, e)
				before := pairStateOf(t, e, 0)
				if refused == 2 {
					if _, err := e.RunHalf(0); err != nil || !e.Holds(0) {
						t.Fatalf("it does not hold: %v", err)
					}
					must(t, e.SetPages(second, PageSize, 0))
					if s := run(t, e, 0, 9); s.Ran != 1 || s.Reason != StopBudget || e.Holds(0) {
						t.Fatalf("%+v", s)
					}
					if pc := get(t, e, 0, "pc"); pc != codeAt {
						t.Errorf("pc %#x", pc)
					}
				}
				if now := pairStateOf(t, e, 0); now.x != before.x || now.v != before.v {
					t.Errorf("the registers have changed: %s", now.diff(before))
				}
				s, err := e.RunHalf(0)
				at := uint64(second)
				if refused == 0 {
					at -= size
				}
				if must(t, err); s.Reason != StopFault || s.Ran != 0 || s.Fault.Addr != at || s.Fault.PC != codeAt || e.Holds(0) {
					t.Fatalf("%+v", s)
				}
				if now := pairStateOf(t, e, 0); now.x != before.x {
					t.Errorf("behind the fault: %s", now.diff(before))
				}
			})
		}
	}
}

// What is waited for of a word's accesses stops behind the half that makes it.
func TestPairsAreWatched(t *testing.T) {
	for i := range uint64(2) {
		e := pairsEngine(t, ldp)
		keep(t, e)
		e.SetWatch(cell+8*i, 8, true, false)
		s, err := e.RunHalf(0)
		if must(t, err); e.Watched() != (i == 0) || s.Ran != 1 {
			t.Errorf("word %d: %+v, watched %v", i, s, e.Watched())
		}
		if run(t, e, 0, 1); e.Watched() != (i == 1) {
			t.Errorf("word %d: the second half is watched: %v", i, e.Watched())
		}
	}
}

// A store exclusive fails if either half of a pair that another thread stores has come to its
// word behind the load exclusive, and the thread's own pair takes nothing from it.
func TestPairsAndMonitors(t *testing.T) {
	const ldxr, stxr = 0xc85f7c03, 0xc8057c03 // ldxr x3, [x0]; stxr w5, x3, [x0]
	for i := range uint64(2) {
		for early := range 2 { // the load exclusive comes behind the first half
			e := pairsEngine(t, stp, ldxr, stxr)
			keep(t, e)
			set(t, e, 0, "x0", cell)
			set(t, e, 1, "x0", cell+8*i)
			set(t, e, 1, "pc", codeAt+4)
			if early == 0 {
				run(t, e, 1, 1)
			}
			_, err := e.RunHalf(0)
			must(t, err)
			if early == 1 {
				run(t, e, 1, 1)
			}
			run(t, e, 0, 1)
			run(t, e, 1, 1)
			fails := uint64(1)
			if early == 1 && i == 0 {
				fails = 0
			}
			if got := get(t, e, 1, "x5"); got != fails {
				t.Errorf("word %d, the load exclusive between the halves: %d; the store exclusive has returned %d", i, early, got)
			}
		}
	}
	// Its own pair, halved, with another thread's turn in between.
	e := pairsEngine(t, ldxr, ldp, stxr, nop)
	keep(t, e)
	set(t, e, 1, "pc", codeAt+12)
	run(t, e, 0, 1)
	_, err := e.RunHalf(0)
	must(t, err)
	run(t, e, 1, 1)
	run(t, e, 0, 1)
	run(t, e, 1, 1)
	if run(t, e, 0, 1); get(t, e, 0, "x5") != 0 || get(t, e, 0, "pc") != codeAt+12 {
		t.Errorf("a pair of its own has taken its monitor: %d", get(t, e, 0, "x5"))
	}
}

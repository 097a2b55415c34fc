package shim

import (
	"bytes"
	"encoding/hex"
	"testing"

	"emurace/loader"
)

// TestFaultInTheMiddle: an instruction whose second page refuses the access has
// not happened at all, not even to the first page, and is not in the log.
func TestFaultInTheMiddle(t *testing.T) {
	cases := []struct {
		arch   loader.Arch
		text   string
		code   string
		at     uint64 // of the access, from dataAt; the second page begins at PageSize
		access Prot
	}{
		{loader.ARM64, "ldp x1, x2, [x0]", "010840a9", PageSize - 8, Read},
		{loader.ARM64, "ldr x1, [x0]", "010040f9", cross, Read},
		{loader.ARM64, "str x1, [x0]", "010000f9", cross, Write},
		{loader.ARM64, "ldp q0, q1, [x0]", "000440ad", PageSize - 16, Read},
		{loader.ARM64, "stp q2, q3, [x0]", "020c00ad", PageSize - 16, Write},
		{loader.ARM64, "stp q2, q3, [x0]", "020c00ad", cross, Write},
		{loader.ARM64, "st1 {v2.4s, v3.4s}, [x0]", "02a8004c", PageSize - 20, Write},
		{loader.ARM64, "st4 {v2.16b-v5.16b}, [x0]", "0200004c", PageSize - 20, Write},
		{loader.ARM64, "stp x1, x2, [x0, #-16]!", "0108bfa9", PageSize + 8, Write},
		{loader.AMD64, "mov (%rdi), %rax", "488b07", cross, Read},
		{loader.AMD64, "mov %rdx, (%rdi)", "488917", cross, Write},
		{loader.AMD64, "movups %xmm2, (%rdi)", "0f1117", PageSize - 8, Write},
		{loader.AMD64, "addb $1, (%rdi)", "800701", PageSize, Write},
		{loader.AMD64, "xchg %rdx, (%rdi)", "488717", PageSize, Write},
		{loader.AMD64, "lock cmpxchg16b (%rdi)", "f0480fc70f", PageSize, Write},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			e := prepare(t, c.arch, instruction{code: c.code, at: int(c.at)})
			bits := Mapped | Read // the second page: readable only, or not at all
			if c.access == Read {
				bits = 0
			}
			must(t, e.SetPages(dataAt+PageSize, PageSize, bits))
			mark, err := e.Mark()
			must(t, err)
			defer mark.Drop()
			before, regs := snapshot(t, e)
			steps := e.Steps()
			for round := range 3 {
				s := run(t, e, 0, 5)
				lo := max(uint64(dataAt)+c.at-16, dataAt+PageSize)
				if s.Reason != StopFault || s.Ran != 0 || s.Fault.Access != c.access || s.Fault.Mapped != (bits != 0) {
					t.Fatalf("round %d: %+v", round, s)
				}
				// Where an instruction is several accesses, the address is that
				// of the first which reaches into the page.
				if s.Fault.Addr < dataAt+cross && s.Fault.Addr+32 < lo || s.Fault.Addr >= dataAt+PageSize+32 {
					t.Errorf("round %d: fault at %#x", round, s.Fault.Addr)
				}
				after, afterRegs := snapshot(t, e)
				if !bytes.Equal(after, before) {
					t.Errorf("round %d: memory changed: %s", round, firstDifference(after, before))
				}
				// A load of several SIMD registers may have filled the first; the
				// architecture allows it, and the same ones every time.
				if c.text == "ldp q0, q1, [x0]" && round == 0 {
					regs = afterRegs
				}
				if !bytes.Equal(afterRegs, regs) {
					t.Errorf("round %d: registers changed", round)
				}
				if e.LogLen() != 0 || e.Steps() != steps {
					t.Errorf("round %d: %d log entries, %d steps", round, e.LogLen(), e.Steps()-steps)
				}
			}
		})
	}
}

// TestRepeatedInstructionFaults: the rounds that were possible have happened,
// and the registers say how far it came.
func TestRepeatedInstructionFaults(t *testing.T) {
	// rep stosb from 3 bytes before a page that is not there.
	e := prepare(t, loader.AMD64, instruction{code: "f3aa", at: cross, regs: map[string]uint64{"rcx": 10, "rax": 0xee}})
	must(t, e.SetPages(dataAt+PageSize, PageSize, 0))
	mark, err := e.Mark()
	must(t, err)
	defer mark.Drop()
	before, _ := snapshot(t, e)
	s := run(t, e, 0, 100)
	if want := (Fault{Addr: dataAt + PageSize, PC: e.ReadPC(t), Access: Write}); s.Reason != StopFault || s.Ran != 3 || s.Fault != want {
		t.Fatalf("%+v, want %+v", s, want)
	}
	if rcx, rdi := get(t, e, 0, "rcx"), get(t, e, 0, "rdi"); rcx != 7 || rdi != dataAt+PageSize {
		t.Errorf("rcx %d, rdi %#x", rcx, rdi)
	}
	if got := e.View(dataAt+cross, 3); !bytes.Equal(got, []byte{0xee, 0xee, 0xee}) {
		t.Errorf("stored % x", got)
	}
	must(t, mark.Rewind())
	if after, _ := snapshot(t, e); !bytes.Equal(after, before) {
		t.Error(firstDifference(after, before))
	}
}

// TestProcessorEvents: what a processor does beside reading and writing. A
// waiting instruction is one instruction; what only a kernel may do, and what
// does not exist, does not happen.
func TestProcessorEvents(t *testing.T) {
	hlt := Stop{Reason: StopIllegal}
	if UserMode {
		hlt = Stop{Reason: StopException, Vector: 13}
	}
	cases := []struct {
		arch   loader.Arch
		text   string
		code   string
		reason StopReason
		vector int
		ran    uint64
	}{
		{loader.ARM64, "yield", "3f2003d5", StopBudget, 0, 4},
		{loader.ARM64, "wfe", "5f2003d5", StopBudget, 0, 4},
		{loader.ARM64, "wfi", "7f2003d5", StopBudget, 0, 4},
		{loader.ARM64, "sev", "9f2003d5", StopBudget, 0, 4},
		{loader.ARM64, "isb", "df3f03d5", StopBudget, 0, 4},
		{loader.ARM64, "svc #0", "010000d4", StopSyscall, 0, 1},
		{loader.ARM64, "brk #7", "e00020d4", StopException, 7, 0},
		{loader.ARM64, "udf #0", "00000000", StopIllegal, 0, 0},
		{loader.ARM64, "hlt #1", "200040d4", StopIllegal, 0, 0},
		{loader.ARM64, "hvc #0", "020000d4", StopIllegal, 0, 0},
		{loader.AMD64, "pause", "f390", StopBudget, 0, 4},
		{loader.AMD64, "syscall", "0f05", StopSyscall, 0, 1},
		{loader.AMD64, "hlt", "f4", hlt.Reason, hlt.Vector, 0},
		{loader.AMD64, "ud2", "0f0b", StopIllegal, 0, 0},
		{loader.AMD64, "rdrand %rax", "480fc7f0", StopIllegal, 0, 0},
		{loader.AMD64, "rdseed %rax", "480fc7f8", StopIllegal, 0, 0},
		{loader.AMD64, "int3", "cc", StopException, 3, 1},
		{loader.AMD64, "int $0x80", "cd80", StopException, 0x80, 1},
		{loader.AMD64, "div %edi, of nothing", "31fff7f7", StopException, 0, 1},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			code, err := hex.DecodeString(c.code)
			must(t, err)
			e := newEngine(t, c.arch, append(code, nops[c.arch]...), 1, true)
			mark, err := e.Mark()
			must(t, err)
			defer mark.Drop()
			_, regs := snapshot(t, e)
			// Rewinding must also take back that an exception is being handled.
			for round := range 3 {
				s := run(t, e, 0, 4)
				if s.Reason != c.reason || s.Ran != c.ran || s.Vector != c.vector || e.Steps() != c.ran {
					t.Errorf("round %d: %+v, %d steps", round, s, e.Steps())
				}
				if c.ran == 0 && e.ReadPC(t) != codeAt {
					t.Errorf("round %d: pc %#x", round, e.ReadPC(t))
				}
				must(t, mark.Rewind())
				if _, r := snapshot(t, e); !bytes.Equal(r, regs) {
					t.Errorf("round %d: registers differ after rewinding", round)
				}
				for range c.ran {
					s = run(t, e, 0, 1)
				}
				if s.Reason != StopBudget && s.Reason != c.reason || e.Steps() != c.ran {
					t.Errorf("round %d: in single steps: %+v", round, s)
				}
				must(t, mark.Rewind())
			}
		})
	}
}

// TestTimeIsCounted: every clock a program can read without asking the kernel
// counts instructions.
func TestTimeIsCounted(t *testing.T) {
	read := func(arch loader.Arch, code, reg string) (first, second uint64) {
		b, err := hex.DecodeString(code)
		must(t, err)
		e := newEngine(t, arch, append(b, nops[arch]...), 1, true)
		run(t, e, 0, 1)
		first = get(t, e, 0, reg)
		run(t, e, 0, 2)
		set(t, e, 0, "pc", codeAt)
		run(t, e, 0, 1)
		return first, get(t, e, 0, reg)
	}
	for text, c := range map[string]struct {
		arch      loader.Arch
		code, reg string
	}{
		"mrs x0, cntvct_el0": {loader.ARM64, "40e03bd5", "x0"},
		"rdtsc":              {loader.AMD64, "0f31", "rax"},
		"rdtscp":             {loader.AMD64, "0f01f9", "rax"},
	} {
		if a, b := read(c.arch, c.code, c.reg); a != 1 || b != 4 {
			t.Errorf("%s: %d as instruction 1, %d as instruction 4", text, a, b)
		}
	}
}

// TestTaggedAddress: arm64 ignores the top byte of an address; the log and the
// undo see the same memory as the program.
func TestTaggedAddress(t *testing.T) {
	e := prepare(t, loader.ARM64, instruction{code: "010000f9", at: mid}) // str x1, [x0]
	set(t, e, 0, "addr", 0x5a<<56|dataAt+mid)
	mark, err := e.Mark()
	must(t, err)
	defer mark.Drop()
	before, _ := snapshot(t, e)
	if s := run(t, e, 0, 1); s.Ran != 1 {
		t.Fatalf("%+v", s)
	}
	log := e.Log().List()
	if len(log) != 1 || log[0].Addr != dataAt+mid || log[0].Old != untouched(mid, 8) {
		t.Errorf("log %+v", log)
	}
	must(t, mark.Rewind())
	if after, _ := snapshot(t, e); !bytes.Equal(after, before) {
		t.Error(firstDifference(after, before))
	}
}

// TestFullLogCanBeUndone: the access that fills the log is still in it, so the
// engine stops at an exact place and can go back.
func TestFullLogCanBeUndone(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, limit := range []int{1, 2, 999, 1000} {
			e := newEngine(t, arch, loops[arch], 1, true)
			e.setLogLimit(limit)
			mark, err := e.Mark()
			must(t, err)
			before, regs := snapshot(t, e)
			s := run(t, e, 0, 1<<20)
			if s.Reason != StopLimit || s.Ran != e.Steps() {
				t.Fatalf("limit %d: %+v, %d steps", limit, s, e.Steps())
			}
			// Instruction 6k+1 loads, 6k+3 stores the (k+1)th number.
			if got, want := wordOf(e.View(dataAt, 8)), (e.Steps()+3)/6; got != want {
				t.Errorf("limit %d: %d stores after %d instructions", limit, got, e.Steps())
			}
			if again := run(t, e, 0, 1); again.Reason != StopLimit || again.Ran != 0 {
				t.Errorf("limit %d: going on: %+v", limit, again)
			}
			must(t, mark.Rewind())
			after, afterRegs := snapshot(t, e)
			if !bytes.Equal(before, after) || !bytes.Equal(regs, afterRegs) {
				t.Errorf("limit %d: rewinding left %s", limit, firstDifference(after, before))
			}
			if s := run(t, e, 0, 1); limit > 1 && s.Reason != StopBudget {
				t.Errorf("limit %d: after rewinding: %+v", limit, s)
			}
			mark.Drop()
		}
	})
}

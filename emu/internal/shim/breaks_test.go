package shim

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"emurace/loader"
)

// instructions are where those of loops begin, as offsets.
var instructions = map[loader.Arch][]uint64{
	loader.ARM64: {0, 4, 8, 12, 16, 20},
	loader.AMD64: {0, 3, 6, 9, 12, 15},
}

func TestBreaks(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		at := instructions[arch]
		// The fourth and the first instruction of the loop.
		e := newEngine(t, arch, loops[arch], 2, true)
		must(t, e.SetBreak(codeAt+at[3]))
		must(t, e.SetBreak(codeAt+at[3]))
		must(t, e.SetBreak(codeAt))
		stops := []struct {
			thread  int
			budget  uint64
			stepOn  bool
			ran, at uint64
			reason  StopReason
		}{
			{0, 100, false, 0, 0, StopBreak},
			{0, 100, false, 0, 0, StopBreak}, // without stepping on it stays
			{0, 100, true, 3, 3, StopBreak},
			{1, 100, false, 0, 0, StopBreak}, // any thread
			{1, 1, true, 1, 1, StopBudget},
			{1, 2, false, 2, 3, StopBudget}, // a spent budget comes first
			{1, 2, false, 0, 3, StopBreak},
			{0, 1, true, 1, 4, StopBudget},
			{0, 5, true, 2, 0, StopBreak}, // where there is none it makes no difference
		}
		for i, c := range stops {
			if c.stepOn {
				e.StepOn()
			}
			s := run(t, e, c.thread, c.budget)
			pc := get(t, e, c.thread, "pc")
			if s.Reason != c.reason || s.Ran != c.ran || pc != codeAt+at[c.at] {
				t.Errorf("%d: %+v at %#x, want %+v", i, s, pc, c)
			}
		}
		e.ClearBreaks()
		if s := run(t, e, 0, 600); s.Reason != StopBudget || s.Ran != 600 {
			t.Errorf("without breakpoints: %+v", s)
		}
		if err := e.SetBreak(^uint64(0)); err == nil {
			t.Error("a breakpoint where nothing can be")
		}
	})
}

// TestStepOnIsForOneRun: a run that could not begin does not leave the next one
// without its breakpoint.
func TestStepOnIsForOneRun(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 2, true)
		must(t, e.SetBreak(codeAt))
		e.StepOn()
		run(t, e, 0, 0)
		if s := run(t, e, 1, 5); s.Reason != StopBreak {
			t.Errorf("%+v", s)
		}
	})
}

// TestBreaksChangeNothing: with breakpoints on every instruction, and with many
// where there are none, a run ends with the registers, the memory, the log and
// the steps of a run without.
func TestBreaksChangeNothing(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		plain, broken := newEngine(t, arch, loops[arch], 2, true), newEngine(t, arch, loops[arch], 2, true)
		for i := range uint64(5000) {
			must(t, broken.SetBreak(codeAt+4096+i))
		}
		for _, off := range instructions[arch] {
			must(t, broken.SetBreak(codeAt+off))
		}
		must(t, plain.SetLogging(true))
		must(t, broken.SetLogging(true))
		r := rand.New(rand.NewPCG(1, 0))
		for range 200 {
			thread, n := r.IntN(2), 1+r.Uint64N(20)
			run(t, plain, thread, n)
			for left := n; left > 0; {
				broken.StepOn()
				s := run(t, broken, thread, left)
				if s.Ran != 1 {
					t.Fatalf("%+v", s)
				}
				left -= s.Ran
			}
		}
		for thread := range 2 {
			a, err := plain.ReadRegs(thread)
			must(t, err)
			b, err := broken.ReadRegs(thread)
			must(t, err)
			if string(a) != string(b) {
				t.Errorf("registers of thread %d differ", thread)
			}
		}
		if string(plain.View(dataAt, 4*PageSize)) != string(broken.View(dataAt, 4*PageSize)) {
			t.Error("the memory differs")
		}
		if plain.Steps() != broken.Steps() || fmt.Sprint(plain.Log().List()) != fmt.Sprint(broken.Log().List()) {
			t.Error("steps or log differ")
		}
	})
}

// TestFaultAtBreak: an instruction with a breakpoint faults as exactly as one
// without.
func TestFaultAtBreak(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 1, true)
		must(t, e.SetBreak(codeAt))
		set(t, e, 0, "addr", 0x7123)
		e.StepOn()
		s := run(t, e, 0, 10)
		if s.Reason != StopFault || s.Fault.Addr != 0x7123 || s.Fault.PC != codeAt || s.Ran != 0 {
			t.Errorf("%+v", s)
		}
	})
}

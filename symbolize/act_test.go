package symbolize_test

import (
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/symbolize"
)

// TestActOf: what the thread that fails was about to do is where its backtrace begins, and
// the instruction is the one that is there.
func TestActOf(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := testrace.Start(t, testsystem.Of(t, "bookworm", arch), testrace.DefaultPlan(t))
		testrace.Crash(t, s)
		o, _ := s.Outcome()
		thread := s.MachineThread(o.Thread)
		a, err := symbolize.ActOf(s.Process(), thread, s.Steps()+1)
		testrace.Must(t, err)
		if a.Thread != "main" || a.Step != s.Steps()+1 || a.Location.PC != o.End.PC || a.Location.Function != "getenv" ||
			!strings.HasPrefix(a.Call, "getenv(") || len(a.Backtrace) == 0 || a.Backtrace[0] != a.Location {
			t.Errorf("%+v", a)
		}
		if in := symbolize.Disassemble(s.Process(), o.End.PC); a.Instruction != in.Text || in.Undecoded || len(in.Mem) == 0 {
			t.Errorf("%q, and %+v is there", a.Instruction, in)
		}
		r := a.Report()
		if r.Function != "getenv" || r.Offset != a.Location.Offset || r.Step != a.Step || len(r.Backtrace) != len(a.Backtrace) || r.Backtrace[0].Function != "getenv" {
			t.Errorf("%+v", r)
		}
		if (*symbolize.Act)(nil).Report() != nil {
			t.Error("there is an object of no instruction")
		}
		if in := symbolize.Disassemble(s.Process(), 8); !in.Undecoded || in.Text != "(no code there)" {
			t.Errorf("at 8 there is %+v", in)
		}
	})
}

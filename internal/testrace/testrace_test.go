package testrace

import (
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestPackageOf: the command that repeats a test names its package.
func TestPackageOf(t *testing.T) {
	for function, want := range map[string]string{
		"emurace/replay/timeline.TestSeek":   "emurace/replay/timeline",
		"emurace/replay/gdb.TestSteps.func1": "emurace/replay/gdb",
		"emurace/replay/step.(*lab).open":    "emurace/replay/step",
		"example.com/a/b.TestX":              "example.com/a/b",
		"main.main":                          "main",
	} {
		if got := packageOf(function); got != want {
			t.Errorf("%s is in %q, want %q", function, got, want)
		}
	}
}

// TestRandomness: a seed draws the same numbers each time, another seed others.
func TestRandomness(t *testing.T) {
	t.Setenv("EMURACE_TEST_SEED", "")
	first := Randomness(t).Uint64()
	t.Setenv("EMURACE_TEST_SEED", "1")
	if got := Randomness(t).Uint64(); got != first {
		t.Errorf("%#x, then %#x", first, got)
	}
	t.Setenv("EMURACE_TEST_SEED", "2")
	if got := Randomness(t).Uint64(); got == first {
		t.Errorf("both seeds draw %#x", got)
	}
}

// TestGuest: each call of a guest is run by its own thread, with its arguments.
func TestGuest(t *testing.T) {
	const source = `
		volatile unsigned long zero;
		void fine(unsigned long n) { while (n--) zero = 0; }
		void dies(unsigned long at) { *(volatile long *)at = 1; }`
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := Start(t, testsystem.Of(t, "bookworm", arch), Guest(t, arch, source,
			scenario.Call{Func: "fine", Args: []scenario.Arg{scenario.Int(3)}},
			scenario.Call{Func: "dies", Args: []scenario.Arg{scenario.Int(0x40)}}))
		Must(t, s.Play(scenario.Schedule{{Thread: 0}, {Thread: 1}}))
		if o, over := s.Outcome(); !over || o.Kind != scenario.Segv || s.Names()[o.Thread] != "worker" || o.End.Addr != 0x40 {
			t.Errorf("the outcome is %+v", o)
		}
	})
}

package emu

import (
	"testing"

	"emurace/loader"
)

// TestPrograms: programs of a real system, run by one thread after the other.
func TestPrograms(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		sys := system(t, "bookworm", arch)
		m, err := NewProgram(ProgramOptions{System: sys, Path: "/sbin/ldconfig", Argv: []string{"ldconfig", "-V"}, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		s, err := m.Run(0, 100_000_000)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%v %v %s %v", arch, s, m.printed(), m.unknownSyscalls())
	}
}

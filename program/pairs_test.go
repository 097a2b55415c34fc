package program

import (
	"errors"
	"path/filepath"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/programs"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// pairFlags are the ways to build the programs of testdata/programs: dynamic and static,
// optimised and not.
var pairFlags = map[programs.Language][][]string{
	programs.C:    {{"-O0"}, {"-O2"}, {"-O2", "-static"}},
	programs.Cxx:  {{"-O2", "-static"}}, // the sysroot has no libstdc++
	programs.Rust: {{"-Copt-level=0"}, {"-Copt-level=2"}, {"-Copt-level=2", "-Ctarget-feature=+crt-static"}},
}

// TestPairs: each program runs, and what is mended ends well; what is not ends somehow, or
// waits for ever.
func TestPairs(t *testing.T) {
	list, err := programs.List(filepath.Join("..", "testdata", "programs"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range list {
		t.Run(p.File, func(t *testing.T) {
			arches := testsystem.Arches()
			if p.Language == programs.Rust {
				// Of the machine's own, which is the only one that most rustc are for, also in
				// a short test.
				arches = []loader.Arch{loader.ARM64, loader.AMD64}
			}
			for _, arch := range arches {
				t.Run(arch.String(), func(t *testing.T) {
					for _, flags := range pairFlags[p.Language] {
						if n++; testing.Short() && n%5 != 0 && p.Language != programs.Rust {
							continue
						}
						runPair(t, arch, p, flags)
					}
				})
			}
		})
	}
}

// runPair runs a program as it is and mended.
func runPair(t *testing.T, arch loader.Arch, p programs.Program, flags []string) {
	t.Helper()
	for _, fixed := range []bool{true, false} {
		flags := flags[:len(flags):len(flags)]
		if fixed {
			flags = append(flags, p.FixedFlag())
		}
		file, err := guestcode.Compile(arch, p.File, p.Source, flags...)
		if errors.Is(err, guestcode.ErrNoRust) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := emu.NewProgram(emu.ProgramOptions{
			System: testsystem.Of(t, "bookworm", arch), Path: "/program", Argv: []string{p.Name}, Seed: 1,
			Files: map[string][]byte{"/program": file},
		})
		if err != nil {
			t.Fatal(err)
		}
		end, err := Run(m)
		if fixed && (err != nil || end.Kind != emu.EndExit || end.Code != 0) || !fixed && err == nil && end.Kind == emu.EndLimit {
			t.Errorf("%v: %v, %v", flags, end, err)
		}
		if missed := m.Missed(); len(missed) > 0 {
			t.Errorf("%v: %+v", flags, missed)
		}
		m.Close()
	}
}

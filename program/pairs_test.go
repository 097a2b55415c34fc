package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// pairs are the programs of testdata/programs, each with a bug and, with FIXED defined,
// without it.
func pairs(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", "testdata", "programs", "*.c*"))
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list[filepath.Base(name)] = string(text)
	}
	if len(list) < 20 {
		t.Fatalf("%d programs", len(list))
	}
	return list
}

// TestPairs: each program runs, dynamic and static, optimised and not, and what is mended
// ends well; what is not ends somehow, or waits for ever.
func TestPairs(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := testsystem.Of(t, "bookworm", arch)
		n := 0
		for name, source := range pairs(t) {
			for _, flags := range [][]string{{"-O0"}, {"-O2"}, {"-O2", "-static"}} {
				compile := guestcode.Program
				if strings.HasSuffix(name, ".cc") {
					if len(flags) < 2 {
						continue // the sysroot has no libstdc++
					}
					compile = guestcode.CxxProgram
				}
				if n++; testing.Short() && n%5 != 0 {
					continue
				}
				for _, fixed := range []bool{true, false} {
					if fixed {
						flags = append(flags[:len(flags):len(flags)], "-DFIXED")
					} else {
						flags = flags[:len(flags)-1]
					}
					m, err := emu.NewProgram(emu.ProgramOptions{
						System: sys, Path: "/program", Argv: []string{name}, Seed: 1, Files: map[string][]byte{"/program": compile(t, arch, source, flags...)},
					})
					if err != nil {
						t.Fatal(err)
					}
					end, err := Run(m)
					if fixed && (err != nil || end.Kind != emu.EndExit || end.Code != 0) || !fixed && err == nil && end.Kind == emu.EndLimit {
						t.Errorf("%s %v: %v, %v", name, flags, end, err)
					}
					if missed := m.Missed(); len(missed) > 0 {
						t.Errorf("%s: %+v", name, missed)
					}
					m.Close()
				}
			}
		}
	})
}

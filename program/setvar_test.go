package program

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/programs"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// TestSetVar: the crash of testdata/programs/set_var.rs is the article's. Main is stopped
// after so many instructions, the other thread goes on to its end, and where that was while
// main's getenv walked along environ, it takes the size of a free block, 0x420, for the next
// variable. The twin ends well wherever main is stopped.
func TestSetVar(t *testing.T) {
	list, err := programs.List(filepath.Join("..", "testdata", "programs"))
	if err != nil {
		t.Fatal(err)
	}
	p := list[slices.IndexFunc(list, func(p programs.Program) bool { return p.Name == "set_var" })]
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) {
			for _, flags := range [][]string{nil, {p.FixedFlag()}} {
				file, err := guestcode.Compile(arch, p.File, p.Source, flags...)
				if errors.Is(err, guestcode.ErrNoRust) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				crashes := 0
				for n := uint64(0); n < 2000; n += 200 {
					end := stoppedAfter(t, arch, file, n)
					switch {
					case end.Kind == emu.EndFault && end.Addr == 0x420 && flags == nil:
						crashes++
					case end.Kind != emu.EndExit || end.Code != 0:
						t.Errorf("%v, main stopped after %d instructions: %v", flags, n, end)
					}
				}
				if crashes == 0 && flags == nil {
					t.Error("it never crashes")
				}
			}
		})
	}
}

// stoppedAfter runs a program of two threads: main for n instructions once there is the other
// one, then that as far as it goes.
func stoppedAfter(t *testing.T, arch loader.Arch, file []byte, n uint64) *emu.End {
	t.Helper()
	m, err := emu.NewProgram(emu.ProgramOptions{
		System: testsystem.Of(t, "bookworm", arch), Path: "/program", Argv: []string{"/program"}, Seed: 1,
		Files: map[string][]byte{"/program": file},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	run := func(thread int, n uint64) {
		if _, err := m.Run(thread, n); err != nil {
			t.Fatal(err)
		}
	}
	for m.End() == nil && len(m.Threads()) < 2 {
		run(0, 100)
	}
	run(0, n)
	for m.Runnable(1) {
		run(1, Quantum)
	}
	end, err := Run(m)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

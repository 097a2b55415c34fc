package explore

import (
	"context"
	"path/filepath"
	"testing"

	"emurace/internal/guestcode"
	bugs "emurace/internal/programs"
	"emurace/internal/testsystem"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// TestPairs: pos, or surw, or fuzz finds the bug of each program of testdata/programs within a
// thousand schedules, and one of them, in turn, none in its mended twin.
func TestPairs(t *testing.T) {
	list, err := bugs.List(filepath.Join("..", "testdata", "programs"))
	must(t, err)
	const most = 1000
	for n, p := range list {
		if p.Language == bugs.Rust || testing.Short() && n%7 != 0 {
			continue // rustc is often for one architecture alone; package program runs it
		}
		testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
			if !thorough.Turn(n, arch) {
				return
			}
			flags := []string{"-O0"}
			if p.Language == bugs.Cxx {
				flags = append(flags, "-static")
			}
			for _, fixed := range []bool{false, true} {
				o := Options{Seed: 1, Schedules: most, Jobs: 1}
				if fixed {
					flags, o.Schedules = append(flags, p.FixedFlag()), most/5
				}
				file, err := guestcode.Compile(arch, p.File, p.Source, flags...)
				must(t, err)
				plan := &scenario.Plan{
					Files: map[string][]byte{"/program": file}, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
					Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
					Program: &scenario.Program{Path: "/program", Argv: []string{p.Name}},
				}
				found, strategies := false, []Strategy{POS, SURW, Fuzz}
				if fixed { // of which none may find anything: a third of them each
					strategies = strategies[n%3 : n%3+1]
				}
				for _, strategy := range strategies {
					if found {
						break
					}
					r, err := Sample(context.Background(), func() (*scenario.Session, error) {
						return scenario.Start(testsystem.Of(t, "bookworm", arch), plan, 1)
					}, strategy, o)
					must(t, err)
					if found = r.Verdict == Failing; len(r.Doubts) > 0 || found && fixed {
						t.Errorf("%s, fixed %v, %s: %s after %d schedules, %v, %v", p.File, fixed, strategy, r.Verdict, r.Schedules, r.Findings, r.Doubts)
					}
				}
				if !found && !fixed {
					t.Errorf("%s: no strategy finds its bug", p.File)
				}
			}
		})
	}
}

package explore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/guestcode"
	bugs "emurace/internal/programs"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/sysroot"
)

// programPlan is a program as emurace explore runs it.
func programPlan(path string, argv, env []string, files map[string][]byte) *scenario.Plan {
	return &scenario.Plan{
		Env: env, Files: files, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
		Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
		Program: &scenario.Program{Path: path, Argv: argv},
	}
}

// benchProgram reports how many schedules of a program a second pos runs on one core, without
// the boot, and how many instructions of the process one has.
func benchProgram(b *testing.B, sys *emu.System, plan *scenario.Plan) {
	b.Helper()
	var searched *explore.Result
	b.ResetTimer()
	speed := rate(b, func() (*scenario.Session, error) { return scenario.Start(sys, plan, 1) }, func(start func() (*scenario.Session, error)) (*explore.Result, error) {
		var err error
		searched, err = explore.Sample(b.Context(), start, explore.POS, explore.Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: uint64(b.N) + explore.InOrder})
		return searched, err
	})
	b.ReportMetric(speed, "schedules/s")
	b.ReportMetric(float64(searched.Instructions)/float64(searched.Schedules), "instructions")
}

// BenchmarkExplorePrograms is the rate on repaired twins of testdata/programs, which run to
// their end in each schedule: one with locks, one with a condition variable too, one without
// either.
func BenchmarkExplorePrograms(b *testing.B) {
	list, err := bugs.List(filepath.Join("..", "testdata", "programs"))
	must(b, err)
	for _, p := range list {
		if p.Name != "check_then_act" && p.Name != "if_for_while" && p.Name != "deque" {
			continue
		}
		for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
			b.Run(p.Name+"/"+arch.String(), func(b *testing.B) {
				file, err := guestcode.Compile(arch, p.File, p.Source, p.FixedFlag())
				must(b, err)
				benchProgram(b, testsystem.Of(b, "bookworm", arch), programPlan("/program", []string{p.Name}, nil, map[string][]byte{"/program": file}))
			})
		}
	}
}

// BenchmarkExploreArticle is the rate on CPython with examples/article, failing schedules
// included, where its packages have been pulled.
func BenchmarkExploreArticle(b *testing.B) {
	cache, err := sysroot.Open(filepath.Join("..", "build", "article"))
	must(b, err)
	spec, err := sysroot.Parse("debian:bookworm")
	must(b, err)
	dir, err := cache.Dir(spec, loader.ARM64.String())
	if err != nil {
		b.Skipf("CPython's packages are not there; run: make article: %v", err)
	}
	sys, err := emu.OpenSystem(dir, loader.ARM64)
	must(b, err)
	b.Cleanup(func() { must(b, sys.Close()) })
	script, err := os.ReadFile(filepath.Join("..", "examples", "article", "article.py"))
	must(b, err)
	// As examples/article/explore has it.
	env := []string{"LANG=C.UTF-8", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0"}
	for n := range 62 {
		env = append(env, fmt.Sprintf("EMURACE_%d=1", n+1))
	}
	const python = "/usr/bin/python3.11"
	benchProgram(b, sys, programPlan(python, []string{python, "/article.py"}, env, map[string][]byte{"/article.py": script}))
}

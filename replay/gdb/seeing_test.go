package gdb

import (
	"fmt"
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// TestRealGDBSeeing: gdb shows what a load has seen where memory holds something else, wherever it comes from, and
// it is the run's memory that it reads.
func TestRealGDBSeeing(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		sb := testrace.NewBuffering(arch)
		plan, err := sb.Scenario().Build(nil)
		must(t, err)
		sys := testsystem.Of(t, "bookworm", arch)
		testrace.Start(t, sys, plan) // the words are known now
		s := show(t, sys, plan, sb.Schedule())
		loaded := "p/x $" + sb.Loaded()
		holds := fmt.Sprintf("x/wx %#x\nx/wx %#x", sb.Words()[0], sb.Words()[1])
		const both = `(?s):\s+0x00000001\n.*:\s+0x00000001\n`
		const flush = "maintenance flush register-cache\nmaintenance flush dcache"
		behind := question{flush + "\n" + loaded + "\n" + holds, []string{`= 0x0$`, both}}
		list := []question{
			{"monitor seek 4\nthread 1", nil}, behind,
			{"monitor seek 2\nthread 1\nmonitor seek 4\nthread 1", nil}, behind,
			{"monitor seek 3\n" + flush + "\nthread 1\nstepi\nmonitor when", []string{`^moment 4`}}, behind,
			{"monitor seek 5\n" + flush + "\nthread 1\nreverse-stepi\nmonitor when", []string{`^moment 4`}}, behind,
			{"monitor seek start\n" + flush + "\ncontinue\nmonitor when", []string{`^moment 6`}},
			{"monitor why", []string{"both have loaded 0"}},
			{"monitor seek 3\nthread 2", nil}, behind, // worker's load
			{fmt.Sprintf("monitor seek start\n%s\nrwatch *(int *)%#x\ncontinue\nmonitor when", flush, sb.Words()[1]), []string{`^moment 4`}}, behind,
		}
		check(t, s, s.symbols(), list)
	})
}

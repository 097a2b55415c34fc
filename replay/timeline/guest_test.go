package timeline

import (
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

var must = testrace.Must

// eachArch runs a test for both guest architectures.
func eachArch(t *testing.T, test func(t *testing.T, sys *emu.System)) {
	t.Helper()
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) { test(t, testsystem.Of(t, "bookworm", arch)) })
}

// article is the scenario that runs when none is named.
func article(t testing.TB, sys *emu.System) *scenario.Session {
	t.Helper()
	return testrace.Start(t, sys, testrace.DefaultPlan(t))
}

// counting is a race of two threads that count to n, one instruction apart in
// their loops, on memory of their own.
func counting(t testing.TB, sys *emu.System, n uint64) *scenario.Session {
	t.Helper()
	const source = `
		volatile unsigned long sums[2];
		unsigned long count(unsigned long who, unsigned long n)
		{
			for (unsigned long i = 0; i < n; i++)
				sums[who] += i;
			return sums[who];
		}`
	count := func(who uint64) scenario.Call {
		return scenario.Call{Func: "count", Args: []scenario.Arg{scenario.Int(who), scenario.Int(n)}}
	}
	return testrace.Start(t, sys, testrace.Guest(t, sys.Arch, source, count(0), count(1)))
}

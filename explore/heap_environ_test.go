package explore

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/oracle"
	"emurace/scenario"
	"emurace/scripts"
)

// getenv walks environ while setenv moves it. Where the search knows that moving
// gives up the block, it runs every order of getenv's reads and that, also those
// that getenv survives; what is found is then in so many of all traces.
func TestHeapEnviron(t *testing.T) {
	both := []loader.Arch{loader.ARM64, loader.AMD64}
	for _, c := range []struct {
		suite, name    string
		arches         []loader.Arch
		raw, traces    uint64 // without and with the heap's events
		crashes, freed uint64 // runs that die, and that use freed memory
		races          map[loader.Arch]uint64
	}{
		// On arm64 a pair of words is stored by one instruction, which is two steps.
		{"bookworm", "EMURACE_060", both[:1], 6, 306, 0, 239, map[loader.Arch]uint64{loader.ARM64: 306}},
		{"bookworm", "EMURACE_060", both[1:], 5, 246, 0, 180, map[loader.Arch]uint64{loader.AMD64: 246}},
		// environ is published with a release store; on amd64 that is a store
		// like any other, and the oracle cannot tell.
		{"trixie", "EMURACE_060", both, 3, 3, 0, 0, map[loader.Arch]uint64{loader.AMD64: 3}},
	} {
		for _, arch := range c.arches {
			if testing.Short() && (arch != loader.ARM64 || c.suite == "bookworm") {
				continue
			}
			t.Run(c.suite+"/"+c.name+"/"+arch.String(), func(t *testing.T) {
				sys := systemOf(t, "debian:"+c.suite, arch, 0)
				values, err := scripts.Get(scripts.Default).Settle([]string{"name=" + c.name})
				must(t, err)
				plan := func() *scenario.Plan {
					p, err := scripts.Get(scripts.Default).Build(values)
					must(t, err)
					return p
				}
				if r := searchHeap(t, sys, plan, false, false, 1); r.Schedules != c.raw {
					t.Errorf("%d traces without the heap's events, want %d", r.Schedules, c.raw)
				}
				one := searchHeap(t, sys, plan, true, false, 1)
				if !testing.Short() && thorough.Turn(1, arch) {
					two := searchHeap(t, sys, plan, true, false, 2)
					one.Restarts, two.Restarts = 0, 0 // who learns first may differ
					if diff := cmp.Diff(one, two, visible); diff != "" {
						t.Errorf("-1 job +2:\n%s", diff)
					}
				}
				crashes := uint64(0)
				for _, f := range one.Findings {
					if f.Problem == "" {
						crashes += f.Count
					}
				}
				freed, races := runsWith(one, oracle.UseAfterFree), runsWith(one, oracle.DataRace)
				if one.Schedules != c.traces || crashes != c.crashes || freed != c.freed || races != c.races[arch] {
					t.Errorf("of %d traces %d crash, %d use freed memory, %d have a race; want %d, %d, %d, %d",
						one.Schedules, crashes, freed, races, c.traces, c.crashes, c.freed, c.races[arch])
				}
				if testing.Short() {
					return // the oracle runs into many dead ends
				}
				g := &guest{arch: arch}
				g.startHeap(t, sys, plan())
				if oracle := sleepSets(t, g); oracle.traces != c.traces {
					t.Errorf("the oracle counts %d traces, want %d", oracle.traces, c.traces)
				}
			})
		}
	}
}

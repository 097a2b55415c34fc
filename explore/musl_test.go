package explore

import (
	"strconv"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/oracle"
	"emurace/scenario"
	"emurace/scripts"
)

// getenv and setenv on musl. Its realloc leaves an array of 66 entries where it is,
// since the slot has room; it moves one of 82, whose slot stays readable and as it
// was when it is free; and one of 1020 has a group of slots for itself, which is
// unmapped when it is free: then getenv dies. docs/musl.md tells it.
//
// That the search sees the last one hangs on munmap counting as a write of its pages,
// because no instruction touches what getenv reads: so bounded search, which knows
// nothing of such things, must agree.
func TestMuslEnviron(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if testing.Short() && arch != loader.ARM64 {
			continue
		}
		sys := systemOf(t, "debian:bookworm/musl", arch, loader.Musl)
		for _, c := range []struct {
			entries       int
			plain, traces uint64 // without the heap's events and with them; 0 for too many to run
			freed         uint64 // of traces that use freed memory
			dies          bool
		}{
			{entries: 66, plain: 9},
			{entries: 82, plain: 5, traces: 338, freed: 83},
			{entries: 1020, dies: true},
		} {
			values, err := scripts.Get(scripts.Default).Settle([]string{"entries=" + strconv.Itoa(c.entries)})
			must(t, err)
			plan := func() *scenario.Plan {
				p, err := scripts.Get(scripts.Default).Build(values)
				must(t, err)
				return p
			}
			start := func() (*scenario.Session, error) { return scenario.Start(sys, plan(), 1) }
			r, err := DPOR(t.Context(), start, Options{Jobs: 1})
			must(t, err)
			if dies := r.Verdict == Failing; dies != c.dies || !c.dies && (r.Verdict != Clean || r.Schedules != c.plain) {
				t.Errorf("%v, %d entries: %v after %d schedules", arch, c.entries, r.Verdict, r.Schedules)
			}
			if c.dies {
				if o := r.Findings[0].Outcome; o.Kind != scenario.Segv || o.End.Kind != emu.EndFault || o.End.Mapped {
					t.Errorf("%v, %d entries: %v", arch, c.entries, o)
				}
			}
			if c.traces != 0 {
				h := searchHeap(t, sys, plan, true, false, 1)
				if freed := runsWith(h, oracle.UseAfterFree); h.Schedules != c.traces || freed != c.freed {
					t.Errorf("%v, %d entries: %d of %d traces use freed memory, want %d of %d", arch, c.entries, freed, h.Schedules, c.freed, c.traces)
				}
			}
			if arch != loader.ARM64 || c.entries == 66 || testing.Short() {
				continue // the bounded search takes long to find nothing
			}
			b, err := Bounded(t.Context(), start, Options{Preemptions: 1, Jobs: 1})
			must(t, err)
			if (b.Verdict == Failing) != c.dies {
				t.Errorf("%v, %d entries: %v, and %v with one preemption", arch, c.entries, r.Verdict, b.Verdict)
			}
		}
	}
}

package explore

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/explore/coverage"
	"emurace/loader"
	"emurace/scenario"
)

// What is seen of the classes of a search that draws for long enough is all that there are,
// which is what dpor runs and what the literature counts; and then nothing is said to be left.
func TestCoverageCounts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, row := range textbook() {
			if row.want > 36 || !inTurn(i, 3, sys.Arch) {
				continue
			}
			start := row.starter(t, sys)
			proved, err := DPOR(t.Context(), start, Options{Jobs: 1, KeepGoing: true})
			must(t, err)
			for _, st := range []Strategy{POS, Random} {
				x := sampled(t, start, st, Options{KeepGoing: true, Jobs: 2, Seed: 1, Schedules: 100 * row.want}).Coverage
				if x.Classes != row.want || x.Classes != proved.Schedules || x.Fresh > 0.01 || x.Unseen > 1 || x.Full || x.Runs != 100*row.want {
					t.Errorf("%s, %s: %+v, want %d classes", row.name, st, x, row.want)
				}
			}
		}
	})
}

// Of two threads that read and write a variable the two orders that lose an update are not seen
// where the threads run one after the other, and are named; drawing shows them.
func TestCoverageNamesUnseen(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		g := program{"add", variable, times(2, "add")}.start(t, sys)
		start := func() (*scenario.Session, error) { return program{"add", variable, times(2, "add")}.starter(t, sys)() }
		x := sampled(t, start, Random, Options{KeepGoing: true, Jobs: 1, Schedules: InOrder}).Coverage
		// The load behind the other's store, the store behind the other's.
		if x.Both != 1 || x.One != 1 || len(x.Seldom) != 1 || x.Classes != 2 || x.Fresh != 1 {
			t.Fatalf("%+v", x)
		}
		o := x.Seldom[0]
		name := func(s coverage.Site) string {
			for symbol, at := range g.code.Symbols {
				if symbol == "add" && s.PC >= g.base+at && s.PC < g.base+at+0x40 {
					return symbol
				}
			}
			return ""
		}
		if !o.First.Write || o.Then.Write || o.Runs != 2 || name(o.First) != "add" || name(o.Then) != "add" {
			t.Errorf("%+v in %q and %q", o, name(o.First), name(o.Then))
		}
		x = sampled(t, start, Random, Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: 200}).Coverage
		if x.Both != 2 || x.One != 0 || x.Seldom != nil || x.Classes != 4 {
			t.Errorf("after 200 schedules: %+v", x)
		}
	})
}

// The account follows from the seed, and not from how many search.
func TestCoverageRepeats(t *testing.T) {
	start := growing(3).starter(t, system(t, loader.ARM64))
	for _, st := range Strategies() {
		o := Options{KeepGoing: true, Jobs: 1, Seed: 3, Schedules: 200}
		one := sampled(t, start, st, o).Coverage
		o.Jobs = 3
		if diff := cmp.Diff(one, sampled(t, start, st, o).Coverage); diff != "" || one.Runs != 200 || one.Both == 0 {
			t.Errorf("%s: %+v\n%s", st, one, diff)
		}
	}
}

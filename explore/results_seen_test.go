package explore

import (
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// TestResultsSeen: what a check after a call sees of the other thread depends on which
// of them came first, so both orders are run; what it does not look at makes no more.
func TestResultsSeen(t *testing.T) {
	const free = 0x3000_0000 // nothing is there
	abs := scenario.Call{Func: "abs", Args: []scenario.Arg{scenario.Int(1)}}
	maps := scenario.Call{Func: "mmap", Args: []scenario.Arg{
		scenario.Int(free), scenario.Int(4096), scenario.Int(3), scenario.Int(0x32), scenario.Int(1<<64 - 1), scenario.Int(0)}}
	seen := func(is bool) error {
		if is {
			return &scenario.Failure{Message: "the other one was first"}
		}
		return nil
	}
	none := func(*scenario.View, scenario.Returned) error { return nil }
	other := func(v *scenario.View, r scenario.Returned) error {
		return seen(r.Thread == 0 && len(v.Results(1)) > 0)
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name         string
			main, worker scenario.Calls
			after        func(*scenario.View, scenario.Returned) error
			want         uint64
			failing      uint64
		}{
			{"no check", scenario.Calls{abs}, scenario.Calls{abs}, nil, 1, 0},
			{"a check that does not look", scenario.Calls{abs}, scenario.Calls{abs}, none, 1, 0},
			{"its own results", scenario.Calls{abs}, scenario.Calls{abs, abs}, func(v *scenario.View, r scenario.Returned) error {
				return seen(len(v.Results(r.Thread)) > 2)
			}, 1, 0},
			{"the other's results", scenario.Calls{abs}, scenario.Calls{abs}, other, 2, 1},
			{"whether the other's second call came first", scenario.Calls{abs}, scenario.Calls{abs, abs}, func(v *scenario.View, r scenario.Returned) error {
				return seen(r.Thread == 0 && len(v.Results(1)) > 1)
			}, 3, 1},
			{"each the other's", scenario.Calls{abs, abs}, scenario.Calls{abs, abs}, func(v *scenario.View, r scenario.Returned) error {
				return seen(len(v.Results(1-r.Thread)) == 3)
			}, choose(4, 2), 0},
			{"memory that may not be there", scenario.Calls{abs}, scenario.Calls{maps}, func(v *scenario.View, r scenario.Returned) error {
				_, ok := v.Read(free, 8)
				return seen(r.Thread == 0 && ok)
			}, 3, 2}, // a failure ends the race, before the worker's call returns or after
			{"text that may not be there", scenario.Calls{abs}, scenario.Calls{maps}, func(v *scenario.View, r scenario.Returned) error {
				_, ok := v.CString(free)
				return seen(r.Thread == 0 && ok)
			}, 3, 2}, // a failure ends the race, before the worker's call returns or after
		} {
			start := func() (*scenario.Session, error) {
				return scenario.Start(sys, &scenario.Plan{
					Threads:   []scenario.Thread{{Name: scenario.Main, Body: c.main}, {Name: "worker", Body: c.worker}},
					AfterCall: c.after,
				}, 1)
			}
			got, err := DPOR(t.Context(), start, Options{KeepGoing: true, Jobs: 1})
			must(t, err)
			if got.Schedules != c.want || got.Failing != c.failing || !got.Complete {
				t.Errorf("%s: %d schedules, %d of them fail, complete %v; want %d, %d",
					c.name, got.Schedules, got.Failing, got.Complete, c.want, c.failing)
			}
			all, err := Bounded(t.Context(), start, Options{KeepGoing: true, Jobs: 1, Preemptions: 1})
			must(t, err)
			if fails := all.Failing > 0; fails != (c.failing > 0) {
				t.Errorf("%s: with switches anywhere it fails: %v", c.name, fails)
			}
		}
	})
}

package explore

import (
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// scripted is a thread that adds to a shared word, by a load and a store of its own
// or by one atomic addition, k times.
type scripted struct {
	word   *uint64
	k      int
	atomic bool
}

func (s scripted) Next(results []uint64) (scenario.Call, bool, error) {
	call := func(name string, args ...uint64) (scenario.Call, bool, error) {
		c := scenario.Call{Func: emu.RoutinePrefix + name}
		for _, a := range append([]uint64{*s.word}, args...) {
			c.Args = append(c.Args, scenario.Int(a))
		}
		return c, true, nil
	}
	n := len(results)
	switch {
	case s.atomic && n < s.k:
		return call("add64", 1)
	case s.atomic || n == 2*s.k:
		return scenario.Call{}, false, nil
	case n%2 == 0:
		return call("load64")
	}
	return call("store64", results[n-1]+1)
}

// TestScriptedCounts: what threads do by the program's own functions are events like
// those of machine code, so the numbers of traces are those of the textbook, and the
// lost updates are found.
func TestScriptedCounts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name       string
			threads, k int
			atomic     bool
			want       uint64
			lost       bool
		}{
			{"two threads, load and store", 2, 1, false, factorial(2) * factorial(2), true},
			{"three threads, load and store", 3, 1, false, factorial(3) * factorial(3), true},
			{"two threads, twice load and store", 2, 2, false, 34, true},
			{"two threads, 3 atomic additions", 2, 3, true, choose(6, 3), false},
		} {
			start := func() (*scenario.Session, error) {
				var word uint64
				plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
					word, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(8))
					return err
				}}
				for i := range c.threads {
					name := scenario.Main
					if i > 0 {
						name = string(rune('a' + i))
					}
					plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: scripted{&word, c.k, c.atomic}})
				}
				return scenario.Start(sys, plan, 1)
			}
			got, err := DPOR(t.Context(), start, Options{KeepGoing: true, Jobs: 1})
			must(t, err)
			if got.Schedules != c.want || !got.Complete {
				t.Errorf("%s: %d schedules, complete %v, want %d", c.name, got.Schedules, got.Complete, c.want)
			}
			// The lost update: a check of the last value that was read fails in some.
			lost := checked(t, start, c.threads*c.k, c.atomic)
			if lost != c.lost {
				t.Errorf("%s: an update is lost: %v, want %v", c.name, lost, c.lost)
			}
		}
	})
}

// checked tells whether some order loses an update: no thread then stores, or adds
// to become, the sum of all.
func checked(t *testing.T, start func() (*scenario.Session, error), sum int, atomic bool) bool {
	t.Helper()
	got, err := DPOR(t.Context(), func() (*scenario.Session, error) {
		s, err := start()
		if err != nil {
			return nil, err
		}
		s.Plan().Check = func(v *scenario.View) error {
			top := uint64(0)
			for t := range s.Threads() {
				r := v.Results(t)
				for i := 0; i < len(r); i++ {
					if atomic || i%2 == 0 {
						top = max(top, r[i]+1)
					}
				}
			}
			if top != uint64(sum) {
				return errLost
			}
			return nil
		}
		return s, nil
	}, Options{Jobs: 1})
	must(t, err)
	return got.Verdict == Failing
}

var errLost = &scenario.Failure{Message: "an update was lost"}

package testrace

import (
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
)

// Default is the scenario that runs when none is named, the article's, and its
// parameters with some settings.
func Default(t testing.TB, settings ...string) (*scenario.Scenario, scenario.Values) {
	t.Helper()
	sc, found := scripts.Find(scripts.Default)
	if !found {
		t.Fatalf("no scenario %s", scripts.Default)
	}
	values, err := sc.Settle(settings)
	Must(t, err)
	return sc, values
}

// DefaultPlan is the plan of Default.
func DefaultPlan(t testing.TB, settings ...string) *scenario.Plan {
	t.Helper()
	sc, values := Default(t, settings...)
	plan, err := sc.Build(values)
	Must(t, err)
	return plan
}

// Called is a Body whose calls are known only when Setup has run.
type Called func() scenario.Calls

// Next is the call that comes after results.
func (c Called) Next(results []uint64) (scenario.Call, bool, error) { return c().Next(results) }

// Guest is a race of functions of a C source: the first call is main's, the
// second one, if there is one, the worker's. The addresses of the functions are
// filled in.
func Guest(t testing.TB, arch loader.Arch, source string, calls ...scenario.Call) *scenario.Plan {
	t.Helper()
	code := guestcode.Build(t, arch, source)
	var base uint64
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
		return err
	}}
	names := []string{scenario.Main, "worker"}
	for i, call := range calls {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: names[i], Body: Called(func() scenario.Calls {
			call.Addr = base + code.Symbols[call.Func]
			return scenario.Calls{call}
		})})
	}
	return plan
}

// Locks is a scenario of two threads that each lock the same two mutexes, in
// opposite orders, so that they can come to wait for each other.
func Locks() *scenario.Scenario {
	return &scenario.Scenario{Name: "locks", Summary: "two locks", Build: func(scenario.Values) (*scenario.Plan, error) {
		var locks [2]uint64
		p := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
			for i := range locks {
				if locks[i], err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(64)); err != nil {
					return err
				}
			}
			return nil
		}}
		for i, name := range []string{scenario.Main, "worker"} {
			p.Threads = append(p.Threads, scenario.Thread{Name: name, Body: Called(func() scenario.Calls {
				return scenario.Calls{
					{Func: "pthread_mutex_lock", Args: []scenario.Arg{scenario.Int(locks[i])}},
					{Func: "pthread_mutex_lock", Args: []scenario.Arg{scenario.Int(locks[1-i])}},
				}
			})})
		}
		return p, nil
	}}
}

// Start boots a plan; the session lasts until the test ends.
func Start(t testing.TB, sys *emu.System, plan *scenario.Plan) *scenario.Session {
	t.Helper()
	s, err := scenario.Start(sys, plan, 1)
	Must(t, err)
	t.Cleanup(s.Close)
	return s
}

// Starter makes sessions of a scenario, each of a plan of its own. It is what
// replay calls a Starter.
func Starter(sys *emu.System, sc *scenario.Scenario, values scenario.Values, seed uint64) func(func(*emu.Process) error) (*scenario.Session, error) {
	return func(prepare func(*emu.Process) error) (*scenario.Session, error) {
		plan, err := sc.Build(values)
		if err != nil {
			return nil, err
		}
		return scenario.StartWith(sys, plan, seed, prepare)
	}
}

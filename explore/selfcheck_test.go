package explore

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// No search of any test has a hole, but for those that are made to have one.
func init() {
	OnHole = func(f Finding) { panic(fmt.Sprintf("a search has missed %v: %v", f.Outcome, f.Schedule)) }
}

// losing is threads that each add to a word of theirs by a load and a store, and a check
// that no addition is lost. The word stands where the test can see it.
func losing(sys *emu.System, word *uint64, threads int) func() (*scenario.Session, error) {
	return func() (*scenario.Session, error) {
		plan := &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) {
				*word, err = u.Alloc(8)
				return err
			},
			Check: func(v *scenario.View) error {
				if b, _ := v.Read(*word, 1); len(b) != 1 || int(b[0]) != threads {
					return &scenario.Failure{Message: "one was lost"}
				}
				return nil
			},
		}
		for i := range threads {
			plan.Threads = append(plan.Threads, scenario.Thread{Name: fmt.Sprint("t", i), Body: scripted{word: word, k: 1}})
		}
		return scenario.Start(sys, plan, 1)
	}
}

// A search that does not know of some accesses says that nothing fails, where something
// does. The self-check finds that, and the result says that it was missed: as a finding
// that can be run again, the same for the same seed.
func TestHole(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		var word uint64
		var holes []Finding
		before := OnHole
		OnHole = func(f Finding) { holes = append(holes, f) }
		forget = func(e *scenario.Event) {
			e.Accesses = slices.DeleteFunc(slices.Clone(e.Accesses), func(a scenario.Access) bool { return a.Addr == word })
		}
		defer func() { OnHole, forget = before, nil }()
		start := losing(sys, &word, 2)
		for _, keepGoing := range []bool{false, true} {
			var first *Result
			for _, jobs := range []int{1, 2, 1} {
				holes = nil
				r, err := DPOR(t.Context(), start, Options{Jobs: jobs, Seed: 7, KeepGoing: keepGoing})
				must(t, err)
				if r.Verdict != Failing || r.Complete || len(r.Findings) != 1 || !r.Findings[0].Hole || r.Findings[0].Outcome.Message != "one was lost" ||
					len(holes) != 1 || r.SelfCheck == nil || r.SelfCheck.Orders != 2 || r.Findings[0].Number > r.Schedules || !keepGoing && r.Failing != 1 {
					t.Fatalf("%+v, %+v", r, r.SelfCheck)
				}
				if keepGoing && r.SelfCheck.Drawn != mostDrawn {
					t.Errorf("%+v", r.SelfCheck)
				}
				replayed(t, start, r)
				if first != nil && !reflect.DeepEqual(first, r) {
					t.Errorf("%+v, and before %+v", r, first)
				}
				first = r
			}
		}
	})
}

// What was run beside a search that nothing fails is told: every order of a few threads,
// some of many, as many schedules as there is effort for; and nothing after a search that
// has found something, or does not say that nothing fails.
func TestSelfCheck(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		atomic := func(threads, k int) func() (*scenario.Session, error) {
			return func() (*scenario.Session, error) {
				var word uint64
				plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
					word, err = u.Alloc(8)
					return err
				}}
				for i := range threads {
					plan.Threads = append(plan.Threads, scenario.Thread{Name: fmt.Sprint("t", i), Body: scripted{word: &word, k: k, atomic: true}})
				}
				return scenario.Start(sys, plan, 1)
			}
		}
		for threads, orders := range map[int]int{1: 1, 2: 2, 3: 6, 4: 24, 5: 24} {
			if testing.Short() && threads > 3 {
				continue
			}
			r, err := DPOR(t.Context(), atomic(threads, 1), Options{Jobs: 1})
			must(t, err)
			if c := r.SelfCheck; r.Verdict != Clean || c == nil || c.Orders != orders || c.Drawn != mostDrawn || c.Instructions == 0 || len(r.Findings) != 0 || r.Schedules != factorial(threads) {
				t.Errorf("%d threads: %+v, %+v", threads, r, c)
			}
		}
		for bound := range 2 {
			r, err := Bounded(t.Context(), atomic(2, 2), Options{Preemptions: bound, Jobs: 1})
			must(t, err)
			if r.Verdict != Clean || r.SelfCheck == nil || r.SelfCheck.Orders != 2 || r.SelfCheck.Drawn != mostDrawn {
				t.Errorf("bound %d: %+v, %+v", bound, r, r.SelfCheck)
			}
		}
		// With so few preemptions nothing fails, and what fails with more is no hole.
		var word uint64
		r, err := Bounded(t.Context(), losing(sys, &word, 2), Options{Preemptions: 0, Jobs: 1})
		must(t, err)
		if r.Verdict != Clean || r.SelfCheck == nil {
			t.Errorf("%+v", r)
		}
		for _, o := range []Options{{Jobs: 1}, {Jobs: 1, Schedules: 1}} {
			if r, err = DPOR(t.Context(), losing(sys, &word, 3), o); err != nil || r.Verdict == Clean || r.SelfCheck != nil {
				t.Errorf("%+v: %+v, %v", o, r, err)
			}
		}
	})
}

// The schedules of a self-check are of all kinds: those of few long slices and of many
// short ones, and none has more preemptions than it may.
func TestDrawnSchedules(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		var word uint64
		s, err := losing(sys, &word, 3)()
		must(t, err)
		defer s.Close()
		s.WantEvents(false)
		alone := uint64(0)
		for bound := -1; bound < 3; bound++ {
			c := &checker{ctx: t.Context(), s: s, result: &Result{}, bound: bound, left: 1 << 40}
			must(t, c.try(&c.done.Orders, func() error { return c.inOrder([]int{2, 0, 1}) }))
			if alone = c.longest; alone == 0 || len(c.schedule) != 3 || c.schedule[0].Thread != 2 || c.result.Failing != 0 {
				t.Fatalf("%v after %d instructions, %+v", c.schedule, alone, c.result)
			}
			slices := map[bool]int{}
			for i := range 120 {
				must(t, c.try(&c.done.Drawn, func() error { return c.draw(rand.New(rand.NewPCG(1, uint64(i))), i%3) }))
				slices[len(c.schedule) > 4]++
				if bound >= 0 && c.preemptions > bound {
					t.Errorf("%d preemptions, at most %d: %v", c.preemptions, bound, c.schedule)
				}
				must(t, s.Restart())
				must(t, s.Play(c.schedule.ToEnd()))
				if _, over := s.Outcome(); !over {
					t.Errorf("%v ends before the race", c.schedule)
				}
			}
			if bound < 0 && (slices[true] == 0 || slices[false] == 0) || (bound != 0) != (c.result.Failing > 0) {
				t.Errorf("bound %d: %d long schedules and %d short ones, %d fail", bound, slices[true], slices[false], c.result.Failing)
			}
		}
	})
}

// A run that comes to the limit of instructions in a self-check shows nothing, and what
// is spent is bounded.
func TestSelfCheckLimits(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		var word uint64
		s, err := losing(sys, &word, 2)()
		must(t, err)
		defer s.Close()
		s.WantEvents(false)
		s.Limit = 3
		c := &checker{ctx: t.Context(), s: s, result: &Result{}, bound: -1, left: 1 << 40}
		must(t, c.run(1, true))
		if c.result.Schedules != 0 || c.result.Failing != 0 || c.done.Drawn != mostDrawn {
			t.Errorf("%+v, %+v", c.result, c.done)
		}
		s.Limit = scenario.DefaultLimit
		c = &checker{ctx: t.Context(), s: s, result: &Result{}, bound: -1, left: 100}
		must(t, c.run(1, true))
		if c.done.Orders+c.done.Drawn == 0 || c.done.Drawn == mostDrawn || c.done.Instructions > 200 {
			t.Errorf("%+v", c.done)
		}
	})
}

// The orders are all that there are, or different ones of many.
func TestOrders(t *testing.T) {
	for n := 1; n < 9; n++ {
		list := ordersOf(n, 3)
		seen := map[string]bool{}
		for _, order := range list {
			sorted := slices.Sorted(slices.Values(order))
			for i, u := range sorted {
				if u != i {
					t.Errorf("%v is no order", order)
				}
			}
			seen[fmt.Sprint(order)] = true
		}
		if want := min(factorial(n), mostOrders); uint64(len(list)) != want || n < 5 && len(seen) != len(list) || len(seen) < len(list)*3/4 {
			t.Errorf("%d threads: %d orders, %d of them different", n, len(list), len(seen))
		}
	}
}

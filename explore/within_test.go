package explore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/scenario"
)

// ordersWithin is how many orders two threads of so many steps have with at most so many preemptions: of
// a thread that has steps left. It is counted here step by step, with the thread that ran last.
func ordersWithin(steps [2]int, last, most int) (n uint64) {
	if steps == [2]int{} {
		return 1
	}
	for t := range steps {
		left := most
		if last >= 0 && t != last && steps[last] > 0 {
			left--
		}
		if steps[t] == 0 || left < 0 {
			continue
		}
		then := steps
		then[t]--
		n += ordersWithin(then, t, left)
	}
	return n
}

// Of threads all of whose events depend on each other every order is a class of its own, and the search runs
// each that has no more preemptions than its bound once, whatever parts it is cut into and however
// many sessions share them. It says that there are others where there are.
func TestWithinCounts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, c := range []struct{ first, second, most int }{{1, 1, 0}, {8, 8, 0}, {8, 8, 1}, {8, 8, 2}, {8, 5, 3}, {8, 8, 6}, {8, 8, 8}, {8, 8, 13}, {8, 8, 14}, {8, 8, 20}} {
			if testing.Short() && c.most > 3 && c.most != 8 || !inTurn(i, 1, sys.Arch) {
				continue
			}
			start := codeStarter(sys, heals(c.first), heals(c.second))
			all, want := ordersWithin([2]int{c.first, c.second}, -1, c.first+c.second), ordersWithin([2]int{c.first, c.second}, -1, c.most)
			var one *Result
			for jobs := 1; jobs <= 3; jobs++ {
				r, err := DPORWithin(t.Context(), start, Options{Preemptions: c.most, KeepGoing: true, Jobs: jobs})
				must(t, err)
				if r.Schedules != want || !r.Complete || r.Verdict != Clean || r.Preemptions != c.most || r.Unbounded != (want == all) {
					t.Errorf("%+v: %d of %d schedules, without bound %v: %+v", c, r.Schedules, want, want == all, r)
				}
				if one == nil {
					one = r
				}
				if diff := cmp.Diff(one, r, visible); diff != "" {
					t.Errorf("%+v, %d jobs (-1 job +%d):\n%s", c, jobs, jobs, diff)
				}
				if want < splitAfter {
					break // there is one part
				}
			}
		}
	})
}

// saidBy is the ways in which a search's schedules fail.
func saidBy(r *Result) (list []string) {
	for _, f := range r.Findings {
		list = append(list, fmt.Sprint(f.Outcome.Kind, f.Outcome.Thread, f.Outcome.Message))
	}
	slices.Sort(list)
	return list
}

// classesWithin is how many classes of orders the program has of which one has at most so many preemptions. It
// goes through all orders: two are of one class if all pairs of accesses that conflict come in the same order.
func (p cellProgram) classesWithin(most int) int {
	type access struct{ thread, number int }
	classes := map[string]bool{}
	var run []access
	var orders func(last, left int)
	orders = func(last, left int) {
		at := make([]int, len(p)) // how far each thread is
		for _, a := range run {
			at[a.thread]++
		}
		over := true
		for t := range p {
			if at[t] == len(p[t]) {
				continue
			}
			over = false
			after := left
			if last >= 0 && last != t && at[last] < len(p[last]) {
				after--
			}
			if after >= 0 {
				run = append(run, access{t, at[t]})
				orders(t, after)
				run = run[:len(run)-1]
			}
		}
		if !over {
			return
		}
		var pairs []string
		for i, a := range run {
			for _, b := range run[i+1:] {
				x, y := p[a.thread][a.number], p[b.thread][b.number]
				if a.thread != b.thread && x.cell == y.cell && (x.store || y.store) {
					pairs = append(pairs, fmt.Sprint(a, b))
				}
			}
		}
		slices.Sort(pairs)
		classes[fmt.Sprint(pairs)] = true
	}
	orders(-1, most)
	return len(classes)
}

// Programs of three threads with few accesses each fail in the same ways within a bound, whether classes or all
// schedules are run; each finding has a schedule with as many preemptions as it says, and no more than
// the bound. Hardly any class is run twice. -programs says how many.
func TestWithinCells(t *testing.T) {
	count, most, threads := uint64(60), 2, 3
	if testing.Short() {
		count, most = 15, 1
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed, count := seedsOf(testseed.Of(t, 1), count, sys.Arch)
		compared, failing, classes := 0, 0, 0
		var runs, of uint64
		for at := seed; at < seed+count; at++ {
			p := newCellProgram(rand.New(rand.NewPCG(at, 3)), threads)
			start := starter(sys, func(loader.Arch) *scenario.Plan { return p.plan() })
			for n := range most + 1 {
				all, err := Bounded(t.Context(), start, Options{Preemptions: n, KeepGoing: true, Jobs: 1, Schedules: 30_000})
				must(t, err)
				if !all.Complete {
					break
				}
				r, err := DPORWithin(t.Context(), start, Options{Preemptions: n, KeepGoing: true, Jobs: 1})
				must(t, err)
				compared++
				if len(r.Findings) > 0 {
					failing++
				}
				runs, of = runs+r.Schedules, of+all.Schedules
				there := p.classesWithin(n)
				classes += there
				if r.Schedules < uint64(there) {
					t.Errorf("seed %d, %+v, %d preemptions: %d runs of %d classes", at, p, n, r.Schedules, there)
				}
				if diff := cmp.Diff(saidBy(all), saidBy(r)); diff != "" || !r.Complete || r.Preemptions != n {
					t.Errorf("seed %d, %+v, %d preemptions: complete %v, %d (-all +classes)\n%s\nrepeat with: go test emurace/explore -run '^TestWithinCells$/^%v$' -programs 1 -seed %d", at, p, n, r.Complete, r.Preemptions, diff, sys.Arch, at)
				}
				for _, f := range r.Findings {
					if f.Preemptions < 0 || f.Preemptions > n {
						t.Errorf("seed %d: a schedule of %d preemptions, within %d", at, f.Preemptions, n)
					}
				}
				replayAll(t, start, r)
			}
		}
		t.Logf("%v: %d bounds of %d programs compared, with %d something fails; %d runs in place of %d, of %d classes", sys.Arch, compared, count, failing, runs, of, classes)
		if 4*runs > 5*uint64(classes) {
			t.Errorf("%d runs are more than a quarter more than %d classes", runs, classes)
		}
		if *programs == 0 && (uint64(compared) < count || failing < compared/3) {
			t.Errorf("too little was compared")
		}
	})
}

// A search with a bound stops at its first failure, which is the first of those that going on finds, and what it
// needs one preemption more for it does not find.
func TestWithinFirstFailure(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name        string
			program     []routine
			preemptions int
		}{{"a livelock of the first", missing, 0}, {"a deadlock", crossed, 1}, {"a crash", readers, 1}, {"a crash that takes two", changing, 2}} {
			start := codeStarter(sys, c.program...)
			if c.preemptions > 0 {
				below, err := DPORWithin(t.Context(), start, Options{Preemptions: c.preemptions - 1, Jobs: 2})
				must(t, err)
				if below.Verdict != Clean || !below.Complete || below.Unbounded || below.Preemptions != c.preemptions-1 || below.SelfCheck == nil {
					t.Errorf("%s: with one preemption less: %+v", c.name, below)
				}
			}
			stopped, err := DPORWithin(t.Context(), start, Options{Preemptions: c.preemptions, Jobs: 2})
			must(t, err)
			all, err := DPORWithin(t.Context(), start, Options{Preemptions: c.preemptions, Jobs: 2, KeepGoing: true})
			must(t, err)
			if stopped.Verdict != Failing || stopped.Complete || stopped.Failing != 1 || len(stopped.Findings) != 1 || !all.Complete {
				t.Fatalf("%s: %+v", c.name, stopped)
			}
			first := all.Findings[0]
			first.Count = 1
			if diff := cmp.Diff(first, stopped.Findings[0]); diff != "" || first.Preemptions != c.preemptions {
				t.Errorf("%s: %d preemptions (-going on, +stopped):\n%s", c.name, first.Preemptions, diff)
			}
			replayAll(t, start, all)
		}
	})
}

// Without a bound it is DPOR; with abstract locks there is none.
func TestWithinBound(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := codeStarter(sys, readers...)
		free, err := DPORWithin(t.Context(), start, Options{Preemptions: -1, KeepGoing: true, Jobs: 1})
		must(t, err)
		if diff := cmp.Diff(dpor(t, start, Options{Jobs: 1}), free, visible); diff != "" {
			t.Errorf("without a bound (-dpor):\n%s", diff)
		}
		if _, err := DPORWithin(t.Context(), start, Options{Preemptions: 1, AbstractLocks: true, Jobs: 1}); err == nil {
			t.Error("abstract locks were accepted")
		}
		if _, err := DPORWithin(t.Context(), starterOfNothing(sys), Options{Preemptions: 1, Jobs: 1}); err != nil {
			t.Error(err)
		}
	})
}

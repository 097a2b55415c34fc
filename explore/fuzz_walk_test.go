package explore

import (
	"slices"
	"testing"

	"emurace/emu"
	"emurace/explore/coverage"
	"emurace/internal/testseed"
	"emurace/scenario"
)

// hunt is a program at the start of its race, with what a search knows of it.
type hunt struct {
	*guest
	p *sampler
}

func hunted(t *testing.T, sys *emu.System, p program) hunt {
	t.Helper()
	g := p.start(t, sys)
	m, err := Options{}.methodOf(Fuzz)
	must(t, err)
	s := &sampler{
		Options: Options{KeepGoing: true}, ctx: t.Context(), method: m, total: &Result{}, seen: coverage.NewSeen(),
		sessions: sessionsOf(g.s), report: newReporter(nil),
	}
	t.Cleanup(s.report.close)
	must(t, s.inOrder())
	return hunt{g, s}
}

// function is the function that an instruction is of.
func (h hunt) function(pc uint64) string {
	name, at := "", uint64(0)
	for symbol, offset := range h.code.Symbols {
		if offset += h.base; offset <= pc && offset >= at {
			name, at = symbol, offset
		}
	}
	return name
}

// run runs one schedule that tries to meet goals, with chance from a seed.
func (h hunt) run(t *testing.T, seed uint64, goals ...goal) *run {
	t.Helper()
	r := &run{ctx: t.Context(), s: h.s, rand: generator(seed, 1), profile: h.p.profile, reads: newReads()}
	must(t, r.begin())
	must(t, steer(r, slices.Clone(goals)))
	if _, over := h.s.Outcome(); !over {
		t.Errorf("seed %d: %v: the race is not over", seed, goals)
	}
	return r
}

// pair is one that runs show, of a function that writes, "" for what was there,
// to one that reads.
func (h hunt) pair(t *testing.T, write, read string) pair {
	t.Helper()
	for seed := range uint64(500) {
		for _, p := range h.run(t, seed).reads.pairs {
			if h.function(p.Read.PC) == read && (p.Write == spot{} && write == "" || write != "" && h.function(p.Write.PC) == write) {
				return p
			}
		}
	}
	t.Fatalf("no run shows that %s reads of %q", read, write)
	return pair{}
}

// race is a variable that two threads write and one reads, which is busy before
// it does and after.
var race = program{"race", `
volatile u32 x, y;
u32 one(u32 n) { while (n--) y = n; x = 1; return 0; }
u32 two(u32 n) { x = 2; while (n--) y = n; return 0; }
u32 look(u32 n) { u32 k = n; while (k--) y = k; u32 r = x; while (n--) y = n; return r; }`,
	[]string{"one 6", "two 3", "look 4"}}

// A pair that can show, shows whenever a run is to bring it about, and never when
// it is to avoid it. By itself it shows now and then only.
func TestGoalsMet(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		h := hunted(t, sys, race)
		seed := testseed.Of(t, 0)
		for _, write := range []string{"", "one", "two"} {
			p := h.pair(t, write, "look")
			const runs = 100
			count := func(goals ...goal) int {
				n := 0
				for i := range uint64(runs) {
					if slices.Contains(h.run(t, seed+i, goals...).reads.pairs, p) {
						n++
					}
				}
				return n
			}
			if n := count(); n == 0 || n == runs {
				t.Errorf("seed %d: %q is read in %d of %d runs that do not care", seed, write, n, runs)
			}
			for _, wait := range []bool{false, true} {
				if n := count(goal{pair: p, write: wait}); n != runs {
					t.Errorf("seed %d: %q is to be read, and is in %d of %d runs (write %v)", seed, write, n, runs, wait)
				}
				if n := count(goal{pair: p, not: true, write: wait}); n != 0 && (wait || write == "") {
					t.Errorf("seed %d: %q is not to be read, and is in %d of %d runs (write %v)", seed, write, n, runs, wait)
				}
			}
			// What contradicts itself is given up somewhere, and the rest holds.
			if n := count(goal{pair: p}, goal{pair: p, not: true}); n == 0 {
				t.Errorf("seed %d: %q is to be read and not to be read: never", seed, write)
			}
		}
	})
}

// Two goals that need each other's order are both met: each thread reads what the
// other writes first.
func TestGoalsTogether(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		h := hunted(t, sys, program{"both", `
volatile u32 x, y, common;
u32 left(u32 n) { while (n--) common = n; x = 1; return y; }
u32 right(u32 n) { y = 1; while (n--) common = n; return x; }`, []string{"left 4", "right 4"}})
		a, b := h.pair(t, "right", "left"), h.pair(t, "left", "right")
		c, d := h.pair(t, "", "left"), h.pair(t, "", "right")
		seed := testseed.Of(t, 0)
		for i := range uint64(100) {
			for _, goals := range [][]pair{{a, b}, {a, d}, {c, b}} {
				r := h.run(t, seed+i, goal{pair: goals[0]}, goal{pair: goals[1]})
				if !slices.Contains(r.reads.pairs, goals[0]) || !slices.Contains(r.reads.pairs, goals[1]) {
					t.Fatalf("seed %d: of %+v: %+v", seed+i, goals, r.reads.pairs)
				}
			}
		}
	})
}

// What cannot be met hangs nothing: not a write that never comes, not what was
// there and is gone, not a goal that holds a thread for which another one spins,
// and not a heap of goals that exclude each other. None of it makes a run end
// other than runs do.
func TestGoalsGivenUp(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 0)
		for i, p := range []program{
			race,
			{"spin", `
volatile u32 ready, x;
u32 wait(void) { while (!ready) ; return x; }
u32 go(void) { u32 r = x; x = r + 1; ready = 1; return r; }`, []string{"wait", "go"}},
			{"lll_lock", lll, times(3, "section")},
			{"reorder, 2 setters", reorder, []string{"set", "set", "check"}},
		} {
			if !inTurn(i, 2, sys.Arch) {
				continue
			}
			h := hunted(t, sys, p)
			f := h.p.learner.(*fuzzer)
			for i := range uint64(20) {
				for _, shown := range h.run(t, seed+i).reads.pairs {
					if _, ok := f.numbers[shown]; !ok {
						f.pairs = append(f.pairs, shown)
						f.numbers[shown] = len(f.pairs)
					}
				}
			}
			pool := f.pairs
			for i := range uint64(150) {
				random := generator(seed+i, 2)
				var goals []goal
				for range 1 + random.IntN(maxConstraints) {
					g := goal{pair: pool[random.IntN(len(pool))], not: random.IntN(2) == 0, write: random.IntN(2) == 0}
					if random.IntN(4) == 0 {
						g.Write = spot{PC: 4, Addr: g.Read.Addr, Size: g.Read.Size} // nobody does that
					}
					goals = append(goals, g)
				}
				r := h.run(t, seed+i, goals...)
				if o, _ := h.s.Outcome(); o.Kind != scenario.OK || r.events > 50*h.p.profile.shortest {
					t.Errorf("%s, seed %d: %v after %d events (%d in order), with %d goals", p.name, seed+i, o, r.events, h.p.profile.shortest, len(goals))
				}
			}
		}
	})
}

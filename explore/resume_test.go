package explore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// growing is a race whose threads come to share x only in certain orders, one of
// which crashes: what the threads do when they run one after the other does not
// show it. Each has n further accesses to places of their common.
func growing(n int) program {
	return program{"growing", `
volatile u32 a, b, x, common;
void first(u32 n) {
	a = 1; u32 r = b; a = 2; u32 s = b;
	if (r == 0 && s != 0) x = 1;
	while (n--) common = n;
}
void second(u32 n) {
	b = 1; u32 r = a; b = 2; u32 s = a;
	if (r == 1 && s == 2) { if (x == 1) *(volatile u32 *)16 = 0; x = 2; }
	while (n--) common = n;
}`, []string{fmt.Sprintf("first %d", n), fmt.Sprintf("second %d", n)}}
}

// sampling is a search with a strategy that draws.
func sampling(s Strategy) search {
	return func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
		return Sample(ctx, start, s, o)
	}
}

// throughFile is a state as it comes out of a file.
func throughFile(t *testing.T, s *State) *State {
	t.Helper()
	b, err := json.Marshal(s)
	must(t, err)
	out := &State{}
	must(t, json.Unmarshal(b, out))
	return out
}

// A search that is broken off and resumed, several times, with other
// numbers of sessions, in whatever way it was broken off and wherever it was,
// ends as an undisturbed one does, to the last number.
func TestResume(t *testing.T) {
	type test struct {
		name   string
		start  func(*testing.T, *emu.System) func() (*scenario.Session, error)
		search search
		o      Options
	}
	code := func(routines ...routine) func(*testing.T, *emu.System) func() (*scenario.Session, error) {
		return func(_ *testing.T, sys *emu.System) func() (*scenario.Session, error) {
			return codeStarter(sys, routines...)
		}
	}
	compiled := func(p program) func(*testing.T, *emu.System) func() (*scenario.Session, error) {
		return func(t *testing.T, sys *emu.System) func() (*scenario.Session, error) { return p.starter(t, sys) }
	}
	three := []routine{readers[0], readers[1], readers[1]}
	tests := []test{
		{"dpor in parts", code(heals(8), heals(8)), DPOR, Options{KeepGoing: true}},
		{"dpor within a bound, in parts", code(heals(8), heals(8)), DPORWithin, Options{Preemptions: 7, KeepGoing: true}},
		{"dpor within a bound that learns", compiled(growing(2)), DPORWithin, Options{Preemptions: 3, KeepGoing: true}},
		{"dpor within a bound to the first failure", compiled(growing(1)), DPORWithin, Options{Preemptions: 3}},
		{"dpor that learns", compiled(growing(1)), DPOR, Options{KeepGoing: true}},
		{"dpor to the first failure", compiled(growing(2)), DPOR, Options{}},
		{"dpor with a livelock", code(spinning[0].then(heals(2)), spinning[1].then(heals(2))), DPOR, Options{KeepGoing: true}},
		{"dpor with locks", code(crossed...), DPOR, Options{KeepGoing: true}},
		{"dpor with threads that are made", compiled(making(3)), DPOR, Options{KeepGoing: true}},
		{"bounded with threads that are made", compiled(making(0)), Bounded, Options{Preemptions: 1, KeepGoing: true}},
		{"bounded", code(readers...), Bounded, Options{Preemptions: -1, KeepGoing: true}},
		{"bounded by three", code(three...), Bounded, Options{Preemptions: 3, KeepGoing: true}},
		{"bounded with waiting", code(crossed...), Bounded, Options{Preemptions: 2, KeepGoing: true}},
		{"bounded to the first failure", code(changing...), Bounded, Options{Preemptions: -1}},
		{"bounded with long units", code(straight(12), straight(12), straight(3)), Bounded, Options{Preemptions: 3, KeepGoing: true}},
	}
	second := func(*scenario.Session) (*Aim, error) { return &Aim{Threads: []string{"thread1"}}, nil }
	for _, s := range Strategies() {
		tests = append(tests,
			test{string(s) + " with an aim", compiled(growing(3)), sampling(s), Options{Seed: 3, KeepGoing: true, Schedules: 100, Aim: second}},
			test{string(s), compiled(growing(3)), sampling(s), Options{Seed: 3, KeepGoing: true, Schedules: 120}},
			test{string(s) + " with threads that are made", compiled(making(3)), sampling(s), Options{Seed: 3, KeepGoing: true, Schedules: 120}},
			test{string(s) + " to the first failure", compiled(growing(0)), sampling(s), Options{Seed: 3, Schedules: 3000}},
		)
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, c := range tests {
			if !inTurn(i, 8, sys.Arch) {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				start := c.start(t, sys)
				c.o.Jobs = 2
				c.o.Inspect = func([]string, scenario.Schedule) ([]Problem, error) { return nil, nil }
				whole, err := c.search(t.Context(), start, c.o)
				must(t, err)
				for round := range thorough.Of(1, 2) {
					d := disturbance{t: t, search: c.search, start: start, o: c.o, whole: whole}
					d.rand = rand.New(rand.NewPCG(uint64(i), uint64(round)))
					if diff := cmp.Diff(whole, d.run(), visible); diff != "" {
						t.Errorf("round %d (-undisturbed, +%v):\n%s", round, d.told, diff)
					}
				}
			})
		}
	})
}

// disturbance breaks a search off several times.
type disturbance struct {
	t      *testing.T
	search search
	start  func() (*scenario.Session, error)
	o      Options
	whole  *Result
	rand   *rand.Rand
	told   []string // how, for the error
}

func (d *disturbance) run() *Result {
	d.t.Helper()
	var state *State
	for range 4 {
		state = d.breakOff(state)
	}
	o := d.o
	o.Resume, o.Jobs = state, 1+d.rand.IntN(3)
	r, err := d.search(d.t.Context(), d.start, o)
	must(d.t, err)
	return r
}

// breakOff lets the search run for a while, and returns the state that is left.
func (d *disturbance) breakOff(state *State) *State {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	o := d.o
	o.Resume, o.Jobs, o.SaveEvery = state, 1+d.rand.IntN(3), 1
	saves, keep := 0, -1
	o.Save = func(s *State) error {
		if keep < 0 || saves <= keep {
			state = throughFile(d.t, s)
		}
		saves++
		return nil
	}
	after := 1 + d.rand.Uint64N(max(d.whole.Schedules/3, 1))
	switch d.rand.IntN(3) {
	case 0:
		d.told = append(d.told, fmt.Sprintf("%d jobs, cancelled after %d", o.Jobs, after))
		o.Inspect = d.cancelAfter(after, cancel)
	case 1:
		keep = d.rand.IntN(20)
		d.told = append(d.told, fmt.Sprintf("%d jobs, killed after save %d", o.Jobs, keep))
		o.Inspect = d.cancelAfter(after, cancel)
	default:
		o.Schedules = 1 + d.rand.Uint64N(d.whole.Schedules)
		d.told = append(d.told, fmt.Sprintf("%d jobs, at most %d", o.Jobs, o.Schedules))
	}
	r, err := d.search(ctx, d.start, o)
	if err != nil && !errors.Is(err, context.Canceled) {
		d.t.Fatalf("%v: %v", d.told, err)
	}
	most := d.whole.Schedules + uint64(o.Jobs)
	if !o.KeepGoing {
		most += d.whole.Schedules + firstBatch // of the batch with the first failure, before that has come to its end
	}
	if r.Schedules > most || r.Failing > r.Schedules {
		d.t.Errorf("%v: %d schedules, %d fail, of %d", d.told, r.Schedules, r.Failing, d.whole.Schedules)
	}
	if saves == 0 {
		d.t.Errorf("%v: nothing was saved", d.told)
	}
	return state
}

func (d *disturbance) cancelAfter(n uint64, cancel func()) func([]string, scenario.Schedule) ([]Problem, error) {
	var count atomic.Uint64
	return func([]string, scenario.Schedule) ([]Problem, error) {
		if count.Add(1) == n {
			cancel()
		}
		return nil, nil
	}
}

// A search that is broken off by its budget loses nothing with bounded and the
// strategies that draw: going on costs the schedules that are left, no more.
func TestResumeLosesNothing(t *testing.T) {
	sys := system(t, loader.ARM64)
	for name, c := range map[string]struct {
		search search
		start  func() (*scenario.Session, error)
		o      Options
	}{
		"bounded": {Bounded, codeStarter(sys, threads([]int{20, 20})...), Options{Preemptions: 3, Jobs: 1}},
		"surw":    {sampling(SURW), codeStarter(sys, threads([]int{20, 20})...), Options{Schedules: 400, Jobs: 1}},
	} {
		var runs atomic.Uint64
		c.o.Inspect = func([]string, scenario.Schedule) ([]Problem, error) { runs.Add(1); return nil, nil }
		whole, err := c.search(t.Context(), c.start, c.o)
		must(t, err)
		runs.Store(0)
		var state *State
		for _, budget := range []uint64{5, 77, 78, whole.Schedules - 1, whole.Schedules} {
			o := c.o
			o.Resume, o.Schedules = state, budget
			o.Save = func(s *State) error { state = throughFile(t, s); return nil }
			r, err := c.search(t.Context(), c.start, o)
			must(t, err)
			if r.Schedules != budget || runs.Load() != budget {
				t.Errorf("%s: at most %d: %d schedules, %d run so far", name, budget, r.Schedules, runs.Load())
			}
		}
	}
}

// Once it has ended, a search that is resumed runs nothing and says the same.
func TestResumeEnded(t *testing.T) {
	sys := system(t, loader.ARM64)
	for name, c := range map[string]struct {
		search search
		o      Options
	}{
		"dpor": {DPOR, Options{KeepGoing: true}}, "dpor, first": {DPOR, Options{}}, "dpor, endless": {DPOR, Options{KeepGoing: true}},
		"bounded": {Bounded, Options{Preemptions: 2, KeepGoing: true}}, "bounded, first": {Bounded, Options{Preemptions: 2}},
		"pos": {sampling(POS), Options{Schedules: 300, KeepGoing: true}}, "pos, first": {sampling(POS), Options{}},
	} {
		if testing.Short() && !c.o.KeepGoing {
			continue
		}
		var state *State
		program := readers
		if name == "dpor, endless" {
			program = counting
		}
		start, o := codeStarter(sys, program...), c.o
		o.Jobs, o.Save = 2, func(s *State) error { state = throughFile(t, s); return nil }
		first, err := c.search(t.Context(), start, o)
		must(t, err)
		want := Failing
		if name == "dpor, endless" {
			want = Undecided
		}
		if first.Verdict != want || first.Complete && !o.KeepGoing || first.Endless != (want == Undecided) {
			t.Errorf("%s: %s, complete %v", name, first.Verdict, first.Complete)
		}
		var runs atomic.Uint64
		o.Resume, o.Save = state, nil
		o.Inspect = func([]string, scenario.Schedule) ([]Problem, error) { runs.Add(1); return nil, nil }
		again, err := c.search(t.Context(), start, o)
		must(t, err)
		if diff := cmp.Diff(first, again, visible); diff != "" || runs.Load() > 0 {
			t.Errorf("%s: %d more runs (-first, +again):\n%s", name, runs.Load(), diff)
		}
	}
}

// A state that cannot be saved ends the search, with what was found, both in the
// middle and at the end.
func TestSaveFails(t *testing.T) {
	full := errors.New("no room")
	start := codeStarter(system(t, loader.ARM64), readers...)
	for name, search := range map[string]search{"dpor": DPOR, "bounded": Bounded, "pct": sampling(PCT)} {
		for _, o := range []Options{{Schedules: 20, Jobs: 2}, {Schedules: 1e6, SaveEvery: 1, Jobs: 2}} {
			o.KeepGoing, o.Preemptions = true, 3
			calls := 0
			o.Save = func(*State) error { calls++; return full }
			r, err := search(t.Context(), start, o)
			var save *SaveError
			if !errors.As(err, &save) || !errors.Is(err, full) || r == nil || o.SaveEvery == 0 && r.Schedules == 0 || calls != 1 {
				t.Errorf("%s: %+v, %v after %d tries", name, r, err, calls)
			}
			if o.SaveEvery == 1 && r.Schedules > 2000 {
				t.Errorf("%s: went on for %d schedules", name, r.Schedules)
			}
		}
	}
}

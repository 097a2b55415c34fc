package explore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/explore/graph"
	"emurace/internal/testseed"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// publishing is a message that a reader can see without what it announces, on ARMv8 alone. Both write a third
// place n times, and so there are more graphs.
func publishing(n int) program {
	return program{"publishing", `
volatile u32 x, y, z;
void writer(u32 n) { while (n--) z = n; x = 1; y = 1; }
void reader(u32 n) { if (y == 1 && x == 0) *(volatile u32 *)16 = 0; while (n--) z = n + 10; }`,
		[]string{fmt.Sprintf("writer %d", n), fmt.Sprintf("reader %d", n)}}
}

// forgetting is a thread that waits for what another one does not always do.
var forgetting = program{"forgetting", `
volatile u32 x, y;
void waits(void) { while (!y); }
void wakes(u32 v) { if (x == 0) y = v; }
void Wx(u32 v) { x = v; }`, []string{"waits", "wakes 1", "Wx 1"}}

// graphsOf is a search by graphs as any other.
func graphsOf(m graph.Model) search {
	return func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
		return Graphs(ctx, start, m, o)
	}
}

// sameGraphs compares the results of two searches by graphs. That which has gone on with another one has run more
// instructions, to come to where that was.
var sameGraphs = cmp.Options{visible, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Instructions" }, cmp.Ignore())}

// withSplit has parts cut after so many graphs.
func withSplit(t *testing.T, n uint64) {
	was := graphsSplit
	graphsSplit = n
	t.Cleanup(func() { graphsSplit = was })
}

// resumed are programs and what is known of them: with findings, with what is learned on the way, made threads, locks,
// livelocks, cells of several sizes.
func resumed() []program {
	return []program{
		publishing(1), growing(0), making(0), forgetting,
		{"lll_lock", lll, times(2, "section")},
		{"IRIW", litmus, []string{"Wx 1", "Wy 1", "RxRy", "RyRx"}},
		{"mixed", mixed, []string{"W8 0", "R4R4 0 4", "W1 5"}},
	}
}

// A search by graphs that is broken off after any number of them goes on with the next one: none is run twice,
// and the result is that of an undisturbed search.
func TestGraphsResumeAfterEach(t *testing.T) {
	withSplit(t, 5)
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, p := range resumed() {
			for k, m := range modelsOf(sys) {
				if !inTurn(i+k, 3, sys.Arch) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s", p.name, m), func(t *testing.T) { resumeAfterEach(t, p.starter(t, sys), graphsOf(m)) })
			}
		}
	})
}

func modelsOf(sys *emu.System) []graph.Model {
	if sys.Arch == loader.AMD64 {
		return []graph.Model{graph.SC, graph.TSO}
	}
	return graph.Models()
}

func resumeAfterEach(t *testing.T, start func() (*scenario.Session, error), search search) {
	t.Helper()
	var runs atomic.Uint64
	o := Options{KeepGoing: true, Jobs: 2, Inspect: func([]string, scenario.Schedule) ([]Problem, error) { runs.Add(1); return nil, nil }}
	whole, err := search(t.Context(), start, o)
	must(t, err)
	if whole.Schedules < 3 {
		t.Fatalf("only %d graphs", whole.Schedules)
	}
	o.Jobs = 1
	undisturbed := runs.Swap(0) // with those of before something was learned
	step := 1 + whole.Schedules/uint64(thorough.Of(3, 30))
	for k := uint64(1); k <= whole.Schedules; k += step {
		var state *State
		runs.Store(0)
		first := o
		first.Schedules = k
		first.Save = func(s *State) error { state = throughFile(t, s); return nil }
		r, err := search(t.Context(), start, first)
		must(t, err)
		if r.Schedules != k && r.Restarts == whole.Restarts {
			t.Errorf("at most %d: %d graphs", k, r.Schedules)
		}
		if k < whole.Schedules { // the last one is known to be the last by who goes on
			again := first
			again.Resume = state
			same, err := search(t.Context(), start, again)
			must(t, err)
			if diff := cmp.Diff(r, same, sameGraphs); diff != "" && r.Schedules == k {
				t.Errorf("with the same limit of %d (-first, +again):\n%s", k, diff)
			}
		}
		second := o
		second.Resume = state
		got, err := search(t.Context(), start, second)
		must(t, err)
		if diff := cmp.Diff(whole, got, sameGraphs); diff != "" {
			t.Errorf("after %d (-undisturbed, +resumed):\n%s", k, diff)
		}
		if r.Restarts == whole.Restarts && runs.Load() > undisturbed {
			t.Errorf("after %d: %d graphs in all, %d undisturbed", k, runs.Load(), undisturbed)
		}
	}
}

// A search by graphs that is broken off several times, in whatever way and wherever it was, the machine in the
// middle of a run too, ends as an undisturbed one does.
func TestGraphsResume(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 0))
	eachArch(t, func(t *testing.T, sys *emu.System) {
		defer sys.Interrupt(nil)
		n := 0
		for _, p := range resumed() {
			for _, m := range modelsOf(sys) {
				keepGoing := r.IntN(2) == 0
				if n++; !inTurn(n, 4, sys.Arch) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%v", p.name, m, keepGoing), func(t *testing.T) {
					withSplit(t, 3+r.Uint64N(9))
					o := Options{KeepGoing: keepGoing, Jobs: 2, Watch: func(ctx context.Context) { sys.Interrupt(ctx.Err) }}
					o.Inspect = func([]string, scenario.Schedule) ([]Problem, error) { return nil, nil }
					began, start := time.Now(), p.starter(t, sys)
					whole, err := Graphs(t.Context(), start, m, o)
					must(t, err)
					d := disturbance{t: t, search: hurried(graphsOf(m), r, time.Since(began)), start: start, o: o, whole: whole, rand: r}
					if diff := cmp.Diff(whole, d.run(), sameGraphs); diff != "" {
						t.Errorf("%v (-undisturbed, +resumed):\n%s", d.told, diff)
					}
				})
			}
		}
	})
}

// hurried ends some searches that keep their state after a time of their own.
func hurried(s search, r *rand.Rand, most time.Duration) search {
	return func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
		if o.Save != nil && r.IntN(2) == 0 {
			var cancel func()
			ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(r.Int64N(int64(most)+1)), context.Canceled)
			defer cancel()
		}
		got, err := s(ctx, start, o)
		if errors.Is(err, context.DeadlineExceeded) {
			err = context.Canceled
			if got == nil {
				got = &Result{}
			}
		}
		return got, err
	}
}

// graphState is a state of a search by graphs that was broken off in the middle, with findings and with work left.
func graphState(t testing.TB, start func() (*scenario.Session, error), m graph.Model) *State {
	t.Helper()
	enough := errors.New("enough")
	var state *State
	_, err := Graphs(t.Context(), start, m, Options{KeepGoing: true, Jobs: 1, SaveEvery: 1, Save: func(s *State) error {
		n := len(s.Graphs.Parts)
		if s.Graphs.so().Failing == 0 || s.Graphs.Parts[n-1].Result != nil {
			return nil
		}
		state = s
		return enough
	}})
	if !errors.Is(err, enough) {
		t.Fatalf("%v", err)
	}
	return state
}

// What no search by graphs has written is refused, where it is looked at or where it is come to.
func TestDamagedGraphStates(t *testing.T) {
	withSplit(t, 5)
	sys := system(t, loader.ARM64)
	start := publishing(2).starter(t, sys)
	b, err := json.Marshal(graphState(t, start, graph.ARM))
	must(t, err)
	left := func(s *State) *graphPartState { return &s.Graphs.Parts[len(s.Graphs.Parts)-1] }
	for name, damage := range map[string]func(*State){
		"another strategy":     func(s *State) { s.Strategy = "dpor" },
		"nothing":              func(s *State) { s.Graphs = nil },
		"two strategies":       func(s *State) { s.DPOR = &dporState{} },
		"another model":        func(s *State) { s.Graphs.Model = graph.TSO },
		"no model":             func(s *State) { s.Graphs.Model = "" },
		"no parts":             func(s *State) { s.Graphs.Parts = nil },
		"a share that is NaN":  func(s *State) { left(s).Share = math.NaN() },
		"shares above 1":       func(s *State) { left(s).Share, s.Graphs.Parts[0].Share = 0.9, 0.9 },
		"restarts":             func(s *State) { s.Graphs.Restarts = -1 },
		"both":                 func(s *State) { left(s).Result = &tally{} },
		"all beside a part":    func(s *State) { left(s).Root = nil },
		"a part twice":         func(s *State) { s.Graphs.Parts = append(s.Graphs.Parts, *left(s)) },
		"odd addresses":        func(s *State) { s.Graphs.Shared[0].Addr++ },
		"no cuts":              func(s *State) { s.Graphs.Cuts = []sharedWord{{8, 0}} },
		"a thread made":        func(s *State) { s.Graphs.Made = []string{"main.7"} },
		"a thread more":        func(s *State) { left(s).Root.Sources = append(left(s).Root.Sources, nil) },
		"no such thread":       func(s *State) { left(s).Root.Run[0] = 7 },
		"parts too many":       func(s *State) { left(s).Root.Added = append(left(s).Root.Added, 0) },
		"too many graphs":      func(s *State) { finishedGraphs(s).Schedules = maxCount + 1 },
		"a finding elsewhere":  func(s *State) { finishedGraphs(s).Findings[0].Outcome.End = &emu.End{Kind: emu.EndFault} },
		"a schedule that is":   func(s *State) { finishedGraphs(s).Findings[0].Schedule = scenario.Schedule{{Thread: 1}, {Thread: 0}} },
		"an event that is not": func(s *State) { setSource(left(s).Root, graph.Named{0, 0, 3}) },
	} {
		s := &State{}
		must(t, json.Unmarshal(b, s))
		damage(s)
		r, err := Graphs(t.Context(), start, graph.ARM, Options{KeepGoing: true, Jobs: 1, Resume: s})
		if !errors.Is(err, ErrState) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	// The one without damage is taken, but not by a search for another scenario.
	s := &State{}
	must(t, json.Unmarshal(b, s))
	got, err := Graphs(t.Context(), start, graph.ARM, Options{KeepGoing: true, Jobs: 1, Resume: s})
	must(t, err)
	want, err := Graphs(t.Context(), start, graph.ARM, Options{KeepGoing: true, Jobs: 1})
	must(t, err)
	if diff := cmp.Diff(want, got, sameGraphs); diff != "" {
		t.Errorf("(-undisturbed, +resumed):\n%s", diff)
	}
	if _, err := Graphs(t.Context(), forgetting.starter(t, sys), graph.ARM, Options{KeepGoing: true, Resume: s}); !errors.Is(err, ErrState) {
		t.Errorf("of another scenario: %v", err)
	}
}

func finishedGraphs(s *State) *tally {
	for _, p := range s.Graphs.Parts {
		if p.Result != nil && p.Result.Failing > 0 {
			return p.Result
		}
	}
	panic("nothing has failed")
}

// setSource has the first read of an outline read from another write.
func setSource(o *graph.Outline, w graph.Named) {
	for _, list := range o.Sources {
		for _, sources := range list {
			if len(sources) > 0 {
				sources[0] = w
				return
			}
		}
	}
	panic("no reads")
}

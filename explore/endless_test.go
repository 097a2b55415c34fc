package explore

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/scenario"
)

// A thread that spins until another one has stored something waits for that, which is a
// proof; and where it can miss it, a livelock. One that counts its rounds may go on for
// as long as the other one may not run: that is no failure, and no proof either.
func TestSpinning(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, jobs := range []int{1, 2} {
			for _, search := range []struct {
				name string
				run  search
				o    Options
			}{
				{"dpor", DPOR, Options{KeepGoing: true, Jobs: jobs}},
				{"bounded", Bounded, Options{KeepGoing: true, Jobs: jobs, Preemptions: 1}},
			} {
				name := fmt.Sprintf("%s, %d jobs", search.name, jobs)
				r, err := search.run(t.Context(), codeStarter(sys, spinning...), search.o)
				must(t, err)
				if r.Verdict != Clean || r.Endless {
					t.Errorf("%s: %+v", name, r)
				}
				r, err = search.run(t.Context(), codeStarter(sys, missing...), search.o)
				must(t, err)
				if !r.Complete || r.Endless || r.Failing == 0 || r.Failing >= r.Schedules || len(r.Findings) != 1 || r.Findings[0].Outcome.Kind != scenario.Livelock {
					t.Errorf("%s: %+v", name, r)
				}
				replayed(t, codeStarter(sys, missing...), r)
				search.o.Schedules = 50
				r, err = search.run(t.Context(), codeStarter(sys, counting...), search.o)
				if err != nil && !errors.Is(err, ErrStop) || r.Verdict != Undecided || !r.Endless {
					t.Errorf("%s: %+v, %v", name, r, err)
				}
			}
		}
	})
}

// A spinning thread has an event each time round, and a limit as of real scenarios
// lets it go round a million times: that costs neither all memory nor all time
// until the first is found.
func TestSpinningLong(t *testing.T) {
	limit := uint64(1_500_000)
	if testing.Short() {
		limit /= 100
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		limit := limit
		if !inTurn(0, 1, sys.Arch) {
			limit /= 10
		}
		start := func() (*scenario.Session, error) {
			// The one that spins comes second, so that the first run shows what is
			// shared.
			s, err := scenario.Start(sys, planOf(sys.Arch, []routine{heal.then(spoil, heal, ret), counts.then(ret)}), 1)
			if err == nil {
				s.Limit = limit
			}
			return s, err
		}
		// The other one has ended by then.
		r, err := DPOR(t.Context(), start, Options{Jobs: 1})
		must(t, err)
		if r.Failing != 1 || r.Complete || !r.Endless || r.Findings[0].Outcome.Kind != scenario.Livelock {
			t.Errorf("%+v", r)
		}
		replayed(t, start, r)
	})
}

// deepRuns starts sessions whose runs have a great many events, and do end.
func deepRuns(t *testing.T, sys *emu.System) func() (*scenario.Session, error) {
	deep := program{"deep", `
		volatile u32 x;
		void many(void) { for (u32 i = 0; i < 300000; i++) x = i; }
		u32 get(void) { return x; }`, []string{"get", "many"}}
	return func() (*scenario.Session, error) {
		return scenario.Start(sys, deep.plan(t, sys.Arch, &guest{}), 1)
	}
}

// A run with a great many events that does end is refused, not cut off.
func TestTooDeep(t *testing.T) {
	if testing.Short() {
		t.Skip("runs into a limit that is far away")
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := deepRuns(t, sys)
		r, err := DPOR(t.Context(), start, Options{Jobs: 2, KeepGoing: true})
		if !errors.Is(err, ErrDeep) || r.Complete {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// A search ends when its time is up, also in the middle of a run that takes long.
func TestLateInOneRun(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := deepRuns(t, sys)
		// Without a limit the run is too deep, see TestTooDeep, which is an error.
		r, err := DPOR(t.Context(), start, Options{Jobs: 1, KeepGoing: true, Time: 50 * time.Millisecond})
		if err != nil || r.Complete || r.Verdict != Undecided {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// Where only some moments are marked, the others are found again: the counts are
// the same.
func TestSparseMarks(t *testing.T) {
	depth, every := markedDepth, markedEvery
	t.Cleanup(func() { markedDepth, markedEvery = depth, every })
	markedDepth, markedEvery = 2, 3
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, r := range slices.Concat(textbook(), published()) {
			if r.want > 100 || r.wide || !inTurn(i, 4, sys.Arch) {
				continue
			}
			got, err := DPOR(t.Context(), r.starter(t, sys), Options{KeepGoing: true, Jobs: 1})
			must(t, err)
			if got.Schedules != r.want || !got.Complete {
				t.Errorf("%s: %+v, want %d traces", r.name, got, r.want)
			}
		}
	})
}

// However low the priority that a thread has drawn, another one does not spin for
// it a thousand times: who is passed over draws anew.
func TestPassedOver(t *testing.T) {
	spin := program{"spin", `
volatile u32 ready, x;
u32 wait(void) { while (!ready) ; return x; }
u32 go(void) { u32 r = x; x = r + 1; ready = 1; return r; }`, []string{"wait", "go"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		h := hunted(t, sys, spin)
		seed := testseed.Of(t, 0)
		for i := range uint64(3000) {
			r := &run{ctx: t.Context(), s: h.s, rand: generator(seed+i, 1), profile: h.p.profile}
			must(t, r.begin())
			must(t, pos(r))
			if o, _ := h.s.Outcome(); o.Kind != scenario.OK || r.events > 50*h.p.profile.shortest {
				t.Errorf("seed %d: %v after %d events (%d in order)", seed+i, o, r.events, h.p.profile.shortest)
			}
		}
	})
}

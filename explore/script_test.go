package explore

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// drawing is a strategy of the caller's: any thread, and now and then some
// instructions of one at once.
func drawing(w *Walk) error {
	for !w.Over() {
		can := w.Enabled()
		t := can[w.Rand().IntN(len(can))]
		if w.Rand().IntN(4) > 0 {
			if _, err := w.Step(t); err != nil {
				return err
			}
			continue
		}
		e, _, err := w.Session().RunPart(t, 1+w.Rand().Uint64N(6))
		if err != nil {
			return err
		}
		if err := w.Ran(t, e.Ran, []scenario.Event{e}); err != nil {
			return err
		}
	}
	return nil
}

// A strategy of the caller's gives the same result with any number of sessions, and
// its failures are schedules that fail.
func TestScriptJobs(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := growing(2).starter(t, sys)
		o := Options{Seed: 5, Schedules: 300, KeepGoing: true, Jobs: 1, Walk: drawing}
		want, err := Sample(t.Context(), start, Script, o)
		must(t, err)
		if want.Schedules != 300 || want.Failing == 0 || want.Verdict != Failing {
			t.Errorf("%+v", want)
		}
		replayed(t, start, want)
		for _, jobs := range []int{2, 4} {
			o.Jobs = jobs
			got, err := Sample(t.Context(), start, Script, o)
			must(t, err)
			if diff := cmp.Diff(want, got, visible); diff != "" {
				t.Errorf("-1 job, +%d jobs:\n%s", jobs, diff)
			}
		}
	})
}

// It goes on where it was broken off, as the strategies that are built in do.
func TestScriptResume(t *testing.T) {
	sys := system(t, loader.ARM64)
	start := growing(3).starter(t, sys)
	o := Options{Seed: 3, Schedules: 300, KeepGoing: true, Jobs: 2, Walk: drawing, Inspect: func([]string, scenario.Schedule) ([]Problem, error) { return nil, nil }}
	search := sampling(Script)
	whole, err := search(t.Context(), start, o)
	must(t, err)
	rounds := uint64(3)
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		d := disturbance{t: t, search: search, start: start, o: o, whole: whole, rand: rand.New(rand.NewPCG(1, round))}
		if diff := cmp.Diff(whole, d.run(), visible); diff != "" {
			t.Errorf("round %d (-undisturbed, +%v):\n%s", round, d.told, diff)
		}
	}
}

// The error of a walk ends the search: ErrStop as if its schedules had run out, any
// other as itself. The schedule that it breaks off counts for nothing.
func TestScriptStops(t *testing.T) {
	start := growing(1).starter(t, system(t, loader.ARM64))
	broken := errors.New("broken")
	for _, c := range []struct{ is, want error }{{ErrStop, nil}, {broken, broken}} {
		n := 0
		r, err := Sample(t.Context(), start, Script, Options{Jobs: 1, KeepGoing: true, Walk: func(w *Walk) error {
			if n++; n > 4 {
				return c.is
			}
			return drawing(w)
		}})
		if !errors.Is(err, c.want) || (err != nil) != (c.want != nil) {
			t.Errorf("%v: %v", c.is, err)
		}
		if err == nil && r.Schedules != inOrders+4 {
			t.Errorf("%v: %+v", c.is, r)
		}
	}
	if _, err := Sample(t.Context(), start, Script, Options{}); err == nil || !strings.Contains(err.Error(), "there is no script") {
		t.Errorf("without a walk: %v", err)
	}
}

// What a walk peeks at is what it then steps over, unless a look at another thread has
// shown more bytes to be shared, and peeking leaves no trace in the schedule.
func TestPeek(t *testing.T) {
	start := growing(2).starter(t, system(t, loader.ARM64))
	walk := func(peek bool) *Result {
		r, err := Sample(t.Context(), start, Script, Options{Jobs: 1, Schedules: 40, Seed: 2, KeepGoing: true, Walk: func(w *Walk) error {
			for !w.Over() {
				can := w.Enabled()
				next := can[w.Rand().IntN(len(can))]
				var seen scenario.Event
				known := uint64(0)
				if peek {
					for _, other := range can {
						e, err := w.Peek(other)
						if err != nil {
							return err
						}
						if other == next {
							seen, known = e, w.Session().Grown()
						}
					}
				}
				same := peek && w.Session().Grown() == known
				e, err := w.Step(next)
				if err != nil {
					return err
				}
				if same && !cmp.Equal(seen.Accesses, e.Accesses) {
					t.Errorf("peeked at %v, stepped over %v", seen, e)
				}
			}
			return nil
		}})
		must(t, err)
		return r
	}
	if diff := cmp.Diff(walk(false), walk(true), visible); diff != "" {
		t.Errorf("-without, +with a look ahead:\n%s", diff)
	}
}

// One judges the one schedule that is played as a search would.
func TestOne(t *testing.T) {
	start := growing(1).starter(t, system(t, loader.ARM64))
	found, err := Sample(t.Context(), start, Script, Options{Seed: 5, Schedules: 3000, Jobs: 2, Walk: drawing})
	must(t, err)
	if len(found.Findings) != 1 {
		t.Fatalf("nothing fails: %+v", found)
	}
	crash := found.Findings[0]
	inOrder := scenario.Schedule{{Thread: 0}, {Thread: 1}}
	play := func(schedule scenario.Schedule) func(*scenario.Session) (scenario.Schedule, error) {
		return func(s *scenario.Session) (scenario.Schedule, error) { return schedule, s.Play(schedule) }
	}
	r, err := One(t.Context(), start, play(crash.Schedule), Options{})
	must(t, err)
	if r.Verdict != Failing || r.Schedules != 1 || r.Failing != 1 || len(r.Findings) != 1 || r.Complete || r.Instructions == 0 {
		t.Fatalf("%+v", r)
	}
	if f := r.Findings[0]; siteOf(f.Outcome) != siteOf(crash.Outcome) || f.Number != 1 || !cmp.Equal(f.Schedule, crash.Schedule) {
		t.Errorf("%+v, want %+v", f, crash)
	}
	replayed(t, start, r)

	r, err = One(t.Context(), start, play(inOrder), Options{})
	must(t, err)
	if r.Verdict != Undecided || r.Failing != 0 || r.Schedules != 1 || len(r.Findings) != 0 {
		t.Errorf("in order: %+v", r)
	}
	asked := 0
	r, err = One(t.Context(), start, play(inOrder), Options{Inspect: func(_ []string, s scenario.Schedule) ([]Problem, error) {
		asked++
		if !cmp.Equal(s, inOrder) {
			t.Errorf("inspected %v", s)
		}
		return []Problem{{Kind: scenario.Segv, Site: "here"}}, nil
	}})
	must(t, err)
	if asked != 1 || r.Verdict != Failing || len(r.Findings) != 1 || r.Findings[0].Problem != "here" {
		t.Errorf("inspected %d times: %+v", asked, r)
	}
}

// One has no result of a schedule that cannot be played, or does not get to its end.
func TestOneFails(t *testing.T) {
	start := growing(1).starter(t, system(t, loader.ARM64))
	broken := errors.New("broken")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name  string
		ctx   context.Context
		start func() (*scenario.Session, error)
		err   error // of playing
		want  string
	}{
		{"short", t.Context(), start, nil, "the schedule has ended before the race"},
		{"broken", t.Context(), start, broken, "broken"},
		{"cancelled", over, start, nil, "context canceled"},
		{"no session", t.Context(), func() (*scenario.Session, error) { return nil, broken }, nil, "broken"},
	} {
		r, err := One(c.ctx, c.start, func(s *scenario.Session) (scenario.Schedule, error) {
			_, err := s.Run(0, 3)
			return scenario.Schedule{{Thread: 0, N: 3}}, errors.Join(err, c.err)
		}, Options{})
		if r != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", c.name, r, err)
		}
	}
}

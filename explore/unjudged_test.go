package explore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"emurace/emu"
	"emurace/scenario"
)

var errWrong = errors.New("nothing is mapped there")

// unjudgedRace is two threads that store their numbers twice each, and a check that finds fault with
// one end, is content with another, and goes wrong itself at the rest.
func unjudgedRace(sys *emu.System, pass func(error, time.Duration) error) func() (*scenario.Session, error) {
	return func() (*scenario.Session, error) {
		var cells uint64
		plan := &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) { cells, err = u.Alloc(16); return err },
			Check: func(v *scenario.View) error {
				b, _ := v.Read(cells, 16)
				switch {
				case b[0] == 2 && b[8] == 1:
					return &scenario.Failure{Message: "they are crossed"}
				case b[0] == 1 && b[8] == 1:
					return nil
				}
				return errWrong
			},
		}
		for i, name := range []string{scenario.Main, "worker"} {
			plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: &stores{&cells, uint64(1 + i)}})
		}
		s, err := scenario.Start(sys, plan, 1)
		if err == nil {
			s.OnUnjudged(pass)
		}
		return s, err
	}
}

// stores puts a value into two cells, one after the other.
type stores struct {
	cells *uint64
	value uint64
}

func (s *stores) Next(results []uint64) (scenario.Call, bool, error) {
	at := *s.cells + 8*uint64(len(results))
	return scenario.Call{Func: emu.RoutinePrefix + "store64", Args: []scenario.Arg{scenario.Int(at), scenario.Int(s.value)}}, len(results) < 2, nil
}

// A run in which a check goes wrong itself is none that fails and none that passes: every search
// finds what fails beside it, says of how many runs nothing is known, and proves nothing; the
// failure is cut down as ever. Without leave for that, it is the search's error, and what was found
// before is kept.
func TestUnjudged(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		pass := func(error, time.Duration) error { return nil }
		for i, c := range []struct {
			name   string
			search func(context.Context, func() (*scenario.Session, error), Options) (*Result, error)
		}{
			{"dpor", DPOR},
			{"bounded", Bounded},
			{"pos", func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
				o.Schedules = 60
				return Sample(ctx, start, POS, o)
			}},
		} {
			if !inTurn(i, 1, sys.Arch) {
				continue
			}
			for _, jobs := range []int{1, 3} {
				start := unjudgedRace(sys, pass)
				r, err := c.search(t.Context(), start, Options{Preemptions: 2, Jobs: jobs, KeepGoing: true, Seed: 5})
				must(t, err)
				wrong := slices.IndexFunc(r.Doubts, func(d Doubt) bool { return d.Kind == scenario.GoneWrong })
				if r.Verdict != Failing || len(r.Findings) != 1 || wrong < 0 {
					t.Fatalf("%s, %d jobs: %+v", c.name, jobs, r)
				}
				if d := r.Doubts[wrong]; d.Name != errWrong.Error() || d.Schedules == 0 || d.Failing != 0 || d.Schedules+r.Failing >= r.Schedules {
					t.Errorf("%s, %d jobs: %+v of %d schedules, %d of them failing", c.name, jobs, d, r.Schedules, r.Failing)
				}
				if m := minimized(t, start, r.Findings[0]); m.Preemptions != 1 {
					t.Errorf("%s: %d preemptions", c.name, m.Preemptions)
				}
			}
			// Other checks have seen some runs when it goes wrong for the fourth time.
			left := 3
			r, err := c.search(t.Context(), unjudgedRace(sys, func(err error, _ time.Duration) error {
				if left--; left < 0 {
					return err
				}
				return nil
			}), Options{Preemptions: 2, Jobs: 1, KeepGoing: true, Seed: 5})
			if !errors.Is(err, errWrong) || r == nil || r.Schedules == 0 {
				t.Errorf("%s: %+v, %v", c.name, r, err)
			}
			_, err = c.search(t.Context(), unjudgedRace(sys, nil), Options{Preemptions: 2, Jobs: 1, KeepGoing: true, Seed: 5})
			if unjudged := (*scenario.UnjudgedError)(nil); !errors.As(err, &unjudged) || !errors.Is(err, errWrong) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

// A check that goes wrong whenever the order is another one costs the failure that was found
// nothing; where that takes long, it is not cut down.
func TestUnjudgedMinimal(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		r, err := DPOR(t.Context(), unjudgedRace(sys, func(error, time.Duration) error { return nil }), Options{Preemptions: -1, Jobs: 1})
		must(t, err)
		if m := minimized(t, unjudgedRace(sys, nil), r.Findings[0]); m.Outcome.Message != "they are crossed" {
			t.Errorf("%+v", m)
		}
		var w wrongRuns
		if w.passOver(errWrong, time.Second) != nil || w.passOver(errWrong, time.Minute) == nil {
			t.Error("it goes on for ever, or not at all")
		}
	})
}

// What a check says is cut where it is too long, and stays another text than others.
func TestLongMessage(t *testing.T) {
	short, long := "it is \xff one", strings.Repeat("ä", 1<<19)
	if scenario.Bounded(short) != short {
		t.Errorf("%q", scenario.Bounded(short))
	}
	a, b := scenario.Bounded(long), scenario.Bounded(long+"a")
	if a == b || len(a) > 1<<14+100 || !strings.HasPrefix(a, "ää") || !strings.Contains(a, "1048576 bytes in all") || scenario.Bounded(a) == "" {
		t.Errorf("%d and %d bytes: %q", len(a), len(b), a[len(a)-100:])
	}
}

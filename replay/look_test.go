package replay

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/scenario"
)

// lookRace is threads that load and store bytes of a small block at random, and a check that looks
// at some of them, or at what the threads have read, and always fails.
func lookRace(r *rand.Rand) *scenario.Plan {
	const cells = 16
	var block uint64
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if block, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(cells)); err == nil {
			err = u.Write(block, []byte("before the race."))
		}
		return err
	}}
	sizes := []uint64{1, 2, 4, 8}
	for i := range 2 + r.IntN(2) {
		var calls []func() scenario.Call
		for range 1 + r.IntN(5) {
			size := sizes[r.IntN(len(sizes))]
			at := uint64(r.IntN(int(cells/size))) * size
			value := r.Uint64()
			calls = append(calls, func() scenario.Call {
				c := scenario.Call{Func: fmt.Sprintf("%sload%d", emu.RoutinePrefix, 8*size), Args: []scenario.Arg{scenario.Int(block + at)}}
				if value%2 == 0 {
					c.Func = fmt.Sprintf("%sstore%d", emu.RoutinePrefix, 8*size)
					c.Args = append(c.Args, scenario.Int(value))
				}
				return c
			})
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: []string{scenario.Main, "second", "third"}[i], Body: late(func() (list scenario.Calls) {
			for _, c := range calls {
				list = append(list, c())
			}
			return list
		})})
	}
	at, size, asks := uint64(r.IntN(8)), uint64(1+r.IntN(8)), r.IntN(3)
	plan.Check = func(v *scenario.View) error {
		if asks > 0 {
			if _, ok := v.Read(block+at, size); !ok {
				return fmt.Errorf("the block at %#x is gone", block)
			}
		}
		if asks < 2 {
			v.Results(0)
		}
		return &scenario.Failure{Message: "always"}
	}
	return plan
}

// What is said of a value that a check looked at is so in the run: it was there, each writer that is
// named had put there the bytes that were still there, and where none is named the bytes are older
// than the race. The run is gone through instruction by instruction for that.
func TestLooksAreTrue(t *testing.T) {
	count := uint64(60)
	if testing.Short() {
		count = 8
	}
	for _, arch := range arches() {
		t.Run(arch.String(), func(t *testing.T) {
			first := testseed.Of(t, 1)
			looked, older := 0, 0
			for seed := first; seed < first+count; seed++ {
				r := rand.New(rand.NewPCG(seed, 17))
				start := starter(system(t, "bookworm", arch), lookRace(r))
				s, err := start(func(*emu.Process) error { return nil })
				must(t, err)
				var schedule scenario.Schedule
				for over := false; !over; _, over = s.Outcome() {
					if i := r.IntN(s.Threads()); s.Runnable(i) {
						ran, err := s.Run(i, uint64(1+r.IntN(9)))
						must(t, err)
						schedule = schedule.Add(i, ran)
					}
				}
				h, err := NewHistory(s, schedule)
				must(t, err)
				x := explain(t, h)
				if len(x.Looks) == 0 && x.Outcome.Kind == scenario.Check && len(h.sights) > 0 && h.sights[0].Thread < 0 {
					t.Errorf("seed %d: nothing is told of what the check looked at", seed)
				}
				for i := range x.Looks {
					looked++
					if len(x.Looks[i].Writers) == 0 {
						older++
					}
					if err := lookIsTrue(h, &x.Looks[i]); err != nil {
						t.Errorf("seed %d: %v\n%s\nrepeat with: go test emurace/replay -run '^TestLooksAreTrue$/^%v$' -seed %d", seed, err, x, arch, seed)
					}
				}
				s.Close()
			}
			t.Logf("%v: %d values from seed %d on, %d of them older than the race", arch, looked, first, older)
			if looked < int(count) || older == 0 {
				t.Errorf("%d values, %d of them older than the race", looked, older)
			}
		})
	}
}

// lookIsTrue goes through the run.
func lookIsTrue(h *History, l *Look, handlers ...uint64) error {
	w := newWalk(h.s, h.schedule)
	w.handlers = handlers
	if l.Load != nil {
		if err := w.act(l.Load); err != nil {
			return err
		}
	}
	return w.sources(l.Addr, l.Data, l.parts, &l.Sources)
}

// A thread's own function that fails tells what it has read, in a word that another thread wrote.
func TestLooksOfAThread(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		var cell uint64
		plan := &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) { cell, err = u.Alloc(8); return err },
			Threads: []scenario.Thread{
				{Name: scenario.Main, Body: failsAt{func() scenario.Call {
					return scenario.Call{Func: emu.RoutinePrefix + "load64", Args: []scenario.Arg{scenario.Int(cell)}}
				}}},
				{Name: "worker", Body: late(func() scenario.Calls {
					return scenario.Calls{{Func: emu.RoutinePrefix + "store64", Args: []scenario.Arg{scenario.Int(cell), scenario.Int(7)}}}
				})},
			},
		}
		s, err := starter(system(t, "bookworm", arch), plan)(func(*emu.Process) error { return nil })
		must(t, err)
		h, err := NewHistory(s, scenario.Schedule{{Thread: 1}, {Thread: 0}})
		must(t, err)
		x := explain(t, h)
		if len(x.Looks) != 1 || x.Looks[0].Load == nil || len(x.Looks[0].Writers) != 1 || x.Looks[0].Writers[0].Thread != "worker" {
			t.Fatalf("%v: %+v", arch, x.Looks)
		}
		for _, want := range []string{"main read 0x7 from", "worker had written 0x7 there last, in its call of emurace.store64("} {
			if !strings.Contains(x.String(), want) {
				t.Errorf("%v: no %q in\n%s", arch, want, x)
			}
		}
		if r := x.Finding().Looks; len(r) != 1 || r[0].Value != "0x7" || r[0].ReadBy == nil || len(r[0].WrittenBy) != 1 || r[0].WrittenBy[0].Value != "0x7" {
			t.Errorf("%v: %+v", arch, r)
		}
		s.Close()
	}
}

// failsAt makes one call, and finds fault with what that returns.
type failsAt struct{ call func() scenario.Call }

func (f failsAt) Next(results []uint64) (scenario.Call, bool, error) {
	if len(results) > 0 {
		return scenario.Call{}, false, &scenario.Failure{Message: fmt.Sprintf("it is %d", results[0])}
	}
	return f.call(), true, nil
}

package explore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// cellStep is one access of a random program: a load, or a store of a number or of what the thread
// has loaded last and one more.
type cellStep struct {
	cell  int
	store bool
	adds  bool
	value uint64
}

// cellProgram is threads of steps on a few cells that are 0 at first.
type cellProgram [][]cellStep

func newCellProgram(r *rand.Rand, threads int) cellProgram {
	p := make(cellProgram, threads)
	cells := 1 + r.IntN(2)
	for i := range p {
		for range 1 + r.IntN(3) {
			p[i] = append(p[i], cellStep{cell: r.IntN(cells), store: r.IntN(2) == 0, adds: r.IntN(2) == 0, value: uint64(1 + r.IntN(2))})
		}
	}
	return p
}

// next is what a step stores, by what the thread has loaded last.
func (s cellStep) next(loaded uint64) uint64 {
	if s.adds {
		return loaded + 1
	}
	return s.value
}

// ends is how the program ends with its threads one after the other in an order: what is in the
// cells and what each thread has loaded. It is worked out here, without a machine.
func (p cellProgram) ends(order []int) string {
	var cells [2]uint64
	loads := make([][]uint64, len(p))
	for _, t := range order {
		last := uint64(0)
		for _, s := range p[t] {
			if s.store {
				cells[s.cell] = s.next(last)
			} else {
				last = cells[s.cell]
				loads[t] = append(loads[t], last)
			}
		}
	}
	return fmt.Sprint(cells, loads)
}

// serial is how it ends with the threads one after the other, in every order.
func (p cellProgram) serial() (list []string) {
	var orders func(done []int)
	orders = func(done []int) {
		if len(done) == len(p) {
			list = append(list, p.ends(done))
			return
		}
		for t := range p {
			if !slices.Contains(done, t) {
				orders(append(slices.Clone(done), t))
			}
		}
	}
	orders(nil)
	return list
}

// cellBody makes a thread's accesses.
type cellBody struct {
	steps []cellStep
	cells *uint64
}

func (b cellBody) Next(results []uint64) (scenario.Call, bool, error) {
	if len(results) == len(b.steps) {
		return scenario.Call{}, false, nil
	}
	last := uint64(0)
	for i := range results {
		if !b.steps[i].store {
			last = results[i]
		}
	}
	s := b.steps[len(results)]
	at := scenario.Int(*b.cells + 8*uint64(s.cell))
	if s.store {
		return scenario.Call{Func: emu.RoutinePrefix + "store64", Args: []scenario.Arg{at, scenario.Int(s.next(last))}}, true, nil
	}
	return scenario.Call{Func: emu.RoutinePrefix + "load64", Args: []scenario.Arg{at}}, true, nil
}

// plan is a race that is right when it ends as the threads one after the other do. What it comes
// to instead is what the check says.
func (p cellProgram) plan() *scenario.Plan {
	var cells uint64
	serial := p.serial()
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		cells, err = u.Alloc(16)
		return err
	}}
	for i, steps := range p {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: names[i], Body: cellBody{steps, &cells}})
	}
	plan.Check = func(v *scenario.View) error {
		var got [2]uint64
		loads := make([][]uint64, len(p))
		b, ok := v.Read(cells, 16)
		if !ok {
			return fmt.Errorf("the cells at %#x are gone", cells)
		}
		for i := range b {
			got[i/8] |= uint64(b[i]) << (8 * (i % 8))
		}
		for t, steps := range p {
			for i, r := range v.Results(t) {
				if !steps[i].store {
					loads[t] = append(loads[t], r)
				}
			}
		}
		if end := fmt.Sprint(got, loads); !slices.Contains(serial, end) {
			return &scenario.Failure{Message: end}
		}
		return nil
	}
	return plan
}

// fewest is the fewest preemptions of a schedule that fails in the way, by running them all; false
// when that takes too long.
func fewest(t *testing.T, start func() (*scenario.Session, error), want scenario.Outcome, most int) (int, bool) {
	t.Helper()
	for c := range most {
		r, err := Bounded(t.Context(), start, Options{Preemptions: c, KeepGoing: true, Jobs: 1, Schedules: 60_000})
		must(t, err)
		for _, f := range r.Findings {
			if f.Outcome.Message == want.Message {
				return f.Preemptions, true
			}
		}
		if !r.Complete && r.Preemptions < c {
			return 0, false
		}
	}
	return most, true
}

// Failing schedules of random programs of three threads, as a search at random finds them, come down
// to the fewest preemptions that there are, where all schedules with fewer can be run. With what is
// said to decide turned round, some run passes: that is looked at by what such a pair is, two accesses
// of one place of which one writes. -programs says how many programs.
func TestMinimizeToTheFewest(t *testing.T) {
	count := thorough.Of(uint64(16), 30)
	if testing.Short() {
		count = 6
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed := testseed.Of(t, 1)
		failing, compared, certified, decided := 0, 0, 0, 0
		for at := seed; at < seed+40*count && uint64(failing) < count; at++ {
			if *programs == 0 && !inTurn(int(at-seed), 1, sys.Arch) {
				continue
			}
			p := newCellProgram(rand.New(rand.NewPCG(at, 3)), 3)
			start := starter(sys, func(loader.Arch) *scenario.Plan { return p.plan() })
			r, err := Sample(t.Context(), start, Random, Options{Seed: at, Jobs: 1, Schedules: 40})
			must(t, err)
			if r.Verdict != Failing {
				continue
			}
			failing++
			f := r.Findings[0]
			repeat := fmt.Sprintf("repeat with: go test emurace/explore -run '^TestMinimizeToTheFewest$/^%v$' -programs 1 -seed %d", sys.Arch, at)
			m, err := Minimize(context.Background(), start, f, time.Minute)
			if err != nil {
				t.Fatalf("seed %d, %+v: %v\n%s", at, p, err, repeat)
			}
			if m.Outcome.Message != f.Outcome.Message {
				t.Errorf("seed %d, %+v: %q was cut down to %q\n%s", at, p, f.Outcome.Message, m.Outcome.Message, repeat)
			}
			if m.Certified {
				certified++
			}
			if len(m.Essential) > 0 {
				decided++
			}
			for _, e := range m.Essential {
				if e.First.Thread == e.Second.Thread || !e.First.Event.Dependent(&e.Second.Event) {
					t.Errorf("seed %d, %+v: a pair that cannot decide: %+v\n%s", at, p, e, repeat)
				}
			}
			n, ok := fewest(t, start, f.Outcome, m.Preemptions)
			if !ok {
				continue
			}
			compared++
			if m.Preemptions > n {
				t.Errorf("seed %d, %+v: %d preemptions, and %d are enough: %v\n%s", at, p, m.Preemptions, n, m.Schedule, repeat)
			}
		}
		t.Logf("%v: %d programs from seed %d on fail; %d compared, %d certified, %d with pairs that decide", sys.Arch, failing, seed, compared, certified, decided)
		if failing > 4 && (compared < failing*2/3 || decided < failing*2/3) {
			t.Errorf("of %d failures %d were compared, and %d explained by pairs", failing, compared, decided)
		}
	})
}

// A failure that no single pair of accesses decides is told by those that do together.
func TestMinimizeTogether(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		// main stores 1 and looks, second stores twice: main finds its own, or else the check says so.
		var cells uint64
		program := cellProgram{{{store: true, value: 1}, {}}, {{store: true, value: 14}, {store: true, value: 14}}}
		start := starter(sys, func(loader.Arch) *scenario.Plan {
			plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
				cells, err = u.Alloc(16)
				return err
			}}
			for i, steps := range program {
				plan.Threads = append(plan.Threads, scenario.Thread{Name: names[i], Body: cellBody{steps, &cells}})
			}
			plan.Check = func(v *scenario.View) error {
				if r := v.Results(0); r[1] != 1 {
					return &scenario.Failure{Message: fmt.Sprintf("it read %d", r[1])}
				}
				return nil
			}
			return plan
		})
		r, err := DPOR(t.Context(), start, Options{Jobs: 1})
		must(t, err)
		m := minimized(t, start, r.Findings[0])
		if !m.Together || len(m.Essential) != 2 || m.Preemptions != 1 {
			t.Fatalf("together %v, %d pairs, %d preemptions", m.Together, len(m.Essential), m.Preemptions)
		}
		var pairs []string
		for _, e := range m.Essential {
			pairs = append(pairs, fmt.Sprintf("%d before %d", e.First.Thread, e.Second.Thread))
		}
		if got := strings.Join(pairs, ", "); got != "0 before 1, 0 before 1" && got != "1 before 0, 1 before 0" {
			t.Errorf("the pairs are %s", got)
		}
	})
}

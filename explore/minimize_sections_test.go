package explore

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
	"emurace/scenario"
)

// locked is a thread's work on a number, in critical sections of a mutex: "lock", "unlock", "read" it,
// "write" what was read and one more.
type locked struct {
	ops   []string
	block *uint64 // the mutex, and 64 bytes behind it the number
}

func (l locked) Next(results []uint64) (scenario.Call, bool, error) {
	if len(results) == len(l.ops) {
		return scenario.Call{}, false, nil
	}
	at := scenario.Int(*l.block + 64)
	switch op := l.ops[len(results)]; op {
	case "read":
		return scenario.Call{Func: emu.RoutinePrefix + "load64", Args: []scenario.Arg{at}}, true, nil
	case "write":
		for i := len(results) - 1; ; i-- {
			if l.ops[i] == "read" {
				return scenario.Call{Func: emu.RoutinePrefix + "store64", Args: []scenario.Arg{at, scenario.Int(results[i] + 1)}}, true, nil
			}
		}
	default:
		return scenario.Call{Func: "pthread_mutex_" + op, Args: []scenario.Arg{scenario.Int(*l.block)}}, true, nil
	}
}

// lockedRace is threads that each add to a number, and a check that nothing was lost.
func lockedRace(block *uint64, threads ...[]string) *scenario.Plan {
	total := uint64(0)
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		*block, err = u.Call(scenario.Main, "calloc", scenario.Int(1), scenario.Int(128))
		return err
	}}
	for i, ops := range threads {
		for _, op := range ops {
			if op == "write" {
				total++
			}
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: []string{scenario.Main, "second", "third"}[i], Body: locked{ops, block}})
	}
	plan.Check = func(v *scenario.View) error {
		b, ok := v.Read(*block+64, 8)
		if n := binary.LittleEndian.Uint64(b); !ok || n != total {
			return &scenario.Failure{Message: "an update is lost"}
		}
		return nil
	}
	return plan
}

func startLocked(sys *emu.System, block *uint64, threads ...[]string) func() (*scenario.Session, error) {
	return func() (*scenario.Session, error) { return scenario.Start(sys, lockedRace(block, threads...), 1) }
}

var (
	apart    = []string{"lock", "read", "unlock", "lock", "write", "unlock"}
	together = []string{"lock", "read", "write", "unlock"}
)

// TestMinimizeSections: an update that is lost between two critical sections is told as pairs of sections,
// since no two accesses can change places by themselves.
func TestMinimizeSections(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		t.Run(arch.String(), func(t *testing.T) {
			sys := system(t, arch)
			var block uint64
			start := startLocked(sys, &block, apart, apart)
			r, err := DPOR(t.Context(), start, Options{Jobs: 1})
			must(t, err)
			m := minimized(t, start, r.Findings[0])
			if m.Essential != nil || m.Together || len(m.Sections) != 2 {
				t.Fatalf("%+v", m)
			}
			for _, p := range m.Sections {
				if p[0].Thread == p[1].Thread || p[0].Word != block || p[1].Word != block || p[0].Held || p[1].Held || p[0].Last.Step >= p[1].First.Step {
					t.Errorf("%+v", p)
				}
			}
			// Of a pair that is read and written in one section each, the accesses outside of sections decide.
			start = startLocked(sys, &block, together, []string{"read", "write"})
			r, err = DPOR(t.Context(), start, Options{Jobs: 1})
			must(t, err)
			if m := minimized(t, start, r.Findings[0]); len(m.Essential) == 0 || m.Sections != nil {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestSectionsAreTrue: what is told of sections holds in runs that are made instruction by instruction: each begins
// as the memory says, the first one is over before the second one begins, and a run in which the
// second one is over before the first one begins passes.
func TestSectionsAreTrue(t *testing.T) {
	count := uint64(12)
	if testing.Short() {
		count = 3
	}
	for _, arch := range testsystem.Arches() {
		t.Run(arch.String(), func(t *testing.T) {
			sys := system(t, arch)
			first, told := testseed.Of(t, 1), 0
			for seed := first; seed < first+count; seed++ {
				r := rand.New(rand.NewPCG(seed, 31))
				var threads [][]string
				for range 2 {
					var ops []string
					for range 1 + r.IntN(2) {
						ops = append(ops, [][]string{apart, apart, together}[r.IntN(3)]...)
					}
					threads = append(threads, ops)
				}
				var block uint64
				start := startLocked(sys, &block, threads...)
				found, err := Sample(t.Context(), start, Random, Options{Jobs: 1, Schedules: 200, Seed: seed})
				must(t, err)
				if len(found.Findings) == 0 {
					continue
				}
				m := minimized(t, start, found.Findings[0])
				s, err := start()
				must(t, err)
				for _, p := range m.Sections {
					told++
					if err := sectionsAreTrue(s, m.Schedule, block, p, r); err != nil {
						t.Errorf("seed %d: %q: %+v: %v", seed, threads, p, err)
					}
				}
				s.Close()
			}
			t.Logf("%d pairs from seed %d on", told, first)
			if told == 0 {
				t.Error("no pairs of sections")
			}
		})
	}
}

// lockWalk runs threads instruction by instruction, and counts how often each has taken and let go the mutex.
type lockWalk struct {
	s           *scenario.Session
	block       uint64
	took, freed [2]int
}

func (w *lockWalk) word() uint32 {
	b, _ := w.s.Process().Read(w.block, 4)
	return binary.LittleEndian.Uint32(b)
}

func (w *lockWalk) step(t int) error {
	was := w.word()
	if _, err := w.s.Run(t, 1); err != nil {
		return err
	}
	switch is := w.word(); {
	case was == 0 && is != 0:
		w.took[t]++
	case was != 0 && is == 0:
		w.freed[t]++
	}
	return nil
}

func sectionsAreTrue(s *scenario.Session, schedule scenario.Schedule, block uint64, p [2]Section, r *rand.Rand) error {
	if err := s.Restart(); err != nil {
		return err
	}
	w := &lockWalk{s: s, block: block}
	x, y := p[0].Thread, p[1].Thread
	prefix, nth := uint64(0), 0
	var order []int // threads of the run, by instruction
	for _, sl := range schedule {
		for n := uint64(0); (sl.N == 0 || n < sl.N) && s.Runnable(sl.Thread); n++ {
			before := *w
			if err := w.step(sl.Thread); err != nil {
				return err
			}
			order = append(order, sl.Thread)
			switch at := s.Steps(); {
			case at == p[0].First.Step:
				prefix = at - 1
				if w.took[x] != before.took[x]+1 {
					return fmt.Errorf("instruction %d takes no lock", at)
				}
			case at == p[1].First.Step:
				if nth = w.took[y]; nth != before.took[y]+1 || w.freed[x] < before.took[x] {
					return fmt.Errorf("instruction %d takes no lock, or the first section is not over", at)
				}
			case at == p[0].Last.Step && w.freed[x] != before.freed[x]+1, at == p[1].Last.Step && w.freed[y] != before.freed[y]+1:
				return fmt.Errorf("instruction %d lets no lock go", at)
			}
		}
	}
	for range 40 {
		if err := s.Restart(); err != nil {
			return err
		}
		again := &lockWalk{s: s, block: block}
		for _, t := range order[:prefix] {
			if err := again.step(t); err != nil {
				return err
			}
		}
		taken := again.took[x]
		for again.freed[y] < nth && s.Runnable(y) {
			if err := again.step(y); err != nil {
				return err
			}
		}
		if again.freed[y] != nth || again.took[x] != taken {
			return fmt.Errorf("the second section does not get over with the first one's thread in front of it")
		}
		for over := false; !over; _, over = s.Outcome() {
			if t := r.IntN(2); s.Runnable(t) {
				if _, err := s.Run(t, uint64(1+r.IntN(300))); err != nil {
					return err
				}
			}
		}
		if o, _ := s.Outcome(); !o.Failed() {
			return nil
		}
	}
	return fmt.Errorf("of 40 runs with the second section first none passes")
}

// TestFindSections: a word that somebody else makes zero again, or changes otherwise in between, is no lock.
func TestFindSections(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		sys := system(t, arch)
		var block uint64
		add := func(t int) scenario.Thread {
			return scenario.Thread{Name: []string{scenario.Main, "second"}[t], Body: calledOnce(func() scenario.Calls {
				var list scenario.Calls
				for range 2 {
					list = append(list,
						scenario.Call{Func: emu.RoutinePrefix + "add64", Args: []scenario.Arg{scenario.Int(block), scenario.Int(1)}},
						scenario.Call{Func: emu.RoutinePrefix + "add64", Args: []scenario.Arg{scenario.Int(block), scenario.Int(^uint64(0))}})
				}
				return list
			})}
		}
		start := func() (*scenario.Session, error) {
			plan := lockedRace(&block)
			plan.Check, plan.Threads = nil, []scenario.Thread{add(0), add(1)}
			return scenario.Start(sys, plan, 1)
		}
		s, err := start()
		must(t, err)
		s.WantEvents(true)
		m := &minimizer{ctx: t.Context(), s: s, most: s.Limit}
		sections := func(order ...int) []section {
			t.Helper()
			var events []*event
			for _, i := range order {
				events = append(events, newEvent(scenario.Event{Thread: i}))
			}
			list, err := m.findSections(events)
			must(t, err)
			return list
		}
		for range 3 { // until both are known to share the number
			sections(0, 1, 0, 1, 0, 1, 0, 1)
		}
		if list := sections(0, 0, 1, 1, 0, 0, 1, 1); len(list) != 4 || !slices.EqualFunc(list, []int{0, 1, 0, 1}, func(s section, t int) bool { return s.thread == t && s.last == s.first+1 }) || list[2].nth != 1 {
			t.Errorf("%v, one after the other: %+v", arch, list)
		}
		if list := sections(0, 1, 0, 1, 0, 0, 1, 1); list != nil {
			t.Errorf("%v, a counter: %+v", arch, list)
		}
		s.Close()
	}
}

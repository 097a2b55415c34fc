package oracle

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

var (
	eachArch = testsystem.EachArch
	system   = testsystem.Of
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// called is a Body whose calls are known only when Setup has run.
type called func() scenario.Calls

func (c called) Next(results []uint64) (scenario.Call, bool, error) { return c().Next(results) }

// plan is made anew for each session.
type plan func() *scenario.Plan

// program is a race of two functions of a C source.
func program(t testing.TB, arch loader.Arch, source, main, worker string) plan {
	t.Helper()
	code := guestcode.Build(t, arch, source)
	return func() *scenario.Plan {
		var base uint64
		body := func(name string) scenario.Body {
			return called(func() scenario.Calls {
				return scenario.Calls{{Func: name, Addr: base + code.Symbols[name]}}
			})
		}
		for _, name := range []string{main, worker} {
			if _, ok := code.Symbols[name]; !ok {
				t.Fatalf("the source has no %s", name)
			}
		}
		return &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) {
				base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
				return err
			},
			Threads: []scenario.Thread{{Name: scenario.Main, Body: body(main)}, {Name: "worker", Body: body(worker)}},
		}
	}
}

// calls is a race of calls of libc functions.
func calls(setup func(*scenario.Setup) error, main, worker scenario.Body) plan {
	return func() *scenario.Plan {
		return &scenario.Plan{
			Setup:   setup,
			Threads: []scenario.Thread{{Name: scenario.Main, Body: main}, {Name: "worker", Body: worker}},
		}
	}
}

func call(fn string, args ...scenario.Arg) scenario.Call { return scenario.Call{Func: fn, Args: args} }

func starter(sys *emu.System, p plan) Starter {
	return func(prepare func(*emu.Process) error) (*scenario.Session, error) {
		return scenario.StartWith(sys, p(), 1, prepare)
	}
}

// begin makes an inspector for all kinds, or those given.
func begin(t testing.TB, start Starter, detect ...scenario.Kind) *inspector {
	t.Helper()
	if len(detect) == 0 {
		detect = Kinds()
	}
	p, err := newInspector(start, false, detect)
	must(t, err)
	t.Cleanup(p.close)
	return p
}

// randomly runs a race with slices of random threads and lengths, and returns
// its schedule.
func randomly(t testing.TB, s *scenario.Session, seed uint64) (scenario.Schedule, scenario.Outcome) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	longest := []uint64{4, 40, 400, 4000}[r.IntN(4)]
	must(t, s.Restart())
	var schedule scenario.Schedule
	for {
		if o, over := s.Outcome(); over {
			if o.End != nil {
				schedule[len(schedule)-1].N = 0 // it runs into the failure
			}
			return schedule, o
		}
		i := r.IntN(s.Threads())
		if !s.Runnable(i) {
			continue
		}
		ran, err := s.Run(i, 1+r.Uint64N(longest))
		must(t, err)
		if ran > 0 {
			schedule = schedule.Add(i, ran)
		} else if s.Process().End() != nil {
			schedule = append(schedule, scenario.Slice{Thread: i})
		}
	}
}

// inspectRandomly inspects a number of random runs, and returns how many of them
// had each problem, by its kind and the functions it is in.
func inspectRandomly(t testing.TB, start Starter, runs int, detect ...scenario.Kind) map[string]int {
	t.Helper()
	s, err := start(nil)
	must(t, err)
	t.Cleanup(s.Close)
	p := begin(t, start, detect...)
	seen := map[string]int{}
	for seed := range uint64(runs) {
		schedule, _ := randomly(t, s, seed)
		problems, err := p.inspect(schedule)
		if err != nil {
			t.Fatalf("seed %d: %v: %q", seed, err, schedule.Texts(s.Names()))
		}
		for _, text := range namesOf(s, problems) {
			seen[text]++
		}
	}
	return seen
}

// namesOf are the problems with the functions that they are in instead of
// addresses, each once.
func namesOf(s *scenario.Session, problems []Problem) []string {
	var list []string
	s.Process().System().LoadDebug()
	for _, problem := range problems {
		text := string(problem.Kind)
		for site := range strings.FieldsSeq(problem.Site) {
			text += " " + siteName(s, site)
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

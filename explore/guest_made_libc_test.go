package explore

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/scenario"
)

// decided is a Body whose calls follow from what those before have returned; nil is the
// end.
type decided func(results []uint64) *scenario.Call

func (d decided) Next(results []uint64) (scenario.Call, bool, error) {
	c := d(results)
	if c == nil {
		return scenario.Call{}, false, nil
	}
	return *c, true, nil
}

// creates is a thread that makes one by pthread_create, which runs a function of the
// program with an argument, and then calls a function of pthreads with its handle, "" for
// none, and one of the program.
func (g *guest) creates(routine string, arg uint64, then string, last string) scenario.Body {
	handle := func() scenario.Arg { return scenario.Int(g.base + g.code.Symbols["tids"]) }
	return decided(func(results []uint64) *scenario.Call {
		own := func(name string) scenario.Call {
			return scenario.Call{Func: name, Addr: g.base + g.code.Symbols[name], Args: []scenario.Arg{scenario.Int(0)}}
		}
		var list []scenario.Call
		list = append(list, scenario.Call{Func: "pthread_create", Args: []scenario.Arg{handle(), scenario.Int(0), scenario.Int(own(routine).Addr), scenario.Int(arg)}})
		if then != "" {
			list = append(list, scenario.Call{Func: "emurace.load64", Args: []scenario.Arg{handle()}})
			if len(results) > 1 {
				list = append(list, scenario.Call{Func: then, Args: []scenario.Arg{scenario.Int(results[1]), scenario.Int(0)}})
			}
		}
		if last != "" && (then == "" || len(results) > 1) {
			list = append(list, own(last))
		}
		if len(results) >= len(list) {
			return nil
		}
		return &list[len(results)]
	})
}

// The functions of the guest's own libc make threads too, join them and let them go. The
// search comes to the same with one session and with two, and to all that comes of changing
// threads anywhere.
func TestMadeByLibc(t *testing.T) {
	systems := []struct {
		name string
		libc loader.Libc
		arch loader.Arch
	}{
		{"glibc on arm64", 0, loader.ARM64}, {"musl on arm64", loader.Musl, loader.ARM64},
		{"glibc on amd64", 0, loader.AMD64}, {"musl on amd64", loader.Musl, loader.AMD64},
	}
	rows := []struct {
		name, routine, then, last string
		other                     string
		verdict                   Verdict
	}{
		{"joined", "put", "pthread_join", "get", "get 0", Clean},
		{"detached", "put", "pthread_detach", "", "get 0", Clean},
		{"left alone", "put", "", "add", "get 0", Clean},
		{"never ends", "stays", "pthread_join", "", "get 0", Failing},
	}
	for i, on := range systems {
		if testing.Short() && i > 0 {
			break
		}
		t.Run(on.name, func(t *testing.T) {
			sys := systemOf(t, map[loader.Libc]string{0: "debian:bookworm", loader.Musl: "debian:bookworm/musl"}[on.libc], on.arch, on.libc)
			seed := testseed.Of(t, 1)
			for _, c := range rows {
				if on.libc == loader.Musl && c.then != "" && c.verdict == Clean {
					continue // some 70,000 traces: of the lock of the list of threads, for which musl spins
				}
				p := program{c.name, madeSource + "u64 stays(u64 v) { for (;;) sys(FUTEX, (long)&y, 0, 0, 0); }", []string{"get 0", c.other}}
				begin := func() (*guest, *scenario.Session) {
					g := &guest{}
					plan := p.plan(t, sys.Arch, g)
					plan.Threads[0].Body = g.creates(c.routine, 1, c.then, c.last)
					s, err := scenario.Start(sys, plan, 1)
					must(t, err)
					s.Limit = 1_000_000
					return g, s
				}
				var results []*Result
				for _, jobs := range []int{1, 2} {
					r, err := DPOR(t.Context(), func() (*scenario.Session, error) { _, s := begin(); return s, nil }, Options{KeepGoing: true, Jobs: jobs})
					must(t, err)
					if r.Verdict != c.verdict || len(r.Doubts) > 0 || !slices.Equal(r.Made, []string{"main.1"}) {
						t.Errorf("%s: %+v", c.name, r)
					}
					results = append(results, r)
				}
				if diff := cmp.Diff(results[0], results[1], visible); diff != "" {
					t.Errorf("%s (-one session, +two):\n%s", c.name, diff)
				}
				known := map[string]bool{}
				g, s := begin()
				defer s.Close()
				g.s = s
				s.WantEvents(true)
				f := explored(t, g)
				exploredEach(t, g, func() { known[g.visible()] = true })
				if f.traces != results[0].Schedules {
					t.Errorf("%s: %d traces and %d", c.name, f.traces, results[0].Schedules)
				}
				t.Logf("%s: %d traces that come out in %d ways", c.name, f.traces, len(known))
				s.WantEvents(false)
				r := rand.New(rand.NewPCG(seed, 7))
				for range 60 {
					schedule := runAnywhere(t, g, r)
					if end := g.visible(); !known[end] {
						t.Errorf("seed %d: %s: with %v\n%s\nwhich no run of the search has come to, only\n%s", seed, c.name, schedule.Texts(s.ScheduleNames()), end, strings.Join(slices.Sorted(maps.Keys(known)), "\n"))
						break
					}
				}
			}
		})
	}
}

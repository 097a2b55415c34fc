package oracle

import (
	"slices"
	"strings"
	"testing"

	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/symbolize"
)

func environ(t testing.TB, settings ...string) plan {
	t.Helper()
	values, err := scripts.Get(scripts.Default).Settle(settings)
	must(t, err)
	return func() *scenario.Plan {
		p, err := scripts.Get(scripts.Default).Build(values)
		must(t, err)
		return p
	}
}

// interrupted is the run in which main is interrupted after n instructions until
// worker is done.
func interrupted(t testing.TB, s *scenario.Session, n uint64) (scenario.Schedule, scenario.Outcome) {
	t.Helper()
	must(t, s.Restart())
	ran, err := s.Run(0, n)
	must(t, err)
	schedule := scenario.Schedule{{Thread: 0, N: ran}, {Thread: 1}, {Thread: 0}}
	must(t, s.Restart())
	must(t, s.Play(schedule))
	o, over := s.Outcome()
	if !over {
		t.Fatalf("after %d instructions of main's the race does not end", n)
	}
	return schedule, o
}

// getenv reads the block that setenv's realloc has freed: it dies of that, or,
// when the variable is there, finds it in the freed block and returns it. From
// glibc 2.41 on the block is not freed.
func TestEnviron(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, suite := range suites() {
			for _, settings := range [][]string{nil, {"name=EMURACE_060"}, {"tcache=on"}} {
				start := starter(system(t, suite, arch), environ(t, settings...))
				s, err := start(nil)
				must(t, err)
				p := begin(t, start)
				found := map[scenario.Kind]int{} // outcomes of runs with a use after free
				races := 0
				for n := uint64(1); n < 600; n += 23 {
					schedule, o := interrupted(t, s, n)
					problems, err := p.inspect(schedule)
					must(t, err)
					for _, text := range namesOf(s, problems) {
						switch {
						case text == "use-after-free main:getenv":
							found[o.Kind]++
						case text == "use-after-free main:strncmp" || strings.HasPrefix(text, "use-after-free main:__strncmp"):
							// of a pointer that malloc left in the block
						case strings.HasPrefix(text, "data-race main:getenv worker:"):
							races++
						default:
							t.Errorf("%s %q: after %d instructions: %s", suite, settings, n, text)
						}
					}
				}
				s.Close()
				old := suite == "bullseye" || suite == "bookworm"
				survived := settings != nil && settings[0] == "name=EMURACE_060"
				switch {
				case !old && len(found) > 0:
					t.Errorf("%s %q: uses after free in runs that ended with %v", suite, settings, found)
				case old && survived && found[scenario.OK] == 0:
					t.Errorf("%s %q: no run survives a use after free: %v", suite, settings, found)
				case old && settings == nil && found[scenario.Segv] == 0:
					t.Errorf("%s %q: no run dies after a use after free: %v", suite, settings, found)
				}
				if old && len(found) == 0 {
					t.Errorf("%s %q: no uses after free", suite, settings)
				}
				if old && races == 0 {
					t.Errorf("%s %q: no races", suite, settings)
				}
			}
		}
	})
}

// A report names both instructions and the block, with who gave and who took it.
func TestExplain(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		start := starter(system(t, "bookworm", arch), environ(t, "name=EMURACE_060"))
		s, err := start(nil)
		must(t, err)
		defer s.Close()
		schedule, o := interrupted(t, s, 100)
		if o.Failed() {
			t.Fatalf("the run ends with %v", o)
		}
		p := begin(t, start)
		problems, err := p.inspect(schedule)
		must(t, err)
		reports, err := Explain(start, nil, schedule, Kinds()...)
		must(t, err)
		if len(reports) != len(problems) {
			t.Fatalf("%d reports of %d problems", len(reports), len(problems))
		}
		kinds := map[scenario.Kind]bool{}
		for i, r := range reports {
			if r.Problem != problems[i] {
				t.Errorf("report %d is of %v, not %v", i, r.Problem, problems[i])
			}
			kinds[r.Kind] = true
			first := r.Accesses[0]
			if first.Instruction == "" || len(first.Backtrace) == 0 || first.Address == "" {
				t.Errorf("report %d does not say where it was: %+v", i, first)
			}
			switch r.Kind {
			case UseAfterFree:
				if len(r.Accesses) != 1 || first.Thread != scenario.Main || first.Function != "getenv" || first.Access != "read" {
					t.Errorf("report %d: %+v", i, first)
				}
				b := r.Block
				if b == nil || b.Size != 67*8 || b.Allocated == nil || b.Freed == nil {
					t.Fatalf("report %d: block %+v", i, b)
				}
				if b.Allocated.Thread != scenario.Main || b.Freed.Thread != "worker" || b.Freed.Function != "realloc" ||
					!strings.HasPrefix(b.Freed.Call, "setenv(") || !calledBy(b.Freed.Backtrace, "__add_to_environ") {
					t.Errorf("report %d: allocated by %+v, freed by %+v", i, b.Allocated, b.Freed)
				}
			case DataRace:
				if len(r.Accesses) != 2 || first.Thread == r.Accesses[1].Thread {
					t.Errorf("report %d: %+v", i, r.Accesses)
				}
			default:
				t.Errorf("report %d is of kind %s", i, r.Kind)
			}
		}
		if !kinds[UseAfterFree] || !kinds[DataRace] {
			t.Errorf("kinds %v", kinds)
		}
	})
}

func calledBy(frames []symbolize.Frame, name string) bool {
	return slices.ContainsFunc(frames, func(f symbolize.Frame) bool { return f.Function == name })
}

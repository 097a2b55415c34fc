package explore

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	herd "emurace/internal/litmus"
	"emurace/internal/litmus/axioms"
	"emurace/internal/litmus/table"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// TestSampleGraphs: what the axioms allow is drawn sooner or later, and what they do not allow never is. A result depends
// on the seed, and not on how many draw.
func TestSampleGraphs(t *testing.T) {
	seed := testseed.Of(t, 1)
	for _, arch := range testsystem.Arches() {
		rows, err := table.Rows(arch)
		must(t, err)
		for _, m := range axioms.Models() {
			if arch == loader.AMD64 && m == axioms.ARM {
				continue
			}
			var tests []*herd.Test
			for i, row := range rows {
				if (thorough.On() || !testing.Short() && i%5 == int(m) || i%12 == int(m)) && !row.Test.Uses("LDAPR", "LDXR", "LDAXR") {
					tests = append(tests, row.Test)
				}
			}
			found, failed := herd.RunAll(t, tests, func(code *herd.Code, n int) (herd.Found, error) {
				start := func() (*scenario.Session, error) {
					return scenario.Start(testsystem.Of(t, "bookworm", arch), code.Plan(n), 1)
				}
				strategy := GraphStrategies()[n%len(GraphStrategies())]
				o := Options{Jobs: 1, Schedules: thorough.Of[uint64](1000, 4000), Seed: seed, Depth: 4, trusted: true}
				r, err := SampleGraphs(t.Context(), start, models[m], strategy, o)
				if err != nil {
					return herd.Found{}, err
				}
				if r.Verdict == Clean {
					return herd.Found{}, fmt.Errorf("what was drawn proves nothing: %+v", r)
				}
				if n%5 == 0 {
					o.Jobs = 2
					again, err := SampleGraphs(t.Context(), start, models[m], strategy, o)
					if err != nil {
						return herd.Found{}, err
					}
					if again.Schedules != r.Schedules || !reflect.DeepEqual(again.Findings, r.Findings) {
						return herd.Found{}, fmt.Errorf("with two jobs it is %+v, not %+v", again, r)
					}
				}
				return herd.Found{Seen: r.Failing > 0}, nil
			})
			missed := 0
			for i, test := range tests {
				if err := failed[i]; err != nil {
					t.Errorf("%s under %s: %v", test.Name, m, err)
					continue
				}
				verdicts, err := axioms.Judge(test)
				must(t, err)
				switch want := verdicts[m].Causal.Seen; {
				case found[i].Seen && !want:
					t.Errorf("%s under %s was drawn, and the axioms do not allow it", test.Name, m)
				case want && !found[i].Seen:
					missed++
					t.Errorf("%s under %s was not drawn", test.Name, m)
				}
			}
			t.Logf("%s under %s: %d tests, %d not drawn", arch, m, len(tests), missed)
		}
	}
}

// TestSampleGraphsRefuses: strategies that do not know of memory models.
func TestSampleGraphsRefuses(t *testing.T) {
	for _, s := range Strategies() {
		if slices.Contains(GraphStrategies(), s) {
			continue
		}
		if _, err := SampleGraphs(t.Context(), nil, "arm", s, Options{}); err == nil {
			t.Errorf("%s draws under a memory model", s)
		}
	}
}

package portable_test

import (
	"testing"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// playsEverywhere describes a schedule and plays the words on every system.
func playsEverywhere(t *testing.T, start func() (*scenario.Session, error), schedule scenario.Schedule) {
	t.Helper()
	runs, notes, err := portable.Describe(start, schedule)
	testrace.Must(t, err)
	t.Logf("%d slices\n%s%q", len(schedule), portable.Text(runs), notes)
	for _, suite := range suites {
		for _, arch := range testsystem.Arches() {
			s := sessionOf(t, suite, arch)
			r, err := portable.Play(s, runs)
			if err != nil {
				t.Errorf("%s/%v: %v", suite, arch, err)
				continue
			}
			isAnswer(t, s, r.Outcome)
		}
	}
}

// What each search finds on one libc happens on all when it is said in words.
func TestFound(t *testing.T) {
	searches := map[string]func(func() (*scenario.Session, error)) (*explore.Result, error){
		"bounded": func(start func() (*scenario.Session, error)) (*explore.Result, error) {
			return explore.Bounded(t.Context(), start, explore.Options{Preemptions: 1, Jobs: 2})
		},
		"dpor": func(start func() (*scenario.Session, error)) (*explore.Result, error) {
			return explore.DPOR(t.Context(), start, explore.Options{Jobs: 1})
		},
		"pos": func(start func() (*scenario.Session, error)) (*explore.Result, error) {
			return explore.Sample(t.Context(), start, explore.POS, explore.Options{Seed: 10, Jobs: 1})
		},
		"surw": func(start func() (*scenario.Session, error)) (*explore.Result, error) {
			return explore.Sample(t.Context(), start, explore.SURW, explore.Options{Seed: 1, Jobs: 1})
		},
	}
	for name, search := range searches {
		t.Run(name, func(t *testing.T) {
			for _, suite := range suites {
				for _, arch := range testsystem.Arches() {
					start := starter(t, testsystem.Of(t, suite, arch))
					r, err := search(start)
					testrace.Must(t, err)
					if len(r.Findings) == 0 {
						t.Fatalf("%+v", r)
					}
					t.Logf("%s/%v: %v", suite, arch, r.Findings[0].Outcome)
					playsEverywhere(t, start, r.Findings[0].Schedule)
				}
			}
		})
	}
}

package explore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

type search = func(context.Context, func() (*scenario.Session, error), Options) (*Result, error)

var searches = map[string]search{"dpor": DPOR, "bounded": Bounded}

// Every run is inspected once, with a schedule that leads to its end, and what
// is found counts once a run.
func TestInspect(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, search := range searches {
			for _, program := range [][]routine{guarded, readers} {
				start := codeStarter(sys, program...)
				plain, err := search(t.Context(), start, Options{Preemptions: 1, KeepGoing: true, Jobs: 1})
				must(t, err)
				s, err := start()
				must(t, err)
				defer s.Close()
				var mu sync.Mutex
				inspected := map[string]int{}
				r, err := search(t.Context(), start, Options{Preemptions: 1, KeepGoing: true, Jobs: 2, Inspect: func(_ []string, schedule scenario.Schedule) ([]Problem, error) {
					mu.Lock()
					defer mu.Unlock()
					must(t, s.Restart())
					must(t, s.Play(schedule))
					if _, over := s.Outcome(); !over {
						t.Errorf("%s: %q leads to no end", name, schedule.Texts(s.Names()))
					}
					inspected[fmt.Sprint(schedule)]++
					if schedule[0].Thread != 0 {
						return nil, nil
					}
					return []Problem{{Kind: "one", Site: "a"}, {Kind: "two", Site: "a"}, {Kind: "one", Site: "b"}, {Kind: "one", Site: "a"}}, nil
				}})
				must(t, err)
				runs, first := uint64(0), uint64(0)
				for text, n := range inspected {
					runs += uint64(n)
					if strings.HasPrefix(text, "[{0 ") {
						first += uint64(n)
					}
				}
				if r.Schedules != plain.Schedules || runs < r.Schedules || first == 0 {
					t.Errorf("%s: %d schedules, %d without inspection, %d inspected", name, r.Schedules, plain.Schedules, runs)
				}
				var sites []string
				for _, f := range r.Findings {
					if f.Problem != "" {
						sites = append(sites, string(f.Outcome.Kind)+f.Problem)
					}
				}
				if len(sites) != 3 || len(r.Findings) != len(plain.Findings)+3 {
					t.Errorf("%s: problems %v of %d findings, %d without inspection", name, sites, len(r.Findings), len(plain.Findings))
				}
				if r.Failing < plain.Failing || r.Failing > r.Schedules || r.Verdict != Failing {
					t.Errorf("%s: %d of %d fail, %s", name, r.Failing, r.Schedules, r.Verdict)
				}
			}
		}
	})
}

// A problem ends a search like a failure, and an error of the inspection's ends
// it with that error.
func TestInspectEnds(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, search := range searches {
			start := codeStarter(sys, guarded...)
			r, err := search(t.Context(), start, Options{Preemptions: 1, Jobs: 1, Inspect: func([]string, scenario.Schedule) ([]Problem, error) {
				return []Problem{{Kind: "wrong", Site: "here"}}, nil
			}})
			must(t, err)
			if r.Schedules != 1 || r.Failing != 1 || r.Verdict != Failing || len(r.Findings) != 1 || r.Findings[0].Problem != "here" {
				t.Errorf("%s: %+v", name, r)
			}
			broken := errors.New("inspect: broken")
			if _, err := search(t.Context(), start, Options{Preemptions: 1, Jobs: 2, Inspect: func([]string, scenario.Schedule) ([]Problem, error) {
				return nil, broken
			}}); !errors.Is(err, broken) {
				t.Errorf("%s: an inspection that fails ends it with %v", name, err)
			}
		}
	})
}

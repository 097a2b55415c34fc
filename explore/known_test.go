package explore

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/scenario"
)

// TestKnownProblems: what is known makes no run fail, and is counted once a schedule, whoever
// searches and also behind a state.
func TestKnownProblems(t *testing.T) {
	a, b := Known{"list", "a"}, Known{"list", "b"}
	inspect := func(_ []string, schedule scenario.Schedule) ([]Problem, error) {
		list := []Problem{{"one", "x", a}, {"one", "y", a}}
		if schedule[0].Thread == 0 {
			list = append(list, Problem{"two", "x", b})
		}
		return list, nil
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, search := range searches {
			for _, program := range [][]routine{guarded, readers} {
				start := codeStarter(sys, program...)
				plain, err := search(t.Context(), start, Options{Preemptions: 1, KeepGoing: true, Jobs: 1})
				must(t, err)
				o := Options{Preemptions: 1, KeepGoing: true, Jobs: 1, Inspect: inspect}
				one, err := search(t.Context(), start, o)
				must(t, err)
				if one.Failing != plain.Failing || one.Verdict != plain.Verdict || len(one.Findings) != len(plain.Findings) {
					t.Errorf("%s: %+v, without inspection %+v", name, one, plain)
				}
				if len(one.Met) != 2 || one.Met[0].Known != a || one.Met[0].Schedules != one.Schedules || one.Met[1].Known != b || one.Met[1].Schedules >= one.Schedules {
					t.Errorf("%s: %+v of %d schedules", name, one.Met, one.Schedules)
				}
				o.Jobs = 3
				three, err := search(t.Context(), start, o)
				must(t, err)
				if diff := cmp.Diff(one, three, visible); diff != "" {
					t.Errorf("%s: with 3 jobs:\n%s", name, diff)
				}
				var state *State
				o.Save = func(s *State) error { state = s; return nil }
				_, err = search(t.Context(), start, o)
				must(t, err)
				o.Save, o.Resume = nil, overJSON(t, state)
				again, err := search(t.Context(), start, o)
				must(t, err)
				if diff := cmp.Diff(one.Met, again.Met); diff != "" {
					t.Errorf("%s: behind its state:\n%s", name, diff)
				}
			}
		}
	})
}

// overJSON is a state as a file has it.
func overJSON(t *testing.T, s *State) *State {
	t.Helper()
	data, err := json.Marshal(s)
	must(t, err)
	again := &State{}
	must(t, json.Unmarshal(data, again))
	return again
}

// TestMetBounds: however many are known, what is kept is bounded, and no schedule of them is lost.
func TestMetBounds(t *testing.T) {
	r := &Result{}
	for i := range 2 * maxMet {
		r.addMet(Met{"one", Known{"list", fmt.Sprint(i)}, 1})
		r.addMet(Met{"one", Known{"list", "0"}, 1})
	}
	sum := uint64(0)
	for _, m := range r.Met {
		sum += m.Schedules
	}
	if len(r.Met) != maxMet+1 || sum != 4*maxMet || r.Met[maxMet].Known != beyondMet {
		t.Errorf("%d are kept, of %d schedules; the last is %+v", len(r.Met), sum, r.Met[len(r.Met)-1])
	}
	for _, m := range []Met{{"one", Known{}, 1}, {"one", a1, 0}, {"one", a1, 9}, {"one", Known{"x", "\x1b"}, 1}} {
		bad := &tally{Schedules: 3, Met: []Met{m}}
		if bad.checkNotes() == nil {
			t.Errorf("%+v passes", m)
		}
	}
	if err := (&tally{Schedules: 3, Met: []Met{{"one", a1, 3}}}).checkNotes(); err != nil {
		t.Error(err)
	}
}

var a1 = Known{"list", "a"}

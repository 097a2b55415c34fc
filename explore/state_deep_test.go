package explore

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"emurace/explore/coverage"
	"emurace/loader"
	"emurace/scenario"
)

// What no search with deep has learned is refused, before anything is searched.
func TestDamagedDeepStates(t *testing.T) {
	start := growing(3).starter(t, system(t, loader.ARM64))
	var good []byte
	o := Options{KeepGoing: true, Seed: 5, Schedules: inOrders + 4*firstBatch + 3, Jobs: 1}
	o.Save = func(s *State) (err error) { good, err = json.Marshal(s); return err }
	sampled(t, start, Deep, o)
	o.Save = nil
	parse := func(damage func(s *sampleState, f *deepState)) *State {
		s := &State{}
		must(t, json.Unmarshal(good, s))
		damage(s.Sample, s.Sample.Deep)
		return s
	}
	if s := parse(func(*sampleState, *deepState) {}); len(s.Sample.Deep.Taken) != 3 || len(s.Sample.Deep.Taken[0].Shown) == 0 {
		t.Fatalf("the state is of no use: %+v", s.Sample.Deep)
	}
	for name, damage := range map[string]func(*sampleState, *deepState){
		"nothing learned": func(s *sampleState, f *deepState) { s.Deep = nil },
		"learned of nothing": func(s *sampleState, f *deepState) {
			*s = sampleState{Result: &tally{}, Batch: 8, Deep: f, Seen: coverage.NewSeen().State()}
		},
		"of fuzz too":           func(s *sampleState, f *deepState) { s.Fuzz = &fuzzState{} },
		"a batch of 16":         func(s *sampleState, f *deepState) { s.Batch = 16 },
		"too many traits":       func(s *sampleState, f *deepState) { f.Traits = make([]known, maxTraits+1) },
		"the same trait":        func(s *sampleState, f *deepState) { f.Traits[1].trait = f.Traits[0].trait },
		"a trait of nothing":    func(s *sampleState, f *deepState) { f.Traits[0].Of = 0 },
		"passed by too often":   func(s *sampleState, f *deepState) { f.Traits[0].Times = maxTimes + 1 },
		"never seen":            func(s *sampleState, f *deepState) { f.Traits[0].Seen = 0 },
		"seen too often":        func(s *sampleState, f *deepState) { f.Traits[0].Seen = s.Result.Schedules + 1 },
		"too many moments":      func(s *sampleState, f *deepState) { f.Traits[0].Moments = make([]scenario.Schedule, maxMoments+1) },
		"a moment of nothing":   func(s *sampleState, f *deepState) { f.Traits[0].Moments[0] = nil },
		"a thread too many":     func(s *sampleState, f *deepState) { f.Traits[0].Moments[0][0].Thread = maxThreads },
		"a thread below 0":      func(s *sampleState, f *deepState) { f.Traits[0].Moments[0][0].Thread = -1 },
		"too long":              func(s *sampleState, f *deepState) { f.Traits[0].Moments[0] = make(scenario.Schedule, maxKept+1) },
		"less of the batch":     func(s *sampleState, f *deepState) { f.Taken = f.Taken[1:] },
		"more of the batch":     func(s *sampleState, f *deepState) { f.Taken = append(f.Taken, f.Taken...) },
		"shown before it began": func(s *sampleState, f *deepState) { f.Taken[0].Shown[0].Slices = 0 },
		"shown behind its end":  func(s *sampleState, f *deepState) { f.Taken[0].Shown[0].Slices = len(f.Taken[0].Schedule) + 1 },
		"shown by nobody":       func(s *sampleState, f *deepState) { f.Taken[0].Shown[0].Last.Thread = maxThreads },
		"nothing shown":         func(s *sampleState, f *deepState) { f.Taken[0].Shown[0].Of = 0 },
		"too much shown":        func(s *sampleState, f *deepState) { f.Taken[0].Shown = slices.Repeat(f.Taken[0].Shown, maxRunTraits+1) },
		"begun from nowhere": func(s *sampleState, f *deepState) {
			f.Taken[0].From = trait{By: 1, Of: 2}
			f.Taken[0].Shown[0].trait = f.Taken[0].From
		},
		"run by nobody":       func(s *sampleState, f *deepState) { f.Taken[0].Schedule[0].Thread = maxThreads },
		"of another strategy": nil,
	} {
		strategy, resume := Deep, (*State)(nil)
		if damage != nil {
			resume = parse(damage)
		} else {
			strategy = POS
			resume = parse(func(*sampleState, *deepState) {})
			resume.Strategy = POS
		}
		o.Resume = resume
		booted := func() (*scenario.Session, error) { t.Errorf("%s: booted", name); return start() }
		if r, err := Sample(t.Context(), booted, strategy, o); !errors.Is(err, ErrState) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

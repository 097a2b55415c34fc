package explore

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/explore/graph"
	"emurace/loader"
	"emurace/scenario"
)

// states are those of searches for a race of two threads that were broken off in
// the middle, by strategy, each with findings and with work left.
func states(t testing.TB, start func() (*scenario.Session, error)) map[string]*State {
	t.Helper()
	all := map[string]*State{}
	for name, search := range stateSearches {
		enough := errors.New("enough")
		_, err := search(t.Context(), start, Options{
			KeepGoing: true, Preemptions: -1, Jobs: 1, SaveEvery: 1, Schedules: 1 << 20,
			Save: func(s *State) error {
				if !inTheMiddle(s) {
					return nil
				}
				all[name] = s
				return enough
			},
		})
		if !errors.Is(err, enough) {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return all
}

// inTheMiddle tells whether a search has found something, and is not over.
func inTheMiddle(s *State) bool {
	switch {
	case s.DPOR != nil:
		n := len(s.DPOR.Parts)
		return len(s.DPOR.so().Findings) > 0 && s.DPOR.Parts[n-1].Result == nil
	case s.Graphs != nil:
		n := len(s.Graphs.Parts)
		return len(s.Graphs.so().Findings) > 0 && s.Graphs.Parts[n-1].Result == nil
	case s.Bounded != nil:
		return s.Bounded.Level == 2 && s.Bounded.Next > 3 && s.Bounded.Next < s.Bounded.Units-3
	}
	return len(s.Sample.Result.Findings) > 0 && s.Sample.Begun > 0
}

var stateSearches = map[string]search{"dpor": DPOR, "bounded": Bounded, "pos": sampling(POS), "graphs": graphsOf(graph.TSO)}

// bigReaders fails often, and has work for more than one part.
var bigReaders = []routine{spoil.then(heals(7)), follow.then(heals(7))}

// What no search has written is refused, before anything is searched.
func TestDamagedStates(t *testing.T) {
	start := codeStarter(system(t, loader.ARM64), bigReaders...)
	good := states(t, start)
	far := uint64(maxCount) + 1
	for strategy, damages := range map[string]map[string]func(*State){
		"dpor": {
			"another strategy":    func(s *State) { s.Strategy = "bounded" },
			"no strategy":         func(s *State) { s.Strategy = "" },
			"nothing":             func(s *State) { s.DPOR = nil },
			"two strategies":      func(s *State) { s.Sample = good["pos"].Sample },
			"no parts":            func(s *State) { s.DPOR.Parts = nil },
			"a thread too many":   func(s *State) { toSearch(s).Threads = []int{0, 2} },
			"a thread below 0":    func(s *State) { toSearch(s).Threads = []int{-1} },
			"a sleeper too many":  func(s *State) { toSearch(s).Asleep = only(2) },
			"a share below 0":     func(s *State) { toSearch(s).Share = -0.1 },
			"a share that is NaN": func(s *State) { toSearch(s).Share = math.NaN() },
			"shares above 1": func(s *State) {
				for i := range s.DPOR.Parts {
					s.DPOR.Parts[i].Share = 0.9
				}
			},
			"a part twice":    func(s *State) { s.DPOR.Parts = append(s.DPOR.Parts, *toSearch(s)) },
			"a part in one":   func(s *State) { toSearch(s).Threads = nil },
			"odd addresses":   func(s *State) { s.DPOR.Shared[0].Addr++ },
			"bytes twice":     func(s *State) { s.DPOR.Shared = append(s.DPOR.Shared, s.DPOR.Shared[0]) },
			"no bytes":        func(s *State) { s.DPOR.Shared[0].Mask = 0 },
			"too many bytes":  func(s *State) { s.DPOR.Shared = make([]sharedWord, maxShared+1) },
			"no lock twice":   func(s *State) { s.DPOR.Raw = []uint64{8, 8} },
			"a lock and none": func(s *State) { s.DPOR.Locks, s.DPOR.Raw = []uint64{8}, []uint64{8} },
			"a lock twice":    func(s *State) { s.DPOR.Locks = []uint64{8, 8} },
			"restarts":        func(s *State) { s.DPOR.Restarts = -1 },
			"both":            func(s *State) { toSearch(s).Result = &tally{} },
			"too many of all": func(s *State) { finishedPart(s).Schedules = far },
		},
		"bounded": {
			"a level below 0":    func(s *State) { s.Bounded.Level = -1 },
			"a level too high":   func(s *State) { s.Bounded.Level = maxLevel + 1 },
			"other units":        func(s *State) { s.Bounded.Units++ },
			"a unit too many":    func(s *State) { s.Bounded.Next = s.Bounded.Units + 1 },
			"units from below 0": func(s *State) { s.Bounded.Next = -1 },
			"no result":          func(s *State) { s.Bounded.Result = nil },
			"more before":        func(s *State) { s.Bounded.Began = s.Bounded.Result.Schedules + 1 },
			"too few before":     func(s *State) { s.Bounded.Began = 1 },
			"units in units":     func(s *State) { s.Bounded.Done = []unitsState{{From: 0, To: s.Bounded.Units, Result: &tally{}}} },
			"units out of order": func(s *State) { u := s.Bounded.Next; setDone(s, u+1, u) },
			"units beyond":       func(s *State) { setDone(s, s.Bounded.Next, s.Bounded.Units+1) },
			"no result of units": func(s *State) { s.Bounded.Done = []unitsState{{From: s.Bounded.Next, To: s.Bounded.Next + 1}} },
			"many walked":        func(s *State) { setDone(s, s.Bounded.Next, s.Bounded.Next+2, turn{N: 1, Next: 1}) },
			"walked to nowhere":  func(s *State) { setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: 0, Next: 1}) },
			"walked to 3":        func(s *State) { setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: 1, Next: 3}) },
			"walked below 0": func(s *State) {
				setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: 1, Next: -1}, turn{N: 1, Next: 1})
			},
			"walked too far": func(s *State) { setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: 1 << 30, Next: 1}) },
			"in no middle":   func(s *State) { setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: 1, Half: true}) },
			"behind nothing": func(s *State) {
				setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: uint64(s.Bounded.Next) + 1, Next: 0}, turn{N: 0, Next: 1})
			},
			"too many turns": func(s *State) {
				setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: uint64(s.Bounded.Next) + 1, Next: 0}, turn{N: 1, Next: 0}, turn{N: 1, Next: 0}, turn{N: 1, Next: 0}, turn{N: 1, Next: 1})
			},
			"turns that are not": func(s *State) {
				setDone(s, s.Bounded.Next, s.Bounded.Next+1, turn{N: uint64(s.Bounded.Next) + 1, Next: 0}, turn{N: 1 << 30, Next: 1})
			},
		},
		"pos": {
			"a batch of 9":           func(s *State) { s.Sample.Batch = 9 },
			"a batch of 0":           func(s *State) { s.Sample.Batch = 0 },
			"a batch of 512":         func(s *State) { s.Sample.Batch = 512 },
			"more begun":             func(s *State) { s.Sample.Begun = s.Sample.Batch + 1 },
			"more begun than run":    func(s *State) { s.Sample.Batch, s.Sample.Begun = 256, s.Sample.Result.Schedules-1 },
			"nothing run":            func(s *State) { s.Sample.Result = &tally{} },
			"no result":              func(s *State) { s.Sample.Result = nil },
			"odd addresses":          func(s *State) { s.Sample.Learned = []sharedWord{{1, 1}} },
			"another strategy":       func(s *State) { s.Strategy = "surw" },
			"more fail than run":     func(s *State) { s.Sample.Result.Failing = s.Sample.Result.Schedules + 1 },
			"too many schedules":     func(s *State) { s.Sample.Result.Schedules = far },
			"too many instructions":  func(s *State) { s.Sample.Result.Instructions = math.MaxUint64 },
			"failures without kind":  func(s *State) { s.Sample.Result.Findings = nil },
			"kinds without failure":  func(s *State) { s.Sample.Result.Failing = 0 },
			"a finding of never":     func(s *State) { finding(s).Count = 0 },
			"a finding too often":    func(s *State) { finding(s).Count = s.Sample.Result.Failing + 1 },
			"number 0":               func(s *State) { finding(s).Number = 0 },
			"a number too high":      func(s *State) { finding(s).Number = s.Sample.Result.Schedules + 1 },
			"a finding's thread":     func(s *State) { finding(s).Schedule[0].Thread = 2 },
			"preemptions":            func(s *State) { finding(s).Preemptions = -2 },
			"too many kinds":         func(s *State) { s.Sample.Result.Findings = make([]Finding, maxFindings+1) },
			"another end":            func(s *State) { finding(s).Outcome.Kind = scenario.Abort },
			"an end elsewhere":       func(s *State) { finding(s).Outcome.End = &emu.End{Kind: emu.EndFault} },
			"a passing schedule":     func(s *State) { finding(s).Schedule = scenario.Schedule{{Thread: 1}, {Thread: 0}} },
			"no schedule":            func(s *State) { finding(s).Schedule = nil },
			"a schedule that is not": func(s *State) { finding(s).Schedule = scenario.Schedule{{Thread: 0, N: 1 << 40}, {Thread: 1}} },
			"nothing seen":           func(s *State) { s.Sample.Seen = nil },
			"seen by more":           func(s *State) { s.Sample.Seen.Runs++ },
			"a pair seen by more":    func(s *State) { s.Sample.Seen.Pairs[0].Runs[1] = s.Sample.Seen.Runs + 1 },
			"a problem unheard of":   func(s *State) { finding(s).Problem = "somewhere" },
		},
	} {
		b, err := json.Marshal(good[strategy])
		must(t, err)
		for name, damage := range damages {
			s := &State{}
			must(t, json.Unmarshal(b, s))
			damage(s)
			r, err := stateSearches[strategy](t.Context(), start, Options{KeepGoing: true, Preemptions: -1, Jobs: 1, Schedules: 1 << 20, Resume: s})
			if !errors.Is(err, ErrState) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %s: %+v, %v", strategy, name, r, err)
			}
		}
		// The one without damage is taken.
		s := &State{}
		must(t, json.Unmarshal(b, s))
		_, err = stateSearches[strategy](t.Context(), start, Options{KeepGoing: true, Preemptions: -1, Jobs: 1, Schedules: 1, Resume: s})
		must(t, err)
	}
	// A state that has gone beyond the bound.
	if _, err := Bounded(t.Context(), start, Options{KeepGoing: true, Preemptions: 0, Resume: good["bounded"]}); !errors.Is(err, ErrState) {
		t.Error("more preemptions than asked for are taken")
	}
	// A state of another scenario: there a finding does not happen.
	other := codeStarter(system(t, loader.ARM64), heals(7), heals(9))
	for strategy, search := range stateSearches {
		if _, err := search(t.Context(), other, Options{KeepGoing: true, Preemptions: -1, Resume: good[strategy]}); !errors.Is(err, ErrState) {
			t.Errorf("%s: of another scenario: %v", strategy, err)
		}
	}
}

func toSearch(s *State) *partState {
	for i := range s.DPOR.Parts {
		if p := &s.DPOR.Parts[i]; p.Result == nil {
			return p
		}
	}
	panic("nothing is left to be searched")
}

func finishedPart(s *State) *tally {
	for _, p := range s.DPOR.Parts {
		if p.Result != nil {
			return p.Result
		}
	}
	panic("nothing is finished")
}

func setDone(s *State, from, to int, at ...turn) {
	s.Bounded.Done = []unitsState{{From: from, To: to, At: at, Result: &tally{}}}
}

func finding(s *State) *Finding { return &s.Sample.Result.Findings[0] }

// FuzzState: a state that is accepted can be resumed, whatever it says: the
// search ends within its budget, with an error or with a result that can be true
// and that begins with what the state has, and the state of that is one again.
func FuzzState(f *testing.F) {
	sys := system(f, loader.ARM64)
	start := codeStarter(sys, bigReaders...)
	for _, s := range states(f, start) {
		b, err := json.Marshal(s)
		must(f, err)
		f.Add(b)
	}
	for _, text := range []string{
		`{"strategy":"dpor","dpor":{"shared":[{"addr":65536,"mask":255}],"restarts":0,"parts":[{"threads":[0,0,0,0,1,1],"asleep":[1],"share":1}]}}`,
		`{"strategy":"bounded","bounded":{"level":2,"began":2,"units":17,"next":3,"result":{"schedules":2,"failing":0,"instructions":0},"done":[{"from":3,"to":4,"at":[{"n":4,"next":0},{"n":2,"next":1}],"result":{"schedules":1,"failing":0,"instructions":0}}]}}`,
		`{"strategy":"pos","sample":{"result":{"schedules":9,"failing":0,"instructions":72057594037927936},"batch":8,"begun":7,"shared":[],"seen":{"runs":9,"pairs":[{"a":{"pc":4096},"b":{"pc":4096,"write":true},"runs":[3,0]}],"classes":[{"class":4,"runs":1}]}}}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &State{}
		if json.Unmarshal(data, s) != nil {
			return
		}
		const threads, more = 2, 20
		if s.check(s.Strategy, threads) != nil {
			return
		}
		again := &State{}
		b, err := json.Marshal(s)
		must(t, err)
		must(t, json.Unmarshal(b, again))
		if err := again.check(s.Strategy, threads); err != nil {
			t.Fatalf("not accepted a second time: %v", err)
		}
		search, so := stateSearches[string(s.Strategy)], (*Result)(nil)
		switch s.Strategy {
		case strategyDPOR:
			so = s.DPOR.so()
		case strategyGraphs:
			so = s.Graphs.so()
		case strategyBounded:
			if so = s.Bounded.so(); s.Bounded.Level == 0 {
				so = &Result{}
			}
		default:
			search, so = sampling(s.Strategy), s.Sample.Result.result()
		}
		if search == nil {
			return
		}
		var saved *State
		r, err := search(t.Context(), start, Options{
			KeepGoing: true, Preemptions: -1, Jobs: 1, Resume: s, Schedules: so.Schedules + more, Time: time.Second,
			Save: func(s *State) error { saved = s; return nil },
		})
		if err != nil {
			return
		}
		if r.Schedules < so.Schedules || r.Failing < so.Failing || r.Instructions < so.Instructions || r.Failing > r.Schedules {
			t.Errorf("%+v, begun with %+v", r, so)
		}
		near := max(so.Schedules, so.Blocked, so.Instructions) > maxCount/2 // to what is believed
		if err := saved.check(s.Strategy, threads); err != nil && !near {
			t.Errorf("what was saved is refused: %v", err)
		}
		if len(r.Findings) < len(so.Findings) {
			t.Errorf("of the findings %s", cmp.Diff(so.Findings, r.Findings))
		}
	})
}

package explore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/explore/coverage"
	"emurace/loader"
	"emurace/scenario"
)

// A search that is broken off at the end of each batch, and also within one, goes
// on to the result of an undisturbed one and to the same state, whoever runs it.
func TestLearnersResume(t *testing.T) {
	setters := program{"reorder, 2 setters", failingReorder, []string{"set", "set", "check"}}
	for i, strategy := range []Strategy{Fuzz, Deep} {
		t.Run(string(strategy), func(t *testing.T) { testResume(t, setters, strategy, i) })
	}
}

func testResume(t *testing.T, setters program, strategy Strategy, number int) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		if !inTurn(number, 1, sys.Arch) {
			return
		}
		batches := 6
		if testing.Short() {
			batches = 3
		}
		last := uint64(inOrders + batches*fuzzBatch)
		start := setters.starter(t, sys)
		search := func(from *State, n uint64, jobs int) (*Result, *State) {
			var state *State
			r := sampled(t, start, strategy, Options{
				KeepGoing: true, Seed: 5, Schedules: n, Jobs: jobs, Resume: from,
				Save: func(s *State) error { state = throughFile(t, s); return nil },
			})
			return r, state
		}
		whole, end := search(nil, last, 1)
		if whole.Pairs+whole.Traits < 5 || whole.Corpus+whole.Moments < 3 || whole.Failing == 0 || whole.Schedules != last {
			t.Errorf("%+v", whole)
		}
		same := func(what string, r *Result, s *State) {
			t.Helper()
			if diff := cmp.Diff(whole, r, visible); diff != "" {
				t.Errorf("%s: the result (-undisturbed +):\n%s", what, diff)
			}
			if diff := cmp.Diff(end, s, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
				t.Errorf("%s: the state (-undisturbed +):\n%s", what, diff)
			}
		}
		for _, jobs := range []int{2, 4} {
			r, s := search(nil, last, jobs)
			same(fmt.Sprint(jobs, " jobs"), r, s)
		}
		var s *State
		for i := range batches { // each time from where the last one was
			at := uint64(inOrders + i*fuzzBatch)
			_, s = search(s, at, 1+i%3)
			r, other := search(s, last, 1+i%2)
			same(fmt.Sprint("gone on at ", at), r, other)
			_, within := search(s, at+1+uint64(i), 2)
			r, other = search(within, last, 3)
			same(fmt.Sprint("gone on at ", at, " and ", at+1+uint64(i)), r, other)
		}
	})
}

// What no search has learned is refused, before anything is searched.
func TestDamagedFuzzStates(t *testing.T) {
	start := growing(3).starter(t, system(t, loader.ARM64))
	var good []byte
	o := Options{KeepGoing: true, Seed: 5, Schedules: inOrders + 4*fuzzBatch + 3, Jobs: 1}
	o.Save = func(s *State) (err error) { good, err = json.Marshal(s); return err }
	sampled(t, start, Fuzz, o)
	o.Save = nil
	parse := func(damage func(s *sampleState, f *fuzzState)) *State {
		s := &State{}
		must(t, json.Unmarshal(good, s))
		damage(s.Sample, s.Sample.Fuzz)
		return s
	}
	for name, damage := range map[string]func(*sampleState, *fuzzState){
		"nothing learned": func(s *sampleState, f *fuzzState) { s.Fuzz = nil },
		"learned of nothing": func(s *sampleState, f *fuzzState) {
			*s = sampleState{Result: &tally{}, Batch: 8, Fuzz: f, Seen: coverage.NewSeen().State()}
		},
		"a batch of 16":          func(s *sampleState, f *fuzzState) { s.Batch = 16 },
		"no corpus":              func(s *sampleState, f *fuzzState) { f.Corpus = nil },
		"too large a corpus":     func(s *sampleState, f *fuzzState) { f.Corpus = make([]entryState, maxCorpus+1) },
		"beyond the corpus":      func(s *sampleState, f *fuzzState) { f.Cursor = len(f.Corpus) },
		"before the corpus":      func(s *sampleState, f *fuzzState) { f.Cursor = -1 },
		"made of nothing":        func(s *sampleState, f *fuzzState) { f.At = len(f.Corpus) },
		"made of less":           func(s *sampleState, f *fuzzState) { f.At = -1 },
		"pair 0 shown":           func(s *sampleState, f *fuzzState) { f.Corpus[1].Shown = []int{0} },
		"a pair shown twice":     func(s *sampleState, f *fuzzState) { f.Corpus[1].Shown = []int{1, 1} },
		"not seen, and shown":    func(s *sampleState, f *fuzzState) { f.Corpus[1].Shown = []int{len(f.Pairs) + 1} },
		"not known, and shown":   func(s *sampleState, f *fuzzState) { f.Pool, f.Parents[7] = 3, parentState{Shown: []int{4}} },
		"too many shown":         func(s *sampleState, f *fuzzState) { f.Corpus[1].Shown = []int{1, 2, 3, 4, 5, 6, 7, 8, 9} },
		"too many left":          func(s *sampleState, f *fuzzState) { f.Left = maxEnergy + 1 },
		"left below 0":           func(s *sampleState, f *fuzzState) { f.Left = -1 },
		"chosen below 0":         func(s *sampleState, f *fuzzState) { f.Corpus[0].Chosen = -1 },
		"chosen too often":       func(s *sampleState, f *fuzzState) { f.Corpus[0].Chosen = math.MaxInt },
		"no batch":               func(s *sampleState, f *fuzzState) { f.Parents = nil },
		"a batch too large":      func(s *sampleState, f *fuzzState) { f.Parents = append(f.Parents, parentState{}) },
		"more pairs than seen":   func(s *sampleState, f *fuzzState) { f.Pool = len(f.Pairs) + 1 },
		"less than no pairs":     func(s *sampleState, f *fuzzState) { f.Pool = -1 },
		"constraint 0":           func(s *sampleState, f *fuzzState) { f.Corpus[1].Constraints = []int{0} },
		"beyond the pairs":       func(s *sampleState, f *fuzzState) { f.Corpus[1].Constraints = []int{len(f.Pairs) + 1} },
		"beyond the pairs, not":  func(s *sampleState, f *fuzzState) { f.Corpus[1].Constraints = []int{-len(f.Pairs) - 1} },
		"the least number":       func(s *sampleState, f *fuzzState) { f.Corpus[1].Constraints = []int{math.MinInt} },
		"a pair twice":           func(s *sampleState, f *fuzzState) { f.Corpus[1].Constraints = []int{1, -1} },
		"too many constraints":   func(s *sampleState, f *fuzzState) { f.Corpus[1].Constraints = make([]int, maxConstraints+1) },
		"not known to the batch": func(s *sampleState, f *fuzzState) { f.Pool, f.Parents[7] = 3, parentState{Constraints: []int{4}} },
		"the same pair":          func(s *sampleState, f *fuzzState) { f.Pairs[1] = f.Pairs[0] },
		"too many pairs":         func(s *sampleState, f *fuzzState) { f.Pairs = make([]pair, maxPairs+1) },
		"nothing read":           func(s *sampleState, f *fuzzState) { f.Pairs[0].Read.Size = 0 },
		"a read of 9 bytes":      func(s *sampleState, f *fuzzState) { f.Pairs[0].Read.Size = 9 },
		"a read around the end":  func(s *sampleState, f *fuzzState) { f.Pairs[0] = pair{Read: spot{1, math.MaxUint64, 4}} },
		"a write around the end": func(s *sampleState, f *fuzzState) { f.Pairs[0].Write = spot{1, f.Pairs[0].Read.Addr, math.MaxUint64} },
		"another place written":  func(s *sampleState, f *fuzzState) { f.Pairs[0].Write = spot{1, f.Pairs[0].Read.Addr - 4, 4} },
		"nothing written":        func(s *sampleState, f *fuzzState) { f.Pairs[0].Write = spot{1, f.Pairs[0].Read.Addr, 0} },
		"never seen":             func(s *sampleState, f *fuzzState) { f.Counts[0].Count = 0 },
		"seen too often":         func(s *sampleState, f *fuzzState) { f.Counts[0].Count = s.Result.Schedules + 1 },
		"all seen too often":     func(s *sampleState, f *fuzzState) { s.Result.Schedules, s.Begun = 2, 0 },
		"seen, out of order":     func(s *sampleState, f *fuzzState) { slices.Reverse(f.Counts) },
		"seen and counted twice": func(s *sampleState, f *fuzzState) { f.Counts = append(f.Counts[:1], f.Counts[0]) },
		"too many combinations":  func(s *sampleState, f *fuzzState) { f.Counts = make([]combinedState, maxCombined+1) },
		"of another strategy":    nil,
	} {
		strategy, resume := Fuzz, (*State)(nil)
		if damage != nil {
			resume = parse(damage)
		} else {
			strategy = POS
			resume = parse(func(*sampleState, *fuzzState) {})
			resume.Strategy = POS
		}
		o.Resume = resume
		booted := func() (*scenario.Session, error) { t.Errorf("%s: booted", name); return start() }
		if r, err := Sample(t.Context(), booted, strategy, o); !errors.Is(err, ErrState) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	o.Resume = parse(func(*sampleState, *fuzzState) {})
	sampled(t, start, Fuzz, o)
}

// FuzzLearned: what is accepted as learned can be resumed: it is the same
// when it is written again, batches can be made of it, and whatever they show can
// be taken in, and what that leads to is accepted too.
func FuzzLearned(f *testing.F) {
	known := knowing(20)
	for i := range uint64(40) {
		r := newReads()
		r.add(&scenario.Event{PC: i % 8 * 4, Accesses: []scenario.Access{{Addr: 0x1000 + i, Size: 4}}})
		known.take(known.mutate(runOf(i, &profile{}), &known.parents[i%8]), r)
		if i%8 == 7 {
			known.next()
		}
	}
	for _, l := range []*fuzzer{newFuzzer(), known} {
		b, err := json.Marshal(l.state())
		must(f, err)
		f.Add(b, uint64(1))
	}
	f.Add([]byte(`{"pairs":[{"write":{"pc":0,"addr":0,"size":0},"read":{"pc":1,"addr":18446744073709551607,"size":8}}],
		"corpus":[{"constraints":[-1],"shown":[1],"combined":7,"chosen":72057594037927936}],"counts":[{"combined":7,"count":999}],
		"cursor":0,"at":0,"left":64,"parents":[{},{"constraints":[1]},{},{},{},{"shown":[1]},{},{"constraints":[-1]}],"pool":1}`), uint64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		const schedules = 1000
		s := &fuzzState{}
		if json.Unmarshal(data, s) != nil || s.check(schedules) != nil {
			return
		}
		l := newFuzzer()
		l.resume(s)
		again := newFuzzer()
		again.resume(l.state())
		if diff := cmp.Diff(l.state(), again.state(), cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
			t.Errorf("written and read: %s", diff)
		}
		for n := range uint64(3 * fuzzBatch) {
			a := l.mutate(runOf(seed+n, &profile{}), &l.parents[n%fuzzBatch])
			r := newReads()
			for i, c := range a {
				r.show(l.pool[c.pair])
				r.add(&scenario.Event{PC: seed, Accesses: []scenario.Access{{Addr: l.pool[c.pair].Read.Addr, Size: 1, Write: i%2 == 0}}})
			}
			l.take(a, r)
			if n%fuzzBatch == fuzzBatch-1 {
				l.next()
			}
			if err := l.state().check(schedules + n + 1); err != nil {
				t.Fatalf("after %d schedules: %v", n+1, err)
			}
		}
	})
}

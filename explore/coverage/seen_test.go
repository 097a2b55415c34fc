package coverage

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func pairOf(a, b uint64) Pair { return Pair{Site{PC: a, Write: true}, Site{PC: b}} }

// drawRuns are runs with orders of few pairs, and few classes.
func drawRuns(t *rapid.T) []*Shown {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Shown {
		s := &Shown{class: rapid.Uint64Range(0, 9).Draw(t, "class")}
		for pc := range uint64(6) {
			for dir := range uint8(2) {
				if rapid.IntRange(0, 3).Draw(t, "shows") == 0 {
					s.orders = append(s.orders, order{pairOf(pc+1, pc+2), dir})
				}
			}
		}
		return s
	}), 0, 30).Draw(t, "runs")
}

// The account is what counting anew says, and the estimates are those of their sources.
func TestSeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runs := drawRuns(t)
		s := NewSeen()
		orders, classes, pairs := map[order]int{}, map[uint64]int{}, map[Pair]bool{}
		for _, r := range runs {
			s.Add(r)
			for _, o := range r.orders {
				orders[o]++
				pairs[o.Pair] = true
			}
			classes[r.class]++
		}
		q := map[int]float64{}
		for _, n := range orders {
			q[n]++
		}
		once := 0
		for _, n := range classes {
			if n == 1 {
				once++
			}
		}
		want := Summary{Runs: uint64(len(runs)), Classes: uint64(len(classes))}
		for p := range pairs {
			if orders[order{p, 0}] > 0 && orders[order{p, 1}] > 0 {
				want.Both++
			} else {
				want.One++
			}
		}
		if m := float64(len(runs)); m > 0 {
			want.Unseen = (m - 1) / m * q[1] * (q[1] - 1) / (2 * (q[2] + 1))
			want.Fresh = float64(once) / m
		}
		got := s.Summary()
		last := uint64(math.MaxUint64)
		for _, o := range got.Seldom {
			p, dir := Pair{o.First, o.Then}, uint8(0)
			if p.A.compare(p.B) > 0 {
				p, dir = Pair{o.Then, o.First}, 1
			}
			if uint64(orders[order{p, dir}]) != o.Runs || orders[order{p, 1 - dir}] != 0 || o.Runs > last {
				t.Fatalf("%+v: seen %v times, the other way round %v", o, orders[order{p, dir}], orders[order{p, 1 - dir}])
			}
			last = o.Runs
		}
		if len(got.Seldom) != min(want.One, Listed) {
			t.Fatalf("%d are listed, of %d", len(got.Seldom), want.One)
		}
		got.Seldom = nil
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// An account goes on from its state as if nothing had been.
func TestState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		runs := drawRuns(t)
		whole, first := NewSeen(), NewSeen()
		cut := rapid.IntRange(0, len(runs)).Draw(t, "cut")
		for _, r := range runs {
			whole.Add(r)
		}
		for _, r := range runs[:cut] {
			first.Add(r)
		}
		text, err := json.Marshal(first.State())
		if err != nil {
			t.Fatal(err)
		}
		x := &State{}
		if err := json.Unmarshal(text, x); err != nil {
			t.Fatal(err)
		}
		if err := x.Check(uint64(cut)); err != nil {
			t.Fatal(err)
		}
		second := x.Resume()
		for _, r := range runs[cut:] {
			second.Add(r)
		}
		if diff := cmp.Diff(whole.Summary(), second.Summary()); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(whole.State(), second.State()); diff != "" {
			t.Fatal(diff)
		}
	})
}

// What no runs have shown is refused.
func TestCheck(t *testing.T) {
	good := func() *State {
		return &State{
			Runs:    3,
			Pairs:   []PairState{{pairOf(1, 2), [2]uint64{1, 0}}, {pairOf(1, 3), [2]uint64{3, 3}}},
			Classes: []ClassState{{4, 1}, {7, 2}},
		}
	}
	if err := good().Check(3); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*State){
		"other runs":        func(x *State) { x.Runs = 4 },
		"not in order":      func(x *State) { x.Pairs[0], x.Pairs[1] = x.Pairs[1], x.Pairs[0] },
		"twice":             func(x *State) { x.Pairs[1] = x.Pairs[0] },
		"turned round":      func(x *State) { x.Pairs[1].A, x.Pairs[1].B = x.Pairs[1].B, x.Pairs[1].A },
		"no place":          func(x *State) { x.Pairs[0].A.PC = 0 },
		"two reads":         func(x *State) { x.Pairs[0].A.Write = false },
		"too often":         func(x *State) { x.Pairs[0].Runs[1] = 4 },
		"never":             func(x *State) { x.Pairs[0].Runs[0] = 0 },
		"a class too often": func(x *State) { x.Classes[1].Runs = 3 },
		"a class never":     func(x *State) { x.Classes[0].Runs = 0 },
		"classes":           func(x *State) { x.Classes[0].Class = 8 },
		"odd":               func(x *State) { x.Skipped = 1 },
		"no such zeros":     func(x *State) { x.Skipped = 64 },
		"too many pairs":    func(x *State) { x.Pairs = make([]PairState, maxPairs+1) },
		"too many classes":  func(x *State) { x.Classes = make([]ClassState, maxClasses+1) },
	} {
		x := good()
		change(x)
		if x.Check(3) == nil {
			t.Errorf("%s: it passes", name)
		}
	}
}

// Of n things of which each run shows one, drawn evenly, the estimates come near to what is
// true: what has not been seen, and how likely it is to see it.
func TestEstimates(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ things, runs int }{{200, 100}, {200, 400}, {1000, 1000}} {
		unseen, left, chance, truly := 0.0, 0.0, 0.0, 0.0
		const rounds = 50
		for range rounds {
			s := NewSeen()
			have := map[int]bool{}
			for range c.runs {
				n := random.IntN(c.things)
				have[n] = true
				s.Add(&Shown{orders: []order{{pairOf(uint64(n+1), 1<<20), 0}}, class: uint64(n)})
			}
			x := s.Summary()
			unseen += x.Unseen / rounds
			chance += x.Fresh / rounds
			left += float64(c.things-len(have)) / rounds
			truly += float64(c.things-len(have)) / float64(c.things) / rounds
		}
		if math.Abs(unseen-left) > 0.2*left {
			t.Errorf("%d things, %d runs: %.1f unseen, and %.1f estimated", c.things, c.runs, left, unseen)
		}
		if math.Abs(chance-truly) > 0.1 {
			t.Errorf("%d things, %d runs: the next is new with %.2f, and %.2f estimated", c.things, c.runs, truly, chance)
		}
	}
}

// What is kept of a search is bounded, and says so; with most classes left out the estimate
// stays near to what it would be with all.
func TestSeenBounds(t *testing.T) {
	s := NewSeen()
	for i := range uint64(maxPairs + 10) {
		s.Add(&Shown{orders: []order{{pairOf(i+1, i+2), 0}}})
		if full := i >= maxPairs; s.full != full {
			t.Fatalf("pair %d: full is %v", i+1, s.full)
		}
	}
	if both, one := s.Sizes(); both != 0 || one != maxPairs {
		t.Errorf("%d and %d pairs", both, one)
	}
	random := rand.New(rand.NewPCG(3, 4))
	s = NewSeen()
	all := map[uint64]int{}
	const runs = 30 * maxClasses
	for range runs {
		class := mix(random.Uint64N(20 * maxClasses))
		all[class]++
		s.Add(&Shown{class: class})
	}
	once := 0
	for _, n := range all {
		if n == 1 {
			once++
		}
	}
	want := float64(once) / runs
	if n := float64(s.Summary().Classes); math.Abs(n/float64(len(all))-1) > 0.05 {
		t.Errorf("of %d classes, %.0f are estimated", len(all), n)
	}
	if got := s.Summary().Fresh; math.Abs(got-want) > 0.03 || len(s.classes) > maxClasses || s.skipped == 0 {
		t.Errorf("of %d classes are %d kept: %.3f, want %.3f", len(all), len(s.classes), got, want)
	}
	if err := s.State().Check(runs); err != nil {
		t.Error(err)
	}
}

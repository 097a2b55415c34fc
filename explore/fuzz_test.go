package explore

import (
	"fmt"
	"slices"
	"testing"

	"emurace/internal/testseed"
	"emurace/scenario"
)

// An entry is good for twice as many schedules each time it is chosen, for fewer
// the more often its combination was seen, and for none when that is more often
// than the mean.
func TestEnergy(t *testing.T) {
	for _, c := range []struct {
		chosen     int
		seen, mean uint64
		want       int
	}{
		{0, 1, 1, 1}, {1, 1, 1, 2}, {5, 1, 1, 32}, {6, 1, 1, 64}, {7, 1, 1, 64}, {31, 1, 9, 64}, {32, 1, 1, 64}, {1 << 40, 1, 1, 64},
		{5, 2, 2, 16}, {5, 3, 7, 10}, {5, 32, 32, 1}, {5, 33, 40, 1}, {0, 7, 7, 1}, {20, 1 << 20, 1 << 20, 1}, {20, 1 << 15, 1 << 20, 32},
		{5, 2, 1, 0}, {60, 8, 7, 0}, {0, 1 << 40, 1<<40 - 1, 0},
	} {
		if got := energy(c.chosen, c.seen, c.mean); got != c.want {
			t.Errorf("chosen %d times, seen %d times, the mean is %d: %d, want %d", c.chosen, c.seen, c.mean, got, c.want)
		}
	}
}

// The schedules of batches are made of the entries in turn, of each as many as
// its energy says.
func TestNextBatch(t *testing.T) {
	f := newFuzzer()
	f.pairs = make([]pair, 4)
	f.corpus = []entry{
		{abstract: abstract{{pair: 0}}, combined: 10},            // 1, 2, 4, ... schedules
		{abstract: abstract{{pair: 1}}, combined: 11},            // seen too often
		{abstract: abstract{{pair: 2}}, combined: 12, chosen: 2}, // half of 4, 8, 16, ...
	}
	f.counts = map[uint64]uint64{10: 1, 11: 9, 12: 2}
	f.cursor, f.left = 2, 0
	var made []int
	for range 3 {
		f.next()
		for _, p := range f.parents {
			made = append(made, p.abstract[0].pair)
		}
	}
	if want := []int{0, 2, 2, 0, 0, 2, 2, 2, 2, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0}; !slices.Equal(made, want) {
		t.Errorf("made of %v, want %v", made, want)
	}
	if f.corpus[1].chosen != 0 || f.left != 5 || len(f.pool) != 4 {
		t.Errorf("%+v", f)
	}
	// What has shown a new pair is next, and then it goes on where it was.
	f.corpus[1].fresh, f.left = true, 0
	made = nil
	for range 3 {
		f.next()
		for _, p := range f.parents {
			made = append(made, p.abstract[0].pair)
		}
	}
	if want := append(slices.Repeat([]int{1}, freshEnergy), slices.Repeat([]int{2}, 8)...); !slices.Equal(made, want) || f.corpus[1].fresh {
		t.Errorf("after a new pair made of %v, want %v", made, want)
	}
}

// runOf is a run to draw for, with chance from a seed.
func runOf(seed uint64, p *profile) *run { return &run{rand: generator(seed, 0), profile: p} }

// knowing is what has seen so many pairs, each of a variable of its own.
func knowing(n int) *fuzzer {
	f := newFuzzer()
	r := newReads()
	for i := range uint64(n) {
		r.add(&scenario.Event{PC: 4 * i, Accesses: []scenario.Access{{Addr: 0x1000 + 8*i, Size: 4}}})
	}
	f.take(nil, r)
	f.next()
	return f
}

// A mutation changes one thing, which can be each of four, and leaves an abstract
// schedule within its bounds. The one that it is made of stays as it was.
func TestMutate(t *testing.T) {
	seed := testseed.Of(t, 0)
	t.Logf("seed %d", seed)
	for _, pairs := range []int{1, 2, 5, 100} {
		f := knowing(pairs)
		r := runOf(seed, &profile{})
		var a abstract
		kinds := map[string]int{}
		for range 5000 {
			before := slices.Clone(a)
			b := f.mutate(r, &entry{abstract: a})
			if !slices.Equal(before, a) {
				t.Fatalf("seed %d: %v has become %v", seed, before, a)
			}
			if err := check(b, pairs); err != nil {
				t.Fatalf("seed %d: of %v: %v", seed, a, err)
			}
			kinds[change(a, b)]++
			a = b
		}
		for _, kind := range []string{"insert", "delete", "negate", "swap"} {
			if kinds[kind] < 100 && (kind != "swap" || pairs > 1) {
				t.Errorf("seed %d, %d pairs: %v", seed, pairs, kinds)
			}
			delete(kinds, kind)
		}
		if len(kinds) > 0 {
			t.Errorf("seed %d, %d pairs: also %v", seed, pairs, kinds)
		}
	}
	if b := newFuzzer().mutate(runOf(seed, &profile{}), &entry{}); len(b) != 0 {
		t.Errorf("seed %d: made of nothing: %v", seed, b)
	}
	// Half of the time it is what a run has shown that is changed.
	f, r := knowing(5), runOf(seed, &profile{})
	kinds := [2]int{}
	for range 1000 {
		e := &entry{abstract: abstract{{pair: 0, not: true}}, shown: []int{1, 2, 3}}
		b := f.mutate(r, e)
		for i, from := range []abstract{e.abstract, {{pair: 1}, {pair: 2}, {pair: 3}}} {
			if len(change(from, b)) == len("swap") || len(change(from, b)) == len("insert") {
				kinds[i]++
			}
		}
	}
	if min(kinds[0], kinds[1]) < 400 || kinds[0]+kinds[1] != 1000 {
		t.Errorf("seed %d: made of what was asked for and of what came out: %v", seed, kinds)
	}
	// The longest that there may be does not grow.
	f = knowing(100)
	var long abstract
	for i := range maxConstraints {
		long = append(long, constraint{pair: i})
	}
	for i := range uint64(200) {
		if b := f.mutate(runOf(seed+i, &profile{}), &entry{abstract: long}); len(b) > maxConstraints {
			t.Fatalf("seed %d: %d constraints", seed+i, len(b))
		}
	}
}

// check refuses an abstract schedule that is out of bounds.
func check(a abstract, pairs int) error {
	p := (&entry{abstract: a}).parent()
	return p.check(pairs)
}

// change says in what an abstract schedule differs from another one.
func change(a, b abstract) string {
	var differ []int
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			differ = append(differ, i)
		}
	}
	switch len(b) - len(a) {
	case 1:
		if len(differ) == 0 {
			return "insert"
		}
	case -1:
		at := append(slices.Clone(differ), len(b))[0]
		if slices.Equal(slices.Delete(slices.Clone(a), at, at+1), b) {
			return "delete"
		}
	case 0:
		if len(differ) == 1 {
			if x, y := a[differ[0]], b[differ[0]]; x.pair != y.pair {
				return "swap"
			}
			return "negate"
		}
	}
	return fmt.Sprint(a, b)
}

// Half of the constraints are on pairs of the places where threads meet, however
// few those are among all.
func TestDrawAtPlaces(t *testing.T) {
	seed := testseed.Of(t, 0)
	f := knowing(1000)
	at := f.pairs[777].Read.Addr
	r := runOf(seed, &profile{pairs: 3, locations: []location{{span: span{0, at, at + 8}, pairs: 3}}})
	there := 0
	const draws = 10_000
	for range draws {
		if c, ok := f.draw(r, nil); ok && c.pair == 777 {
			there++
		}
	}
	if there < draws*45/100 || there > draws*55/100 { // ten standard deviations
		t.Errorf("seed %d: %d of %d", seed, there, draws)
	}
}

// What shows something new is kept, and nothing else; what is kept is bounded.
func TestLearn(t *testing.T) {
	f := newFuzzer()
	show := func(a abstract, pcs ...uint64) {
		r := newReads()
		for _, pc := range pcs {
			r.add(&scenario.Event{PC: pc, Accesses: []scenario.Access{{Addr: 0x1000, Size: 4}}})
		}
		f.take(a, r)
	}
	sizes := func(pairs, corpus int) {
		t.Helper()
		if got := f.sizes(); got != (Learned{Pairs: pairs, Corpus: corpus}) {
			t.Errorf("%+v, want %d pairs and %d abstract schedules", got, pairs, corpus)
		}
	}
	one, two, three := abstract{{pair: 0}}, abstract{{pair: 1}}, abstract{{pair: 1, not: true}}
	sizes(0, 1)
	show(nil, 4, 8)
	sizes(2, 2)
	f.corpus = f.corpus[1:]
	show(one, 8, 4)
	sizes(2, 1) // the same pairs in another order
	show(one, 4)
	sizes(2, 2) // another combination
	show(two, 4, 4)
	sizes(2, 2)
	show(two, 4, 12)
	sizes(3, 3)
	show(three, 12, 4)
	sizes(3, 3)
	show(two, 12) // a new one, of what is in the corpus already: it came out otherwise
	sizes(3, 4)
	if e := f.corpus[2]; !e.fresh || !slices.Equal(e.shown, []int{0, 2}) || f.corpus[3].fresh {
		t.Errorf("%+v, %+v", e, f.corpus[3])
	}

	for i := range uint64(maxPairs + 100) {
		show(abstract{{pair: int(i) % maxPairs, not: i >= maxPairs}}, 100+i)
		if len(f.counts) > maxCombined {
			t.Fatalf("%d combinations", len(f.counts))
		}
	}
	sizes(maxPairs, maxCorpus)
	f.next()
	if err := f.state().check(maxCount); err != nil {
		t.Error(err)
	}
}

// In a full corpus it is what was seen most often that has to go.
func TestCorpusFull(t *testing.T) {
	f := newFuzzer()
	for i := range maxCorpus - 1 {
		f.keep(entry{abstract: abstract{{pair: i}}, combined: uint64(i)})
		f.counts[uint64(i)] = 2
	}
	f.counts[500] = 3
	f.keep(entry{abstract: abstract{{pair: 5000}}, combined: 5000})
	gone := func(e entry) bool { return e.combined == 500 }
	if len(f.corpus) != maxCorpus || slices.ContainsFunc(f.corpus, gone) || f.corpus[501].combined != 5000 {
		t.Errorf("%d entries, at the place of the one seen most often is %+v", len(f.corpus), f.corpus[501])
	}
}

// Of the combinations those are forgotten that were seen least.
func TestForget(t *testing.T) {
	f := newFuzzer()
	for i := range uint64(maxCombined) {
		f.counts[i] = 1 + i%4
	}
	r := newReads()
	r.combined = 1 << 40
	f.take(nil, r)
	if len(f.counts) != maxCombined*3/4 || f.counts[0] != 0 || f.counts[1] != 1 || f.counts[2] != 1 || f.counts[3] != 2 {
		t.Errorf("%d are left; %d, %d, %d, %d", len(f.counts), f.counts[0], f.counts[1], f.counts[2], f.counts[3])
	}
}

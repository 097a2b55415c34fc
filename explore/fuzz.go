package explore

import (
	"maps"
	"slices"
)

// Bounds of what fuzz keeps, so that a search of any length fits in memory.
const (
	maxPairs       = 1 << 14 // that were ever seen; further ones change nothing
	maxCorpus      = 1 << 10 // abstract schedules
	maxCombined    = 1 << 14 // combinations of pairs that are counted
	maxConstraints = 16      // of one abstract schedule
	maxEnergy      = 64      // schedules made of an entry of the corpus in one go
	maxShown       = 8       // pairs of a run that are kept with its abstract schedule
)

// fuzzBatch is the size of batches with fuzz, which only learns between them.
const fuzzBatch = firstBatch

// constraint is one on a pair, named by its place among all that were seen.
type constraint struct {
	pair int
	not  bool // the pair is not to show
}

// abstract is an abstract schedule: constraints that are to hold all together, no
// two of them on one pair. It is never changed.
type abstract []constraint

// entry is an abstract schedule of the corpus.
type entry struct {
	abstract
	shown    []int  // pairs that its run has shown, those known last, in order
	combined uint64 // the signature of all of them
	chosen   int    // how often schedules were made of it
	fresh    bool   // one of them was new, and it was not chosen yet
}

// fuzzer is what fuzz has learned.
//
// Each schedule is made of one of the corpus by a mutation, and is run by steer.
// One whose run shows a pair never seen before, or a combination of pairs never
// seen before, becomes part of the corpus. How many schedules an entry is good
// for follows from how often its combination was seen: the power schedule, which
// is cut-off exponential, as in the paper on RFF; see steer. It comes from Böhme,
// Pham and Roychoudhury, Coverage-based Greybox Fuzzing as Markov Chain, CCS 2016.
//
// The schedules of a batch are all made of what was known when it began. What
// they show is taken in at once, in the order of their numbers.
type fuzzer struct {
	pairs   []pair // in the order in which they were seen
	numbers map[pair]int
	corpus  []entry
	counts  map[uint64]uint64 // by combination of pairs, how many runs have shown it

	cursor int // in the corpus, of the rounds
	at     int // in the corpus, what schedules are being made of
	left   int // how many still

	// Of the present batch:
	parents []entry // of each schedule, what it is made of
	pool    []pair  // what was known when it began
}

func newFuzzer() *fuzzer {
	f := &fuzzer{numbers: map[pair]int{}, corpus: []entry{{}}, counts: map[uint64]uint64{}}
	f.next()
	return f
}

// freshEnergy is how many schedules are made at once of what has shown a new pair.
const freshEnergy = 16

// next makes ready for the next batch. It goes through the corpus, round after
// round, and makes as many schedules of each entry as its energy says. What has
// shown a new pair does not have to wait for its turn.
func (f *fuzzer) next() {
	f.pool = f.pairs
	f.parents = nil
	mean := f.mean()
	for range fuzzBatch {
		if f.left == 0 {
			f.choose(mean)
		}
		f.left--
		e := &f.corpus[f.at]
		f.parents = append(f.parents, entry{abstract: e.abstract, shown: e.shown})
	}
}

// choose goes to the entry that the next schedules are made of.
func (f *fuzzer) choose(mean uint64) {
	if i := slices.IndexFunc(f.corpus, func(e entry) bool { return e.fresh }); i >= 0 {
		f.corpus[i].fresh = false
		f.at, f.left = i, freshEnergy
		return
	}
	for f.left == 0 {
		f.cursor = (f.cursor + 1) % len(f.corpus)
		e := &f.corpus[f.cursor]
		f.at, f.left = f.cursor, energy(e.chosen, f.seen(e.combined), mean)
		if f.left > 0 && len(f.corpus) > 1 { // else there was nothing to choose from
			e.chosen++
		}
	}
}

// seen is how often a combination was seen, at least once. The upper bound, which no
// search comes to, keeps sums of them from running over.
func (f *fuzzer) seen(combined uint64) uint64 { return min(max(f.counts[combined], 1), 1<<48) }

// mean is how often the combinations of the corpus were seen on average, rounded
// up. One of them at least was not seen more often.
func (f *fuzzer) mean() uint64 {
	sum := uint64(0)
	for i := range f.corpus {
		sum += f.seen(f.corpus[i].combined)
	}
	n := uint64(len(f.corpus))
	return (sum + n - 1) / n
}

// energy is how many schedules are to be made of an entry that was chosen so many
// times before and whose combination was seen so often: none when that is more
// often than the mean, and otherwise twice as many each time, the fewer the more
// often it was seen.
func energy(chosen int, seen, mean uint64) int {
	if seen > mean {
		return 0
	}
	n := uint64(maxEnergy)
	if chosen < 32 {
		n = min(n, (1<<chosen)/seen)
	}
	return int(max(n, 1))
}

// walk runs a schedule of the present batch.
func (f *fuzzer) walk(r *run) error {
	r.abstract = f.mutate(r, &f.parents[r.turn])
	goals := make([]goal, 0, len(r.abstract))
	for _, c := range r.abstract {
		goals = append(goals, goal{pair: f.pool[c.pair], not: c.not, write: r.rand.IntN(2) == 0})
	}
	return steer(r, goals)
}

// mutate makes an abstract schedule of an entry: of what was asked for there or, as
// likely, of what came out. It has a constraint more, one less, one in place of
// another, or one turned into its opposite.
func (f *fuzzer) mutate(r *run, e *entry) abstract {
	var ways []func()
	out := slices.Clone(e.abstract)
	if len(e.shown) > 0 && r.rand.IntN(2) == 0 {
		out = e.happened()
	}
	another, ok := f.draw(r, out)
	if ok && len(out) < maxConstraints {
		ways = append(ways, func() { out = append(out, another) })
	}
	if len(out) > 0 {
		i := r.rand.IntN(len(out))
		ways = append(ways,
			func() { out = slices.Delete(out, i, i+1) },
			func() { out[i].not = !out[i].not },
		)
		if ok {
			ways = append(ways, func() { out[i] = another })
		}
	}
	if len(ways) > 0 { // otherwise nothing is known yet
		ways[r.rand.IntN(len(ways))]()
	}
	return out
}

// happened is the abstract schedule that asks for what an entry's run has shown.
func (e *entry) happened() abstract {
	var a abstract
	for _, n := range e.shown {
		a = append(a, constraint{pair: n})
	}
	return a
}

// draw is a constraint on a pair that an entry has none on, if one of a few that are
// drawn is such. Half of the time the pair is of a place of the profile, which is
// drawn as for surw: where many threads meet there is more to be brought about than
// the share of its few pairs among all pairs would say. With an aim, it always is, and the
// place is one of the aim's. A quarter of the time it is
// one that the entry's run has shown, which so is made to last, or to change.
func (f *fuzzer) draw(r *run, a abstract) (constraint, bool) {
	if len(f.pool) == 0 {
		return constraint{}, false
	}
	var near []int
	if r.aim != nil || r.rand.IntN(2) == 0 {
		near = f.pairsAt(r.choose())
	}
	for range 4 {
		c := constraint{pair: r.rand.IntN(len(f.pool)), not: r.rand.IntN(2) == 0}
		if len(near) > 0 {
			c.pair = near[r.rand.IntN(len(near))]
		}
		if !slices.ContainsFunc(a, func(o constraint) bool { return o.pair == c.pair }) {
			return c, true
		}
	}
	return constraint{}, false
}

// pairsAt is the pairs whose bytes are of a place, by number.
func (f *fuzzer) pairsAt(l *location) []int {
	if l == nil || l.class != 0 {
		return nil
	}
	var list []int
	for i, p := range f.pool {
		if p.Read.Addr < l.hi && l.lo < p.Read.Addr+p.Read.Size {
			list = append(list, i)
		}
	}
	return list
}

func (f *fuzzer) watch(r *run) { r.reads = newReads() }

func (f *fuzzer) renamed(_, _ []string) {} // no thread is known by its index

func (f *fuzzer) learn(d *drawn) { f.take(d.abstract, d.reads) }

// take takes in what a schedule has shown.
func (f *fuzzer) take(a abstract, shown *reads) {
	e := entry{abstract: a, combined: shown.combined}
	for _, p := range shown.pairs {
		n, known := f.numbers[p]
		if !known && len(f.pairs) < maxPairs {
			n, known, e.fresh = len(f.pairs), true, true
			f.numbers[p] = n
			f.pairs = append(f.pairs, p)
		}
		if known {
			e.shown = append(e.shown, n)
		}
	}
	slices.Sort(e.shown)
	e.shown = slices.Clone(e.shown[max(len(e.shown)-maxShown, 0):])
	f.counts[shown.combined]++
	if e.fresh || f.counts[shown.combined] == 1 {
		f.keep(e)
	}
	for len(f.counts) > maxCombined {
		f.forget()
	}
}

// keep makes an entry part of the corpus. When that is full, one whose
// combination was seen most often has to go.
func (f *fuzzer) keep(e entry) {
	same := func(o entry) bool { return slices.Equal(o.abstract, e.abstract) && slices.Equal(o.shown, e.shown) }
	if slices.ContainsFunc(f.corpus, same) {
		return
	}
	if len(f.corpus) < maxCorpus {
		f.corpus = append(f.corpus, e)
		return
	}
	worst := 0
	for i := range f.corpus {
		if f.seen(f.corpus[i].combined) > f.seen(f.corpus[worst].combined) {
			worst = i
		}
	}
	f.corpus[worst] = e
}

// forget halves all counts, and leaves out what was seen once.
func (f *fuzzer) forget() {
	maps.DeleteFunc(f.counts, func(_, n uint64) bool { return n == 1 })
	for combined, n := range f.counts {
		f.counts[combined] = n / 2
	}
}

func (f *fuzzer) sizes() Learned { return Learned{Pairs: len(f.pairs), Corpus: len(f.corpus)} }

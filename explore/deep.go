package explore

import (
	"slices"
	"sort"

	"emurace/scenario"
)

// Bounds of what deep keeps, so that a search of any length fits in memory and in a state.
const (
	maxTraits    = 1 << 14 // that were ever seen; further ones change nothing
	maxRunTraits = 1 << 12 // of one run
	maxMoments   = 8       // of a trait
	maxTimes     = 3       // how often an event was passed by, from where on all are alike
	maxKept      = 1 << 18 // slices of all moments
)

// trait is something that a run may show, whoever does it and however often: with Times 0 that
// one instruction was a thread's next event behind another one; otherwise that one came in front
// of another one which a thread was about to do and which depends on it, as the Times-th to do
// so.
type trait struct {
	By    uint64 `json:"by"` // an instruction, or a class of kernel objects where there is none; 0 for a thread's start
	Of    uint64 `json:"of"`
	Times uint8  `json:"times,omitempty"`
}

// known is a trait that was seen.
type known struct {
	trait
	Seen    uint64              `json:"seen"`              // in how many runs, those counted that were begun from where it showed
	Moments []scenario.Schedule `json:"moments,omitempty"` // some of the ways to where it showed
}

// deepener is what the strategy deep has learned.
//
// A failure that takes several steps, each of them unlikely, is as unlikely as the product of them.
// So deep does not make them all in one draw: a third of its schedules goes on from a moment at which an
// earlier one has shown a trait that few have, which is a step that luck has made. What comes
// behind the moment is drawn anew, and may show the next step. A third begins in this way with
// what a thread did, and a third with the order of two events; the chance of a trait falls
// with the number of runs that were seen to have it, so that the rarest get most. A third of the
// schedules begins at the start of the race; see walk for how all are drawn.
//
// To return to what is rare and to go on from there is the idea of Ecoffet, Huizinga, Lehman,
// Stanley and Clune, First return, then explore, Nature 590, 2021 (Go-Explore), and of splitting
// in the simulation of rare events (Kahn and Harris, 1951).
//
// The schedules of a batch are all drawn of what was known when it began. What they show is
// taken in when the next one begins, in the order of their numbers.
type deepener struct {
	traits []known // in the order in which they were seen
	index  map[trait]int
	kept   int // slices of all moments

	taken []taken // what schedules of the present batch have shown
	// steps and passes are what the schedules of the present batch are drawn of: the traits with and
	// without Times 0.
	steps, passes urn
}

// taken is what a schedule has shown.
type taken struct {
	From     trait             `json:"from"` // that it was begun from, zero for the start of the race
	Shown    []shown           `json:"shown"`
	Schedule scenario.Schedule `json:"schedule"` // at least to where the last of them showed
}

// shown is a trait and the moment at which it showed: so many slices of the schedule, with the
// last one as it was by then.
type shown struct {
	trait
	Slices int            `json:"slices"`
	Last   scenario.Slice `json:"last"`
}

// urn is traits to draw from, each with its chance.
type urn struct {
	traits []int
	upTo   []uint64 // sums of the chances
	// moments of the traits; a slice that is in use is never changed.
	moments [][]scenario.Schedule
}

func newDeep() *deepener { return &deepener{index: map[trait]int{}} }

// watch makes a run tell what it shows.
func (f *deepener) watch(r *run) { r.traits = newTraits() }

// next makes ready for the next batch.
func (f *deepener) next() {
	for i := range f.taken {
		f.take(&f.taken[i])
	}
	f.taken = nil
	f.fill()
}

// fill puts the traits that a moment is kept of into the urns.
func (f *deepener) fill() {
	f.steps, f.passes = urn{}, urn{}
	for i := range f.traits {
		k := &f.traits[i]
		if len(k.Moments) == 0 {
			continue
		}
		u := &f.passes
		if k.Times == 0 {
			u = &f.steps
		}
		sum := (1 << 32) / k.Seen
		if n := len(u.upTo); n > 0 {
			sum += u.upTo[n-1]
		}
		u.traits = append(u.traits, i)
		u.upTo = append(u.upTo, sum)
		u.moments = append(u.moments, k.Moments)
	}
}

// draw is the number of a trait and a moment of it; false from an empty urn.
func (u *urn) draw(r *run) (n int, moment scenario.Schedule, ok bool) {
	if len(u.upTo) == 0 || u.upTo[len(u.upTo)-1] == 0 {
		return 0, nil, false
	}
	at := r.rand.Uint64N(u.upTo[len(u.upTo)-1])
	i := sort.Search(len(u.upTo), func(i int) bool { return u.upTo[i] > at })
	return u.traits[i], u.moments[i][r.rand.IntN(len(u.moments[i]))], true
}

// learn takes in what a schedule has shown.
func (f *deepener) learn(d *drawn) {
	n := 0
	if shown := d.traits.list; len(shown) > 0 {
		n = shown[len(shown)-1].Slices
	}
	f.taken = append(f.taken, taken{d.traits.from, d.traits.list, d.schedule[:n]})
}

func (f *deepener) take(t *taken) {
	if i, ok := f.index[t.From]; ok {
		f.traits[i].Seen++
	}
	for _, s := range t.Shown {
		i, ok := f.index[s.trait]
		if !ok {
			if len(f.traits) == maxTraits {
				continue
			}
			i = len(f.traits)
			f.index[s.trait] = i
			f.traits = append(f.traits, known{trait: s.trait})
		}
		k := &f.traits[i]
		if t.From != s.trait {
			k.Seen++
		}
		f.keep(k, t.moment(s))
	}
}

// moment is the way to where a trait showed.
func (t *taken) moment(s shown) scenario.Schedule {
	m := slices.Clone(t.Schedule[:s.Slices])
	m[s.Slices-1] = s.Last
	return m
}

// keep makes a moment one of a trait's, as each that was ever shown with the same chance, if
// there is room. Where there is none, those of what was seen most often have to go.
func (f *deepener) keep(k *known, m scenario.Schedule) {
	place := len(k.Moments)
	if place == maxMoments {
		if place = int(scattered(k.Seen) % k.Seen); place >= maxMoments {
			return
		}
	}
	if len(m) > maxKept/64 {
		return // a few of them would be all
	}
	next := slices.Clone(k.Moments) // the present batch draws from it
	if place == len(next) {
		next = append(next, nil)
	}
	f.kept += len(m) - len(next[place])
	next[place], k.Moments = m, next
	for f.kept > maxKept {
		f.forget()
	}
}

// forget drops the moments of the trait that was seen most often.
func (f *deepener) forget() {
	most := -1
	for i := range f.traits {
		if len(f.traits[i].Moments) > 0 && (most < 0 || f.traits[i].Seen > f.traits[most].Seen) {
			most = i
		}
	}
	for _, m := range f.traits[most].Moments {
		f.kept -= len(m)
	}
	f.traits[most].Moments = nil
}

// scattered is a number that follows from n and looks like chance.
func scattered(n uint64) uint64 {
	n = (n ^ n>>33) * 0xff51afd7ed558ccd // the finalizer of MurmurHash3 (Appleby)
	n = (n ^ n>>33) * 0xc4ceb9fe1a85ec53
	return n ^ n>>33
}

// renamed gives the threads other indices: those that they have among the names in to.
func (f *deepener) renamed(from, to []string) {
	for i := range f.taken {
		t := &f.taken[i]
		t.Schedule, _ = t.Schedule.Renamed(from, to)
		for j := range t.Shown {
			last, _ := scenario.Schedule{t.Shown[j].Last}.Renamed(from, to)
			t.Shown[j].Last = last[0]
		}
	}
	for i := range f.traits {
		k := &f.traits[i]
		k.Moments = slices.Clone(k.Moments)
		for j, m := range k.Moments {
			k.Moments[j], _ = m.Renamed(from, to)
		}
	}
	f.fill()
}

func (f *deepener) sizes() Learned {
	l := Learned{Traits: len(f.traits)}
	for i := range f.traits {
		l.Moments += len(f.traits[i].Moments)
	}
	return l
}

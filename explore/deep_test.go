package explore

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/scenario"
)

// overtaken is two threads that take turns, and a third one that looks at the turn again and again, and
// crashes when it has seen certain ones: between two looks it has to be held while the others make
// several turns, of some ten events each, and no more.
const overtaken = `
volatile u32 asked, answered, noise;
void ask(u32 n) {
	for (u32 i = 1; i <= n; i++) {
		for (u32 k = 0; k < 4; k++) noise = k;
		asked = i;
		while (answered != i) ;
	}
}
void answer(u32 n) {
	for (u32 i = 1; i <= n; i++) {
		while (asked != i) ;
		for (u32 k = 0; k < 4; k++) noise = k;
		answered = i;
	}
}
void look(void) {
	if (asked != 1) return;
	if (asked != 4) return;
	if (asked != 6) return;
	*(volatile u32 *)8 = 1;
}
`

// TestDeepFinds: deep comes to a failure of several steps one by one, where pos has to draw all
// at once. The medians are of all seeds from 0 on.
func TestDeepFinds(t *testing.T) {
	const seeds, most = 10, 1000
	if testing.Short() {
		t.Skip("fewer seeds show nothing")
	}
	p := program{"overtaken", overtaken, []string{"ask 7", "answer 7", "look"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		if !inTurn(0, 1, sys.Arch) {
			return
		}
		medians := p.medians(t, sys, seeds, most, Deep, POS)
		if 2*medians[Deep] > medians[POS] {
			t.Errorf("%s: medians of schedules, at most %d: %v", p.name, most, medians)
		}
	})
}

// showing is a schedule of so many slices that has shown traits, each after one slice more.
func showing(from trait, slices int, list ...trait) taken {
	x := taken{From: from}
	for i := range slices {
		x.Schedule = append(x.Schedule, scenario.Slice{Thread: i % 2, N: uint64(i + 10)})
	}
	for i, k := range list {
		x.Shown = append(x.Shown, shown{k, i + 1, scenario.Slice{Thread: i % 2, N: 5}})
	}
	return x
}

func stepTo(of uint64) trait { return trait{By: 1, Of: of} }

// A trait counts once for each schedule that has shown it or was begun from it, and its moment is the
// way to where it showed.
func TestDeepTakes(t *testing.T) {
	f := newDeep()
	f.taken = []taken{
		showing(trait{}, 4, stepTo(10), stepTo(20), trait{By: 3, Of: 4, Times: 2}),
		showing(stepTo(20), 4, stepTo(20), stepTo(30)),
		showing(stepTo(20), 4, stepTo(40)),
	}
	f.next()
	for i, want := range []known{
		{stepTo(10), 1, []scenario.Schedule{{{Thread: 0, N: 5}}}},
		{stepTo(20), 3, []scenario.Schedule{{{Thread: 0, N: 10}, {Thread: 1, N: 5}}, {{Thread: 0, N: 5}}}},
		{trait{By: 3, Of: 4, Times: 2}, 1, []scenario.Schedule{{{Thread: 0, N: 10}, {Thread: 1, N: 11}, {Thread: 0, N: 5}}}},
		{stepTo(30), 1, []scenario.Schedule{{{Thread: 0, N: 10}, {Thread: 1, N: 5}}}},
		{stepTo(40), 1, []scenario.Schedule{{{Thread: 0, N: 5}}}},
	} {
		if diff := cmp.Diff(want, f.traits[i], cmp.AllowUnexported(known{})); diff != "" {
			t.Errorf("trait %d (-want +got):\n%s", i, diff)
		}
	}
	if got, want := f.sizes(), (Learned{Traits: 5, Moments: 6}); got != want || f.taken != nil {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got := []int{len(f.steps.traits), len(f.passes.traits), f.kept}; !slices.Equal(got, []int{4, 1, 10}) {
		t.Errorf("steps, passes, slices: %v", got)
	}
}

// What few schedules have shown is drawn most: with a chance that falls with their number.
func TestDeepDraws(t *testing.T) {
	seed := testseed.Of(t, 0)
	f := newDeep()
	for n := range uint64(4) { // step 100+n is shown by 2^n schedules
		for range 1 << n {
			f.taken = append(f.taken, showing(trait{}, 1, stepTo(100+n)))
		}
	}
	f.next()
	r := runOf(seed, &profile{})
	var counts [4]float64
	const draws = 15000
	for range draws {
		n, m, ok := f.steps.draw(r)
		if !ok || len(m) != 1 {
			t.Fatalf("seed %d: %d, %v, %v", seed, n, m, ok)
		}
		counts[n]++
	}
	for n, got := range counts {
		want := draws * []float64{8, 4, 2, 1}[n] / 15
		if math.Abs(got-want) > 6*math.Sqrt(want) {
			t.Errorf("seed %d: trait %d is drawn %v times, want about %.0f", seed, n, got, want)
		}
	}
	if _, _, ok := f.passes.draw(r); ok {
		t.Error("something is drawn from nothing")
	}
}

// What is kept is bounded, and moments of what is common go first.
func TestDeepForgets(t *testing.T) {
	f := newDeep()
	for range maxMoments + 30 {
		f.taken = append(f.taken, showing(trait{}, 1, stepTo(1)))
	}
	f.next()
	if k := f.traits[0]; len(k.Moments) != maxMoments || k.Seen != maxMoments+30 {
		t.Errorf("%d moments, seen %d times", len(k.Moments), k.Seen)
	}
	long := showing(trait{}, maxKept/64, stepTo(2))
	long.Shown[0].Slices = maxKept / 64
	for range maxMoments {
		f.taken = append(f.taken, long)
	}
	for i := range 62 {
		long.Shown = []shown{{stepTo(uint64(i) + 3), maxKept / 64, scenario.Slice{N: 1}}}
		f.taken = append(f.taken, long)
	}
	f.next()
	if len(f.traits[0].Moments) != 0 || len(f.traits[1].Moments) != 0 || len(f.traits[63].Moments) != 1 || f.kept != 62*maxKept/64 {
		t.Errorf("%d, %d and %d moments, %d slices", len(f.traits[0].Moments), len(f.traits[1].Moments), len(f.traits[63].Moments), f.kept)
	}
	for _, i := range f.steps.traits {
		if len(f.traits[i].Moments) == 0 {
			t.Errorf("trait %d is drawn without a moment", i)
		}
	}
	long.Shown = []shown{{stepTo(1000), maxKept/64 + 1, scenario.Slice{N: 1}}}
	long.Schedule = append(long.Schedule, scenario.Slice{N: 1})
	f.taken = []taken{long}
	for i := range uint64(maxTraits) {
		f.taken = append(f.taken, showing(trait{}, 1, stepTo(2000+i)))
	}
	f.next()
	if k := f.traits[f.index[stepTo(1000)]]; len(k.Moments) != 0 || k.Seen != 1 || len(f.traits) != maxTraits {
		t.Errorf("%d moments of a long run, seen %d times; %d traits", len(k.Moments), k.Seen, len(f.traits))
	}
}

// Threads that get other indices keep what they have done.
func TestDeepRenamed(t *testing.T) {
	f := newDeep()
	f.taken = []taken{showing(trait{}, 3, stepTo(1), stepTo(2))}
	f.next()
	f.taken = []taken{showing(trait{}, 2, stepTo(3), stepTo(4))}
	f.renamed([]string{"main", "worker"}, []string{"main", "main.1", "worker"})
	f.next()
	for i, want := range []scenario.Schedule{{{Thread: 0, N: 5}}, {{Thread: 0, N: 10}, {Thread: 2, N: 5}}, {{Thread: 0, N: 5}}, {{Thread: 0, N: 10}, {Thread: 2, N: 5}}} {
		if diff := cmp.Diff([]scenario.Schedule{want}, f.traits[i].Moments); diff != "" {
			t.Errorf("trait %d (-want +got):\n%s", i, diff)
		}
	}
}

// A run that is begun from a moment comes to where a run before has shown its trait: the process
// is as it was, and the last event is the one that makes the trait.
func TestDeepReturns(t *testing.T) {
	seed := testseed.Of(t, 0)
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, p := range []program{
			{"overtaken", overtaken, []string{"ask 4", "answer 4", "look"}},
			{"lll_lock", lll, times(3, "section")},
		} {
			h := hunted(t, sys, p)
			f := newDeep()
			few := func() bool { // how many schedules show enough is a matter of chance
				n := 0
				for _, k := range f.traits {
					if k.Times > 0 {
						n++
					}
				}
				return n < 3 || len(f.traits)-n < 3
			}
			for i := uint64(0); i < 6 || i < 100 && few(); i++ {
				r := &run{ctx: t.Context(), s: h.s, rand: generator(seed+i, 1), profile: h.p.profile}
				f.watch(r)
				must(t, r.begin())
				must(t, f.walk(r))
				f.learn(&drawn{traits: r.traits, schedule: r.schedule})
				f.next()
			}
			passes := 0
			for _, k := range f.traits {
				m := k.Moments[0]
				must(t, h.s.Restart())
				var last scenario.Event
				for _, sl := range m {
					events, err := h.s.RunEvents(sl)
					must(t, err)
					if n := len(events); n > 0 {
						last = events[n-1]
					}
				}
				want, err := h.s.Digest()
				must(t, err)
				site := k.Of
				if k.Times > 0 {
					site = k.By
					passes++
				}
				if got := siteOfEvent(&last); got != site {
					t.Errorf("seed %d, %s: %+v shows with an event at %#x", seed, p.name, k.trait, got)
				}
				r := &run{ctx: t.Context(), s: h.s, profile: h.p.profile}
				f.watch(r)
				must(t, r.begin())
				must(t, r.play(m))
				got, err := h.s.Digest()
				must(t, err)
				if got != want || !slices.Equal(r.schedule, m) || len(r.traits.list) > 0 {
					t.Errorf("seed %d, %s: the moment of %+v is not come to: %v, want %v; %d traits", seed, p.name, k.trait, r.schedule, m, len(r.traits.list))
				}
			}
			if passes < 3 || len(f.traits)-passes < 3 {
				t.Errorf("seed %d, %s: %d traits, %d of them of passing", seed, p.name, len(f.traits), passes)
			}
		}
	})
}

package explore

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// Ranges meet as their addresses do.
func TestAimRanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() Range {
			return Range{rapid.Uint64Range(0, 20).Draw(t, "lo"), rapid.Uint64Range(0, 20).Draw(t, "hi")}
		}
		list := rapid.SliceOf(rapid.Custom(func(*rapid.T) Range { return draw() })).Draw(t, "ranges")
		in := map[uint64]bool{}
		for _, r := range list {
			for at := r.Lo; at < r.Hi; at++ {
				in[at] = true
			}
		}
		some, want := draw(), false
		for at := some.Lo; at < some.Hi; at++ {
			want = want || in[at]
		}
		apart := disjoint(list)
		if got := some.Lo < some.Hi && meets(apart, some.Lo, some.Hi); got != want {
			t.Fatalf("%v and %v: %v", list, some, got)
		}
		for i := 1; i < len(apart); i++ {
			if apart[i].Lo <= apart[i-1].Hi {
				t.Fatalf("%v meet, of %v", apart, list)
			}
		}
	})
}

// An event is of an aim by its instruction, by the bytes that it accesses, or by its thread.
func TestAimHas(t *testing.T) {
	a := &aim{code: []Range{{100, 108}}, data: []Range{{8, 16}}, threads: only(3)}
	event := func(thread int, pc, addr uint64) scenario.Event {
		return scenario.Event{Thread: thread, PC: pc, Accesses: []scenario.Access{{Addr: addr, Size: 4}}}
	}
	for _, c := range []struct {
		e    scenario.Event
		want bool
	}{
		{event(0, 100, 40), true}, {event(0, 107, 40), true}, {event(0, 108, 40), false}, {event(0, 99, 40), false},
		{event(0, 4, 8), true}, {event(0, 4, 5), true}, {event(0, 4, 4), false}, {event(0, 4, 16), false}, {event(3, 4, 40), true},
		{scenario.Event{Thread: 1}, false},
	} {
		if a.has(&c.e) != c.want {
			t.Errorf("%+v: %v", c.e, !c.want)
		}
		if none := (*aim)(nil); !none.has(&c.e) {
			t.Errorf("%+v is not of no aim", c.e)
		}
	}
}

// deep is a failure of two windows of one event each, the second of which only who has met the
// first comes to, with much else that the two threads share around them: each counts up tickets.
func deep(noise int) program {
	return program{"deep", fmt.Sprintf(`
volatile u32 tickets[4], ready, done;
void tick(void) { for (u32 i = 0; i < %d; i++) tickets[i %% 4]++; }
void a(void) { tick(); ready = 1; ready = 0; tick(); done = 1; done = 0; tick(); }
void b(void) { tick(); if (ready != 1) return; tick(); if (done == 1) *(volatile u32 *)8 = 1; }
`, noise), []string{"a", "b"}}
}

// aimedAt makes a search of the program aim at some of its symbols.
func (p program) aimedAt(t *testing.T, sys *emu.System, o Options, aim func(at func(symbol string) Range) *Aim) (func() (*scenario.Session, error), Options) {
	t.Helper()
	g := p.start(t, sys)
	size := map[string]uint64{"ready": 4, "done": 4}
	o.Aim = func(*scenario.Session) (*Aim, error) {
		return aim(func(symbol string) Range {
			at, ok := g.code.Symbols[symbol]
			if !ok {
				t.Errorf("no symbol %s", symbol)
			}
			n := size[symbol]
			for _, other := range g.code.Symbols { // a function: up to the next one
				if other > at && size[symbol] == 0 && (n == 0 || other-at < n) {
					n = other - at
				}
			}
			return Range{g.base + at, g.base + at + n}
		}), nil
	}
	return p.starter(t, sys), o
}

// number is at which schedule a search with a seed fails, most+1 when it does not.
func number(t *testing.T, start func() (*scenario.Session, error), st Strategy, o Options) uint64 {
	t.Helper()
	r := sampled(t, start, st, o)
	if r.Failing > 0 {
		return r.Findings[0].Number
	}
	return o.Schedules + 1
}

// A search that looks where the failure is finds it with fewer schedules: the median of 10
// seeds, of each strategy.
func TestAimFinds(t *testing.T) {
	const seeds, most = 10, 300
	p := deep(12)
	sys := system(t, loader.ARM64)
	data := func(at func(string) Range) *Aim { return &Aim{Data: []Range{at("ready"), at("done")}} }
	code := func(at func(string) Range) *Aim { return &Aim{Code: []Range{at("a"), at("b")}} }
	for i, st := range Strategies() {
		if !inShort(i, 3) {
			continue
		}
		medians := map[string]uint64{}
		for name, aim := range map[string]func(at func(string) Range) *Aim{"none": nil, "data": data, "code": code} {
			if name == "code" && st != SURW {
				continue // it is the same events
			}
			var list []uint64
			for seed := range uint64(seeds) {
				o := Options{Seed: seed, Schedules: most, Jobs: 2, Depth: 4}
				start := p.starter(t, sys)
				if aim != nil {
					start, o = p.aimedAt(t, sys, o, aim)
				}
				list = append(list, number(t, start, st, o))
			}
			slices.Sort(list)
			medians[name] = median(list)
			t.Logf("%s, %s: %v", st, name, list)
		}
		t.Logf("%s: medians %v", st, medians)
		if st == SURW || st == Random {
			medians["data"], medians["code"] = 3*medians["data"], 3*medians["code"]
		}
		if max(medians["data"], medians["code"]) >= medians["none"] {
			t.Errorf("%s: %v", st, medians)
		}
	}
}

// What is not of the aim is drawn all the same: all classes come, also those that differ in other
// events only, and those of a thread that is not aimed at.
func TestAimExcludesNothing(t *testing.T) {
	p := program{"three variables", `
volatile u32 x, y, z;
void one(void) { x = 1; y = 1; x = 2; }
void two(void) { x = 3; y = 2; z = 1; }
void three(void) { z = 2; y = 3; }
`, []string{"one", "two", "three"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		proved, err := DPOR(t.Context(), p.starter(t, sys), Options{Jobs: 1, KeepGoing: true})
		must(t, err)
		for name, aim := range map[string]func(at func(string) Range) *Aim{
			"a thread":   func(func(string) Range) *Aim { return &Aim{Threads: []string{"thread2"}} },
			"a function": func(at func(string) Range) *Aim { return &Aim{Code: []Range{at("three")}} },
			"a variable": func(at func(string) Range) *Aim { r := at("z"); r.Hi = r.Lo + 4; return &Aim{Data: []Range{r}} },
		} {
			for i, st := range Strategies() {
				if !inTurn(i, 2, sys.Arch) {
					continue
				}
				start, o := p.aimedAt(t, sys, Options{KeepGoing: true, Jobs: 2, Seed: 1, Schedules: 200 * proved.Schedules, Depth: 8}, aim)
				r := sampled(t, start, st, o)
				if r.Coverage.Classes != proved.Schedules || r.Aimed == 0 {
					t.Errorf("%s, %s: %d of %d classes; %d events are of the aim", name, st, r.Coverage.Classes, proved.Schedules, r.Aimed)
				}
			}
		}
	})
}

// An aim that nothing is of changes nothing, and one that does leaves it to the seed what is
// drawn. A systematic search is the same under any.
func TestAimRepeats(t *testing.T) {
	sys := system(t, loader.ARM64)
	p := growing(3)
	at := func(aim *Aim, o Options) Options {
		o.Aim = func(*scenario.Session) (*Aim, error) { return aim, nil }
		return o
	}
	second := &Aim{Threads: []string{"thread1"}}
	for _, st := range Strategies() {
		o := Options{KeepGoing: true, Jobs: 1, Seed: 3, Schedules: 200}
		none := sampled(t, p.starter(t, sys), st, o)
		for name, aim := range map[string]*Aim{"nil": nil, "nothing": {}, "nowhere": {Code: []Range{{1, 2}}, Threads: []string{"nobody"}}} {
			if diff := cmp.Diff(none, sampled(t, p.starter(t, sys), st, at(aim, o)), visible); diff != "" {
				t.Errorf("%s, %s:\n%s", st, name, diff)
			}
		}
		one := sampled(t, p.starter(t, sys), st, at(second, o))
		o.Jobs = 3
		if diff := cmp.Diff(one, sampled(t, p.starter(t, sys), st, at(second, o)), visible); diff != "" || one.Aimed == 0 || cmp.Equal(one.Coverage, none.Coverage) {
			t.Errorf("%s: aimed at: %d:\n%s", st, one.Aimed, diff)
		}
	}
	for name, search := range map[string]search{"dpor": DPOR, "bounded": Bounded} {
		o := Options{Preemptions: 1, KeepGoing: true, Jobs: 1}
		if name == "dpor" {
			o.Preemptions = -1
		}
		none, err := search(t.Context(), p.starter(t, sys), o)
		must(t, err)
		some, err := search(t.Context(), p.starter(t, sys), at(second, o))
		must(t, err)
		if diff := cmp.Diff(none, some, visible); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// What is done in a call counts by the function that was called, also where it is done by
// others, and by nobody else.
func TestAimFollowsCalls(t *testing.T) {
	p := program{"calls", `
volatile u32 x;
__attribute__((noinline)) void inner(void) { x = 1; x = 2; __asm__ volatile(""); }
__attribute__((noinline)) void outer(void) { inner(); __asm__ volatile(""); }
void first(void) { inner(); outer(); inner(); }
void second(void) { inner(); if (x == 1) *(volatile u32 *)8 = 1; }
`, []string{"first", "second"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for name, c := range map[string]struct {
			aim  func(at func(string) Range) *Aim
			want uint64
		}{
			"code of outer":       {func(at func(string) Range) *Aim { return &Aim{Code: []Range{at("outer")}} }, 0},
			"calls of outer":      {func(at func(string) Range) *Aim { return &Aim{Calls: []uint64{at("outer").Lo}} }, 2},
			"calls of inner":      {func(at func(string) Range) *Aim { return &Aim{Calls: []uint64{at("inner").Lo}} }, 8},
			"calls of both":       {func(at func(string) Range) *Aim { return &Aim{Calls: []uint64{at("outer").Lo, at("inner").Lo}} }, 8},
			"calls of the second": {func(at func(string) Range) *Aim { return &Aim{Calls: []uint64{at("second").Lo}} }, 3},
		} {
			start, o := p.aimedAt(t, sys, Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: 50}, c.aim)
			r := sampled(t, start, POS, o)
			if r.Aimed != c.want || r.Failing == 0 {
				t.Errorf("%s: %d events, want %d; %d fail", name, r.Aimed, c.want, r.Failing)
			}
			o.Jobs = 3
			if diff := cmp.Diff(r, sampled(t, start, POS, o), visible); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
			replayed(t, start, r) // where nothing is followed: a breakpoint changes nothing in the run
		}
	})
}

// Where nobody knows what to aim at, no schedule is run.
func TestAimUnknown(t *testing.T) {
	start := growing(0).starter(t, system(t, loader.ARM64))
	unknown := errors.New("nothing has this name")
	for name, search := range map[string]search{"surw": sampling(SURW), "dpor, drawn first": DPOR} {
		r, err := search(t.Context(), start, Options{
			Jobs: 1, Schedules: 9, Draw: 9, Preemptions: -1,
			Aim: func(*scenario.Session) (*Aim, error) { return nil, unknown },
		})
		if !errors.Is(err, unknown) || r != nil && r.Schedules != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

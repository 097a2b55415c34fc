package explore

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testseed"
	"emurace/scenario"
)

var programs = flag.Uint64("programs", 0, "how many random programs, each of the next seed; 0 is as many as usual")

// randomProgram writes the functions f<seed>_<thread> and returns how many
// threads there are.
func randomProgram(sys *emu.System, seed uint64, text *strings.Builder, apart bool) (threads int) {
	g := &coder{Rand: rand.New(rand.NewPCG(seed, uint64(sys.Arch))), arch: sys.Arch, text: text, apart: apart}
	threads = 2 + g.IntN(2)
	g.locks = threads == 2
	for i := range threads {
		g.function(fmt.Sprintf("f%d_%d", seed, i), 2+g.IntN(9/threads))
	}
	return threads
}

// randomPrograms compiles the programs of n seeds in one go, since a compiler
// takes longer to start than for all of them, and returns guests for two and for
// three threads with a function that sets them at the start of a program.
func randomPrograms(t *testing.T, sys *emu.System, first, n uint64) (begin func(seed uint64) *guest, source func(seed uint64) string) {
	t.Helper()
	return programsOf(t, sys, first, n, false)
}

// programsOf is randomPrograms; apart says how what reads and writes is written down.
func programsOf(t *testing.T, sys *emu.System, first, n uint64, apart bool) (begin func(seed uint64) *guest, source func(seed uint64) string) {
	t.Helper()
	var all strings.Builder
	all.WriteString(prelude + randomPrelude)
	texts, threads := map[uint64]string{}, map[uint64]int{}
	for s := first; s < first+n; s++ {
		var text strings.Builder
		threads[s] = randomProgram(sys, s, &text, apart)
		texts[s] = text.String()
		all.WriteString(texts[s])
	}
	code := guestcode.Build(t, sys.Arch, all.String())
	guests := map[int]*guest{}
	current := first
	begin = func(seed uint64) *guest {
		current = seed
		n := threads[seed]
		if guests[n] == nil {
			guests[n] = startCurrent(t, sys, code, n, &current)
		}
		g := guests[n]
		// Nothing that another program's runs have shown shall help here.
		g.s.ForgetShared()
		return g
	}
	return begin, func(seed uint64) string { return texts[seed] }
}

// startCurrent is a session of n threads that run the current program. Their
// first call, which is fixed when the race begins, does nothing.
func startCurrent(t *testing.T, sys *emu.System, code guestcode.Code, n int, current *uint64) *guest {
	t.Helper()
	g := &guest{arch: sys.Arch, code: code}
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		g.base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
		return err
	}}
	for i := range n {
		name := scenario.Main
		if i > 0 {
			name = fmt.Sprintf("thread%d", i)
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: called(func() scenario.Calls {
			var calls scenario.Calls
			for _, text := range []string{"idle", fmt.Sprintf("f%d_%d", *current, i)} {
				c, err := g.call(strings.Fields(text))
				must(t, err)
				calls = append(calls, c)
			}
			return calls
		})})
	}
	s, err := scenario.Start(sys, plan, 1)
	must(t, err)
	t.Cleanup(s.Close)
	s.Limit = 100_000
	s.WantEvents(true)
	g.s = s
	return g
}

// everyOrder is an oracle without any idea of what depends on what: it runs
// the threads' events in every order. It gives up when there are too many, and
// then returns nil.
func everyOrder(t *testing.T, g *guest, most uint64) *found {
	t.Helper()
	f := settled(t, g, func() *found {
		f := newFound()
		var walk func()
		walk = func() {
			if _, over := g.s.Outcome(); over {
				f.add(g)
				return
			}
			g.branch(t, func(int) bool { return f.traces <= most }, func(thread int) {
				_, err := g.s.RunEvent(thread)
				must(t, err)
				walk()
			})
		}
		walk()
		return f
	})
	if f.traces > most {
		return nil
	}
	return f
}

// Random programs of two or three threads that read, write, exchange, compare
// and lock the same few bytes, in all sizes: the search finds as many traces as
// the oracle that knows no races, and both come out in the ways in which the
// program comes out when its events are run in every order there is.
func TestRandomPrograms(t *testing.T) {
	const batch = 20
	count, most := uint64(100), uint64(2_000)
	if testing.Short() {
		count, most = batch, 300
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed, count := seedsOf(testseed.Of(t, 1), count, sys.Arch)
		traces, compared, end := uint64(0), uint64(0), seed+count
		for first := seed; first < end; first += batch {
			begin, source := randomPrograms(t, sys, first, min(batch, end-first))
			for s := first; s < min(first+batch, end); s++ {
				g := begin(s)
				search, every := explored(t, g), everyOrder(t, g, most)
				traces += search.traces
				if every != nil {
					compared++
				}
				if err := compareSearches(search, sleepSets(t, g), every); err != nil {
					t.Errorf("seed %d (with -programs 1 nothing comes after it): %v\n%s", s, err, source(s))
				}
			}
		}
		t.Logf("%d programs with %d traces, %d of them run in every order", count, traces, compared)
		if *programs == 0 && compared < count/2 {
			t.Errorf("only %d of %d programs were run in every order", compared, count)
		}
	})
}

// compareSearches tells in what the search differs from the oracles. Where the
// process crashes, what is in memory then is not compared: it depends on how far
// the other threads were in instructions that concern nobody.
func compareSearches(search, oracle, every *found) error {
	if search.traces != oracle.traces {
		return fmt.Errorf("the search finds %d traces %v, the oracle %d %v", search.traces, search.kinds, oracle.traces, oracle.kinds)
	}
	if !sameWays(search.visible, oracle.visible) {
		return fmt.Errorf("the search comes out in %d ways, the oracle in %d", len(search.visible), len(oracle.visible))
	}
	if every != nil && !sameWays(search.visible, every.visible) {
		return fmt.Errorf("the search comes out in %d ways, every order in %d", len(search.visible), len(every.visible))
	}
	if every != nil && search.traces > every.traces {
		return fmt.Errorf("the search finds %d traces, but there are only %d orders", search.traces, every.traces)
	}
	return nil
}

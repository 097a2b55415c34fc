package scripts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/sysroot"
)

func system(t testing.TB, suite, arch string) *emu.System {
	t.Helper()
	a, err := loader.ParseArch(arch)
	must(t, err)
	return testsystem.Of(t, suite, a)
}

// eachSystem runs a test on the glibc of several suites, on both architectures;
// with -short on one of each.
func eachSystem(t *testing.T, suites []string, test func(t *testing.T, sys *emu.System)) {
	testsystem.EachSuite(t, suites, func(t *testing.T, _ string, sys *emu.System) { test(t, sys) })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// starter makes sessions of the scenario with some settings.
func starter(t testing.TB, sys *emu.System, settings ...string) func() (*scenario.Session, error) {
	t.Helper()
	v, err := Get(Default).Settle(settings)
	must(t, err)
	return func() (*scenario.Session, error) {
		plan, err := Get(Default).Build(v)
		if err != nil {
			return nil, err
		}
		return scenario.Start(sys, plan, 1)
	}
}

func start(t testing.TB, sys *emu.System, settings ...string) *scenario.Session {
	t.Helper()
	s, err := starter(t, sys, settings...)()
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

// word reads a word of the guest.
func word(t testing.TB, s *scenario.Session, addr uint64) uint64 {
	t.Helper()
	v, ok := s.Process().Read64(addr)
	if !ok {
		t.Fatalf("nothing is mapped at %#x", addr)
	}
	return v
}

// environment is where environ points to and the strings that are there.
func environment(t testing.TB, s *scenario.Session) (block uint64, entries []string) {
	t.Helper()
	environ, err := s.Process().Lookup("environ")
	must(t, err)
	block = word(t, s, environ)
	for p := block; ; p += 8 {
		e := word(t, s, p)
		if e == 0 {
			return block, entries
		}
		text, ok := s.Process().CString(e, 1<<16)
		if !ok {
			t.Fatalf("entry %d at %#x is no string", len(entries), e)
		}
		entries = append(entries, text)
	}
}

// Bits of the size word in front of a block, malloc.c's PREV_INUSE and
// NON_MAIN_ARENA.
const (
	prevInUse    = 1
	nonMainArena = 4
	sizeBits     = 7
)

// chunkFor is the size of malloc's chunk for a block of so many bytes: a word
// more, in steps of 16, at least 32 (request2size in malloc.c).
func chunkFor(size uint64) uint64 { return max((size+8+15)&^15, 32) }

// When the race begins environ has the entries asked for, in a block of the
// heap that holds them and the NULL behind them and no word more than malloc's
// rounding gives, and the chunk behind it is in use.
func TestEnvironment(t *testing.T) {
	type params struct {
		entries int
		setting string
	}
	var cases []params
	for _, setting := range []string{"tcache=off", "tcache=on", "tcache=full", "setenvs=1", "name=EMURACE_LAST", "file=", "dir=x"} {
		cases = append(cases, params{66, setting})
	}
	for _, n := range []int{2, 3, 65, 4096} {
		cases = append(cases, params{n, "tcache=off"}, params{n, "tcache=full"})
	}
	// Up to 2.36 the block is as long as it must be; 2.41 gives it room.
	eachSystem(t, []string{"bookworm", "bullseye"}, func(t *testing.T, sys *emu.System) {
		for _, c := range cases {
			s := start(t, sys, fmt.Sprintf("entries=%d", c.entries), c.setting)
			block, entries := environment(t, s)
			if len(entries) != c.entries {
				t.Errorf("%+v: there are %d", c, len(entries))
			}
			head := word(t, s, block-8)
			if want := chunkFor(uint64(c.entries+1) * 8); head&^sizeBits != want || head&nonMainArena != 0 {
				t.Errorf("%+v: a chunk of %#x, want %#x of main's arena", c, head, want)
			}
			// Whether the chunk is in use is said by the one behind it, and of
			// that one by the next.
			next := block - 16 + head&^sizeBits
			after := next + word(t, s, next+8)&^sizeBits
			if word(t, s, next+8)&prevInUse == 0 || word(t, s, after+8)&prevInUse == 0 {
				t.Errorf("%+v: the block or the chunk behind it is free", c)
			}
		}
	})
}

// The environment is the same kind everywhere, as far as a program sees it.
func TestEntries(t *testing.T) {
	eachSystem(t, sysroot.Suites(), func(t *testing.T, sys *emu.System) {
		for _, setting := range []string{"tcache=off", "tcache=on"} {
			s := start(t, sys, setting)
			_, entries := environment(t, s)
			tunables := slices.IndexFunc(entries, func(e string) bool { return strings.HasPrefix(e, "GLIBC_TUNABLES=") })
			if len(entries) != 66 || (tunables == 0) != (setting == "tcache=off") || tunables > 0 {
				t.Errorf("%s: %d entries, GLIBC_TUNABLES is number %d", setting, len(entries), tunables)
			}
			if last := entries[65]; last != "EMURACE_LAST=1" {
				t.Errorf("the last entry is %q", last)
			}
			slices.Sort(entries)
			for i, e := range entries {
				name, _, ok := strings.Cut(e, "=")
				if !ok || name == "" || i > 0 && strings.HasPrefix(entries[i-1], name+"=") {
					t.Errorf("entry %q", e)
				}
				if name == "LANGUAGE" || strings.HasPrefix(name, "SSL_") {
					t.Errorf("%s is set before the race", name)
				}
			}
		}
	})
}

// The worker's memory comes from an arena of its own, main's from the heap.
func TestArenas(t *testing.T) {
	eachSystem(t, sysroot.Suites(), func(t *testing.T, sys *emu.System) {
		for _, setting := range []string{"tcache=off", "tcache=on", "tcache=full"} {
			v, err := Get(Default).Settle([]string{setting})
			must(t, err)
			plan, err := Get(Default).Build(v)
			must(t, err)
			for i := range plan.Threads {
				plan.Threads[i].Body = scenario.Calls{{Func: "malloc", Args: []scenario.Arg{scenario.Int(1000)}}}
			}
			s, err := scenario.Start(sys, plan, 1)
			must(t, err)
			defer s.Close()
			must(t, s.Play(scenario.Schedule{{Thread: 0}, {Thread: 1}}))
			for i, name := range s.Names() {
				p := s.Results(i)[0]
				if foreign := word(t, s, p-8)&nonMainArena != 0; foreign != (name != scenario.Main) {
					t.Errorf("%s: malloc on %s gives a chunk of main's arena: %v", setting, name, !foreign)
				}
			}
			mainHeap, _, _ := s.Process().MappingOf(s.Results(0)[0])
			workerHeap, _, _ := s.Process().MappingOf(s.Results(1)[0])
			if mainHeap == workerHeap {
				t.Errorf("%s: one heap at %#x", setting, mainHeap)
			}
		}
	})
}

// With tcache=full the worker's bin for the block's size holds as many as it
// takes, so that freeing one more goes past it; otherwise the first goes in.
func TestFullBin(t *testing.T) {
	eachSystem(t, []string{"bookworm", "bullseye"}, func(t *testing.T, sys *emu.System) {
		// A free chunk outside of the bins of tcache and fastbins tells so in
		// the chunk behind it.
		for setting, goesPast := range map[string]bool{"tcache=off": true, "tcache=on": false, "tcache=full": true} {
			v, err := Get(Default).Settle([]string{setting})
			must(t, err)
			plan, err := Get(Default).Build(v)
			must(t, err)
			block := uint64(0)
			setup := plan.Setup
			plan.Setup = func(u *scenario.Setup) (err error) {
				if err := setup(u); err != nil {
					return err
				}
				if block, err = u.Call(scenario.Main, "malloc", scenario.Int(67*8)); err != nil {
					return err
				}
				_, err = u.Call(scenario.Main, "malloc", scenario.Int(24))
				return err
			}
			plan.Threads[1].Body = freeing(func() uint64 { return block })
			s, err := scenario.Start(sys, plan, 1)
			must(t, err)
			defer s.Close()
			must(t, s.Play(scenario.Schedule{{Thread: 1}}))
			size := word(t, s, block-8) &^ sizeBits
			if past := word(t, s, block-8+size)&prevInUse == 0; past != goesPast {
				t.Errorf("%s: a block that worker frees goes past its tcache: %v", setting, past)
			}
		}
	})
}

// freeing is a body that frees a block known only after Setup.
type freeing func() uint64

func (f freeing) Next(results []uint64) (scenario.Call, bool, error) {
	return scenario.Calls{{Func: "free", Args: []scenario.Arg{scenario.Int(f())}}}.Next(results)
}

package explore

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/scenario"
)

// lockGuest is a session of a program with locks.
type lockGuest struct{ *guest }

// lockPlan is a race of threads that call functions of a program with lockPrelude, one
// each. The setup calls set with the kind of mutex 2.
func lockPlan(t testing.TB, g *guest, code guestcode.Code, kind int, functions ...string) *scenario.Plan {
	g.code = code
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if g.base, err = u.Code(code.Bytes, uint64(len(code.Bytes))); err != nil {
			return err
		}
		for i, name := range libcCalls {
			addr, err := u.Lookup(name)
			if err != nil {
				return err
			}
			if err := u.Write(g.base+code.Symbols["fn"]+8*uint64(i), binary.LittleEndian.AppendUint64(nil, addr)); err != nil {
				return err
			}
		}
		set, err := g.call([]string{"set", fmt.Sprint(kind)})
		if err == nil {
			_, err = u.Make(scenario.Main, set)
		}
		return err
	}}
	for i, f := range functions {
		name := scenario.Main
		if i > 0 {
			name = fmt.Sprintf("thread%d", i)
		}
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: calledOnce(func() scenario.Calls {
			c, err := g.call([]string{f})
			must(t, err)
			return scenario.Calls{c}
		})})
	}
	return plan
}

func startLocks(t *testing.T, sys *emu.System, code guestcode.Code, kind int, functions ...string) *lockGuest {
	t.Helper()
	g := &lockGuest{&guest{arch: sys.Arch}}
	s, err := scenario.Start(sys, lockPlan(t, g.guest, code, kind, functions...), 1)
	must(t, err)
	t.Cleanup(s.Close)
	s.Limit = 20_000
	s.WantEvents(true)
	g.s = s
	return g
}

// seen is how a run came out, as far as it does not show in locks: the outcome, what
// the calls returned, and the data.
func (g *lockGuest) seen() string {
	o, _ := g.s.Outcome()
	if o.End != nil {
		return g.visible()
	}
	var b strings.Builder
	fmt.Fprint(&b, o.Kind, o.Thread)
	for i := range g.s.Threads() {
		// Who waits for a lock has not run up to it where locks are one thing.
		if r := g.s.Results(i); o.Kind != scenario.Deadlock || len(r) == 1 {
			fmt.Fprint(&b, " ", i, r)
		}
	}
	if o.Kind == scenario.Deadlock {
		return b.String()
	}
	data, _ := g.s.Process().Read(g.base+g.code.Symbols["m"], 32)
	fmt.Fprintf(&b, " %x", data)
	return b.String()
}

// waysOf searches with locks as they are or as one thing. It is nil when there are more
// than so many runs, or one that has no end.
func (g *lockGuest) waysOf(t *testing.T, abstract bool, most uint64) (ways map[string]uint64, traces uint64, raw int) {
	t.Helper()
	g.s.ForgetShared()
	g.s.AbstractLocks(abstract)
	endless := false
	var f *found
	grown := uint64(0)
	f = exploredUpTo(t, g.guest, most, func() {
		if n := g.s.Grown(); n != grown || ways == nil {
			grown, ways = n, map[string]uint64{}
		}
		o, _ := g.s.Outcome()
		endless = endless || o.Kind == scenario.Livelock
		ways[g.seen()]++
	})
	_, words := g.s.LockWords()
	if f.traces >= most || endless {
		return nil, f.traces, len(words)
	}
	return ways, f.traces, len(words)
}

// Random programs of two or three threads that lock, try, wait, post, signal and meet
// by what libc has for that, and by locks of their own, some of them wrong: with locks
// as one thing the search comes out in the ways in which it does instruction by
// instruction, on every libc.
func TestAbstractIsRaw(t *testing.T) {
	const batch = 20
	count, most := uint64(60), uint64(2_000)
	suites := []string{"debian:bullseye", "debian:bookworm", "debian:trixie"}
	if testing.Short() {
		count, most = 16, 300
		suites = suites[1:2]
	}
	if *programs > 0 {
		count = *programs
	}
	for _, suite := range suites {
		for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
			if testing.Short() && arch != loader.ARM64 {
				continue
			}
			t.Run(suite+"/"+arch.String(), func(t *testing.T) {
				sys := systemOf(t, suite, arch, 0)
				seed, count := seedsOf(testseed.Of(t, 1), count, arch)
				compared, fewer, raws := 0, 0, 0
				for first := seed; first < seed+count; first += batch {
					n := min(batch, seed+count-first)
					var all strings.Builder
					all.WriteString(prelude + lockPrelude())
					texts, threads, kinds := map[uint64]string{}, map[uint64]int{}, map[uint64]int{}
					for s := first; s < first+n; s++ {
						var text strings.Builder
						threads[s], kinds[s] = lockProgram(arch, s, &text)
						texts[s] = text.String()
						all.WriteString(texts[s])
					}
					code := guestcode.Build(t, arch, all.String())
					for s := first; s < first+n; s++ {
						var functions []string
						for i := range threads[s] {
							functions = append(functions, fmt.Sprintf("f%d_%d", s, i))
						}
						g := startLocks(t, sys, code, kinds[s], functions...)
						want, traces, _ := g.waysOf(t, false, most)
						if want == nil {
							continue
						}
						got, fewerTraces, raw := g.waysOf(t, true, 2*most)
						compared++
						if fewerTraces < traces {
							fewer++
						}
						if raw > 0 {
							raws++
						}
						if !sameWays(got, want) {
							t.Errorf("seed %d (with -programs 1 nothing comes after it): %d ways raw, %d abstract, of %d and %d traces; mutex 2 is of kind %d\n%s%s",
								s, len(want), len(got), traces, fewerTraces, kinds[s], differing(want, got), texts[s])
						}
					}
				}
				t.Logf("%d of %d programs compared; %d have fewer traces with abstract locks, in %d words were left raw", compared, count, fewer, raws)
				if *programs == 0 && (compared < int(count/2) || count >= 30 && (fewer == 0 || raws == 0)) {
					t.Errorf("that is too few")
				}
			})
		}
	}
}

// differing lists in what two searches differ.
func differing(want, got map[string]uint64) string {
	var b strings.Builder
	for k := range want {
		if got[k] == 0 {
			fmt.Fprintf(&b, "only raw: %s\n", k)
		}
	}
	for k := range got {
		if want[k] == 0 {
			fmt.Fprintf(&b, "only abstract: %s\n", k)
		}
	}
	return b.String()
}

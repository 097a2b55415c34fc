package timeline

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eachArch runs a test for both guest architectures.
func eachArch(t *testing.T, test func(t *testing.T, sys *emu.System)) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) { test(t, system(t, arch)) })
	}
}

func system(t testing.TB, arch loader.Arch) *emu.System {
	t.Helper()
	sys, err := emu.OpenSystem(testroot.Dir(t, "debian:bookworm", arch.String()), arch)
	must(t, err)
	t.Cleanup(func() { must(t, sys.Close()) })
	return sys
}

func start(t testing.TB, sys *emu.System, plan *scenario.Plan) *scenario.Session {
	t.Helper()
	s, err := scenario.Start(sys, plan, 1)
	must(t, err)
	t.Cleanup(s.Close)
	return s
}

// article is the scenario that runs when none is named.
func article(t testing.TB, sys *emu.System) *scenario.Session {
	t.Helper()
	sc, found := scripts.Find(scripts.Default)
	if !found {
		t.Fatalf("no scenario %s", scripts.Default)
	}
	values, err := sc.Settle(nil)
	must(t, err)
	plan, err := sc.Build(values)
	must(t, err)
	return start(t, sys, plan)
}

// crash is a schedule of the article's scenario that fails: main is taken off
// after some instructions, and the worker runs to its end. The test looks for one.
func crash(t testing.TB, s *scenario.Session) scenario.Schedule {
	t.Helper()
	for n := uint64(100); n < 700; n += 10 {
		schedule := scenario.Schedule{{Thread: 0, N: n}, {Thread: 1}, {Thread: 0}}
		must(t, s.Restart())
		must(t, s.Play(schedule))
		if o, _ := s.Outcome(); o.Kind == scenario.Segv {
			return schedule
		}
	}
	t.Fatal("no schedule crashes")
	return nil
}

// called is a Body whose calls are known only when Setup has run.
type called func() scenario.Calls

func (c called) Next(results []uint64) (scenario.Call, bool) { return c().Next(results) }

// counting is a race of two threads that count to n, one instruction apart in
// their loops, on memory of their own.
func counting(t testing.TB, sys *emu.System, n uint64) *scenario.Session {
	t.Helper()
	code := guestcode.Build(t, sys.Arch, `
		volatile unsigned long sums[2];
		unsigned long count(unsigned long who, unsigned long n)
		{
			for (unsigned long i = 0; i < n; i++)
				sums[who] += i;
			return sums[who];
		}`)
	var base uint64
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		base, err = u.Code(code.Bytes, uint64(len(code.Bytes)))
		return err
	}}
	for who, name := range []string{scenario.Main, "other"} {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: called(func() scenario.Calls {
			return scenario.Calls{{Func: "count", Addr: base + code.Symbols["count"], Args: []scenario.Arg{scenario.Int(uint64(who)), scenario.Int(n)}}}
		})})
	}
	return start(t, sys, plan)
}

// randomness is seeded by EMURACE_TEST_SEED, or by 1, and told on failure.
func randomness(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv("EMURACE_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with: EMURACE_TEST_SEED=%d go test -run '^%s$' ./replay/timeline", seed, t.Name())
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

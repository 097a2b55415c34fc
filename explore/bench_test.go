package explore_test

import (
	"testing"
	"time"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
)

// article boots the scenario that runs when none is named, on Debian 12's arm64
// glibc: the one of which README speaks.
func article(b *testing.B) func() (*scenario.Session, error) {
	b.Helper()
	sys, err := emu.OpenSystem(testroot.Dir(b, "debian:bookworm", loader.ARM64.String()), loader.ARM64)
	must(b, err)
	b.Cleanup(func() { must(b, sys.Close()) })
	sc, found := scripts.Find(scripts.Default)
	if !found {
		b.Fatalf("no scenario %s", scripts.Default)
	}
	values, err := sc.Settle(nil)
	must(b, err)
	return func() (*scenario.Session, error) {
		plan, err := sc.Build(values)
		if err != nil {
			return nil, err
		}
		return scenario.Start(sys, plan, 1)
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// rate runs a search on one session, without booting it, and returns schedules a
// second.
func rate(b *testing.B, boot func() (*scenario.Session, error), search func(start func() (*scenario.Session, error)) (*explore.Result, error)) float64 {
	b.Helper()
	s, err := boot()
	must(b, err)
	began := time.Now()
	r, err := search(func() (*scenario.Session, error) { return s, nil })
	must(b, err)
	return float64(r.Schedules) / time.Since(began).Seconds()
}

func benchSample(b *testing.B, strategy explore.Strategy) {
	boot := article(b)
	b.ResetTimer()
	b.ReportMetric(rate(b, boot, func(start func() (*scenario.Session, error)) (*explore.Result, error) {
		return explore.Sample(b.Context(), start, strategy, explore.Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: uint64(b.N) + 2})
	}), "schedules/s")
}

// BenchmarkExploreSURW is the rate of drawn schedules on one core, failing ones
// included.
func BenchmarkExploreSURW(b *testing.B) { benchSample(b, explore.SURW) }

// BenchmarkExploreFuzz, BenchmarkExplorePOS, BenchmarkExplorePCT and
// BenchmarkExploreRandom are the same with the other strategies.
func BenchmarkExploreFuzz(b *testing.B) { benchSample(b, explore.Fuzz) }

func BenchmarkExplorePOS(b *testing.B) { benchSample(b, explore.POS) }

func BenchmarkExplorePCT(b *testing.B) { benchSample(b, explore.PCT) }

func BenchmarkExploreRandom(b *testing.B) { benchSample(b, explore.Random) }

// BenchmarkExploreDPOR is the rate of a whole proof on one core: traces, each run
// once.
func BenchmarkExploreDPOR(b *testing.B) {
	boot := article(b)
	sum := 0.0
	b.ResetTimer()
	for range b.N {
		sum += rate(b, boot, func(start func() (*scenario.Session, error)) (*explore.Result, error) {
			return explore.DPOR(b.Context(), start, explore.Options{KeepGoing: true, Jobs: 1})
		})
	}
	b.ReportMetric(sum/float64(b.N), "traces/s")
}

package emu_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts"
)

// BenchmarkNaive is what one would write first: for each schedule boot the
// process, then run it instruction by instruction with uc_emu_start, a count of
// one and an end address, each time another thread perhaps, up to its end. Its
// metric ratio is how many schedules SURW runs in the time of one of these. Only
// what follows the boot is done naively, so the ratio is rather too low. The scenario
// and the sysroot are those of explore's benchmarks.
func BenchmarkNaive(b *testing.B) {
	sys, err := emu.OpenSystem(testroot.Dir(b, "debian:bookworm", loader.ARM64.String()), loader.ARM64)
	must(b, err)
	b.Cleanup(func() { must(b, sys.Close()) })
	sc, found := scripts.Find(scripts.Default)
	if !found {
		b.Fatalf("no scenario %s", scripts.Default)
	}
	values, err := sc.Settle(nil)
	must(b, err)
	boot := func() (*scenario.Session, error) {
		plan, err := sc.Build(values)
		must(b, err)
		return scenario.Start(sys, plan, 1)
	}
	b.ResetTimer()
	for i := range b.N {
		s, err := boot()
		must(b, err)
		s.Process().StepRaw()
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for {
			if _, over := s.Outcome(); over {
				break
			}
			t := random.IntN(s.Threads())
			if !s.Runnable(t) {
				continue
			}
			_, err := s.Run(t, 1)
			must(b, err)
		}
		s.Close()
	}
	b.StopTimer()
	naive := float64(b.N) / b.Elapsed().Seconds()
	s, err := boot()
	must(b, err)
	began := time.Now()
	r, err := explore.Sample(b.Context(), func() (*scenario.Session, error) { return s, nil }, explore.SURW,
		explore.Options{KeepGoing: true, Jobs: 1, Seed: 1, Schedules: 5000})
	must(b, err)
	surw := float64(r.Schedules) / time.Since(began).Seconds()
	b.ReportMetric(naive, "schedules/s")
	b.ReportMetric(surw/naive, "ratio")
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

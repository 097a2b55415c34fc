package explore

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"emurace/loader"
)

// BenchmarkMillion runs more than a million schedules, systematically and at
// random, and tells the peak of resident memory in MiB, which must not follow
// their number: the aim is less than 512.
func BenchmarkMillion(b *testing.B) {
	sys := system(b, loader.ARM64)
	start := codeStarter(sys, heals(11), heals(12))
	for name, search := range map[string]func() (*Result, error){
		"dpor": func() (*Result, error) {
			return DPOR(b.Context(), start, Options{KeepGoing: true, Jobs: 2})
		},
		"surw": func() (*Result, error) {
			return Sample(b.Context(), start, SURW, Options{KeepGoing: true, Jobs: 2, Seed: 1, Schedules: 1_000_000})
		},
		"fuzz": func() (*Result, error) {
			return Sample(b.Context(), start, Fuzz, Options{KeepGoing: true, Jobs: 2, Seed: 1, Schedules: 1_000_000})
		},
	} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				r, err := search()
				must(b, err)
				if r.Schedules < 1_000_000 {
					b.Fatalf("%+v", r)
				}
				b.ReportMetric(float64(r.Schedules)/b.Elapsed().Seconds()*float64(b.N), "schedules/s")
			}
			b.ReportMetric(peakMemory(b), "MiB")
		})
	}
}

// peakMemory is the most memory that the process has had resident, in MiB.
func peakMemory(b *testing.B) float64 {
	status, err := os.ReadFile("/proc/self/status")
	must(b, err)
	for _, line := range strings.Split(string(status), "\n") {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	b.Fatal("/proc/self/status has no VmHWM")
	return 0
}

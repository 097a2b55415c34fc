package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"emurace/sysroot"
)

// BenchmarkLookup is a whole proof with abstract locks by the command line, on two cores:
// two threads look a host up in a file. It has to be a matter of seconds.
func BenchmarkLookup(b *testing.B) {
	atHome(b)
	for _, what := range []string{"user", "host", "address"} {
		for _, arch := range sysroot.Arches() {
			b.Run(what+"/"+arch, func(b *testing.B) {
				schedules := uint64(0)
				for range b.N {
					args := []string{"emurace", "explore", verdictFile("lookup"), "--set", "what=" + what, "--arch", arch,
						"--sysroot", "debian:trixie", "--locks", "abstract", "--jobs", "2", "--json", "--color", "never"}
					var out, errs bytes.Buffer
					code := doMain(b.Context(), args, &out, &errs)
					var got struct {
						Verdict   string
						Schedules uint64
					}
					if err := json.Unmarshal(out.Bytes(), &got); err != nil || code != exitOK || got.Verdict != "clean" {
						b.Fatalf("exit code %d, %v\n%s%s", code, err, &out, &errs)
					}
					schedules += got.Schedules
				}
				b.ReportMetric(float64(schedules)/float64(b.N), "interleavings")
			})
		}
	}
}

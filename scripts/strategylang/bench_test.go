package strategylang_test

import (
	"syscall"
	"testing"
	"time"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/loader"
	"emurace/scenario"
)

// asking are strategies by what they ask of a point.
var asking = []struct{ name, text string }{
	{"draw", `
def next(p):
    return p.choice(p.threads)
`},
	{"place", `
def next(p):
    for t in p.threads:
        if t.symbol == "realloc" and t.pc:
            return t
    return p.choice(p.threads)
`},
	{"history", `
def next(p):
    if len(p.events) % 7 == 6 and p.events[-1].accesses:
        return p.threads[-1]
    return p.choice(p.threads)
`},
	{"pending", `
def next(p):
    for t in p.threads:
        for a in t.pending.accesses:
            if a.write and a.address == 0:
                return t
    return p.choice(p.threads)
`},
	{"block", `
def next(p):
    for t in p.threads:
        for a in t.pending.accesses:
            if a.block and a.block.freed:
                return t
    return p.choice(p.threads)
`},
	{"instruction", `
def next(p):
    for t in p.threads:
        if t.instruction.startswith("svc"):
            return t
    return p.choice(p.threads)
`},
	{"pos", strategies["pos"]},
}

// processor is the processor time that this process has taken. Other work beside it
// makes the clock run on, and this hardly.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	testrace.Must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStrategies are schedules a second of processor time of strategies in the
// language, on one job and without the boot, and how many times as long a schedule takes as one that is
// drawn by strategy random, which does what the first of them does, in Go.
func BenchmarkStrategies(b *testing.B) {
	for _, x := range asking {
		b.Run(x.name, func(b *testing.B) {
			rate := func(strategy explore.Strategy, s string) float64 {
				o := explore.Options{Schedules: inOrder + uint64(max(b.N, 20)), Seed: 1, KeepGoing: true, Jobs: 1}
				session, err := starter(b, loader.ARM64)()
				testrace.Must(b, err)
				booted := func() (*scenario.Session, error) { return session, nil }
				began := processor(b)
				if strategy == explore.Script {
					_, err = sampleOn(b, booted, read(b, s), o)
				} else {
					_, err = explore.Sample(b.Context(), booted, strategy, o)
				}
				testrace.Must(b, err)
				return float64(o.Schedules) / (processor(b) - began).Seconds()
			}
			drawn := rate(explore.Random, "")
			asked := rate(explore.Script, x.text)
			b.ReportMetric(asked, "schedules/s")
			b.ReportMetric(drawn/asked, "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

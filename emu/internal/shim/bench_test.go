package shim

import (
	"fmt"
	"testing"
	"time"

	"emurace/loader"
)

// iterations of the six instructions of loops make one operation.
const iterations = 1 << 16

// loopRate runs the loop n times over and returns how many million instructions
// a second that were.
func loopRate(b *testing.B, arch loader.Arch, hooks, logging, sharing bool, n int) float64 {
	b.Helper()
	e := newEngine(b, arch, loops[arch], 1, hooks)
	defer e.Close()
	e.SetSharing(sharing)
	var spent time.Duration
	for i := range n + 1 {
		must(b, e.SetLogging(logging))
		set(b, e, 0, "pc", codeAt)
		set(b, e, 0, "count", iterations)
		begin := time.Now()
		if hooks {
			if s := run(b, e, 0, 6*iterations); s.Ran != 6*iterations {
				b.Fatalf("%+v", s)
			}
		} else {
			must(b, e.runRaw(0, codeAt+uint64(len(loops[arch]))))
		}
		if i > 0 { // the first round translates the code and makes room for the log
			spent += time.Since(begin)
		}
		if left := get(b, e, 0, "count"); left != 0 {
			b.Fatalf("%d rounds were not run", left)
		}
		must(b, e.SetLogging(false))
	}
	return float64(n) * 6 * iterations / spent.Seconds() / 1e6
}

func benchLoop(b *testing.B, hooks, logging, sharing bool) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		b.Run(arch.String(), func(b *testing.B) {
			rate := loopRate(b, arch, hooks, logging, sharing, b.N)
			b.ReportMetric(rate, "Minstr/s")
			b.ReportMetric(0, "ns/op")
			if hooks {
				// In the same run, so that both have the same machine.
				b.ReportMetric(rate/loopRate(b, arch, false, false, false, b.N), "ratio")
			}
		})
	}
}

// BenchmarkUnicornRaw is a loop of six instructions, two of which touch memory,
// without any hook: the ceiling.
func BenchmarkUnicornRaw(b *testing.B) { benchLoop(b, false, false, false) }

// BenchmarkCounted is the same loop with its instructions counted; ratio is its rate over
// the raw one's.
func BenchmarkCounted(b *testing.B) { benchLoop(b, true, false, false) }

// BenchmarkLogged is the same loop counted and with every access logged.
func BenchmarkLogged(b *testing.B) { benchLoop(b, true, true, false) }

// BenchmarkShared is the same with a look at each access, who shares its bytes.
func BenchmarkShared(b *testing.B) { benchLoop(b, true, true, true) }

// BenchmarkAlternate lets two threads change after so many instructions.
func BenchmarkAlternate(b *testing.B) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for _, n := range []uint64{1, 50, 300, 10_000} {
			b.Run(fmt.Sprintf("%v/%d", arch, n), func(b *testing.B) {
				e := newEngine(b, arch, loops[arch], 2, true)
				for i := range b.N {
					if s := run(b, e, i&1, n); s.Ran != n {
						b.Fatal(s)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/slice")
			})
		}
	}
}

// BenchmarkRewind marks a moment, runs 100 instructions and goes back, once
// with a process of a few pages and once with a MiB more that is in use.
func BenchmarkRewind(b *testing.B) {
	const extra = 1 << 20
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for _, size := range []uint64{0, extra} {
			b.Run(fmt.Sprintf("%v/extra=%dKiB", arch, size>>10), func(b *testing.B) {
				e := newEngine(b, arch, loops[arch], 1, true)
				if size > 0 {
					filled := make([]byte, size)
					for i := range filled {
						filled[i] = byte(i)
					}
					must(b, e.SetPages(dataAt+1<<30, size, Read|Write|Mapped))
					must(b, e.Store(0, dataAt+1<<30, filled))
				}
				b.ResetTimer()
				for range b.N {
					m, err := e.Mark()
					must(b, err)
					if s := run(b, e, 0, 100); s.Ran != 100 {
						b.Fatalf("%+v", s)
					}
					must(b, m.Rewind())
					m.Drop()
				}
			})
		}
	}
}

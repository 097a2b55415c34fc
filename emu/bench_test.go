package emu

import (
	"testing"

	"emurace/loader"
)

// BenchmarkBoot makes a process, from nothing to the program's entry; the
// sysroot's files are read and parsed already.
func BenchmarkBoot(b *testing.B) {
	for _, arch := range arches {
		b.Run(arch.String(), func(b *testing.B) {
			sys := system(b, "bookworm", arch)
			steps := uint64(0)
			b.ResetTimer()
			for range b.N {
				m, err := New(Options{System: sys, Seed: 1})
				if err != nil {
					b.Fatal(err)
				}
				steps = m.Steps()
				m.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms")
			b.ReportMetric(float64(steps), "instructions")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRewind marks a moment of a real process, runs 100 instructions of a
// malloc and goes back: once as it is, once with a MiB more memory in use.
func BenchmarkRewind(b *testing.B) {
	for _, arch := range arches {
		for name, extra := range map[string]uint64{"extra=0KiB": 0, "extra=1024KiB": 1 << 20} {
			b.Run(arch.String()+"/"+name, func(b *testing.B) {
				p := boot(b, "bookworm", arch)
				if extra > 0 {
					a := p.call(0, "mmap", 0, extra+loader.PageSize, 3, 0x22, ^uint64(0), 0)
					p.call(0, "memset", a, 0xa5, extra)
				}
				p.begin(0, "malloc", 1000)
				b.ResetTimer()
				for range b.N {
					m := p.mark()
					if s := p.run(0, 100); s.Ran != 100 {
						b.Fatal(s)
					}
					p.rewind(m)
					m.Drop()
				}
			})
		}
	}
}

// BenchmarkDigest hashes a freshly booted process.
func BenchmarkDigest(b *testing.B) {
	for _, arch := range arches {
		b.Run(arch.String(), func(b *testing.B) {
			p := boot(b, "bookworm", arch)
			p.spawn("worker")
			for b.Loop() {
				p.digest()
			}
		})
	}
}

package emu

import (
	"strings"
	"testing"

	"emurace/internal/guestcode"
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

// work is a constructor that runs some 30 million instructions, as the start of an
// interpreter does: calls by pointer, branches that depend on data, loads and stores.
const work = `
static unsigned table[4096], state = 1;
static unsigned next(unsigned x) { return x * 1664525u + 1013904223u; }
static void add(unsigned x) { table[x % 4096] += x; }
static void shift(unsigned x) { table[x % 4096] ^= x >> 3; }
static void move(unsigned x) { table[x % 4096] = table[(x >> 12) % 4096]; }
static void (*const ops[])(unsigned) = {add, shift, move};
__attribute__((constructor)) static void begin(void) {
	void (*const *volatile all)(unsigned) = ops;
	for (int i = 0; i < ROUNDS; i++) {
		state = next(state);
		if (state & 0x800000)
			all[(state >> 28) % 3](state);
		else
			add(state);
	}
}`

// BenchmarkLongBoot makes a process whose libraries run 30 million instructions at the
// start, of which nothing is logged.
func BenchmarkLongBoot(b *testing.B) {
	for _, arch := range arches {
		b.Run(arch.String(), func(b *testing.B) {
			rounds := map[loader.Arch]string{loader.ARM64: "1900000", loader.AMD64: "1800000"}[arch]
			library := guestcode.Library(b, arch, "", strings.ReplaceAll(work, "ROUNDS", rounds))
			o := Options{System: system(b, "bookworm", arch), Seed: 1, Libs: []string{"/opt/work.so"}, Files: map[string][]byte{"/opt/work.so": library}}
			steps := uint64(0)
			b.ResetTimer()
			for range b.N {
				m, err := New(o)
				if err != nil {
					b.Fatal(err)
				}
				steps = m.Steps()
				m.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms")
			b.ReportMetric(float64(steps)/1e6, "Minstructions")
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

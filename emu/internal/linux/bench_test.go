package linux

import (
	"fmt"
	"testing"

	"emurace/loader"
)

// BenchmarkDo is one call by another, without what the emulator adds.
func BenchmarkDo(b *testing.B) {
	f := newFixture(b, loader.ARM64)
	word := f.room(256)
	for _, c := range []struct {
		name string
		args []uint64
	}{
		{"getpid", nil}, {"clock_gettime", []uint64{1, word}}, {"futex", []uint64{word, 1, 1}},
		{"fstat", []uint64{1, word}}, {"brk", []uint64{0}}, {"madvise", []uint64{area, page, 3}},
		{"rt_sigprocmask", []uint64{0, word, 0, 8}},
	} {
		call := Call{Number: f.numbers[c.name]}
		copy(call.Args[:], c.args)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				f.mem.uses = f.mem.uses[:0]
				if _, err := f.Do(call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSnapshot is a state that is kept and then changed by a small write, as at each
// event of a search, when there are few files and many, small and large.
func BenchmarkSnapshot(b *testing.B) {
	for _, c := range []struct{ files, size int }{{0, 0}, {1, 4096}, {1000, 4096}, {10000, 100}, {1, 64 << 20}} {
		b.Run(fmt.Sprintf("%d_files_of_%d", c.files, c.size), func(b *testing.B) {
			f := newLimited(b, loader.ARM64, Limits{Threads: 4, Files: 256})
			name := f.room(32)
			made := func(n int) uint64 {
				copy(f.mem.View(name, 32), fmt.Sprintf("/tmp/%d\x00", n))
				return uint64(f.do("openat", cwd, name, oCreat|oRdwr, 0o644))
			}
			for n := range c.files {
				fd := made(n)
				for at := 0; at < c.size; at += areaSize {
					f.do("pwrite64", fd, area, uint64(min(areaSize, c.size-at)), uint64(at))
				}
				f.do("close", fd)
				f.mem.uses = nil
			}
			fd := made(0)
			call := Call{Number: f.numbers["pwrite64"], Args: [6]uint64{fd, area, 8, 0}}
			for b.Loop() {
				f.mem.uses = f.mem.uses[:0]
				f.Snapshot()
				call.Args[3] = (call.Args[3] + 8) % 4096
				if _, err := f.Do(call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package linux

import (
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

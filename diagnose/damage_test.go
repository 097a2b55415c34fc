package diagnose

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"emurace/diagnose/process"
	"emurace/internal/testcores"
	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/loader/corefile"
)

// explainBytes explains a core of some bytes, with the files of a folder; an error is as good as a
// diagnosis.
func explainBytes(b []byte, f *process.Files) (*Diagnosis, error) {
	core, err := corefile.Parse(bytes.NewReader(b), uint64(len(b)))
	if err != nil {
		return nil, err
	}
	p, err := process.New(core, f)
	if err != nil {
		return nil, err
	}
	d, err := Explain(p, false)
	if err != nil {
		return nil, err
	}
	// What is shown of it too.
	d.Around(6, 3)
	for _, t := range p.Threads {
		t.Frames()
	}
	return d, nil
}

// filesOf are a core's, opened once.
func filesOf(t testing.TB, c *testcores.Core) *process.Files {
	t.Helper()
	root, err := loader.OpenSysroot(c.Sysroot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return &process.Files{Program: c.Program, Sources: []process.Source{{Name: c.Spec, Root: root, Given: true}}}
}

// damage changes a core at random: its headers and notes, the words of a heap, of all of it, or its
// length.
func damage(r *rand.Rand, b []byte) []byte {
	out := bytes.Clone(b)
	if len(out) == 0 {
		return out
	}
	values := []uint64{0, 1, ^uint64(0), 1 << 63, 1 << 32, uint64(len(out)), r.Uint64(), 0x7ffff7fa0af0, 0x5555555592a0}
	span := len(out)
	switch r.IntN(4) {
	case 0:
		span = min(span, 4096) // headers
	case 1:
		span = min(span, 64<<10)
	case 2:
		out = out[:r.IntN(len(out))+1]
		span = len(out)
	}
	for range 1 + r.IntN(64) {
		switch at := r.IntN(span); r.IntN(3) {
		case 0:
			out[at] ^= 1 << r.IntN(8)
		case 1:
			if at &^= 7; at+8 <= len(out) {
				binary.LittleEndian.PutUint64(out[at:], values[r.IntN(len(values))])
			}
		default: // a word of one place in another one
			from := r.IntN(len(out)) &^ 7
			if at &^= 7; at+8 <= len(out) && from+8 <= len(out) {
				copy(out[at:at+8], out[from:from+8])
			}
		}
	}
	return out
}

// TestDamage: whatever a core's bytes are, there is an answer, soon.
func TestDamage(t *testing.T) {
	const soon = 10 * time.Second // of what takes some milliseconds
	rounds := 60
	if testing.Short() {
		rounds = 12
	}
	r := rand.New(rand.NewPCG(testseed.Of(t, 1), 1))
	for _, c := range []*testcores.Core{
		testcores.Article(t, testcores.ArticleOptions{Arch: loader.ARM64}),
		testcores.Find("freed-own-content").Emulated(t, "bookworm", loader.AMD64),
		testcores.Find("deadlock-two").Emulated(t, "bookworm", loader.ARM64),
		testcores.Find("uncaught-exception").Emulated(t, "bookworm", loader.AMD64),
	} {
		b, files := c.Bytes(t), filesOf(t, c)
		understood := 0
		for range rounds {
			start := time.Now()
			if d, err := explainBytes(damage(r, b), files); err == nil && len(d.Facts) > 0 {
				understood++
			}
			if took := time.Since(start); took > soon {
				t.Errorf("it took %v", took)
			}
		}
		if understood == 0 {
			t.Errorf("no damaged core of %s was understood at all", c.Path)
		}
	}
}

// FuzzExplain: no core makes it panic or hang.
func FuzzExplain(f *testing.F) {
	c := testcores.Find("null-member").Emulated(f, "bookworm", loader.ARM64)
	files := filesOf(f, c)
	// Small cores: what the emulator has stored of anonymous memory is left out, but for the stack's first part.
	for _, name := range []string{"null-member", "freed-own-content"} {
		c := testcores.Find(name).Emulated(f, "bookworm", loader.ARM64)
		small, err := testcores.DropData(c.Bytes(f), func(l testcores.Load) uint64 {
			if l.File == "" {
				return 8 << 10
			}
			return 0
		})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(small)
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = explainBytes(b, files) // an error is an answer
	})
}

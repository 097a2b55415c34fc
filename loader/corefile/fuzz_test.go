package corefile

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"slices"
	"testing"
)

// FuzzParse: headers and notes of any kind give an error or a core that can be looked at, whose
// mappings are in order and whose sizes are those of its bytes.
func FuzzParse(f *testing.F) {
	for _, m := range []made{small(), {notes: statusOf(1, 11, 0), many: true}, {machine: 183, notes: noteOf("CORE", ntPrstatus, make([]byte, 392))}} {
		f.Add(m.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(bytes.NewReader(b), uint64(len(b)))
		if err != nil {
			return
		}
		if len(c.Threads) == 0 || len(c.Threads) > len(b)/statusRegs || len(c.Ranges) > len(b)/phdrSize || len(c.Mapped) > len(b)/24 || len(c.Problems) > maxProblems {
			t.Errorf("%d threads, %d mappings, %d files of %d bytes", len(c.Threads), len(c.Ranges), len(c.Mapped), len(b))
		}
		last := uint64(0)
		for _, r := range c.Ranges {
			if r.Lo < last || r.Hi <= r.Lo || r.Cut > r.Stored || r.Stored > r.Hi || r.Cut-r.Lo > uint64(len(b)) || r.Known() > r.Hi {
				t.Fatalf("%+v after %#x", r, last)
			}
			last = r.Hi
		}
		if !slices.IsSortedFunc(c.Mapped, func(a, b Mapped) int { return cmp.Compare(a.Lo, b.Lo) }) {
			t.Error("files are not in order")
		}
		look(c)
	})
}

// FuzzSpool: any stream gives an error or a core, of as many bytes as were unpacked, and is itself what is
// unpacked where it is not compressed.
func FuzzSpool(f *testing.F) {
	core := small().bytes()
	f.Add(core)
	for kind := range packers {
		f.Add(pack(f, kind, bytes.NewReader(core)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		t.Setenv("TMPDIR", t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c, err := OpenContext(ctx, "-", bytes.NewReader(b))
		if err != nil {
			return
		}
		if c.Compressed == "" && c.Size != uint64(len(b)) {
			t.Errorf("%d bytes of %d", c.Size, len(b))
		}
		look(c)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
			t.Errorf("%v is left: %v", left, err)
		}
	})
}

package corefile

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "emurace/internal/testseed" // for -seed
)

// TestSmall: all that a core can say.
func TestSmall(t *testing.T) {
	f := parse(t, small().bytes())
	if len(f.Threads) != 2 || f.Threads[0].TID != 7 || f.Threads[0].PC() != 0x10010 || f.Threads[1].TID != 8 {
		t.Errorf("threads: %+v", f.Threads)
	}
	if want := (Signal{Number: 11, Code: 1, Full: true, Addr: 0x28}); f.Signal != want {
		t.Errorf("signal %+v", f.Signal)
	}
	if v, ok := f.Aux(6); !ok || v != 4096 || len(f.Auxv) != 1 {
		t.Errorf("auxv %v", f.Auxv)
	}
	if want := []Mapped{{0x10000, 0x12000, 3 * pageSize, "/lib/a.so"}}; !f.Listed || !slices.Equal(f.Mapped, want) {
		t.Errorf("mapped %v", f.Mapped)
	}
	if f.Name != "prog" || f.Args != "prog -x" || f.PID != 7 || f.BuildID != "abcd" {
		t.Errorf("%q %q %d %q", f.Name, f.Args, f.PID, f.BuildID)
	}
	if f.Missing != 0 || len(f.Problems) > 0 {
		t.Errorf("missing %d: %q", f.Missing, f.Problems)
	}
}

// TestStates: what a core says of each part of the address space, whole and cut.
func TestStates(t *testing.T) {
	type part struct {
		addr  uint64
		state State
		hi    uint64
	}
	b := small().bytes()
	zeros := small()
	zeros.notes = append(zeros.notes, noteOf("EMURACE", ntEmurace, []byte{1, 0, 0, 0})...)
	for name, c := range map[string]struct {
		core []byte
		want []part
	}{
		"whole": {b, []part{
			{0, Unmapped, 0x10000}, {0x10000, Stored, 0x12000}, {0x11fff, Stored, 0x12000}, {0x12800, Stored, 0x13000}, {0x13000, LeftOut, 0x15000},
			{0x15000, Unmapped, 0x20000}, {0x20000, LeftOut, 0x21000}, {0x30000, Stored, 0x33000}, {0x33000, Unmapped, ^uint64(0)}, {^uint64(0), Unmapped, ^uint64(0)},
		}},
		"cut": {b[:len(b)-pageSize-5], []part{{0x30000, Stored, 0x32000 - 5}, {0x32000 - 5, Lost, 0x33000}, {0x33000, Unmapped, ^uint64(0)}}},
		// The last segment begins 3 pages before the end, and the one before it has no data.
		"cut before a segment": {b[:len(b)-3*pageSize-5], []part{{0x12000, Stored, 0x13000 - 5}, {0x13000 - 5, Lost, 0x13000}, {0x13000, LeftOut, 0x15000}, {0x30000, Lost, 0x33000}}},
		"zeros":                {zeros.bytes(), []part{{0x12800, Stored, 0x15000}, {0x20000, Stored, 0x21000}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, c.core)
			for _, p := range c.want {
				if s, hi := f.At(p.addr); s != p.state || hi != p.hi {
					t.Errorf("%#x: %v up to %#x, want %v up to %#x", p.addr, s, hi, p.state, p.hi)
				}
			}
			if cut := strings.HasPrefix(name, "cut"); cut != (f.Missing > 0) {
				t.Errorf("missing %d", f.Missing)
			}
		})
	}
	for s := Unmapped; s <= Lost; s++ {
		if s.String() == "" {
			t.Errorf("state %d has no name", s)
		}
	}
	f := parse(t, b)
	if _, ok := f.Read(0x12ff8, 16); ok {
		t.Error("what was left out is read")
	}
	if got, ok := f.Read(0x11ff8, 16); !ok || !bytes.Equal(got, append(fill(2*pageSize, 1)[2*pageSize-8:], fill(8, 9)...)) {
		t.Errorf("over the border of two segments: %x", got)
	}
	if _, ok := f.Read(0x10000, 1<<62); ok {
		t.Error("too much is read")
	}
	f = parse(t, zeros.bytes())
	if got, ok := f.Read(0x12ff8, 16); !ok || !bytes.Equal(got[8:], make([]byte, 8)) {
		t.Errorf("zeros: %x", got)
	}
	if got, ok := f.Read64(0x20ff8); !ok || got != 0 {
		t.Errorf("zeros: %#x", got)
	}
}

// TestMemory: any core says of each byte what a table of its bytes does.
func TestMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := made{notes: statusOf(1, 11, 0)}
		at := uint64(rapid.IntRange(0, 3).Draw(t, "base")) * pageSize
		first := at
		var table []byte // from first on
		var states []State
		for i := range rapid.IntRange(1, 4).Draw(t, "segments") {
			gap := uint64(rapid.IntRange(0, 2).Draw(t, "gap")) * 24
			data := fill(rapid.IntRange(0, 2*pageSize).Draw(t, "stored"), byte(17*i))
			more := uint64(rapid.IntRange(0, 40).Draw(t, "more"))
			m.loads = append(m.loads, loadOf{addr: at + gap, data: data, memsz: uint64(len(data)) + more})
			at += gap + uint64(len(data)) + more
			states = append(states, slices.Repeat([]State{Unmapped}, int(gap))...)
			states = append(states, slices.Repeat([]State{Stored}, len(data))...)
			states = append(states, slices.Repeat([]State{LeftOut}, int(more))...)
			table = append(append(append(table, make([]byte, gap)...), data...), make([]byte, more)...)
		}
		states = append(states, slices.Repeat([]State{Unmapped}, 4*direct)...)
		table = append(table, make([]byte, 4*direct)...)
		b := m.bytes()
		f, err := Parse(bytes.NewReader(b), uint64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			addr := first + rapid.Uint64Range(0, at-first+64).Draw(t, "addr")
			size := rapid.SampledFrom([]uint64{1, 8, 8, 8, 100, pageSize, direct + 3}).Draw(t, "size")
			want := table[addr-first:][:size]
			all := !slices.ContainsFunc(states[addr-first:][:size], func(s State) bool { return s != Stored })
			if got, ok := f.Read(addr, size); ok != all || ok && !bytes.Equal(got, want) {
				t.Fatalf("%d bytes at %#x: %v, want %v", size, addr, ok, all)
			}
			if size == 8 {
				if got, ok := f.Read64(addr); ok != all || ok && got != le.Uint64(want) {
					t.Fatalf("word at %#x: %#x %v, want %x %v", addr, got, ok, want, all)
				}
			}
			s, hi := f.At(addr)
			if s != states[addr-first] || hi <= addr {
				t.Fatalf("%#x: %v up to %#x", addr, s, hi)
			}
			if hi != ^uint64(0) && slices.ContainsFunc(states[addr-first:hi-first], func(o State) bool { return o != s }) {
				t.Fatalf("%#x: %v up to %#x, and some before that is another", addr, s, hi)
			}
		}
	})
}

// counted counts the bytes that are read.
type counted struct {
	r io.ReaderAt
	n *int
}

func (c counted) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	*c.n += n
	return n, err
}

// TestFewBytes: of memory of which little is looked at little is read, and of what is gone through
// each byte once.
func TestFewBytes(t *testing.T) {
	const size = 16 << 20
	n := 0
	b := made{notes: statusOf(1, 11, 0), loads: []loadOf{{addr: 0x100000, data: make([]byte, size)}}}.bytes()
	f, err := Parse(counted{bytes.NewReader(b), &n}, uint64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for at := uint64(0); at < size; at += 64 << 10 {
		if _, ok := f.Read64(0x100000 + at); !ok {
			t.Fatal(at)
		}
	}
	if most := (size>>16 + 4) * pageSize; n > most {
		t.Errorf("%d bytes for one word of each 64 KiB, want %d at most", n, most)
	}
	n = 0
	for at := uint64(0); at < 1<<20; at += 8 {
		if _, ok := f.Read64(0x100000 + at); !ok {
			t.Fatal(at)
		}
	}
	if most := 1<<20 + mostRead*pageSize; n > most {
		t.Errorf("%d bytes for all words of a MiB", n)
	}
}

// TestFailingReads: what the file system cannot read is not in the core, and may be later.
func TestFailingReads(t *testing.T) {
	b := small().bytes()
	r := &failingAt{r: bytes.NewReader(b)}
	f, err := Parse(r, uint64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	r.fails = true
	if _, ok := f.Read64(0x30000); ok {
		t.Error("read what cannot be read")
	}
	if _, ok := f.Read(0x30000, 3*pageSize); ok {
		t.Error("read what cannot be read")
	}
	r.fails = false
	if v, ok := f.Read64(0x30000); !ok || v != le.Uint64(fill(8, 33)) {
		t.Errorf("%#x %v", v, ok)
	}
}

type failingAt struct {
	r     io.ReaderAt
	fails bool
}

func (f *failingAt) ReadAt(b []byte, off int64) (int, error) {
	if f.fails {
		return 0, io.ErrClosedPipe
	}
	return f.r.ReadAt(b, off)
}

// TestManySegments: from 65,535 program headers on their number is in a section header; readelf reads
// as many.
func TestManySegments(t *testing.T) {
	const count = 70_000
	m := made{notes: statusOf(1, 11, 0), many: true}
	for i := range uint64(count) {
		m.loads = append(m.loads, loadOf{addr: 0x10000 + 2*pageSize*i, memsz: pageSize, flags: elf.PF_R})
	}
	b := m.bytes()
	f := parse(t, b)
	if len(f.Ranges) != count || len(f.Threads) != 1 || len(f.Problems) > 0 || f.Missing != 0 {
		t.Fatalf("%d mappings, problems %q, missing %d", len(f.Ranges), f.Problems, f.Missing)
	}
	if r, ok := f.Range(0x10000 + 2*pageSize*(count-1)); !ok || r.Hi-r.Lo != pageSize {
		t.Errorf("the last one: %+v", r)
	}
	name := filepath.Join(t.TempDir(), "core")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("readelf", "-hW", name).CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("65535 (%d)", count+1)) {
		t.Errorf("readelf: %v\n%s", err, out)
	}
	// Without the section header there is no telling.
	for _, cut := range [][]byte{b[:ehdrSize], b[:ehdrSize+phdrSize]} {
		if _, err := Parse(bytes.NewReader(cut), uint64(len(cut))); err == nil {
			t.Error("no section header, and no error")
		}
	}
}

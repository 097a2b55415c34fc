package unwind

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	b := frameBuilder{vaddr: 0x200}
	first := b.cie("zR", 1, 16, "\x0c\x07\x08\x90\x01")
	b.fde(first, 0x2000, 0x100, "\x41\x0e\x10")
	signal := b.cie("zRS", 1, 16, "\x0c\x07\x08\x90\x01")
	b.fde(signal, 0x1000, 0x10, "")
	b.fde(first, 0x2100, 0x80, "")
	b.fde(first, 0x3000, 0, "") // thrown away by the linker
	b.data = append(b.data, 0, 0, 0, 0)
	b.data = append(b.data, "what follows the terminator"...)

	table := parseTable(b.data, b.vaddr)
	if table.problem != nil || len(table.fdes) != 3 {
		t.Fatalf("%d entries, problem %v", len(table.fdes), table.problem)
	}
	for _, tc := range []struct {
		addr, begin uint64
		found       bool
		signal      bool
	}{
		{0xfff, 0, false, false},
		{0x1000, 0x1000, true, true},
		{0x100f, 0x1000, true, true},
		{0x1010, 0, false, false},
		{0x2000, 0x2000, true, false},
		{0x20ff, 0x2000, true, false},
		{0x2100, 0x2100, true, false},
		{0x2180, 0, false, false},
		{0x3000, 0, false, false},
		{1<<64 - 1, 0, false, false},
	} {
		f, ok := table.find(tc.addr)
		if ok != tc.found || ok && (f.begin != tc.begin || f.cie.signal != tc.signal) {
			t.Errorf("find(%#x) = %+v, %v", tc.addr, f, ok)
		}
	}
	f, _ := table.find(0x2050)
	r, err := f.rowAt(0x2050, false)
	if err != nil || r.cfaRegister != 7 || r.cfaOffset != 16 || r.regs[16].offset != -8 {
		t.Errorf("row: %+v, %v", r, err)
	}
}

func TestTableAugmentations(t *testing.T) {
	// The bytes of a CIE from its version on.
	for _, tc := range []struct{ name, body, want string }{
		{"none", "\x01\x00\x01\x78\x10", ""},
		{"version 3", "\x03zR\x00\x01\x78\x10\x01\x1b", ""},
		{"personality and table", "\x01zPLR\x00\x01\x78\x10\x07\x9b\x01\x02\x03\x04\x1b\x1b", ""},
		{"no personality", "\x01zPR\x00\x01\x78\x10\x02\xff\x1b", ""},
		{"key B", "\x01zRB\x00\x01\x78\x10\x01\x1b", ""},
		{"version", "\x07zR\x00\x01\x78\x10\x01\x1b", "version 7"},
		{"old style", "\x01eh\x00\x01\x78\x10", `augmentation "eh"`},
		{"letter", "\x01zX\x00\x01\x78\x10\x01\x1b", `augmentation "zX"`},
		{"endless", "\x01zRRRR", "does not end"},
		{"size", "\x01zR\x00\x01\x78\x10\x41\x1b", "augmentation data truncated"},
		{"beyond its size", "\x01zLR\x00\x01\x78\x10\x01\x1b\x1b", "augmentation data truncated"},
		{"short", "\x01\x00\x01", "CIE: truncated"},
	} {
		data := append([]byte{byte(4 + len(tc.body)), 0, 0, 0, 0, 0, 0, 0}, tc.body...)
		_, err := parseCIE(data, 0, 0)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

// A broken entry costs itself, a broken length all that follows, and both are
// said.
func TestTableProblems(t *testing.T) {
	build := func() (*frameBuilder, int) {
		b := &frameBuilder{vaddr: 0x200}
		cie := b.cie("zR", 1, 16, "\x0c\x07\x08\x90\x01")
		b.fde(cie, 0x1000, 0x100, "")
		return b, cie
	}
	for _, tc := range []struct {
		name, want string
		entries    int
		spoil      func(b *frameBuilder, cie int)
	}{
		{"no CIE there", "is no CIE", 2, func(b *frameBuilder, cie int) {
			b.fde(cie+4, 0x2000, 0x100, "")
			b.fde(cie, 0x3000, 0x100, "")
		}},
		{"CIE outside", "outside the section", 2, func(b *frameBuilder, cie int) {
			b.fde(-1000, 0x2000, 0x100, "")
			b.fde(cie, 0x3000, 0x100, "")
		}},
		{"short entry", "truncated", 2, func(b *frameBuilder, cie int) {
			b.data = append(b.data, 8, 0, 0, 0)
			b.data = le.AppendUint32(b.data, uint32(len(b.data)-cie))
			b.data = append(b.data, 1, 2, 3, 4)
			b.fde(cie, 0x3000, 0x100, "")
		}},
		{"length", "length 0x100 of the 0x4 bytes left", 1, func(b *frameBuilder, cie int) {
			b.data = append(b.data, 0, 1, 0, 0, 1, 2, 3, 4)
		}},
		{"64-bit length", "length 0xffffffffffffffff", 1, func(b *frameBuilder, cie int) {
			for range 12 {
				b.data = append(b.data, 0xff)
			}
		}},
		{"length of less than a CIE pointer", "length 0x1", 1, func(b *frameBuilder, cie int) {
			b.data = append(b.data, 1, 0, 0, 0, 0, 0, 0, 0)
		}},
	} {
		b, cie := build()
		tc.spoil(b, cie)
		table := parseTable(b.data, b.vaddr)
		if len(table.fdes) != tc.entries || table.problem == nil || !strings.Contains(table.problem.Error(), tc.want) {
			t.Errorf("%s: %d entries, want %d; problem %v, want %q", tc.name, len(table.fdes), tc.entries, table.problem, tc.want)
		}
	}
}

// FuzzTable: whatever the section holds, the index is in order, finds what is
// in it, and running the programs ends.
func FuzzTable(f *testing.F) {
	b := frameBuilder{vaddr: 0x200}
	cie := b.cie("zRS", 1, 16, "\x0c\x07\x08\x90\x01")
	b.fde(cie, 0x1000, 0x100, "\x41\x0e\x10\x83\x02\x0a\x42\x0f\x03\x77\x08\x06\x42\x0b\x16\x03\x02\x31\x32")
	b.fde(cie, 0x1100, 0x40, "\x2d\x02\x10\x07\x1e\x09\x1e\x0f")
	f.Add(b.data)
	f.Add(append(b.data, b.data...))
	f.Fuzz(func(t *testing.T, data []byte) {
		table := parseTable(data, 0x200)
		for i := range table.fdes {
			entry := &table.fdes[i]
			if entry.begin >= entry.end || i > 0 && entry.begin <= table.fdes[i-1].begin {
				t.Fatalf("entry %d: [%#x, %#x)", i, entry.begin, entry.end)
			}
			if got, ok := table.find(entry.begin); !ok || got != entry {
				t.Fatalf("find(%#x) = %+v, %v", entry.begin, got, ok)
			}
			for _, at := range []uint64{entry.begin, entry.begin + (entry.end-entry.begin)/2, entry.end - 1} {
				one, err := entry.rowAt(at, true)
				two, again := entry.rowAt(at, true)
				if (err == nil) != (again == nil) || one.cfaOffset != two.cfaOffset || one.cfaRegister != two.cfaRegister {
					t.Fatalf("row at %#x: %+v, %v, then %+v, %v", at, one, err, two, again)
				}
			}
		}
	})
}

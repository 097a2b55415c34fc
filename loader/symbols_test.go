package loader

import (
	"debug/elf"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// At one address, the first of each list is the name to show.
func TestCompareSymbols(t *testing.T) {
	const fn, object = elf.STT_FUNC, elf.STT_OBJECT
	exported := func(name, version string) Symbol {
		return Symbol{Name: name, Version: version, Type: fn, Dynamic: true, Default: true}
	}
	hidden := Symbol{Name: "free", Version: "V0", Type: fn, Dynamic: true}
	local := func(name string) Symbol { return Symbol{Name: name, Type: fn} }
	for _, list := range [][]Symbol{
		{exported("getenv", "GLIBC_2.17"), local("getenv"), local("__GI_getenv")},
		{exported("setenv", "GLIBC_2.17"), exported("__setenv", "GLIBC_2.17")},
		{exported("realloc", "GLIBC_2.17"), exported("__libc_realloc", "GLIBC_PRIVATE"), local("__GI___libc_realloc")},
		{exported("__read", "V1"), local("read")},
		{exported("read", "V1"), exported("_read", "V1"), exported("__read", "V1")},
		{exported("puts", "V1"), exported("_IO_puts", "V1")},
		{exported("cfree", "V1"), hidden},
		{exported("abc", "V1"), exported("abd", "V1"), exported("abcd", "V1")},
		{exported("zzz", "V1"), {Name: "aaa", Type: object, Dynamic: true, Default: true}},
		{{Name: "a", Type: elf.STT_GNU_IFUNC}, {Name: "a", Type: object}},
		{{Name: "zz", Addr: 1, Type: object}, {Name: "aa", Addr: 2, Type: fn}},
	} {
		for i := range list {
			for j := range list {
				want := boolCompare(i > j, j > i)
				if got := compareSymbols(list[i], list[j]); got != want {
					t.Errorf("%v against %v: %d, want %d", list[i], list[j], got, want)
				}
			}
		}
	}
}

func TestSymbolString(t *testing.T) {
	for want, s := range map[string]Symbol{
		"a@@V1": {Name: "a", Version: "V1", Default: true},
		"a@V1":  {Name: "a", Version: "V1"},
		"a":     {Name: "a", Default: true},
	} {
		if got := s.String(); got != want {
			t.Errorf("%+v prints as %q, want %q", s, got, want)
		}
	}
}

func TestSymbolAt(t *testing.T) {
	const fn, object, glob = elf.STT_FUNC, elf.STT_OBJECT, elf.STB_GLOBAL
	list := symbolSections([]testSymbol{
		{"$x", 0x1000, 0, elf.STT_NOTYPE, 0, 0},
		{"outer", 0x1000, 0x100, fn, glob, 0},
		{"__outer", 0x1000, 0x100, fn, glob, 0},
		{"inner", 0x1040, 0x10, fn, 0, 0},
		{"asm", 0x1200, 0, fn, 0, 0},
		{"next", 0x1240, 0, fn, 0, 0},
		{"short", 0x1300, 4, fn, 0, 0},
		{"a_longer_name", 0x1300, 8, fn, 0, 0},
		{"versioned@@V2", 0x1400, 8, fn, glob, 0},
		{"ifunc", 0x1500, 8, elf.STT_GNU_IFUNC, glob, 0},
		{"toolong", 0x2ff0, math.MaxUint64, fn, 0, 0},
		{"table", 0x4000, 0x20, object, glob, 0},
		{"label", 0x4100, 0, object, glob, 0},
		{"imported", 0x1600, 8, fn, glob, 1},
		{"absolute", 0x1608, 8, fn, glob, elf.SHN_ABS},
		{"common", 8, 8, object, glob, elf.SHN_COMMON},
		{"outside", 0x9000, 8, fn, glob, 0},
		{"file.c", 0, 0, elf.STT_FILE, 0, 0},
		{"", 0x1700, 8, fn, 0, 0},
		{"@V1", 0x1710, 8, fn, 0, 0}, // a version of nothing
	})
	list = append(list,
		testSection{name: ".text", kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC, addr: 0x1000, data: make([]byte, 0x260)},
	)
	file := withSections(textImage(ARM64), list)
	// symbolSections takes index 0 for 1; only here is an undefined symbol wanted.
	table := findTestSection(t, file, ".symtab")
	le.PutUint16(file[table.off+14*symSize+6:], uint16(elf.SHN_UNDEF))
	im := mustParse(t, "x", file)
	if err := im.SymbolProblem(); err != nil {
		t.Error(err)
	}
	for _, tc := range []struct {
		addr uint64
		name string
		off  uint64
	}{
		{0xfff, "", 0},
		{0x1000, "outer", 0},
		{0x103f, "outer", 0x3f},
		{0x1040, "inner", 0},
		{0x104f, "inner", 0xf},
		{0x1050, "outer", 0x50},
		{0x10ff, "outer", 0xff},
		{0x1100, "", 0},
		{0x1200, "asm", 0}, // without a size, up to the next function
		{0x123f, "asm", 0x3f},
		{0x125f, "next", 0x1f}, // or up to the end of the section
		{0x1260, "", 0},
		{0x1303, "short", 3},
		{0x1304, "a_longer_name", 4},
		{0x1404, "versioned", 4},
		{0x1507, "ifunc", 7},
		{0x1600, "", 0},
		{0x1608, "", 0},
		{0x1700, "", 0},
		{0x1710, "", 0},
		{0x2fff, "toolong", 0xf},
		{0x3000, "", 0},
		{0x401f, "table", 0x1f},
		{0x4100, "", 0},
		{0x9000, "", 0},
		{math.MaxUint64, "", 0},
	} {
		sym, off, ok := im.SymbolAt(tc.addr)
		if sym.Name != tc.name || off != tc.off || ok != (tc.name != "") {
			t.Errorf("SymbolAt(%#x) = %q+%#x, %v, want %q+%#x", tc.addr, sym.Name, off, ok, tc.name, tc.off)
		}
	}

	// Without .dynsym the global symbols stand for the exported ones.
	for name, want := range map[string]bool{
		"outer": true, "inner": false, "table": true, "versioned": true, "versioned@V2": true, "versioned@@V2": true,
		"versioned@V1": false, "absolute": false, "outside": false, "": false, "@": false,
	} {
		if sym, ok := im.Symbol(name); ok != want {
			t.Errorf("Symbol(%q) = %v, %v", name, sym, ok)
		}
	}
	if list := im.Named("inner"); len(list) != 1 || list[0].Addr != 0x1040 {
		t.Errorf("Named(inner) = %v", list)
	}
	all := im.Symbols()
	if !slices.IsSortedFunc(all, compareSymbols) || len(all) != 12 {
		t.Errorf("%d symbols: %v", len(all), all)
	}
	all[0].Name = "changed"
	if im.Symbols()[0].Name == "changed" {
		t.Error("a caller can change the symbols of others")
	}
}

func findTestSection(t *testing.T, file []byte, name string) section {
	t.Helper()
	s, ok := findSection(readSections(file), name)
	if !ok {
		t.Fatalf("no section %s", name)
	}
	return s
}

// Broken tables make names poorer, and say so where it is no accident.
func TestSymbolsBroken(t *testing.T) {
	good := withSections(textImage(AMD64), symbolSections([]testSymbol{{"f", 0x1000, 8, elf.STT_FUNC, elf.STB_GLOBAL, 0}}))
	header := func(b []byte, number int) []byte { return b[le.Uint64(b[40:])+uint64(number*shdrSize):] }
	for _, tc := range []struct {
		what    string
		spoil   func([]byte)
		problem bool
	}{
		{"no section headers", func(b []byte) { le.PutUint64(b[40:], 0) }, false},
		{"section headers outside", func(b []byte) { le.PutUint64(b[40:], math.MaxUint64-1) }, false},
		{"section header size", func(b []byte) { le.PutUint16(b[58:], 1) }, false},
		{"more section headers than file", func(b []byte) { le.PutUint16(b[60:], 0xff00) }, false},
		{"count in the null section", func(b []byte) {
			le.PutUint16(b[60:], 0)
			le.PutUint64(header(b, 0)[32:], 1<<60)
		}, false},
		{"table outside", func(b []byte) { le.PutUint64(header(b, 1)[32:], 1<<40) }, true},
		{"names outside", func(b []byte) { le.PutUint64(header(b, 2)[24:], 1<<40) }, true},
		{"no names", func(b []byte) { le.PutUint32(header(b, 1)[40:], 99) }, false},
		{"names are the table", func(b []byte) { le.PutUint32(header(b, 1)[40:], 1) }, false},
		{"claims to be compressed", func(b []byte) { le.PutUint64(header(b, 1)[8:], uint64(elf.SHF_COMPRESSED)) }, true},
	} {
		t.Run(tc.what, func(t *testing.T) {
			data := slices.Clone(good)
			tc.spoil(data)
			im := mustParse(t, "x", data)
			if sym, ok := im.Symbol("f"); ok {
				t.Errorf("found %v", sym)
			}
			if err := im.SymbolProblem(); tc.problem {
				checkError(t, err, "x", "")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	if _, ok := mustParse(t, "x", good).Symbol("f"); !ok {
		t.Error("the good file has no f")
	}
}

// The table answers like a search through all symbols.
func TestSymbolAtExhaustive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []testSymbol
		for range rapid.IntRange(0, 25).Draw(t, "symbols") {
			list = append(list, testSymbol{
				name: rapid.StringMatching(`_{0,2}[a-c]{1,2}`).Draw(t, "name"),
				addr: 0x1000 + rapid.Uint64Range(0, 80).Draw(t, "addr"),
				size: rapid.Uint64Range(1, 30).Draw(t, "size"),
				kind: rapid.SampledFrom([]elf.SymType{elf.STT_FUNC, elf.STT_OBJECT}).Draw(t, "kind"),
			})
		}
		im, err := Parse("random", withSections(textImage(ARM64), symbolSections(list)))
		if err != nil {
			t.Fatal(err)
		}
		all := im.Symbols()
		for addr := uint64(0x0ff0); addr < 0x1090; addr++ {
			var want *Symbol
			for i := range all {
				s := &all[i]
				if addr-s.Addr < s.Size && (want == nil || s.Addr > want.Addr) {
					want = s // the first of its address in the stated order
				}
			}
			got, off, ok := im.SymbolAt(addr)
			if ok != (want != nil) || ok && (got != *want || off != addr-want.Addr) {
				t.Fatalf("SymbolAt(%#x) = %+v+%d, %v, want %+v", addr, got, off, ok, want)
			}
		}
	})
}

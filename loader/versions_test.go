package loader

import (
	"debug/elf"
	"slices"
	"testing"
)

// Where dynamicImage has its tables, all in one segment that starts at 0.
const (
	dynAt, strAt, symAt, hashAt, gnuHashAt = 0x200, 0x400, 0x500, 0x600, 0x680
	versymAt, verdefAt                     = 0x700, 0x800
)

// dynamicImage is a library that exports two versions of one function and an
// unversioned function, in every table that a real library has.
func dynamicImage() []byte {
	at := func(b []byte, addr int, data []byte) { copy(b[addr:], data) }
	strtab := "\x00lib.so\x00twice\x00V1\x00V2\x00plain\x00"
	const soname, twice, v1, v2, plain = 1, 8, 14, 17, 20
	var dyn, syms, hash, gnuHash, versym, verdef []byte
	for _, e := range [][2]uint64{
		{uint64(elf.DT_SONAME), soname}, {uint64(elf.DT_STRTAB), strAt}, {uint64(elf.DT_STRSZ), uint64(len(strtab))},
		{uint64(elf.DT_SYMTAB), symAt}, {uint64(elf.DT_SYMENT), symSize}, {uint64(elf.DT_GNU_HASH), gnuHashAt}, {uint64(elf.DT_HASH), hashAt},
		{uint64(elf.DT_VERSYM), versymAt}, {uint64(elf.DT_VERDEF), verdefAt}, {uint64(elf.DT_VERDEFNUM), 3}, {},
	} {
		dyn = le.AppendUint64(le.AppendUint64(dyn, e[0]), e[1])
	}
	syms = make([]byte, symSize)
	for _, s := range []struct{ name, addr uint32 }{{twice, 0x100}, {twice, 0x200}, {plain, 0x300}, {plain, 0x400}} {
		syms = append(le.AppendUint32(syms, s.name), byte(elf.STB_GLOBAL)<<4|byte(elf.STT_FUNC), 0, 1, 0)
		syms = le.AppendUint64(le.AppendUint64(syms, uint64(s.addr)), 0x10)
	}
	for _, v := range []uint32{1, 5, 1, 0, 2, 3, 4, 0} { // one bucket, a chain through all
		hash = le.AppendUint32(hash, v)
	}
	for _, v := range []uint32{2, 1, 1, 0, 0, 0, 0, 1, 0, 2, 4, 7} { // buckets 0 and 1; chain 1-4
		gnuHash = le.AppendUint32(gnuHash, v)
	}
	for _, v := range []uint16{0, 2 | versionHidden, 3, versionGlobal, versionLocal} {
		versym = le.AppendUint16(versym, v)
	}
	for _, v := range []struct{ number, name, next uint32 }{{1, soname, 28}, {2, v1, 28}, {3, v2, 0}} {
		verdef = le.AppendUint16(verdef, 1)
		verdef = le.AppendUint16(verdef, 0)
		verdef = le.AppendUint16(verdef, uint16(v.number))
		verdef = le.AppendUint16(verdef, 1)
		verdef = le.AppendUint32(verdef, 0)  // hash of the name
		verdef = le.AppendUint32(verdef, 20) // to the auxiliary record
		verdef = le.AppendUint32(verdef, v.next)
		verdef = le.AppendUint32(verdef, v.name)
		verdef = le.AppendUint32(verdef, 0)
	}
	const size = 0x900
	phdrs := []phdr{
		load(0, size, 0, size, elf.PF_R|elf.PF_X),
		{kind: elf.PT_DYNAMIC, Segment: Segment{Vaddr: dynAt, Offset: dynAt, Filesz: uint64(len(dyn)), Memsz: uint64(len(dyn)), Align: 8}},
	}
	b := buildELF(AMD64, elf.ET_DYN, phdrs, make([]byte, size-bodyOffset(2)))
	at(b, dynAt, dyn)
	at(b, strAt, []byte(strtab))
	at(b, symAt, syms)
	at(b, hashAt, hash)
	at(b, gnuHashAt, gnuHash)
	at(b, versymAt, versym)
	at(b, verdefAt, verdef)
	return b
}

// dropTag makes the dynamic section forget an entry.
func dropTag(t *testing.T, data []byte, tag elf.DynTag) []byte {
	t.Helper()
	data = slices.Clone(data)
	for b := data[dynAt:]; le.Uint64(b) != 0; b = b[dynSize:] {
		if le.Uint64(b) == uint64(tag) {
			le.PutUint64(b, uint64(elf.DT_DEBUG))
			return data
		}
	}
	t.Fatalf("no %v", tag)
	return nil
}

func TestSymbolVersions(t *testing.T) {
	data := dynamicImage()
	for what, variant := range map[string][]byte{
		"both hash tables": data,
		"only DT_HASH":     dropTag(t, data, elf.DT_GNU_HASH),
		"only DT_GNU_HASH": dropTag(t, data, elf.DT_HASH),
	} {
		im := mustParse(t, "lib.so", variant)
		if im.Soname != "lib.so" {
			t.Errorf("%s: soname %q", what, im.Soname)
		}
		if n := im.dynamicCount(); n != 5 {
			t.Errorf("%s: %d dynamic symbols, want 5", what, n)
		}
		for _, tc := range []struct {
			ask, found string
			addr       uint64
		}{
			{"twice", "twice@@V2", 0x200},
			{"twice@V2", "twice@@V2", 0x200},
			{"twice@@V2", "twice@@V2", 0x200},
			{"twice@V1", "twice@V1", 0x100},
			{"twice@V3", "", 0},
			{"plain", "plain", 0x300},
			{"plain@V1", "", 0},
			{"lib.so", "", 0},
		} {
			sym, ok := im.Symbol(tc.ask)
			if ok != (tc.found != "") || ok && (sym.String() != tc.found || sym.Addr != tc.addr) {
				t.Errorf("%s: Symbol(%q) = %v at %#x, %v", what, tc.ask, sym, sym.Addr, ok)
			}
		}
	}

	// Without version tables the first of two equal names is taken.
	if sym, ok := mustParse(t, "x", dropTag(t, data, elf.DT_VERSYM)).Symbol("twice"); !ok || sym.Addr != 0x100 || sym.Version != "" {
		t.Errorf("without versions: %v at %#x", sym, sym.Addr)
	}
	// Without a hash table nobody can say how long the symbol table is.
	if n := len(mustParse(t, "x", dropTag(t, dropTag(t, data, elf.DT_HASH), elf.DT_GNU_HASH)).Symbols()); n != 0 {
		t.Errorf("%d symbols without a hash table", n)
	}
}

// Tables that lead outside the file or in circles cost symbols, not time.
func TestDynamicBroken(t *testing.T) {
	for what, spoil := range map[string]func([]byte){
		"symbols outside":        func(b []byte) { le.PutUint64(b[dynAt+3*dynSize+8:], 1<<40) },
		"more symbols than file": func(b []byte) { le.PutUint32(b[hashAt+4:], 1<<31) },
		"versions outside":       func(b []byte) { le.PutUint64(b[dynAt+7*dynSize+8:], 1<<40) },
		"definitions outside":    func(b []byte) { le.PutUint64(b[dynAt+8*dynSize+8:], 1<<40) },
		"endless definitions": func(b []byte) {
			le.PutUint64(b[dynAt+9*dynSize+8:], 1<<60)
			le.PutUint32(b[verdefAt+2*28+16:], 1)
		},
		"version name outside": func(b []byte) { le.PutUint32(b[verdefAt+20:], 1<<31) },
		"buckets outside":      func(b []byte) { le.PutUint32(b[gnuHashAt:], 1<<31) },
		"filter outside":       func(b []byte) { le.PutUint32(b[gnuHashAt+8:], 1<<31) },
		"chain without end":    func(b []byte) { le.PutUint32(b[gnuHashAt+44:], 0) },
	} {
		for _, drop := range []elf.DynTag{elf.DT_HASH, elf.DT_GNU_HASH} {
			data := dynamicImage()
			spoil(data)
			im := mustParse(t, "x", dropTag(t, data, drop))
			if n := len(im.Symbols()); n > 0x900/symSize {
				t.Errorf("%s: %d symbols", what, n)
			}
			checkSymbols(t, im)
		}
	}
}

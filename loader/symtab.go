package loader

import (
	"debug/elf"
	"strings"

	"emurace/internal/printable"
)

// Symbol is a defined symbol. Addr is as in the file, before the load bias;
// for STT_TLS it is the offset in the module's TLS block. Size is in bytes and
// can be 0, as assembly code often leaves it.
type Symbol struct {
	Name    string
	Version string // as in "GLIBC_2.17", "" when unversioned
	Addr    uint64
	Size    uint64
	Type    elf.SymType // STT_FUNC, STT_GNU_IFUNC, STT_OBJECT or STT_TLS
	Bind    elf.SymBind
	Dynamic bool // in .dynsym: other modules can bind to it
	Default bool // the bare name binds to it; see Image.Symbol
}

// String returns name@@version for the default version, name@version for
// another and the name alone without one, as readelf prints them.
func (s Symbol) String() string {
	switch {
	case s.Version == "":
		return s.Name
	case s.Default:
		return s.Name + "@@" + s.Version
	}
	return s.Name + "@" + s.Version
}

// Function reports whether the symbol names code.
func (s Symbol) Function() bool {
	return s.Type == elf.STT_FUNC || s.Type == elf.STT_GNU_IFUNC
}

// rawSymbol is a Symbol with its place in the table, which leads to its version.
type rawSymbol struct {
	Symbol
	index int
}

// readSymtab returns the functions, objects and TLS variables that a symbol
// table defines. Everything else in it, such as the $x and $d marks between
// code and data on arm64, section symbols and undefined ones, names nothing
// that a reader looks for.
func readSymtab(table, strtab []byte) []rawSymbol {
	// All names share one copy of the string table, so that many symbols with
	// one long name cost nothing.
	names := string(strtab)
	count := 0
	for i := 1; (i+1)*symSize <= len(table); i++ {
		if defines(table[i*symSize:]) {
			count++
		}
	}
	list := make([]rawSymbol, 0, count) // larger than they are in the table, and so copied at a price
	for i := 1; (i+1)*symSize <= len(table); i++ {
		s := table[i*symSize:]
		if !defines(s) {
			continue
		}
		name, ok := nameAt(names, uint64(le.Uint32(s)))
		if !ok || name == "" {
			continue
		}
		list = append(list, rawSymbol{
			index: i,
			Symbol: Symbol{
				Name: name,
				Addr: le.Uint64(s[8:]),
				Size: le.Uint64(s[16:]),
				Type: elf.ST_TYPE(s[4]),
				Bind: elf.ST_BIND(s[4]),
			},
		})
	}
	return list
}

// defines tells whether an entry of a symbol table defines a function, an object or a TLS
// variable.
func defines(entry []byte) bool {
	switch elf.ST_TYPE(entry[4]) {
	case elf.STT_FUNC, elf.STT_OBJECT, elf.STT_TLS, elf.STT_GNU_IFUNC:
	default:
		return false
	}
	switch elf.SectionIndex(le.Uint16(entry[6:])) {
	case elf.SHN_UNDEF, elf.SHN_ABS, elf.SHN_COMMON:
		return false
	}
	return true
}

// nameAt is cstring for a table that was made a string once. No symbol's name is one that
// a terminal would obey.
func nameAt(names string, off uint64) (string, bool) {
	if off >= uint64(len(names)) {
		return "", false
	}
	s := names[off:]
	if len(s) > maxName {
		s = s[:maxName]
	}
	n := strings.IndexByte(s, 0)
	if n < 0 {
		return "", false
	}
	return printable.Line(s[:n]), true
}

// dynamicSymbols returns what .dynsym defines, with versions. The table is
// found as ld.so finds it, through the dynamic section, so that it works
// without section headers.
func (im *Image) dynamicSymbols() []rawSymbol {
	if im.dyn.symtab == 0 {
		return nil
	}
	table := im.fileAt(im.dyn.symtab)
	count := im.dynamicCount()
	if max := uint64(len(table)) / symSize; count > max {
		count = max
	}
	list := readSymtab(table[:count*symSize], im.dyn.strtab)
	im.setVersions(list)
	for i := range list {
		list[i].Dynamic = true
	}
	return list
}

// dynamicCount returns the length of .dynsym, which only the hash tables tell:
// DT_HASH directly, DT_GNU_HASH by its last chain, as in glibc's
// elf/dl-addr.c. The result is not yet checked against the file.
func (im *Image) dynamicCount() uint64 {
	if h, ok := im.fileRange(im.dyn.hash, 8); ok && im.dyn.hash != 0 {
		return uint64(le.Uint32(h[4:]))
	}
	h := im.fileAt(im.dyn.gnuHash)
	if im.dyn.gnuHash == 0 || len(h) < 16 {
		return 0
	}
	// Header: number of buckets, first hashed symbol, 64-bit words of the
	// Bloom filter, shift. Then filter, buckets, chains.
	nbucket, first, bloom := uint64(le.Uint32(h)), uint64(le.Uint32(h[4:])), uint64(le.Uint32(h[8:]))
	buckets, ok := part(h, 16+8*bloom, 4*nbucket)
	if !ok {
		return 0
	}
	chains := h[16+8*bloom+4*nbucket:]
	last := uint64(0)
	for ; len(buckets) >= 4; buckets = buckets[4:] {
		last = max(last, uint64(le.Uint32(buckets)))
	}
	if last < first {
		return first // nothing is exported
	}
	for i := last - first; i < uint64(len(chains))/4; i++ {
		if le.Uint32(chains[4*i:])&1 != 0 { // end of a chain
			return first + i + 1
		}
	}
	return 0
}

// staticSymbols returns what the .symtab of a file defines. Versions are part
// of the names there.
func staticSymbols(file string, data []byte, sections []section) ([]rawSymbol, error) {
	for _, s := range sections {
		if s.kind != elf.SHT_SYMTAB || s.link >= uint64(len(sections)) {
			continue
		}
		table, err := s.content(file, data)
		if err != nil {
			return nil, err
		}
		strtab, err := sections[s.link].content(file, data)
		if err != nil {
			return nil, err
		}
		list := readSymtab(table, strtab)
		kept := list[:0]
		for i := range list {
			sym := &list[i]
			name, version, _ := strings.Cut(sym.Name, "@")
			if sym.Name, sym.Version = name, strings.TrimPrefix(version, "@"); name != "" {
				kept = append(kept, *sym)
			}
		}
		return kept, nil
	}
	return nil, nil
}

package loader

import (
	"cmp"
	"debug/elf"
	"iter"
	"slices"
	"strings"
)

// symbolTable is everything known about an image's symbols. It is never
// changed once it is built.
type symbolTable struct {
	sorted  []Symbol  // by address, at one address by rank
	extent  intervals // of sorted, element by element
	tls     []Symbol
	problem error // why .symtab or the debug file's could not be read
}

// Symbols returns all known functions and objects, sorted by address. They
// come from .dynsym, from .symtab and, once it is attached, from the debug
// file; a symbol in several of them is listed once.
func (im *Image) Symbols() []Symbol { return slices.Clone(im.table().sorted) }

// Named returns all known functions and objects of that name, exported ones
// first and then by address. File-local names need not be unique.
func (im *Image) Named(name string) []Symbol {
	var list []Symbol
	for _, s := range im.table().sorted {
		if s.Name == name {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b Symbol) int { return boolCompare(b.Dynamic, a.Dynamic) })
	return list
}

// ThreadLocal finds a thread-local variable by its name, exported or not; its Addr is the
// offset in the image's TLS block. Of several of that name it is the first by offset.
func (im *Image) ThreadLocal(name string) (Symbol, bool) {
	for _, s := range im.table().tls {
		if s.Name == name {
			return s, true
		}
	}
	return Symbol{}, false
}

// SymbolAt names an address of the image: sym is the function or object that
// covers vaddr, off the distance from its start. Of several, the one that
// starts last wins, and of those at one address the one that compareSymbols
// puts first. A function without a size reaches to the next one.
func (im *Image) SymbolAt(vaddr uint64) (sym Symbol, off uint64, ok bool) {
	t := im.table()
	i := t.extent.at(vaddr)
	if i < 0 {
		return Symbol{}, 0, false
	}
	// Walk up to the first of the group; the best that covers vaddr is the
	// one nearest to its start.
	best := i
	for ; i >= 0 && t.sorted[i].Addr == t.sorted[best].Addr; i-- {
		if t.extent.hi[i] > vaddr {
			best = i
		}
	}
	return t.sorted[best], vaddr - t.sorted[best].Addr, true
}

// SymbolProblem says why a symbol table that the file or its debug file does
// have could not be used, or returns nil. The other tables are used all the
// same: names are then only poorer.
func (im *Image) SymbolProblem() error { return im.table().problem }

// compareSymbols orders symbols by address and, at one address, puts first the
// name that a reader expects: a function before an object; the exported
// default version before hidden, private and local names; then fewer leading
// underscores, so that getenv comes before __GI_getenv; then the shorter name;
// then the alphabet.
func compareSymbols(a, b Symbol) int {
	if a.Addr != b.Addr { // the common case, and the names are slow
		return cmp.Compare(a.Addr, b.Addr)
	}
	return cmp.Or(
		boolCompare(b.Function(), a.Function()),
		boolCompare(b.public(), a.public()),
		cmp.Compare(underscores(a.Name), underscores(b.Name)),
		cmp.Compare(len(a.Name), len(b.Name)),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version),
		boolCompare(b.Dynamic, a.Dynamic),
		cmp.Compare(b.Size, a.Size),
	)
}

// public reports whether programs are meant to call the symbol by its name.
func (s Symbol) public() bool {
	return s.Default && !strings.HasSuffix(s.Version, "_PRIVATE")
}

func underscores(name string) int { return len(name) - len(strings.TrimLeft(name, "_")) }

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// table builds the symbol table on first use, and again after a debug file was
// attached.
func (im *Image) table() *symbolTable {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.lockedTable()
}

func (im *Image) lockedTable() *symbolTable {
	if im.symbols == nil {
		im.symbols = im.buildTable()
	}
	return im.symbols
}

func (im *Image) buildTable() *symbolTable {
	t := &symbolTable{}
	raw := im.dynamicSymbols()
	hasDynamic := len(raw) > 0
	sources := []*debugFile{im.own()}
	if im.debug != nil {
		sources = append(sources, im.debug)
	}
	for _, src := range sources {
		list, err := staticSymbols(src.name, src.data, src.sections)
		if err != nil && t.problem == nil {
			t.problem = err
		}
		for i := range list {
			list[i].Default = !hasDynamic && list[i].Bind != elf.STB_LOCAL
		}
		raw = append(raw, list...)
	}
	t.sorted = make([]Symbol, 0, len(raw))
	for group := range sameAddress(raw) {
		sorted, tls := len(t.sorted), len(t.tls)
		for _, s := range once(group) {
			if im.isThreadLocal(s) {
				t.tls = append(t.tls, *s)
			} else if _, ok := im.segmentAt(s.Addr); ok && s.Type != elf.STT_TLS {
				t.sorted = append(t.sorted, *s)
			}
		}
		slices.SortStableFunc(t.sorted[sorted:], compareSymbols)
		slices.SortStableFunc(t.tls[tls:], compareSymbols)
	}
	im.setExtents(t)
	return t
}

// isThreadLocal tells whether the symbol is a variable in the image's TLS block.
func (im *Image) isThreadLocal(s *Symbol) bool {
	return s.Type == elf.STT_TLS && im.TLS != nil && s.Addr < im.TLS.Memsz
}

// sameAddress hands out the symbols by ascending address, those of one address at a time
// and in the order that they come in. What it hands out is overwritten by the next.
func sameAddress(raw []rawSymbol) iter.Seq[[]*Symbol] {
	type place struct {
		addr  uint64
		index int
	}
	places := make([]place, len(raw)) // symbols are large, and this is all that most comparisons need
	for i := range raw {
		places[i] = place{raw[i].Addr, i}
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.addr != b.addr {
			return cmp.Compare(a.addr, b.addr)
		}
		return a.index - b.index
	})
	return func(yield func([]*Symbol) bool) {
		var group []*Symbol
		for i, p := range places {
			group = append(group, &raw[p.index].Symbol)
			if i+1 < len(places) && places[i+1].addr == p.addr {
				continue
			}
			if !yield(group) {
				return
			}
			group = group[:0]
		}
	}
}

// once leaves out the symbols that .dynsym does not have and whose name has come before. The
// symbols are of one address.
func once(group []*Symbol) []*Symbol {
	if len(group) == 1 {
		return group
	}
	seen := make(map[string]bool, len(group))
	return slices.DeleteFunc(group, func(s *Symbol) bool {
		known := seen[s.Name]
		seen[s.Name] = true
		return known && !s.Dynamic
	})
}

// setExtents computes where each symbol ends. Sizes are cut at the end of the
// segment. A function without a size ends at the next function, or at the end
// of its segment or section, whichever comes first; an object without one
// covers nothing.
func (im *Image) setExtents(t *symbolTable) {
	next := make([]uint64, len(t.sorted)) // for functions: start of the next one
	here, after := uint64(addressLimit), uint64(addressLimit)
	for i := len(t.sorted) - 1; i >= 0; i-- {
		if s := t.sorted[i]; s.Function() && s.Addr < here {
			here, after = s.Addr, here
		}
		next[i] = after
	}
	edges := sectionEdges(im.sections())
	t.extent.grow(len(t.sorted))
	for i, s := range t.sorted {
		segment, _ := im.segmentAt(s.Addr)
		end := segment.End()
		switch {
		case s.Size > 0:
			end = s.Addr + min(s.Size, end-s.Addr)
		case s.Function():
			end = min(end, next[i], nextEdge(edges, s.Addr))
		default:
			end = s.Addr
		}
		t.extent.add(s.Addr, end)
	}
}

// sectionEdges returns the sorted starts and ends of all sections in memory.
func sectionEdges(sections []section) []uint64 {
	var edges []uint64
	for _, s := range sections {
		if s.flags&elf.SHF_ALLOC != 0 && s.flags&elf.SHF_TLS == 0 && s.addr < addressLimit && s.size < addressLimit {
			edges = append(edges, s.addr, s.addr+s.size)
		}
	}
	slices.Sort(edges)
	return edges
}

// nextEdge returns the first edge above addr, or the end of all addresses.
func nextEdge(edges []uint64, addr uint64) uint64 {
	i, _ := slices.BinarySearch(edges, addr+1)
	if i == len(edges) {
		return addressLimit
	}
	return edges[i]
}

package portable

import (
	"debug/elf"
	"slices"
	"strings"

	"emurace/loader"
	"emurace/scenario"
)

type callOf = scenario.Call

// public tells whether programs can name a symbol: a library exports it, and not
// only to other libraries of its own.
func public(s loader.Symbol) bool { return s.Default && !strings.HasSuffix(s.Version, "_PRIVATE") }

// pointer is an exported variable that holds an address, and that address as it was
// when the run began.
type pointer struct {
	name string
	to   uint64
}

// Around what a pointer points to, so many bytes are said by their distance from
// it: an allocator's words before a block, and what lies behind its beginning. The
// farther it is, the less likely is it to be of the same block.
const (
	beforeBlock = 16
	farthest    = 64 << 10
	costlier    = 128 // so many bytes cost one more
)

// findPointers reads all exported variables of a pointer's size, at the beginning of
// the trail. They are the same at its end but for those that the thread has written;
// the log tells what these held.
func (f *finder) findPointers() {
	m := f.d.s.Process()
	for _, mod := range m.Modules() {
		for _, s := range mod.Image.Symbols() {
			if s.Type != elf.STT_OBJECT || s.Size != word || !public(s) {
				continue
			}
			at := mod.Base + s.Addr
			v, ok := f.atBegin(at)
			if _, inside := m.Module(v); !ok || v == 0 || inside {
				continue // what a library holds beside a variable is its own affair
			}
			if _, _, mapped := m.MappingOf(v); mapped {
				f.pointers = append(f.pointers, pointer{s.Name, v})
			}
		}
	}
	slices.SortStableFunc(f.pointers, func(a, b pointer) int { return plainer(a.name, b.name) })
}

// atBegin is the word that was at an address when the trail began.
func (f *finder) atBegin(addr uint64) (uint64, bool) {
	list := f.trail.accessed(Writes, addr, word)
	if len(list) == 0 {
		return f.d.s.Process().Read64(addr)
	}
	for a := range f.d.s.Process().Log().All() {
		if a.Step == f.trail.step(list[0]) && a.Addr == addr && a.Size == word {
			return a.Old, true
		}
	}
	return 0, false
}

// accesses adds the accesses of the instruction that led to a moment.
func (f *finder) accesses(k int) {
	for _, a := range f.trail.before(k).accesses {
		way, cost := Reads, costReads
		if a.Write {
			way, cost = Writes, costWrites
		}
		for _, p := range f.located(a.Addr) {
			size := p.size
			if size == 0 {
				size = word
			}
			hit, found := slices.BinarySearch(f.trail.accessed(way, p.at, size), k)
			if !found {
				continue
			}
			f.add(Access{Way: way, Loc: p.loc, Size: p.size}, hit+1, k, cost+p.cost, 12, 14, p.note)
		}
	}
}

// located is a location and its address.
type located struct {
	loc  Loc
	at   uint64
	size uint64 // 0 for a word
	cost int
	note string
}

// located says in words where an address is.
func (f *finder) located(addr uint64) []located {
	var list []located
	m := f.d.s.Process()
	if s, ok := m.Static(addr); ok {
		off := int64((addr - s.Addr) &^ 7)
		p := located{loc: Loc{Symbol: Symbol{Name: s.Name}, Off: off}, at: s.Addr + uint64(off)}
		if _, err := ParseLoc(p.loc.Symbol.Name); err == nil {
			list = append(list, p)
		}
		return list
	}
	if mod, ok := m.Module(addr); ok {
		s, off, ok := mod.Image.SymbolAt(addr - mod.Base)
		if !ok || s.Function() {
			return nil
		}
		p := located{loc: Loc{Symbol: Symbol{Name: s.Name}, Off: int64(off &^ 7)}, at: addr - off + off&^7}
		if s.Size == 1 || s.Size == 2 || s.Size == 4 {
			p.size = s.Size // its neighbours are others
			p.loc.Off, p.at = 0, addr-off
		}
		if !public(s) {
			p.cost = costInternal
			p.note = "no library exports " + s.Name + "; another build may have no variable of this name, or another one there."
		}
		if at, err := f.d.p.names.object(p.loc.Symbol); err == nil && at == mod.Base+s.Addr {
			if _, err := ParseSymbol(s.Name); err == nil {
				list = append(list, p)
			}
		}
		return list
	}
	best := -1
	for i, p := range f.pointers {
		if addr-p.to+beforeBlock < farthest && (best < 0 || p.to > f.pointers[best].to) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	p := f.pointers[best]
	lo, hi, ok := m.MappingOf(p.to)
	if !ok || addr < lo || addr >= hi {
		return nil
	}
	off := int64(addr-p.to) &^ 7
	cost := costPointed + int(min(max(off, 0)/costlier, costFar))
	return []located{{loc: Loc{Word: &Loc{Symbol: Symbol{Name: p.name}}, Off: off}, at: p.to + uint64(off), cost: cost}}
}

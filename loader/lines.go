package loader

import (
	"cmp"
	"slices"
)

// maxSequences bounds the index of a line table. A sequence is a run of
// addresses, at least one for each compilation unit.
const maxSequences = 1 << 20

// lineIndex says where in .debug_line the rows for an address are. It is built
// by one pass over the section and never changed afterwards; the rows
// themselves are not kept but read again for each question.
type lineIndex struct {
	units   []lineUnit
	extent  intervals
	places  []linePlace // element i is about interval i
	tables  stringTables
	problem error
}

// linePlace is the unit and the offset in its program of a sequence.
type linePlace struct{ unit, off int }

// LineAt returns the source file and line of the instruction at vaddr, from
// .debug_line of the debug file if one is attached, otherwise of the image
// itself. ok is false when nothing is known of it. The file is the path as the
// compiler noted it, cleaned; often relative to some build folder. In code
// inlined from elsewhere it is that other file.
//
// The first call reads the line table once, about 20 ms for glibc.
func (im *Image) LineAt(vaddr uint64) (file string, line int, ok bool) {
	idx := im.lineIndex()
	i := idx.extent.at(vaddr)
	if i < 0 {
		return "", 0, false
	}
	u := &idx.units[idx.places[i].unit]
	program := u.program
	program.off = idx.places[i].off
	var before, found lineRow
	any := false
	u.run(&program, func(row lineRow) bool {
		if any && before.addr <= vaddr && vaddr < row.addr {
			found, ok = before, true
			return false
		}
		before, any = row, true
		return !row.end
	})
	// Line 0 is the compiler's way to say that no line made this instruction.
	if !ok || found.line <= 0 || found.line > 1<<31-1 {
		return "", 0, false
	}
	if file, ok = u.fileName(found.file, idx.tables); !ok {
		return "", 0, false
	}
	return file, int(found.line), true
}

// Unit returns the address ranges of all code that was compiled together with the
// instruction at vaddr, that is of its compilation unit, as far as it has lines: pairs
// of a first address and one behind the last, in ascending order. It is nil when
// nothing is known of the instruction.
func (im *Image) Unit(vaddr uint64) (ranges [][2]uint64) {
	idx := im.lineIndex()
	at := idx.extent.at(vaddr)
	if at < 0 {
		return nil
	}
	for i, p := range idx.places {
		if p.unit == idx.places[at].unit {
			ranges = append(ranges, [2]uint64{idx.extent.lo[i], idx.extent.hi[i]})
		}
	}
	return ranges
}

// LineProblem says why line information that exists could not be used, or
// returns nil.
func (im *Image) LineProblem() error { return im.lineIndex().problem }

func (im *Image) lineIndex() *lineIndex {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.lines == nil {
		src := im.debug
		if src == nil {
			src = im.own()
		}
		im.lines = im.buildLineIndex(src)
	}
	return im.lines
}

func (im *Image) buildLineIndex(src *debugFile) *lineIndex {
	idx := &lineIndex{}
	var sections [3][]byte
	for i, name := range []string{".debug_line", ".debug_str", ".debug_line_str"} {
		data, err := src.section(name)
		if err != nil && idx.problem == nil {
			idx.problem = err
		}
		sections[i] = data
	}
	idx.tables = stringTables{str: sections[1], lineStr: sections[2]}

	type sequence struct {
		lo, hi uint64
		linePlace
	}
	var list []sequence
	for c := (cursor{data: sections[0]}); c.off < len(c.data) && !c.bad; {
		u, ok := readLineUnit(&c)
		if !ok {
			continue
		}
		program := u.program
		place := linePlace{unit: len(idx.units), off: program.off}
		lo, first := uint64(0), true
		u.run(&program, func(row lineRow) bool {
			if first {
				lo, first = row.addr, false
			}
			if row.end {
				if im.hasCode(lo, row.addr) {
					list = append(list, sequence{lo, row.addr, place})
				}
				place.off, first = program.off, true
			}
			return len(list) < maxSequences
		})
		if n := len(list); n > 0 && list[n-1].unit == len(idx.units) {
			idx.units = append(idx.units, u)
		}
	}
	slices.SortStableFunc(list, func(a, b sequence) int { return cmp.Compare(a.lo, b.lo) })
	for _, s := range list {
		idx.extent.add(s.lo, s.hi)
		idx.places = append(idx.places, s.linePlace)
	}
	return idx
}

// hasCode reports whether the addresses lie in a PT_LOAD. Those of functions
// that the linker threw away do not.
func (im *Image) hasCode(lo, hi uint64) bool {
	s, ok := im.segmentAt(lo)
	return ok && lo < hi && hi <= s.End()
}

package loader

import (
	"slices"
	"strings"
)

// maxLineAddrs bounds the places of a line: one in a template may be in very many.
const maxLineAddrs = 4096

// maxNamesRead bounds the entries of name tables that are gone through for one line: a table
// may be made so that each row names another one, at its end.
const maxNamesRead = 1 << 26

// AddressesOf lists, in ascending order, where the instructions of a source line begin, by
// the line table that LineAt reads: the first address of every stretch of instructions of
// that line. The file is named by the end of its path, in whole parts: work.c stands for
// src/work.c. Code that was inlined is of the line where it was written. Of a line without
// instructions the list is empty.
func (im *Image) AddressesOf(file string, line int) (list []uint64) {
	if line < 1 {
		return nil // the compiler's way to say that no line made an instruction
	}
	idx := im.lineIndex()
	read := uint64(0)
	known := map[[2]uint64]bool{} // whether a unit's file is the one
	is := func(unit int, number uint64) bool {
		key := [2]uint64{uint64(unit), number}
		same, ok := known[key]
		if !ok && read < maxNamesRead {
			read += min(number, maxNamesRead) + 1
			name, found := idx.units[unit].fileName(number, idx.tables)
			same = found && (name == file || strings.HasSuffix(name, "/"+file))
			known[key] = same
		}
		return same
	}
	for _, p := range idx.places {
		u := &idx.units[p.unit]
		program := u.program
		program.off = p.off
		var before lineRow
		on, any := false, false
		u.run(&program, func(row lineRow) bool {
			// Of rows at one address the last one counts, as in LineAt.
			if any && row.addr > before.addr {
				was := on
				if on = before.line == int64(line) && is(p.unit, before.file); on && !was {
					list = append(list, before.addr)
				}
			}
			before, any = row, true
			return !row.end && len(list) < maxLineAddrs
		})
	}
	slices.Sort(list)
	return slices.Compact(list)
}

package loader

// The line number information of DWARF 2 to 5: sections 6.2.2 to 6.2.5 of the
// DWARF 5 standard. The standard library's reader is not used, because it
// makes slices as long as a file claims, reads all of .debug_info before the
// first line and needs what it finds there to be free of references into dwz's
// shared file. Line tables stand on their own.

// Standard opcodes (DW_LNS_*).
const (
	lnsCopy = 1 + iota
	lnsAdvancePC
	lnsAdvanceLine
	lnsSetFile
	lnsSetColumn
	lnsNegateStmt
	lnsSetBasicBlock
	lnsConstAddPC
	lnsFixedAdvancePC
)

// Extended opcodes (DW_LNE_*) that matter here; the others are skipped.
const (
	lneEndSequence = 1
	lneSetAddress  = 2
)

// lineUnit is the header of one compilation unit's table.
type lineUnit struct {
	version        int
	wide           bool // 64-bit DWARF
	minInstruction uint64
	lineBase       int64
	lineRange      int64
	opcodeBase     uint8
	operands       []byte // of each standard opcode
	files          cursor // at the directories, with the names after them
	program        cursor
}

// lineRow is what a program says of addresses from addr on.
type lineRow struct {
	addr uint64
	file uint64
	line int64
	end  bool // addr is the first address after the sequence
}

// readLineUnit reads the table at c and moves c behind it. ok is false when
// this table cannot be used, c.bad is set when no further one can be found.
func readLineUnit(c *cursor) (u lineUnit, ok bool) {
	size, wide := c.length()
	h := cursor{data: c.take(size)}
	if c.bad {
		return lineUnit{}, false
	}
	u.wide = wide
	u.version = int(h.u16())
	if h.bad || u.version < 2 || u.version > 5 {
		return lineUnit{}, false
	}
	if u.version == 5 {
		if addressSize, selector := h.u8(), h.u8(); addressSize != 8 || selector != 0 {
			return lineUnit{}, false
		}
	}
	headerSize := h.offset(wide)
	names := h.off
	if h.take(headerSize); h.bad {
		return lineUnit{}, false
	}
	u.program = cursor{data: h.data, off: h.off}
	u.files = cursor{data: h.data[:h.off], off: names}
	u.minInstruction = uint64(u.files.u8())
	if u.version >= 4 && u.files.u8() != 1 { // operations per instruction: VLIW
		return lineUnit{}, false
	}
	u.files.u8() // default_is_stmt
	u.lineBase = int64(int8(u.files.u8()))
	u.lineRange = int64(u.files.u8())
	u.opcodeBase = u.files.u8()
	if u.files.bad || u.lineRange == 0 || u.opcodeBase == 0 {
		return lineUnit{}, false
	}
	u.operands = u.files.take(uint64(u.opcodeBase) - 1)
	return u, !u.files.bad
}

// run interprets the program from its current place, which must be the start
// of a sequence, and hands each row to emit until that returns false or the
// program ends.
func (u *lineUnit) run(c *cursor, emit func(lineRow) bool) {
	start := lineRow{file: 1, line: 1}
	row := start
	for c.off < len(c.data) && !c.bad {
		op := c.u8()
		switch {
		case op >= u.opcodeBase:
			n := int64(op - u.opcodeBase)
			row.addr += uint64(n/u.lineRange) * u.minInstruction
			row.line += u.lineBase + n%u.lineRange
			if !emit(row) {
				return
			}
		case op == 0:
			body := cursor{data: c.take(c.uleb())}
			switch body.u8() {
			case lneEndSequence:
				row.end = true
				if !emit(row) {
					return
				}
				row = start
			case lneSetAddress:
				row.addr = body.u64()
			}
		case op == lnsCopy:
			if !emit(row) {
				return
			}
		case op == lnsAdvancePC:
			row.addr += c.uleb() * u.minInstruction
		case op == lnsAdvanceLine:
			row.line += c.sleb()
		case op == lnsSetFile:
			row.file = c.uleb()
		case op == lnsConstAddPC:
			row.addr += uint64(int64(255-u.opcodeBase)/u.lineRange) * u.minInstruction
		case op == lnsFixedAdvancePC:
			row.addr += uint64(c.u16())
		default:
			// Of the rest, known or not, the header tells how many operands
			// to skip.
			for range u.operands[op-1] {
				c.uleb()
			}
		}
	}
}

// stringTables are the sections that DWARF 5 file names may be in.
type stringTables struct{ str, lineStr []byte }

// fileName returns the path of a file of the unit, relative to the directory
// of compilation when the table does not say more.
func (u *lineUnit) fileName(number uint64, tables stringTables) (string, bool) {
	if u.version == 5 {
		return u.fileName5(number, tables)
	}
	// Up to DWARF 4, directory 0 is that of compilation and files count from 1.
	c := u.files
	dirs := c
	for len(c.text()) > 0 {
	}
	for n := uint64(1); ; n++ {
		name := c.text()
		dir := c.uleb()
		c.uleb() // time
		c.uleb() // size
		if c.bad || len(name) == 0 {
			return "", false
		}
		if n < number {
			continue
		}
		if n != number {
			return "", false
		}
		if dir == 0 {
			return string(name), true
		}
		var folder []byte
		for i := uint64(0); i < dir; i++ {
			if folder = dirs.text(); len(folder) == 0 {
				return "", false
			}
		}
		return joinFile(string(folder), string(name)), true
	}
}

func (u *lineUnit) fileName5(number uint64, tables stringTables) (string, bool) {
	c := u.files
	dirs := c
	if !skipEntries(&c, u.wide) {
		return "", false
	}
	name, dir, ok := entryAt(&c, number, u.wide, tables)
	if !ok || name == "" {
		return "", false
	}
	folder, _, _ := entryAt(&dirs, dir, u.wide, tables)
	if dir != 0 {
		// Directories are relative to the first, that of compilation.
		first := u.files
		base, _, _ := entryAt(&first, 0, u.wide, tables)
		folder = joinFile(base, folder)
	}
	return joinFile(folder, name), true
}

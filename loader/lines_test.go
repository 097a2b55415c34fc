package loader

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lineWriter assembles one unit of .debug_line.
type lineWriter struct {
	version     int
	wide        bool
	minInst     uint64
	lineBase    int8
	lineRange   uint8
	opcodeBase  uint8
	program     []byte
	str         []byte // .debug_line_str
	files, dirs []string
	dirOf       []int
}

func (w *lineWriter) offset(b []byte, v uint64) []byte {
	if w.wide {
		return le.AppendUint64(b, v)
	}
	return le.AppendUint32(b, uint32(v))
}

// names encodes the tables of folders and files. In DWARF 5, folder 0 is that
// of compilation and files count from 0; before, both count from 1 and folder 0
// is not in the table.
func (w *lineWriter) names() []byte {
	var b []byte
	if w.version < 5 {
		for _, d := range w.dirs[1:] {
			b = append(append(b, d...), 0)
		}
		b = append(b, 0)
		for i, f := range w.files {
			b = append(append(b, f...), 0)
			b = binary.AppendUvarint(b, uint64(w.dirOf[i]))
			b = append(b, 0, 0)
		}
		return append(b, 0)
	}
	b = append(b, 1, lnctPath, formLineStrp, byte(len(w.dirs)))
	for _, d := range w.dirs {
		b = w.offset(b, uint64(len(w.str)))
		w.str = append(append(w.str, d...), 0)
	}
	// MD5 sums and sizes are between what is needed, as in clang's tables.
	b = append(b, 4, lnctPath, formString, 4, formUdata, 5, formData16, lnctDirectoryIndex, formData2, byte(len(w.files)))
	for i, f := range w.files {
		b = append(append(b, f...), 0)
		b = append(b, 0x81, 0x01)
		b = append(b, make([]byte, 16)...)
		b = le.AppendUint16(b, uint16(w.dirOf[i]))
	}
	return b
}

func (w *lineWriter) unit() []byte {
	rest := []byte{byte(w.minInst)}
	if w.version >= 4 {
		rest = append(rest, 1)
	}
	rest = append(rest, 1, byte(w.lineBase), w.lineRange, w.opcodeBase)
	rest = append(rest, []byte{0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 2, 0}[:w.opcodeBase-1]...)
	rest = append(rest, w.names()...)

	b := le.AppendUint16(nil, uint16(w.version))
	if w.version == 5 {
		b = append(b, 8, 0)
	}
	b = w.offset(b, uint64(len(rest)))
	b = append(append(b, rest...), w.program...)
	var head []byte
	if w.wide {
		head = le.AppendUint32(nil, 0xffffffff)
	}
	return append(w.offset(head, uint64(len(b))), b...)
}

// step emits opcodes that move from one row to the next in one of the ways
// that there are.
func (w *lineWriter) step(t *rapid.T, addr uint64, line int64) {
	b := w.program
	special := func(addr uint64, line int64) (byte, bool) {
		off := line - int64(w.lineBase)
		if off < 0 || off >= int64(w.lineRange) {
			return 0, false
		}
		op := off + int64(addr/w.minInst)*int64(w.lineRange) + int64(w.opcodeBase)
		return byte(op), op <= 255
	}
	constAdd := uint64((255-w.opcodeBase)/w.lineRange) * w.minInst
	if rapid.Bool().Draw(t, "const_add_pc") && addr >= constAdd {
		b = append(b, lnsConstAddPC)
		addr -= constAdd
	}
	if op, ok := special(addr, line); ok && rapid.Bool().Draw(t, "special") {
		w.program = append(b, op)
		return
	}
	if addr < 1<<16 && rapid.Bool().Draw(t, "fixed") {
		b = le.AppendUint16(append(b, lnsFixedAdvancePC), uint16(addr))
	} else {
		b = binary.AppendUvarint(append(b, lnsAdvancePC), addr/w.minInst)
	}
	if line != 0 {
		b = appendSleb(append(b, lnsAdvanceLine), line)
	}
	w.program = append(b, lnsCopy)
}

// noise emits opcodes that change nothing that matters, also unknown ones.
func (w *lineWriter) noise(t *rapid.T) {
	list := [][]byte{
		{lnsSetColumn, 0x85, 0x01}, {lnsNegateStmt}, {lnsSetBasicBlock},
		{0, 2, 4, 7}, {0, 1, 0x80}, {0, 5, 0x90, 1, 2, 3, 4}, {0, 0},
	}
	if w.opcodeBase > 10 {
		list = append(list, []byte{10}, []byte{11}, []byte{12, 0x80, 0x01})
	}
	if w.opcodeBase > 13 {
		list = append(list, []byte{13, 0x80, 0x01, 2}, []byte{14})
	}
	for range rapid.IntRange(0, 2).Draw(t, "noise") {
		w.program = append(w.program, rapid.SampledFrom(list).Draw(t, "op")...)
	}
}

// lineImage is an image with code at 0x1000-0x3000 and these line sections.
func lineImage(t interface{ Fatal(...any) }, line, str, lineStr []byte) *Image {
	im, err := Parse("x", withSections(textImage(ARM64), []testSection{
		{name: ".debug_line", kind: elf.SHT_PROGBITS, data: line},
		{name: ".debug_str", kind: elf.SHT_PROGBITS, data: str},
		{name: ".debug_line_str", kind: elf.SHT_PROGBITS, data: lineStr},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// Whatever opcodes a table is written with, each address has the line of the
// row that covers it.
func TestLineAtRandomTables(t *testing.T) {
	type place struct {
		file string
		line int
	}
	rapid.Check(t, func(t *rapid.T) {
		want := make(map[uint64]place)
		begins := map[uint64]bool{} // where sequences begin
		var section, str []byte
		at := uint64(0x1000)
		for unit := range rapid.IntRange(1, 3).Draw(t, "units") {
			w := &lineWriter{
				version: rapid.IntRange(2, 5).Draw(t, "version"), wide: rapid.Bool().Draw(t, "64-bit"),
				minInst: rapid.SampledFrom([]uint64{1, 4}).Draw(t, "instruction"), lineBase: -5, lineRange: 14,
				opcodeBase: rapid.SampledFrom([]uint8{10, 13, 15}).Draw(t, "opcode_base"), str: str,
				dirs: []string{"./comp", "sub", "/abs/./x"},
			}
			var paths []string
			for i := range rapid.IntRange(1, 4).Draw(t, "files") {
				dir := rapid.IntRange(0, 2).Draw(t, "dir")
				name := fmt.Sprintf("u%df%d.c", unit, i)
				w.files, w.dirOf = append(w.files, name), append(w.dirOf, dir)
				folder := []string{"", "sub/", "/abs/x/"}[dir]
				if w.version == 5 && dir != 2 {
					folder = "comp/" + folder
				}
				paths = append(paths, folder+name)
			}
			firstFile := 1
			if w.version == 5 {
				firstFile = 0
			}
			for range rapid.IntRange(1, 3).Draw(t, "sequences") {
				at += rapid.Uint64Range(0, 3).Draw(t, "gap") * 4
				w.program = le.AppendUint64(append(w.program, 0, 9, lneSetAddress), at)
				begins[at] = true
				line, file := int64(1), -1
				var covering place
				advance := func(n uint64) {
					for ; n > 0; n-- {
						want[at] = covering
						at++
					}
				}
				for i := range rapid.IntRange(1, 8).Draw(t, "rows") {
					w.noise(t)
					delta := rapid.Uint64Range(0, 20).Draw(t, "delta") * 4
					if i == 0 {
						delta = 0
					}
					next := rapid.Int64Range(0, 60).Draw(t, "line")
					if f := rapid.IntRange(0, len(paths)-1).Draw(t, "file"); f != file {
						file = f
						w.program = binary.AppendUvarint(append(w.program, lnsSetFile), uint64(f+firstFile))
					}
					w.step(t, delta, next-line)
					advance(delta)
					line, covering = next, place{paths[file], int(next)}
				}
				last := rapid.Uint64Range(1, 5).Draw(t, "last") * 4
				w.program = binary.AppendUvarint(append(w.program, lnsAdvancePC), last/w.minInst)
				w.program = append(w.program, 0, 1, lneEndSequence)
				advance(last)
			}
			section = append(section, w.unit()...)
			str = w.str
		}
		im := lineImage(t, section, nil, str)
		if err := im.LineProblem(); err != nil {
			t.Fatal(err)
		}
		for addr := uint64(0xff0); addr < at+0x10; addr++ {
			p := want[addr]
			if p.line == 0 { // compiler-made code
				p = place{}
			}
			file, line, ok := im.LineAt(addr)
			if ok != (p != place{}) || file != p.file || line != p.line {
				t.Fatalf("LineAt(%#x) = %s:%d, %v, want %s:%d", addr, file, line, ok, p.file, p.line)
			}
		}
		// And each line has the addresses where its stretches begin.
		asked := map[place]bool{}
		for addr := uint64(0x1000); addr < at; addr++ {
			p := want[addr]
			if asked[p] {
				continue
			}
			asked[p] = true
			var starts []uint64
			for a := addr; p.line > 0 && a < at; a++ {
				if want[a] == p && (want[a-1] != p || begins[a]) {
					starts = append(starts, a)
				}
			}
			name := p.file
			if i := strings.LastIndexByte(name, '/'); rapid.Bool().Draw(t, "short") {
				name = name[i+1:] // the names of the files are different
			}
			if list := im.AddressesOf(name, p.line); !slices.Equal(list, starts) {
				t.Fatalf("AddressesOf(%s:%d) = %#x, want %#x", name, p.line, list, starts)
			}
			if list := im.AddressesOf(strings.TrimPrefix(p.file, "/")+"x", p.line); list != nil {
				t.Fatalf("AddressesOf of no file = %#x", list)
			}
		}
	})
}

// What the reader cannot use is passed over; what comes after it is not lost.
func TestLineTableBroken(t *testing.T) {
	unit := func(change func(*lineWriter)) []byte {
		w := &lineWriter{version: 4, minInst: 1, lineBase: -5, lineRange: 14, opcodeBase: 13, dirs: []string{""}, files: []string{"a.c"}, dirOf: []int{0}}
		w.program = le.AppendUint64([]byte{0, 9, lneSetAddress}, 0x1000)
		w.program = append(w.program, lnsAdvanceLine, 9, lnsCopy, lnsAdvancePC, 16, 0, 1, lneEndSequence)
		change(w)
		return w.unit()
	}
	good := unit(func(*lineWriter) {})
	patched := func(off int, v ...byte) []byte {
		b := append([]byte(nil), good...)
		copy(b[off:], v)
		return b
	}
	const version, headerLength, maxOps, lineRange, opcodeBase = 4, 6, 11, 14, 15
	for _, tc := range []struct {
		what  string
		first []byte
		after bool // the good unit that follows is found
	}{
		{"nothing before", nil, true},
		{"empty unit", []byte{0, 0, 0, 0}, true},
		{"version 1", patched(version, 1), true},
		{"version 6", patched(version, 6), true},
		{"header beyond the unit", patched(headerLength, 0xff, 0xff, 0xff, 0x7f), true},
		{"VLIW", patched(maxOps, 4), true},
		{"no line range", patched(lineRange, 0), true},
		{"no opcodes", patched(opcodeBase, 0), true},
		{"opcode lengths beyond the header", patched(opcodeBase, 255), true},
		{"program stops in an opcode", unit(func(w *lineWriter) { w.program = []byte{0, 9, lneSetAddress, 1} }), true},
		{"addresses nowhere", unit(func(w *lineWriter) { w.program[4] = 0x90 }), true},
		{"sequence backwards", unit(func(w *lineWriter) { w.program = append(w.program[:11], 0, 1, lneEndSequence) }), true},
		{"length beyond the section", patched(0, 0xff, 0xff), false},
		{"reserved length", []byte{0xf1, 0xff, 0xff, 0xff}, false},
	} {
		im := lineImage(t, append(append([]byte(nil), tc.first...), good...), nil, nil)
		file, line, ok := im.LineAt(0x1004)
		if ok != tc.after || ok && (file != "a.c" || line != 10) {
			t.Errorf("%s: LineAt = %s:%d, %v", tc.what, file, line, ok)
		}
	}

	// The rows are fine and the names are not.
	for what, change := range map[string]func(*lineWriter){
		"file 0":         func(w *lineWriter) { w.program = append([]byte{lnsSetFile, 0}, w.program...) },
		"file beyond":    func(w *lineWriter) { w.program = append([]byte{lnsSetFile, 2}, w.program...) },
		"folder beyond":  func(w *lineWriter) { w.dirOf[0] = 7 },
		"line below one": func(w *lineWriter) { w.program[12] = 0x7e },
	} {
		if file, line, ok := lineImage(t, unit(change), nil, nil).LineAt(0x1004); ok {
			t.Errorf("%s: LineAt = %s:%d", what, file, line)
		}
	}
}

// A count that would keep a reader busy for centuries ends with the data.
func TestLineNamesHugeCount(t *testing.T) {
	huge := binary.AppendUvarint(nil, 1<<62)
	for _, tables := range [][]byte{
		append([]byte{0}, huge...),                                       // folders without fields
		append([]byte{1, lnctPath, formString}, huge...),                 // folders that are not there
		append([]byte{0, 0, 1, lnctPath, formString}, huge...),           // files
		append([]byte{1, lnctPath, 0x77}, huge...),                       // a form that does not exist
		append([]byte{1, lnctPath, formBlock, 1}, append(huge, 0x7f)...), // a block
	} {
		u := lineUnit{version: 5, files: cursor{data: tables}}
		for _, number := range []uint64{0, 1, 1 << 61} {
			if name, ok := u.fileName(number, stringTables{}); ok {
				t.Errorf("file %d of %x is %q", number, tables, name)
			}
		}
	}
}

func TestJoinFile(t *testing.T) {
	for _, tc := range [][3]string{
		{"./stdlib", "getenv.c", "stdlib/getenv.c"},
		{"", "getenv.c", "getenv.c"},
		{"/build/glibc", "../sysdeps/x.h", "/build/sysdeps/x.h"},
		{"anything", "/usr/include/./stdio.h", "/usr/include/stdio.h"},
	} {
		if got := joinFile(tc[0], tc[1]); got != tc[2] {
			t.Errorf("joinFile(%q, %q) = %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
}

// The line reader survives any bytes and says nothing impossible.
func FuzzLines(f *testing.F) {
	for version := 2; version <= 5; version++ {
		w := &lineWriter{version: version, minInst: 1, lineBase: -5, lineRange: 14, opcodeBase: 13, dirs: []string{"/d", "e"}, files: []string{"a.c", "b.c"}, dirOf: []int{0, 1}}
		w.program = le.AppendUint64([]byte{lnsSetFile, 1, 0, 9, lneSetAddress}, 0x1000)
		w.program = append(w.program, lnsAdvanceLine, 9, lnsCopy, 0x40, 0x80, lnsConstAddPC, lnsAdvancePC, 16, 0, 1, lneEndSequence)
		f.Add(w.unit(), w.str)
	}
	f.Fuzz(func(t *testing.T, line, str []byte) {
		im := lineImage(t, line, str, str)
		idx := im.lineIndex()
		for i := range idx.places {
			lo, hi := idx.extent.lo[i], idx.extent.hi[i]
			if !im.hasCode(lo, hi) || i > 0 && idx.extent.lo[i-1] > lo {
				t.Errorf("sequence %d: %#x-%#x", i, lo, hi)
			}
			for _, addr := range []uint64{lo, (lo + hi) / 2, hi - 1, hi} {
				if file, n, ok := im.LineAt(addr); ok != (file != "") || ok != (n > 0) {
					t.Errorf("LineAt(%#x) = %q:%d, %v", addr, file, n, ok)
				}
			}
			if i > 20 {
				break // the cost is that of the section each time
			}
		}
	})
}

package loader

import (
	"path"

	"emurace/internal/printable"
)

// Forms (DW_FORM_*) and content types (DW_LNCT_*) of the name tables in
// DWARF 5: sections 6.2.4.1, 7.5.6 and 7.22 of the standard.
const (
	formData2    = 0x05
	formData4    = 0x06
	formData8    = 0x07
	formString   = 0x08
	formBlock    = 0x09
	formData1    = 0x0b
	formStrp     = 0x0e
	formUdata    = 0x0f
	formStrpSup  = 0x1d
	formData16   = 0x1e
	formLineStrp = 0x1f

	lnctPath           = 1
	lnctDirectoryIndex = 2
)

// nameField is one field of the entries of a name table.
type nameField struct{ content, form uint64 }

// readFormat reads the description of a table's entries and their number.
func readFormat(c *cursor) (fields []nameField, count uint64) {
	fields = make([]nameField, c.u8())
	for i := range fields {
		fields[i] = nameField{c.uleb(), c.uleb()}
	}
	return fields, c.uleb()
}

// skipEntries moves behind a directory or file table.
func skipEntries(c *cursor, wide bool) bool {
	fields, count := readFormat(c)
	// Entries without fields take no bytes, so that any count would do.
	for i := uint64(0); len(fields) > 0 && i < count && !c.bad; i++ {
		readEntry(c, fields, wide, stringTables{})
	}
	return !c.bad
}

// entryAt returns the name and the directory of entry number of the table at c.
func entryAt(c *cursor, number uint64, wide bool, tables stringTables) (name string, dir uint64, ok bool) {
	fields, count := readFormat(c)
	if number >= count || len(fields) == 0 {
		return "", 0, false
	}
	for i := uint64(0); i < number && !c.bad; i++ {
		readEntry(c, fields, wide, stringTables{})
	}
	name, dir = readEntry(c, fields, wide, tables)
	return name, dir, !c.bad
}

// readEntry reads one entry. A form that is not known has no known size: the
// rest of the table cannot be read.
func readEntry(c *cursor, fields []nameField, wide bool, tables stringTables) (name string, dir uint64) {
	for _, f := range fields {
		var text []byte
		var value uint64
		switch f.form {
		case formString:
			text = c.text()
		case formStrp:
			text = textAt(tables.str, c.offset(wide))
		case formLineStrp:
			text = textAt(tables.lineStr, c.offset(wide))
		case formStrpSup: // in dwz's shared file, which is not read
			c.offset(wide)
		case formData1:
			value = uint64(c.u8())
		case formData2:
			value = uint64(c.u16())
		case formData4:
			value = uint64(c.u32())
		case formData8:
			value = c.u64()
		case formData16:
			c.take(16)
		case formUdata:
			value = c.uleb()
		case formBlock:
			c.take(c.uleb())
		default:
			c.bad = true
		}
		switch f.content {
		case lnctPath:
			name = string(text)
		case lnctDirectoryIndex:
			dir = value
		}
	}
	return name, dir
}

// textAt returns the NUL-terminated text at off of a string section, bounded
// like every path.
func textAt(table []byte, off uint64) []byte {
	s, _ := cstring(table, off, maxPath)
	return []byte(s)
}

// joinFile joins a folder and a file name, which may be absolute, and cleans
// the result: "./stdlib" and "getenv.c" make "stdlib/getenv.c". What a terminal would obey
// is escaped.
func joinFile(folder, name string) string {
	if path.IsAbs(name) {
		return printable.Line(path.Clean(name))
	}
	return printable.Line(path.Join(folder, name))
}

package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

// maxInflated bounds what one compressed section may grow to, in bytes. The
// debug sections of Debian's largest libraries stay below it.
const maxInflated = 256 << 20

// section is a section header with its name.
type section struct {
	name                string
	number              int
	kind                elf.SectionType
	flags               elf.SectionFlag
	addr, off, size     uint64
	link, info, entsize uint64
}

// readSections returns the section headers of an ELF-64 file whose e_ident was
// checked, or nil when it has none or when they are broken: a loaded file does
// not need them. Index 0, the null section, is included.
func readSections(data []byte) []section {
	off, size := le.Uint64(data[40:]), le.Uint16(data[58:])
	count, names := uint64(le.Uint16(data[60:])), uint64(le.Uint16(data[62:]))
	if off == 0 || size != shdrSize {
		return nil
	}
	first, ok := part(data, off, shdrSize)
	if !ok {
		return nil
	}
	// Numbers that do not fit the header are in the null section.
	if count == 0 {
		count = le.Uint64(first[32:])
	}
	if names == uint64(elf.SHN_XINDEX) {
		names = uint64(le.Uint32(first[40:]))
	}
	if count > uint64(len(data))/shdrSize {
		return nil
	}
	table, ok := part(data, off, count*shdrSize)
	if !ok {
		return nil
	}
	list := make([]section, count)
	for i := range list {
		h := table[i*shdrSize:]
		list[i] = section{
			number:  i,
			kind:    elf.SectionType(le.Uint32(h[4:])),
			flags:   elf.SectionFlag(le.Uint64(h[8:])),
			addr:    le.Uint64(h[16:]),
			off:     le.Uint64(h[24:]),
			size:    le.Uint64(h[32:]),
			link:    uint64(le.Uint32(h[40:])),
			info:    uint64(le.Uint32(h[44:])),
			entsize: le.Uint64(h[56:]),
		}
	}
	if names < count {
		strtab, _ := list[names].raw(data)
		for i := range list {
			list[i].name, _ = cstring(strtab, uint64(le.Uint32(table[i*shdrSize:])), 128)
		}
	}
	return list
}

// raw returns the section's bytes in the file, compressed as they may be.
func (s section) raw(data []byte) ([]byte, bool) {
	if s.kind == elf.SHT_NOBITS || s.kind == elf.SHT_NULL {
		return nil, false
	}
	return part(data, s.off, s.size)
}

// findSection returns the first section of that name with bytes in the file.
func findSection(list []section, name string) (section, bool) {
	for _, s := range list {
		if s.name == name && s.kind != elf.SHT_NOBITS {
			return s, true
		}
	}
	return section{}, false
}

// content returns the section's bytes, inflated when they are compressed.
// file is the name for messages.
func (s section) content(file string, data []byte) ([]byte, error) {
	raw, ok := s.raw(data)
	if !ok {
		return nil, fieldError(file, s.name, "%#x bytes at offset %#x are not in the file", s.size, s.off)
	}
	if s.flags&elf.SHF_COMPRESSED == 0 {
		return raw, nil
	}
	out, err := inflate(data, s.number)
	if err != nil {
		return nil, fieldError(file, s.name, "%v", err)
	}
	return out, nil
}

// inflate decompresses section number of the file. The standard library's
// reader is used for its zstd; it was not made for hostile files, so a panic
// inside it becomes an error.
func inflate(data []byte, number int) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, fmt.Errorf("compressed data: %v", r)
		}
	}()
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if number >= len(f.Sections) {
		return nil, errors.New("no such section")
	}
	s := f.Sections[number]
	if s.Size > maxInflated {
		return nil, fmt.Errorf("inflates to %d bytes, more than %d", s.Size, maxInflated)
	}
	// The buffer grows with what arrives, not with what the header announces.
	var b bytes.Buffer
	if n := min(s.Size, 8*s.FileSize); n > 0 {
		b.Grow(int(n))
	}
	if _, err := io.Copy(&b, io.LimitReader(s.Open(), maxInflated)); err != nil {
		return nil, err
	}
	if uint64(b.Len()) != s.Size {
		return nil, fmt.Errorf("inflates to %d bytes, not %d", b.Len(), s.Size)
	}
	return b.Bytes(), nil
}

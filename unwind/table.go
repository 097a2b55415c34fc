package unwind

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// cie is a Common Information Entry: what a group of functions shares.
type cie struct {
	codeAlign    uint64
	dataAlign    int64
	returnColumn uint64 // the register that holds the return address
	pointers     byte   // encoding of addresses in its FDEs
	augmented    bool   // its FDEs have augmentation data
	signal       bool   // its functions are signal trampolines
	program      []byte
}

// fde is a Frame Description Entry: the code [begin, end) and its program.
type fde struct {
	begin, end uint64 // addresses of the file
	cie        *cie
	program    reader
}

// table is an index of .eh_frame. Its entries are parsed only so far as to be
// found; their programs are run when they are needed.
type table struct {
	fdes    []fde // ascending, of no two the same begin
	problem error // why the end of the section is not in it, nil if it is
}

// parseTable indexes the .eh_frame section data that is mapped at vaddr. An
// entry that cannot be read is left out; a broken length ends the index.
func parseTable(data []byte, vaddr uint64) *table {
	t := &table{}
	cies := map[int]*cie{}
	r := reader{data: data, vaddr: vaddr}
	for r.left() >= 4 {
		start := r.at
		length := r.unsigned(4)
		if length == 0 {
			break // the terminator; what follows is not call frame information
		}
		if length == 0xffffffff {
			length = r.unsigned(8)
		}
		body := r.at
		if length < 4 || length > uint64(r.left()) {
			t.problem = fmt.Errorf(".eh_frame: entry at offset %#x: length %#x of the %#x bytes left", start, length, r.left())
			break
		}
		entry := reader{data: data[:body+int(length)], at: body, vaddr: vaddr}
		r.at = body + int(length)
		// In .eh_frame the CIE pointer is relative to itself, and always has
		// 32 bits.
		if back := entry.unsigned(4); back != 0 {
			if err := t.add(entry, cies, body-int(back)); err != nil && t.problem == nil {
				t.problem = fmt.Errorf(".eh_frame: entry at offset %#x: %w", start, err)
			}
		}
	}
	slices.SortStableFunc(t.fdes, func(a, b fde) int { return cmp.Compare(a.begin, b.begin) })
	t.fdes = slices.CompactFunc(t.fdes, func(a, b fde) bool { return a.begin == b.begin })
	return t
}

// add appends the FDE that entry is after its CIE pointer.
func (t *table) add(entry reader, cies map[int]*cie, cieAt int) error {
	c, seen := cies[cieAt]
	if !seen {
		var err error
		if c, err = parseCIE(entry.data, cieAt, entry.vaddr); err != nil {
			return err
		}
		cies[cieAt] = c
	}
	f := fde{cie: c}
	f.begin = entry.pointer(c.pointers)
	f.end = f.begin + entry.pointer(c.pointers&peFormat)
	if c.augmented {
		entry.take(entry.uleb()) // the address of a language-specific table
	}
	if entry.failed {
		return errors.New("truncated")
	}
	if f.end <= f.begin {
		return nil // code that the linker has thrown away
	}
	f.program = entry
	t.fdes = append(t.fdes, f)
	return nil
}

// parseCIE parses the CIE that begins at data[at:], with its length.
func parseCIE(data []byte, at int, vaddr uint64) (*cie, error) {
	if at < 0 || at+8 > len(data) {
		return nil, errors.New("CIE pointer: outside the section")
	}
	r := reader{data: data, at: at, vaddr: vaddr}
	length := r.unsigned(4)
	if length == 0xffffffff {
		length = r.unsigned(8)
	}
	if r.failed || length > uint64(r.left()) {
		return nil, errors.New("CIE: truncated")
	}
	r.data = data[:r.at+int(length)]
	if id := r.unsigned(4); id != 0 || r.failed {
		return nil, errors.New("CIE pointer: what it points at is no CIE")
	}
	version := r.byte()
	if version != 1 && version != 3 {
		return nil, fmt.Errorf("CIE: version %d is not 1 or 3", version)
	}
	n := bytes.IndexByte(r.data[r.at:], 0)
	if n < 0 {
		return nil, errors.New("CIE: augmentation does not end")
	}
	augmentation := string(r.take(uint64(n)))
	r.byte()
	c := &cie{codeAlign: r.uleb(), dataAlign: r.sleb()}
	if version == 1 {
		c.returnColumn = uint64(r.byte())
	} else {
		c.returnColumn = r.uleb()
	}
	if err := c.augment(&r, augmentation); err != nil {
		return nil, err
	}
	if r.failed {
		return nil, errors.New("CIE: truncated")
	}
	c.program = r.data[r.at:]
	return c, nil
}

// augment reads the augmentation data that a string beginning with z announces.
func (c *cie) augment(r *reader, augmentation string) error {
	if augmentation == "" {
		return nil
	}
	if augmentation[0] != 'z' {
		return fmt.Errorf("CIE: unknown augmentation %q", augmentation)
	}
	c.augmented = true
	size := r.uleb()
	if size > uint64(r.left()) {
		return errors.New("CIE: augmentation data truncated")
	}
	end := r.at + int(size)
	for _, letter := range augmentation[1:] {
		switch letter {
		case 'R':
			c.pointers = r.byte()
		case 'L':
			r.byte()
		case 'P':
			// Where the personality routine is does not matter, its size does.
			if encoding := r.byte(); encoding != peOmit {
				r.pointer(encoding & peFormat)
			}
		case 'S':
			c.signal = true
		case 'B', 'G':
			// arm64: return addresses signed with key B, tagged frames.
		default:
			return fmt.Errorf("CIE: unknown augmentation %q", augmentation)
		}
	}
	if r.failed || r.at > end {
		return errors.New("CIE: augmentation data truncated")
	}
	r.at = end
	return nil
}

// find returns the entry that covers an address of the file.
func (t *table) find(vaddr uint64) (*fde, bool) {
	i := sort.Search(len(t.fdes), func(i int) bool { return t.fdes[i].begin > vaddr }) - 1
	if i < 0 || vaddr >= t.fdes[i].end {
		return nil, false
	}
	return &t.fdes[i], true
}

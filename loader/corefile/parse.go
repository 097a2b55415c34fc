package corefile

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"

	"emurace/loader"
)

// Sizes of the structures of a 64-bit ELF file, and PN_XNUM: from so many program headers on
// their number is in a section header (elf(5)).
const (
	ehdrSize     = 64
	phdrSize     = 56
	shdrSize     = 64
	manySegments = 0xffff
)

// Limits. Linux lets a process have 65,530 mappings (vm.max_map_count), and distributions raise
// that to 1,048,576; notes are some 3 KiB a thread.
const (
	maxSegments = 1 << 21
	maxNotes    = 256 << 20
	maxProblems = 32
	headersRead = 1 << 10 // program headers that are read at once
)

// ErrNotCore is the error about a file that is no core.
var ErrNotCore = errors.New("not a core file")

// Parse reads a core of so many bytes. It keeps r, from which memory is read later.
func Parse(r io.ReaderAt, size uint64) (*File, error) {
	f := &File{Size: size, blocks: blocks{r: r, size: size}}
	head := make([]byte, ehdrSize)
	if n, err := r.ReadAt(head, 0); n < ehdrSize {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %d bytes are no ELF header", ErrNotCore, n)
	}
	if err := f.header(head); err != nil {
		return nil, err
	}
	if err := f.segments(head); err != nil {
		return nil, err
	}
	f.order()
	f.listed()
	if len(f.Threads) == 0 {
		if f.Missing > 0 {
			return nil, fmt.Errorf("ELF core: no thread in it: the file ends before its notes do, %d bytes are missing", f.Missing)
		}
		return nil, errors.New("ELF core: no thread in it: there is no NT_PRSTATUS note")
	}
	return f, nil
}

// problem keeps what could not be read.
func (f *File) problem(format string, args ...any) {
	if len(f.Problems) < maxProblems {
		f.Problems = append(f.Problems, fmt.Sprintf(format, args...))
	}
}

func (f *File) header(h []byte) error {
	switch {
	case string(h[:4]) != elf.ELFMAG:
		return fmt.Errorf("%w: it does not begin as an ELF file does", ErrNotCore)
	case elf.Class(h[elf.EI_CLASS]) != elf.ELFCLASS64 || elf.Data(h[elf.EI_DATA]) != elf.ELFDATA2LSB:
		return errors.New("ELF core: not of a 64-bit little-endian process")
	case elf.Type(le.Uint16(h[16:])) != elf.ET_CORE:
		return fmt.Errorf("%w: e_type is %v", ErrNotCore, elf.Type(le.Uint16(h[16:])))
	}
	machine := elf.Machine(le.Uint16(h[18:]))
	for _, a := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if a.Machine() == machine {
			f.Arch = a
			return nil
		}
	}
	return fmt.Errorf("ELF core: e_machine: %d (%v) is not AArch64 or x86-64", uint16(machine), machine)
}

// segments goes through as many program headers as the file has, which is fewer than it claims when
// it is cut. Notes are read before memory: they say what is not stored.
func (f *File) segments(h []byte) error {
	phoff, count := le.Uint64(h[32:]), uint64(le.Uint16(h[56:]))
	if n := le.Uint16(h[54:]); n != phdrSize {
		return fmt.Errorf("ELF core: e_phentsize: %d is not %d", n, phdrSize)
	}
	if count == manySegments {
		shoff := le.Uint64(h[40:])
		b, ok := f.bytes(shoff, shdrSize)
		if !ok || shoff == 0 {
			return errors.New("ELF core: e_shoff: the section header with the number of segments is not in the file")
		}
		count = uint64(le.Uint32(b[44:])) // sh_info
	}
	if count > maxSegments {
		return fmt.Errorf("ELF core: e_phnum: %d is more than %d", count, maxSegments)
	}
	if phoff > f.Size {
		return fmt.Errorf("ELF core: e_phoff: %#x is beyond the file's %#x bytes", phoff, f.Size)
	}
	if there := (f.Size - phoff) / phdrSize; count > there {
		f.problem("of %d program headers the file has %d", count, there)
		f.missing((count - there) * phdrSize)
		count = there
	}
	for _, kind := range []elf.ProgType{elf.PT_NOTE, elf.PT_LOAD} {
		for at := uint64(0); at < count; at += headersRead {
			b, ok := f.bytes(phoff+at*phdrSize, min(headersRead, count-at)*phdrSize)
			if !ok {
				return errors.New("ELF core: e_phoff: the program headers could not be read")
			}
			for ; len(b) > 0; b = b[phdrSize:] {
				if elf.ProgType(le.Uint32(b)) != kind {
					continue
				}
				p := elf.Prog64{Type: le.Uint32(b), Flags: le.Uint32(b[4:]), Off: le.Uint64(b[8:]), Vaddr: le.Uint64(b[16:]),
					Filesz: le.Uint64(b[32:]), Memsz: le.Uint64(b[40:]), Align: le.Uint64(b[48:])}
				if kind == elf.PT_NOTE {
					f.readNotes(p)
				} else {
					f.load(p)
				}
			}
		}
	}
	return nil
}

// missing counts bytes that the file should have.
func (f *File) missing(n uint64) {
	if f.Missing += n; f.Missing < n {
		f.Missing = ^uint64(0)
	}
}

// bytes are a part of the file, false when it is not all there.
func (f *File) bytes(off, n uint64) ([]byte, bool) {
	if off > f.Size || n > f.Size-off {
		return nil, false
	}
	b := make([]byte, n)
	_, err := f.blocks.r.ReadAt(b, int64(off))
	return b, err == nil || n == 0 || errors.Is(err, io.EOF)
}

// load makes the mapping of a PT_LOAD. One that is beyond the address space is left out.
func (f *File) load(p elf.Prog64) {
	size := max(p.Memsz, p.Filesz)
	if size == 0 {
		return
	}
	if p.Vaddr+size < p.Vaddr {
		f.problem("a segment of %#x bytes at %#x is beyond the address space", size, p.Vaddr)
		return
	}
	there := uint64(0)
	if p.Off < f.Size {
		there = min(f.Size-p.Off, p.Filesz)
	}
	f.Ranges = append(f.Ranges, Range{Lo: p.Vaddr, Hi: p.Vaddr + size, Stored: p.Vaddr + p.Filesz, Cut: p.Vaddr + there, offset: p.Off, Zeros: f.zeros,
		Readable: p.Flags&uint32(elf.PF_R) != 0, Writable: p.Flags&uint32(elf.PF_W) != 0, Execute: p.Flags&uint32(elf.PF_X) != 0})
}

// order sorts the mappings by address. One that overlaps an earlier one is left out.
func (f *File) order() {
	slices.SortStableFunc(f.Ranges, func(a, b Range) int { return cmp.Compare(a.Lo, b.Lo) })
	kept := f.Ranges[:0]
	for _, r := range f.Ranges {
		if n := len(kept); n > 0 && r.Lo < kept[n-1].Hi {
			f.problem("a segment at %#x overlaps the one at %#x", r.Lo, kept[n-1].Lo)
			continue
		}
		f.missing(r.Stored - r.Cut)
		kept = append(kept, r)
	}
	f.Ranges = kept
}

// listed adds the mappings that only NT_FILE tells of. There may be very many, so that they are
// counted first.
func (f *File) listed() {
	count := 0
	f.gaps(func(uint64, uint64) { count++ })
	if count == 0 {
		return
	}
	all := make([]Range, len(f.Ranges), len(f.Ranges)+count)
	copy(all, f.Ranges)
	f.gaps(func(lo, hi uint64) {
		all = append(all, Range{Lo: lo, Hi: hi, Stored: lo, Cut: lo, Readable: true, Listed: true})
	})
	slices.SortStableFunc(all, func(a, b Range) int { return cmp.Compare(a.Lo, b.Lo) })
	f.Ranges = all
}

// gaps are the parts of NT_FILE's mappings of which there is no segment.
func (f *File) gaps(put func(lo, hi uint64)) {
	part := func(lo, hi uint64) {
		if lo < hi {
			put(lo, hi)
		}
	}
	next, end := 0, uint64(0)
	for _, m := range f.Mapped {
		at := max(m.Lo, end)
		end = max(end, m.Hi)
		for ; next < len(f.Ranges) && f.Ranges[next].Lo < m.Hi; next++ {
			r := &f.Ranges[next]
			part(at, min(r.Lo, m.Hi))
			at = max(at, r.Hi)
			if r.Hi > m.Hi {
				break // the next one may begin in it
			}
		}
		part(at, m.Hi)
	}
}

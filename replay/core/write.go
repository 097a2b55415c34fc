package core

import (
	"bufio"
	"debug/elf"
	"io"

	"emurace/emu"
	"emurace/loader"
)

// Sizes of the structures of a 64-bit ELF file.
const (
	ehdrSize = 64
	phdrSize = 56
	shdrSize = 64
)

// manySegments is PN_XNUM: from this many program headers on, their number stands
// in a section header.
const manySegments = 0xffff

// segment is a PT_LOAD.
type segment struct {
	addr         uint64
	filesz, size uint64 // multiples of the page size
	flags        elf.ProgFlag
}

// segments are the mappings as they are stored. Of a mapping without a file, zeros
// at the beginning become a segment of their own that has no bytes in the file, and
// zeros at the end are left out. One with a file is stored as it is: debuggers read
// what is not in the core from the file, where there may be something else.
func (p *Process) segments() []segment {
	var list []segment
	for _, g := range p.Mappings {
		s := segment{addr: g.Start, size: g.End - g.Start, flags: flagsOf(g.Prot)}
		if g.OfFile() {
			s.filesz = s.size
			list = append(list, s)
			continue
		}
		first, last := p.extent(g)
		if first > g.Start && first < last {
			list = append(list, segment{addr: g.Start, size: first - g.Start, flags: s.flags})
			s.addr, s.size = first, g.End-first
		}
		s.filesz = last - first
		list = append(list, s)
	}
	return list
}

// extent is where the first page that holds something begins and the last one ends;
// both are the mapping's start when there is none.
func (p *Process) extent(g emu.Mapping) (first, last uint64) {
	first, last = g.Start, g.Start
	for a := g.Start; a < g.End; a += loader.PageSize {
		if p.Page(a) == nil {
			continue
		}
		if last == g.Start {
			first = a
		}
		last = a + loader.PageSize
	}
	return first, last
}

func flagsOf(p loader.Prot) (f elf.ProgFlag) {
	for _, b := range []struct {
		prot loader.Prot
		flag elf.ProgFlag
	}{{loader.ProtRead, elf.PF_R}, {loader.ProtWrite, elf.PF_W}, {loader.ProtExec, elf.PF_X}} {
		if p&b.prot != 0 {
			f |= b.flag
		}
	}
	return f
}

// head is the file up to the first segment's bytes: ELF header, program headers,
// where there are too many of them a section header, and the notes.
func (p *Process) head(segs []segment) []byte {
	notes := p.notes()
	phnum := 1 + len(segs)
	at := ehdrSize + phnum*phdrSize
	var shdr []byte
	shoff, shnum := 0, 0
	count := phnum
	if phnum >= manySegments {
		shdr = make([]byte, shdrSize)
		le.PutUint32(shdr[44:], uint32(phnum)) // sh_info
		shoff, shnum, count = at, 1, manySegments
		at += shdrSize
	}
	b := append(make([]byte, 0, at+len(notes)+loader.PageSize), elf.ELFMAG...)
	b = append(b, byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT), byte(elf.ELFOSABI_NONE))
	b = pad(b, elf.EI_NIDENT)
	b = le.AppendUint16(b, uint16(elf.ET_CORE))
	b = le.AppendUint16(b, uint16(p.Arch.Machine()))
	b = le.AppendUint32(b, uint32(elf.EV_CURRENT))
	b = le.AppendUint64(b, 0) // e_entry
	b = le.AppendUint64(b, ehdrSize)
	b = le.AppendUint64(b, uint64(shoff))
	b = le.AppendUint32(b, 0) // e_flags
	for _, v := range []int{ehdrSize, phdrSize, count, shdrSize * shnum, shnum, 0} {
		b = le.AppendUint16(b, uint16(v))
	}
	b = appendPhdr(b, elf.PT_NOTE, 0, uint64(at), segment{filesz: uint64(len(notes))}, 4)
	off := uint64(at + len(notes))
	off += -off % loader.PageSize
	for _, s := range segs {
		b = appendPhdr(b, elf.PT_LOAD, s.flags, off, s, loader.PageSize)
		off += s.filesz
	}
	return pad(append(append(b, shdr...), notes...), loader.PageSize)
}

func appendPhdr(b []byte, kind elf.ProgType, flags elf.ProgFlag, off uint64, s segment, align uint64) []byte {
	b = le.AppendUint32(b, uint32(kind))
	b = le.AppendUint32(b, uint32(flags))
	for _, v := range []uint64{off, s.addr, 0, s.filesz, s.size, align} {
		b = le.AppendUint64(b, v)
	}
	return b
}

// sink is what a core is written to.
type sink interface {
	io.Writer
	// skip writes n zeros, or leaves a hole.
	skip(n uint64) error
	Flush() error
}

// bufferSize is what is written at a time, in bytes.
const bufferSize = 1 << 16

// stream is a sink that takes every byte.
type stream struct{ *bufio.Writer }

func (s stream) skip(n uint64) error {
	for ; n > 0; n -= min(n, loader.PageSize) {
		if _, err := s.Write(zeros[:min(n, loader.PageSize)]); err != nil {
			return err
		}
	}
	return nil
}

var zeros [loader.PageSize]byte

// Write streams the core. It holds no more of the process in memory than its
// headers and notes.
func (p *Process) Write(w io.Writer) error {
	_, err := p.write(stream{bufio.NewWriterSize(w, bufferSize)})
	return err
}

// write returns the size of the file in bytes.
func (p *Process) write(w sink) (size uint64, err error) {
	segs := p.segments()
	head := p.head(segs)
	if _, err := w.Write(head); err != nil {
		return 0, err
	}
	size = uint64(len(head))
	for _, s := range segs {
		for a := s.addr; a < s.addr+s.filesz; a += loader.PageSize {
			if page := p.Page(a); page == nil {
				err = w.skip(loader.PageSize)
			} else {
				_, err = w.Write(page)
			}
			if err != nil {
				return 0, err
			}
		}
		size += s.filesz
	}
	return size, w.Flush()
}

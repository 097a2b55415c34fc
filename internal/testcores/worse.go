package testcores

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Functions that make a worse core of one, by its bytes. What they return is a core of the same
// process that says less; a core that is none is an error.

var le = binary.LittleEndian

// Types of notes of the owner "CORE"; include/uapi/linux/elf.h.
const (
	NTPrstatus = 1
	NTFpregset = 2
	NTPrpsinfo = 3
	NTAuxv     = 6
	NTFile     = 0x46494c45
	NTSiginfo  = 0x53494749
)

// Sizes of ELF64's headers, and of a page.
const (
	ehdrSize = 64
	phdrSize = 56
	pageSize = 4096
)

// Load is a PT_LOAD of a core.
type Load struct {
	Addr   uint64
	Size   uint64 // in memory
	Flags  elf.ProgFlag
	Data   []byte // what there is of it in the file, from its beginning on
	File   string // that it maps, by NT_FILE; "" for none
	Offset uint64 // in that file, in bytes
}

// Note is a note of a core.
type Note struct {
	Owner string
	Type  uint32
	Data  []byte
}

// image is a core taken apart.
type image struct {
	head  []byte // ELF header
	notes []Note
	loads []Load
}

// errNoCore is that bytes are no core of 64 bits, little endian, with less than 65535 segments.
var errNoCore = errors.New("testcores: no core file")

// takeApart reads a core, which is one of this package's own and trusted.
func takeApart(core []byte) (*image, error) {
	f, err := elf.NewFile(bytes.NewReader(core))
	if err != nil {
		return nil, err
	}
	if f.Type != elf.ET_CORE || f.Class != elf.ELFCLASS64 || f.ByteOrder != le || le.Uint16(core[56:]) == math.MaxUint16 {
		return nil, errNoCore
	}
	im := &image{head: core[:ehdrSize]}
	for _, p := range f.Progs {
		data := core[min(p.Off, uint64(len(core))):min(p.Off+p.Filesz, uint64(len(core)))]
		switch p.Type {
		case elf.PT_NOTE:
			if im.notes, err = notesOf(data); err != nil {
				return nil, err
			}
		case elf.PT_LOAD:
			im.loads = append(im.loads, Load{Addr: p.Vaddr, Size: p.Memsz, Flags: p.Flags, Data: data})
		}
	}
	return im, im.nameFiles()
}

func notesOf(b []byte) (list []Note, err error) {
	up := func(n uint32) int { return int(n+3) &^ 3 }
	for len(b) >= 12 {
		name, desc := le.Uint32(b), le.Uint32(b[4:])
		n := Note{Type: le.Uint32(b[8:])}
		b = b[12:]
		if len(b) < up(name)+int(desc) {
			return nil, errNoCore
		}
		n.Owner = string(bytes.TrimRight(b[:name], "\x00"))
		n.Data = b[up(name) : up(name)+int(desc)]
		b = b[min(up(name)+up(desc), len(b)):]
		list = append(list, n)
	}
	return list, nil
}

// nameFiles says which loads map files. NT_FILE is a count and the page size, then start, end and offset in
// pages of each mapping, then their names.
func (im *image) nameFiles() error {
	for _, n := range im.notes {
		if n.Owner != "CORE" || n.Type != NTFile {
			continue
		}
		if len(n.Data) < 16 {
			return errNoCore
		}
		count, page := le.Uint64(n.Data), le.Uint64(n.Data[8:])
		if uint64(len(n.Data)-16)/24 < count {
			return errNoCore
		}
		names := bytes.Split(n.Data[16+24*count:], []byte{0})
		for i := range count {
			at := n.Data[16+24*i:]
			start, end, off := le.Uint64(at), le.Uint64(at[8:]), le.Uint64(at[16:])*page
			for k := range im.loads {
				if l := &im.loads[k]; l.Addr >= start && l.Addr < end && i < uint64(len(names)) {
					l.File, l.Offset = string(names[i]), off+l.Addr-start
				}
			}
		}
	}
	return nil
}

// bytes puts the core together again.
func (im *image) bytes() []byte {
	var notes []byte
	for _, n := range im.notes {
		notes = le.AppendUint32(notes, uint32(len(n.Owner)+1))
		notes = le.AppendUint32(notes, uint32(len(n.Data)))
		notes = le.AppendUint32(notes, n.Type)
		notes = padded(append(append(notes, n.Owner...), 0), 4)
		notes = padded(append(notes, n.Data...), 4)
	}
	b := slices.Clone(im.head)
	le.PutUint64(b[32:], ehdrSize)                      // e_phoff
	le.PutUint64(b[40:], 0)                             // e_shoff
	le.PutUint16(b[56:], uint16(1+len(im.loads)))       // e_phnum
	copy(b[58:64], make([]byte, 6))                     // e_shentsize, e_shnum, e_shstrndx
	at := uint64(ehdrSize + phdrSize*(1+len(im.loads))) // of the notes
	b = appendPhdr(b, elf.PT_NOTE, 0, at, 0, uint64(len(notes)), 0, 4)
	at += uint64(len(notes))
	at += -at % pageSize
	for _, l := range im.loads {
		b = appendPhdr(b, elf.PT_LOAD, l.Flags, at, l.Addr, uint64(len(l.Data)), l.Size, pageSize)
		at += uint64(len(l.Data)) + -uint64(len(l.Data))%pageSize
	}
	b = padded(append(b, notes...), pageSize)
	for _, l := range im.loads {
		b = padded(append(b, l.Data...), pageSize)
	}
	return b
}

func appendPhdr(b []byte, kind elf.ProgType, flags elf.ProgFlag, words ...uint64) []byte {
	b = le.AppendUint32(le.AppendUint32(b, uint32(kind)), uint32(flags))
	off, addr, filesz, memsz, align := words[0], words[1], words[2], words[3], words[4]
	for _, v := range []uint64{off, addr, 0, filesz, memsz, align} {
		b = le.AppendUint64(b, v)
	}
	return b
}

func padded(b []byte, n int) []byte { return append(b, make([]byte, -len(b)&(n-1))...) }

// Truncate is a core of which only the first n bytes were written, as under ulimit -c or on a full
// disk. (Linux 6.18 writes a core without regard to a limit that is not 0, so no limit is set for it here.)
func Truncate(core []byte, n int) []byte { return slices.Clone(core[:min(n, len(core))]) }

// DropNotes leaves notes out.
func DropNotes(core []byte, drop func(Note) bool) ([]byte, error) {
	im, err := takeApart(core)
	if err != nil {
		return nil, err
	}
	im.notes = slices.DeleteFunc(im.notes, drop)
	return im.bytes(), nil
}

// DropData leaves the content of mappings out, as coredump_filter does: their program headers
// stay. Of each, keep says how many bytes from its beginning on are kept. Emurace's own note goes too: it says that
// what is not there is zeros.
func DropData(core []byte, keep func(Load) uint64) ([]byte, error) {
	im, err := takeApart(core)
	if err != nil {
		return nil, err
	}
	im.notes = slices.DeleteFunc(im.notes, func(n Note) bool { return n.Owner == "EMURACE" })
	for i, l := range im.loads {
		im.loads[i].Data = l.Data[:min(keep(l), uint64(len(l.Data)))]
	}
	return im.bytes(), nil
}

// whole is what DropData keeps of a mapping that it leaves as it is.
const whole = math.MaxUint64

// Unfile leaves out the list of mapped files.
func Unfile(core []byte) ([]byte, error) {
	return DropNotes(core, func(n Note) bool { return n.Type == NTFile })
}

// Unnote leaves out all notes: no thread, no register, no auxiliary vector.
func Unnote(core []byte) ([]byte, error) {
	return DropNotes(core, func(Note) bool { return true })
}

// AsQemu leaves out what qemu's user emulation does not write, see [Qemu]: most notes, and mappings that may be
// executed and begin with an ELF header, which on arm64 are all headers of modules.
func AsQemu(core []byte) ([]byte, error) {
	core, err := DropNotes(core, func(n Note) bool {
		return n.Owner != "CORE" || n.Type != NTPrstatus && n.Type != NTPrpsinfo && n.Type != NTAuxv
	})
	if err != nil {
		return nil, err
	}
	return DropData(core, func(l Load) uint64 {
		if coded(l) {
			return 0
		}
		return whole
	})
}

// coded tells whether a mapping may be executed and begins with an ELF header.
func coded(l Load) bool { return l.Flags&elf.PF_X != 0 && bytes.HasPrefix(l.Data, []byte(elf.ELFMAG)) }

// WithoutFileBacked leaves out what is mapped from files, and, as the kernel does, keeps the first page of
// those that begin with an ELF header; with headers false that too. What a process has written to
// such a mapping is left out as well, which the kernel would keep. It needs NT_FILE.
func WithoutFileBacked(core []byte, headers bool) ([]byte, error) {
	return DropData(core, func(l Load) uint64 {
		switch {
		case l.File == "":
			return whole
		case headers && l.Offset == 0 && bytes.HasPrefix(l.Data, []byte(elf.ELFMAG)):
			return pageSize
		}
		return 0
	})
}

// WithoutAnonymous leaves out what is mapped from no file: the heap and all stacks.
func WithoutAnonymous(core []byte) ([]byte, error) {
	return DropData(core, func(l Load) uint64 {
		if l.File == "" {
			return 0
		}
		return whole
	})
}

// Notes are a core's.
func Notes(core []byte) ([]Note, error) {
	im, err := takeApart(core)
	if err != nil {
		return nil, err
	}
	return im.notes, nil
}

// Loads are a core's mappings.
func Loads(core []byte) ([]Load, error) {
	im, err := takeApart(core)
	if err != nil {
		return nil, err
	}
	return im.loads, nil
}

// Worse is a core of the bytes, beside c's program, for as long as the test runs.
func (c *Core) Worse(t testing.TB, b []byte, err error) *Core {
	t.Helper()
	out := *c
	out.Path = filepath.Join(t.TempDir(), "core")
	if err == nil {
		err = os.WriteFile(out.Path, b, 0o600)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("a worse core of %s: %w", c.Path, err))
	}
	return &out
}

package corefile

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"emurace/loader"
)

var le = binary.LittleEndian

// File is a core file. Its fields do not change; its methods are for one goroutine at a time.
type File struct {
	Arch    loader.Arch
	Threads []Thread // in the file's order: who died of the signal comes first
	Signal  Signal   // what the process died of; the zero value for nothing known
	// Name is the program's name, of at most 15 bytes, and Args the beginning of its command
	// line, of at most 79, as NT_PRPSINFO has them; "" for nothing.
	Name, Args string
	PID        uint32 // of the process, 0 for unknown
	Auxv       []loader.AuxEntry
	// Mapped are the mapped files, of NT_FILE, by address. Listed tells that there is such a
	// note: qemu's user mode writes none.
	Mapped []Mapped
	Listed bool
	// Ranges are the mappings by address, no two overlapping.
	Ranges []Range
	// BuildID is what the core itself says of the program's file, in hex: emurace writes such
	// a note. "" for nothing.
	BuildID string
	// Missing is how many bytes the file is shorter than its headers say, 0 for none.
	Missing uint64
	// Problems are what could not be read, each a line.
	Problems []string
	// Compressed is how it was stored: "zstd", "lz4", "xz", "gzip", "" for as it is.
	Compressed string
	Size       uint64 // of the core, in bytes, without compression

	zeros   bool   // see Range.Zeros
	notes   uint64 // bytes of notes that were read
	crowded bool   // there are too many threads
	blocks  blocks
	close   func() error
}

// Thread is a thread of a core.
type Thread struct {
	TID    uint32
	Signal int // the thread's current signal, 0 for none
	// Registers are the general ones by name: x0 to x30, sp, pc, pstate; rax to r15, rip,
	// eflags, orig_rax, fs_base, gs_base.
	Registers map[string]uint64
	// TP is the thread pointer, behind or before which thread-local data lies: tpidr_el0,
	// fs_base. It is 0 where the core does not have it, as qemu's of arm64.
	TP uint64
}

// PC is the address of the thread's next instruction.
func (t *Thread) PC() uint64 {
	if v, ok := t.Registers["pc"]; ok {
		return v
	}
	return t.Registers["rip"]
}

// SP is the thread's stack pointer.
func (t *Thread) SP() uint64 {
	if v, ok := t.Registers["sp"]; ok {
		return v
	}
	return t.Registers["rsp"]
}

// Signal is what a process died of, of NT_SIGINFO; only Number where there is no such note.
type Signal struct {
	Number, Code int
	// Full tells that the note is there, and so Code and what follows.
	Full bool
	Addr uint64 // of a fault
	// PID and UID are of who has sent it, of a signal that was sent.
	PID, UID uint32
}

// Sent tells that a process sent the signal, by si_code (include/uapi/asm-generic/siginfo.h:
// SI_USER, SI_QUEUE, SI_TKILL).
func (s Signal) Sent() bool { return s.Full && (s.Code == 0 || s.Code == -1 || s.Code == -6) }

// Mapped is a part of a file in memory.
type Mapped struct {
	Lo, Hi uint64
	Offset uint64 // in the file, in bytes
	Path   string
}

// Range is a mapping: [Lo, Hi), of which the first bytes up to Stored are in the core.
type Range struct {
	Lo, Hi                      uint64
	Stored                      uint64 // address; Lo for none
	Cut                         uint64 // address behind the last byte that the file is long enough for; Stored when nothing is missing
	Readable, Writable, Execute bool
	// Zeros tells that what was not stored is zeros: emurace writes its cores so, and says it.
	Zeros bool
	// Listed tells that there is no segment of it, only NT_FILE tells that a file was mapped there: gdb's
	// gcore leaves out what it can have from the file. Its rights are not known.
	Listed bool

	offset uint64
}

// Known is the address behind the last byte of the mapping that the core tells.
func (r Range) Known() uint64 {
	if r.Zeros && r.Cut == r.Stored {
		return r.Hi
	}
	return r.Cut
}

// Close releases the file.
func (f *File) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// Open is OpenContext without an end.
func Open(name string, stdin io.Reader) (*File, error) {
	return OpenContext(context.Background(), name, stdin)
}

// OpenContext reads the core in a file; what is compressed, or can only be read once, is put into a
// temporary file first, which is given up when the context ends: the error is the context's then. "-" is
// standard input. Errors name what is wrong with the file, not its name.
func OpenContext(ctx context.Context, name string, stdin io.Reader) (*File, error) {
	if name == "-" {
		return spooled(ctx, stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	f, err := opened(ctx, file)
	if err != nil || f.close != nil {
		_ = file.Close() // it was only read
		return f, err
	}
	f.close = file.Close
	return f, nil
}

// opened reads a core out of a file, or out of a temporary one, which has a close.
func opened(ctx context.Context, file *os.File) (*File, error) {
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%w: it is a folder", ErrNotCore)
	case !info.Mode().IsRegular() || compression(file) != "":
		return spooled(ctx, file)
	}
	return Parse(file, uint64(info.Size()))
}

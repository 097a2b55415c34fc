package corefile

import (
	"cmp"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"emurace/loader"
)

// Note types of include/uapi/linux/elf.h; ntBuildID is binutils', of the owner "GNU".
const (
	ntPrstatus = 1
	ntPrpsinfo = 3
	ntAuxv     = 6
	ntARMTLS   = 0x401
	ntSiginfo  = 0x53494749
	ntFile     = 0x46494c45
	ntBuildID  = 3
	// ntEmurace is emurace's own, of the owner "EMURACE": a 32-bit word, whose lowest bit says that
	// bytes that are not stored are zeros. See package replay/core.
	ntEmurace = 1
)

// Offsets in struct elf_prstatus and elf_prpsinfo of include/linux/elfcore.h on 64-bit
// machines, and in siginfo_t.
const (
	statusSignal = 12 // pr_cursig, 16 bits
	statusPID    = 32
	statusRegs   = 112
	infoPID      = 24
	infoName     = 40
	infoArgs     = 56
	infoSize     = 136
	signalCode   = 8
	signalUnion  = 16
	signalSize   = 32 // as far as it is looked at
)

// Limits on lists in notes.
const (
	maxThreads = 1 << 16
	maxMapped  = 1 << 20
	maxAuxv    = 256
)

// readNotes goes through a segment of notes. One that is cut short ends it.
func (f *File) readNotes(p elf.Prog64) {
	size := p.Filesz
	if p.Off > f.Size {
		f.problem("the notes at %#x are beyond the end of the file", p.Off)
		f.missing(size)
		return
	}
	if there := f.Size - p.Off; size > there {
		f.problem("the notes are cut short: %d of %d bytes", there, size)
		f.missing(size - there)
		size = there
	}
	if left := maxNotes - f.notes; size > left {
		f.problem("of %d bytes of notes, %d are read", size, left)
		size = left
	}
	f.notes += size
	align := uint64(4)
	if p.Align == 8 {
		align = 8
	}
	var head [12 + mostOwner]byte
	for at := uint64(0); size-at >= 12; {
		h := head[:min(uint64(len(head)), size-at)]
		if !f.blocks.copy(h, p.Off+at) {
			f.problem("the notes could not be read")
			return
		}
		name, desc, kind := uint64(le.Uint32(h)), uint64(le.Uint32(h[4:])), le.Uint32(h[8:])
		if name == 0 && desc == 0 && kind == 0 {
			return // nothing but zeros
		}
		from := (12 + name + align - 1) &^ (align - 1)
		if from+desc > size-at {
			f.problem("a note of %d bytes is cut short", desc)
			return
		}
		if owner := h[12:]; name <= uint64(len(owner)) {
			f.note(strings.TrimRight(string(owner[:name]), "\x00"), kind, p.Off+at+from, desc)
		}
		at = min(at+(from+desc+align-1)&^(align-1), size)
	}
}

// mostOwner is how long the owner of a note may be that is looked at, with its NUL.
const mostOwner = 16

// maxNote bounds a note that is read, in bytes: Linux writes none of NT_FILE that is longer
// (fs/coredump.c, CORE_FILE_NOTE_SIZE_MAX).
const maxNote = 16 << 20

// note reads a note of a kind that is known.
func (f *File) note(owner string, kind uint32, off, size uint64) {
	switch owner {
	case "GNU", "EMURACE", "LINUX", "CORE":
	default:
		return
	}
	if owner == "LINUX" && kind != ntARMTLS || owner == "CORE" && kind != ntPrstatus && kind != ntPrpsinfo && kind != ntSiginfo && kind != ntAuxv && kind != ntFile {
		return
	}
	if owner != "CORE" || kind != ntFile {
		size = min(size, mostDesc)
	}
	if size > maxNote {
		f.problem("a note of type %#x has %d bytes, which are too many", kind, size)
		return
	}
	desc, ok := f.bytes(off, size)
	if !ok {
		f.problem("the notes could not be read")
		return
	}
	f.take(owner, kind, desc)
}

// mostDesc is as much of any note but NT_FILE as is looked at: 256 entries of the auxiliary
// vector, of 16 bytes.
const mostDesc = 16 * maxAuxv

// take takes a note in. The first of those that a process has once counts.
func (f *File) take(owner string, kind uint32, desc []byte) {
	switch {
	case owner == "GNU" && kind == ntBuildID && f.BuildID == "" && len(desc) >= 2 && len(desc) <= 64:
		f.BuildID = hex.EncodeToString(desc)
	case owner == "EMURACE" && kind == ntEmurace && len(desc) >= 4:
		f.zeros = le.Uint32(desc)&1 != 0
	case owner == "LINUX" && kind == ntARMTLS && f.Arch == loader.ARM64:
		if n := len(f.Threads); n > 0 && len(desc) >= 8 {
			f.Threads[n-1].TP = le.Uint64(desc)
		}
	case owner != "CORE":
	case kind == ntPrstatus:
		f.status(desc)
	case kind == ntPrpsinfo && f.Name == "" && len(desc) >= infoSize:
		f.PID = le.Uint32(desc[infoPID:])
		f.Name, f.Args = text(desc[infoName:infoArgs]), text(desc[infoArgs:infoSize])
	case kind == ntSiginfo:
		f.signal(desc)
	case kind == ntAuxv && f.Auxv == nil:
		f.auxv(desc)
	case kind == ntFile && !f.Listed:
		f.files(desc)
	}
}

// text is a field of characters up to its first NUL.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// status is a thread's NT_PRSTATUS.
func (f *File) status(desc []byte) {
	names := registersOf(f.Arch)
	if len(desc) < statusRegs+8*len(names) {
		f.problem("NT_PRSTATUS: %d bytes are too few", len(desc))
		return
	}
	if len(f.Threads) >= maxThreads {
		if !f.crowded {
			f.problem("there are more than %d threads", maxThreads)
		}
		f.crowded = true
		return
	}
	t := Thread{TID: le.Uint32(desc[statusPID:]), Signal: int(le.Uint16(desc[statusSignal:])), Registers: make(map[string]uint64, len(names))}
	for i, name := range names {
		if name != "" {
			t.Registers[name] = le.Uint64(desc[statusRegs+8*i:])
		}
	}
	if f.Arch == loader.AMD64 {
		t.TP = t.Registers["fs_base"]
	}
	if len(f.Threads) == 0 && f.Signal.Number == 0 {
		f.Signal.Number = t.Signal
	}
	f.Threads = append(f.Threads, t)
}

// signal is NT_SIGINFO. Gdb writes one for each thread: that of the first counts.
func (f *File) signal(desc []byte) {
	if f.Signal.Full || len(f.Threads) > 1 || len(desc) < signalSize {
		return
	}
	s := Signal{Number: int(int32(le.Uint32(desc))), Code: int(int32(le.Uint32(desc[signalCode:]))), Full: true}
	if s.Number == 0 {
		return
	}
	if s.Sent() {
		s.PID, s.UID = le.Uint32(desc[signalUnion:]), le.Uint32(desc[signalUnion+4:])
	} else {
		s.Addr = le.Uint64(desc[signalUnion:])
	}
	f.Signal = s
}

func (f *File) auxv(desc []byte) {
	f.Auxv = []loader.AuxEntry{}
	for ; len(desc) >= 16 && len(f.Auxv) < maxAuxv; desc = desc[16:] {
		e := loader.AuxEntry{Type: le.Uint64(desc), Value: le.Uint64(desc[8:])}
		if e.Type == loader.AT_NULL {
			return
		}
		f.Auxv = append(f.Auxv, e)
	}
}

// Aux is the value of an entry of the auxiliary vector.
func (f *File) Aux(kind uint64) (uint64, bool) {
	for _, e := range f.Auxv {
		if e.Type == kind {
			return e.Value, true
		}
	}
	return 0, false
}

// files is NT_FILE, see fill_files_note in fs/binfmt_elf.c: how many mappings, the unit of
// their offsets, start, end and offset of each, and then their paths.
func (f *File) files(desc []byte) {
	if len(desc) < 16 {
		f.problem("NT_FILE: %d bytes are too few", len(desc))
		return
	}
	count, unit := le.Uint64(desc), le.Uint64(desc[8:])
	if count > maxMapped || count > uint64(len(desc)-16)/24 {
		f.problem("NT_FILE: %d mappings are more than its %d bytes can have", count, len(desc))
		return
	}
	f.Listed = true
	places, paths := desc[16:16+24*count], string(desc[16+24*count:])
	for ; len(places) > 0; places = places[24:] {
		path, rest, found := strings.Cut(paths, "\x00")
		if !found {
			f.problem("NT_FILE: the paths are cut short")
			break
		}
		paths = rest
		m := Mapped{Lo: le.Uint64(places), Hi: le.Uint64(places[8:]), Offset: le.Uint64(places[16:]) * unit, Path: path}
		if m.Lo < m.Hi {
			f.Mapped = append(f.Mapped, m)
		}
	}
	slices.SortStableFunc(f.Mapped, func(a, b Mapped) int { return cmp.Compare(a.Lo, b.Lo) })
}

// registersOf are the names of general registers in the order of pr_reg: struct
// user_regs_struct of arch/x86/include/asm/user_64.h, struct user_pt_regs of
// arch/arm64/include/uapi/asm/ptrace.h. "" is what nobody asks for.
func registersOf(a loader.Arch) []string {
	if a == loader.AMD64 {
		return []string{"r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
			"orig_rax", "rip", "", "eflags", "rsp", "", "fs_base", "gs_base", "", "", "", ""}
	}
	names := make([]string, 0, 34)
	for i := range 31 {
		names = append(names, fmt.Sprintf("x%d", i))
	}
	return append(names, "sp", "pc", "pstate")
}

package core

import (
	"encoding/binary"
	"path"

	"emurace/emu"
	"emurace/loader"
)

var le = binary.LittleEndian

// Note types of include/uapi/linux/elf.h.
const (
	ntPrstatus = 1
	ntFpregset = 2
	ntPrpsinfo = 3
	ntAuxv     = 6
	ntARMTLS   = 0x401
	ntSiginfo  = 0x53494749
	ntFile     = 0x46494c45
	// ntEmurace is our own, of the owner "EMURACE", with a word of flags.
	ntEmurace = 1
	zerosLeft = 1 // what a segment does not store is zeros
)

// appendNote adds a note: an Elf64_Nhdr, the name and the description, each padded
// to four bytes.
func appendNote(b []byte, name string, kind uint32, desc []byte) []byte {
	b = le.AppendUint32(b, uint32(len(name)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, kind)
	b = pad(append(append(b, name...), 0), 4)
	return pad(append(b, desc...), 4)
}

// pad adds zeros up to a multiple of n.
func pad(b []byte, n int) []byte { return append(b, make([]byte, (n-len(b)%n)%n)...) }

// notes are all of a core's notes in the order of write_note_info in
// fs/binfmt_elf.c: what belongs to the process stands between the first thread's
// general registers and its other ones.
func (p *Process) notes() []byte {
	var b []byte
	for i, t := range p.Threads {
		b = appendNote(b, "CORE", ntPrstatus, p.status(t))
		if i == 0 {
			b = appendNote(b, "CORE", ntPrpsinfo, p.info())
			if p.Signal.Number != 0 {
				b = appendNote(b, "CORE", ntSiginfo, p.Signal.info())
			}
			b = appendNote(b, "CORE", ntAuxv, p.Auxv)
			b = appendNote(b, "CORE", ntFile, p.files())
			b = appendNote(b, "EMURACE", ntEmurace, le.AppendUint32(nil, zerosLeft))
			if id := p.buildID(); len(id) > 0 {
				b = appendNote(b, "GNU", ntBuildID, id)
			}
		}
		if p.Arch == loader.ARM64 {
			b = appendNote(b, "CORE", ntFpregset, arm64Float(t))
			b = appendNote(b, "LINUX", ntARMTLS, le.AppendUint64(nil, t.word("tpidr_el0")))
		} else {
			b = appendNote(b, "CORE", ntFpregset, amd64Float(t))
		}
	}
	return b
}

// status is struct elf_prstatus of include/linux/elfcore.h. The times that a thread
// has used are zero: the emulated processor takes none.
func (p *Process) status(t Thread) []byte {
	b := make([]byte, 112)
	le.PutUint32(b, uint32(p.Signal.Number))      // pr_info.si_signo
	le.PutUint16(b[12:], uint16(p.Signal.Number)) // pr_cursig
	le.PutUint64(b[24:], t.Blocked)               // pr_sighold
	le.PutUint32(b[32:], t.ID)                    // pr_pid
	putFamily(b[36:])
	if p.Arch == loader.ARM64 {
		b = append(b, arm64General(t)...)
	} else {
		b = append(b, amd64General(t)...)
	}
	b = le.AppendUint32(b, 1) // pr_fpvalid
	return pad(b, 8)
}

// putFamily writes pr_ppid, pr_pgrp and pr_sid.
func putFamily(b []byte) {
	le.PutUint32(b, emu.ParentID)
	le.PutUint32(b[4:], emu.ProcessID)
	le.PutUint32(b[8:], emu.ProcessID)
}

// info is struct elf_prpsinfo of the same file.
func (p *Process) info() []byte {
	b := make([]byte, 136)
	b[1] = 'R' // pr_sname, of pr_state 0: running, as a process that dumps itself is
	le.PutUint32(b[16:], emu.UserID)
	le.PutUint32(b[20:], emu.UserID) // pr_gid
	le.PutUint32(b[24:], emu.ProcessID)
	putFamily(b[28:])
	const nameSize, argsSize = 16, 80
	copy(b[40:40+nameSize-1], path.Base(p.Path))
	copy(b[56:56+argsSize-1], p.Path)
	return b
}

// files is the note NT_FILE, see fill_files_note in fs/binfmt_elf.c: how many
// mappings show a file, the size of a page; start, end and offset of each, that in
// pages; then their paths.
func (p *Process) files() []byte {
	var places, paths []byte
	n := uint64(0)
	for _, g := range p.Mappings {
		if !g.OfFile() || g.Path == p.Path {
			continue
		}
		n++
		places = le.AppendUint64(places, g.Start)
		places = le.AppendUint64(places, g.End)
		places = le.AppendUint64(places, g.Offset/loader.PageSize)
		paths = append(append(paths, g.Path...), 0)
	}
	b := le.AppendUint64(le.AppendUint64(nil, n), loader.PageSize)
	return append(append(b, places...), paths...)
}

package corefile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"testing"
)

// made is a core of a test's own.
type made struct {
	machine elf.Machine // 0 is x86-64
	notes   []byte
	loads   []loadOf
	many    bool // the number of program headers is in a section header
}

// loadOf is a PT_LOAD; memsz 0 is the length of the data.
type loadOf struct {
	addr, memsz uint64
	data        []byte
	flags       elf.ProgFlag
	filesz, off uint64 // in place of what the data says, where they are not 0
}

// noteOf is a note with the given alignment.
func noteOf(owner string, kind uint32, desc []byte) []byte {
	b := le.AppendUint32(nil, uint32(len(owner)+1))
	b = le.AppendUint32(b, uint32(len(desc)))
	b = le.AppendUint32(b, kind)
	b = pad(append(append(b, owner...), 0))
	return pad(append(b, desc...))
}

func pad(b []byte) []byte { return append(b, make([]byte, -len(b)&3)...) }

// statusOf is an NT_PRSTATUS of amd64 with rip.
func statusOf(tid uint32, signal uint16, rip uint64) []byte {
	desc := make([]byte, 336)
	le.PutUint16(desc[statusSignal:], signal)
	le.PutUint32(desc[statusPID:], tid)
	le.PutUint64(desc[statusRegs+8*16:], rip)
	return noteOf("CORE", ntPrstatus, desc)
}

// bytes are the core's: headers, notes, and the data of each load at a page.
func (m made) bytes() []byte {
	count := 1 + len(m.loads)
	machine := m.machine
	if machine == 0 {
		machine = elf.EM_X86_64
	}
	at := uint64(ehdrSize + phdrSize*count)
	h := elf.Header64{Type: uint16(elf.ET_CORE), Machine: uint16(machine), Version: 1, Phoff: ehdrSize, Ehsize: ehdrSize, Phentsize: phdrSize, Phnum: uint16(count)}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	var section []byte
	if m.many {
		h.Phnum, h.Shoff, h.Shentsize, h.Shnum = 0xffff, at, shdrSize, 1
		section = make([]byte, shdrSize)
		le.PutUint32(section[44:], uint32(count))
		at += shdrSize
	}
	phdrs := []elf.Prog64{{Type: uint32(elf.PT_NOTE), Off: at, Filesz: uint64(len(m.notes)), Align: 4}}
	at += uint64(len(m.notes))
	var data []byte
	for _, l := range m.loads {
		at += -at % pageSize
		p := elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(l.flags), Off: at, Vaddr: l.addr, Filesz: uint64(len(l.data)), Memsz: l.memsz, Align: pageSize}
		if l.memsz == 0 {
			p.Memsz = uint64(len(l.data))
		}
		if l.filesz != 0 {
			p.Filesz = l.filesz
		}
		if l.off != 0 {
			p.Off = l.off
		}
		phdrs = append(phdrs, p)
		at += uint64(len(l.data))
	}
	var b bytes.Buffer
	_ = binary.Write(&b, le, h) // a buffer takes everything
	_ = binary.Write(&b, le, phdrs)
	b.Write(section)
	b.Write(m.notes)
	data = b.Bytes()
	for _, l := range m.loads {
		data = append(data, make([]byte, -uint64(len(data))%pageSize)...)
		data = append(data, l.data...)
	}
	return data
}

// parse reads a core out of memory.
func parse(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := Parse(bytes.NewReader(b), uint64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// fill is n bytes that are not zeros, and tell where they are.
func fill(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i/7) | 1
	}
	return b
}

// small is a core of one thread with all that there can be.
func small() made {
	file := le.AppendUint64(le.AppendUint64(nil, 1), pageSize)
	for _, v := range []uint64{0x10000, 0x12000, 3} {
		file = le.AppendUint64(file, v)
	}
	file = append(file, "/lib/a.so\x00"...)
	info := make([]byte, 128)
	le.PutUint32(info, 11)
	le.PutUint32(info[signalCode:], 1)
	le.PutUint64(info[signalUnion:], 0x28)
	auxv := []byte{}
	for _, v := range []uint64{6, 4096, 0, 0} {
		auxv = le.AppendUint64(auxv, v)
	}
	name := make([]byte, infoSize)
	le.PutUint32(name[infoPID:], 7)
	copy(name[infoName:], "prog")
	copy(name[infoArgs:], "prog -x")
	return made{
		notes: slices.Concat(statusOf(7, 11, 0x10010), noteOf("CORE", ntPrpsinfo, name), noteOf("CORE", ntSiginfo, info), noteOf("CORE", ntAuxv, auxv),
			noteOf("CORE", ntFile, file), noteOf("GNU", ntBuildID, []byte{0xab, 0xcd}), statusOf(8, 0, 0x10020)),
		loads: []loadOf{
			{addr: 0x10000, data: fill(2*pageSize, 1), flags: elf.PF_R | elf.PF_X},
			{addr: 0x12000, data: fill(pageSize, 9), memsz: 3 * pageSize, flags: elf.PF_R | elf.PF_W},
			{addr: 0x20000, memsz: pageSize, flags: elf.PF_R},
			{addr: 0x30000, data: fill(3*pageSize, 33), flags: elf.PF_R | elf.PF_W},
		},
	}
}

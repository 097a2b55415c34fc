package flow

import (
	"debug/elf"
	"path"
	"strings"

	"emurace/disasm"
)

// fixed tells whether memory cannot be written to: it has what its file says, or what the
// dynamic linker has put there before it protected it.
func (fl *Flow) fixed(addr uint64, size int) bool {
	m, ok := fl.space.Module(addr)
	if !ok || m.Image == nil {
		return false
	}
	at, end := addr-m.Base, addr-m.Base+uint64(size)
	if r := m.Image.Relro; r != nil && at >= r.Vaddr && end <= r.End() {
		// The linker's own changes while it works.
		return !strings.HasPrefix(path.Base(m.Path), "ld-") && !strings.HasPrefix(path.Base(m.Path), "ld.so")
	}
	for _, s := range m.Image.Load {
		if at >= s.Vaddr && end <= s.Vaddr+s.Filesz {
			return s.Flags&elf.PF_W == 0
		}
	}
	return false
}

// maxStub is more than the instructions of an entry of a linkage table.
const maxStub = 5

// through follows an entry of a linkage table: a jump to what a word of memory says. It is the
// address itself for other code, and 0 when the linker has not filled in the word.
func (fl *Flow) through(addr uint64) uint64 {
	for range 4 {
		to, ok := fl.stub(addr)
		if !ok {
			return addr
		}
		// Before the first call the word leads back into the table.
		from, _ := fl.space.Module(addr)
		if m, known := fl.space.Module(to); !known || m == from && fl.lazy(to) {
			return 0
		}
		addr = to
	}
	return 0
}

// lazy tells whether where an entry of a linkage table leads is the table itself, which has no
// functions.
func (fl *Flow) lazy(to uint64) bool {
	_, off, ok := fl.space.Symbol(to)
	return !ok || off != 0
}

// maxStubs bounds the entries that are remembered.
const maxStubs = 4096

// stub tells where an entry of a linkage table jumps to.
func (fl *Flow) stub(addr uint64) (to uint64, ok bool) {
	slot, seen := fl.stubs[addr]
	if !seen {
		if len(fl.stubs) == maxStubs {
			clear(fl.stubs)
		}
		slot = fl.slot(addr)
		fl.stubs[addr] = slot
	}
	if slot == 0 {
		return 0, false
	}
	to, ok = fl.word(slot)
	return to, ok && to != 0
}

// slot is the word of memory that code jumps to the content of, 0 for other code.
func (fl *Flow) slot(addr uint64) uint64 {
	known, slots := map[string]uint64{}, map[string]uint64{}
	for range maxStub {
		in, ok := fl.decode(addr)
		if !ok {
			return 0
		}
		switch {
		case in.Op == "endbr64" || in.Op == "hint" || in.Op == "bti" || in.Op == "nop":
		case fl.abi == amd64:
			if in.Op != "jmp" || in.Target != 0 || len(in.Mem) != 1 || in.Mem[0].Base != "" || in.Mem[0].Index != "" || in.Mem[0].Segment != "" {
				return 0
			}
			return uint64(in.Mem[0].Disp)
		case in.Op == "br":
			return slots[in.Src[0]]
		case len(in.Dst) != 1 || in.Dst[0] != "x16" && in.Dst[0] != "x17":
			return 0
		default:
			reg := in.Dst[0]
			v, loads, ok := simple(fl.abi, in, known)
			if !ok {
				return 0
			}
			delete(known, reg)
			delete(slots, reg)
			if loads {
				slots[reg] = v
			} else {
				known[reg] = v
			}
		}
		addr = in.after()
	}
	return 0
}

// simple computes one instruction of an arm64 linkage table's entry: an address, or one that is loaded
// from.
func simple(a *abi, in *instruction, known map[string]uint64) (v uint64, loads, ok bool) {
	for _, m := range in.Moves {
		switch m.Kind {
		case disasm.Const:
			return m.Value, false, true
		case disasm.Load:
			v, ok = in.Mem[m.Mem].Address(func(name string) (uint64, bool) { v, ok := known[name]; return v, ok })
			return v, true, ok && m.Size == 8
		default:
		}
	}
	for _, s := range in.sums {
		if s.a >= 0 && s.b < 0 && s.keep == 0 && !s.narrow {
			v, ok = known[a.names[s.a]]
			return v + uint64(s.add), false, ok
		}
	}
	return 0, false, false
}

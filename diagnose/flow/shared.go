package flow

import (
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"

	"emurace/disasm"
	"emurace/emu"
)

// maxScan bounds the code before and behind a function that is searched for jumps into it.
const maxScan = 16 << 20

// maxNeighbours bounds the code around a function that is decoded for that, in bytes.
const maxNeighbours = 4 * maxCode

// shared tells whether a function can be entered elsewhere than at its entry: symbols that
// overlap, or jumps into its middle, as code in assembly has them.
func (fl *Flow) shared(fn *function, m *emu.Module) bool {
	inner := fl.inner(fn)
	first, last := ^uint64(0), uint64(0)
	var seen [2]uint64 // symbols that are others of the same code follow each other
	budget := uint64(maxNeighbours)
	for _, s := range m.Image.Symbols() {
		if !s.Function() {
			continue
		}
		lo, hi := m.Base+s.Addr, m.Base+s.Addr+s.Size
		first, last = min(first, lo), max(last, hi)
		if lo == fn.entry || strings.Contains(s.Name, ".cold") {
			continue
		}
		if lo < fn.entry && hi > fn.entry || inner[lo] && lo > fn.entry && lo < fn.end {
			return true
		}
		// Short jumps are too common among bytes to be told from others without decoding.
		if fl.abi == amd64 && s.Size <= maxCode && lo < max(fn.end, fn.entry)+130 && hi+130 > fn.entry && seen != [2]uint64{lo, hi} {
			if seen = [2]uint64{lo, hi}; s.Size > budget || fl.jumpsShort(fn, inner, lo, hi) {
				return true
			}
			budget -= s.Size
		}
	}
	for _, s := range m.Image.Load {
		// Constants may be in the same segment, before and behind all functions.
		at, end := m.Base+s.Vaddr, m.Base+s.Vaddr+s.Filesz
		lo, hi := max(at, first, fn.entry-min(fn.entry, maxScan)), min(end, last, fn.entry+maxScan)
		if lo &^= 3; s.Flags&elf.PF_X == 0 || lo < at || lo >= hi {
			continue
		}
		code := m.Image.Data()[s.Offset+lo-at:][:hi-lo]
		at = lo
		if fl.abi == amd64 && jumpAMD64(fn, inner, code, at) || fl.abi == arm64 && jumpARM64(fn, inner, code, at) {
			return true
		}
	}
	return false
}

// fallen tells whether code of the function's symbol that no branch reaches, such as what catches
// an exception, goes on into code that is reached.
func (fl *Flow) fallen(fn *function) bool {
	var known []uint64
	for addr := range fn.insts {
		if addr >= fn.entry && addr < fn.end {
			known = append(known, addr)
		}
	}
	slices.Sort(known)
	at := fn.entry
	for _, next := range known {
		falls := false
		for at < next {
			in, ok := fl.decode(at)
			if !ok {
				return true
			}
			at = in.after()
			switch {
			case strings.HasPrefix(in.Op, "nop") || in.Op == "xchg" && len(in.Mem) == 0 || in.Op == "data16":
				// What fills up to an alignment changes nothing.
			case in.Call:
				falls = !noReturn[fl.callee(in)]
			default:
				falls = !(in.Ret || in.Branch && !in.CondBranch || ends[in.Op])
			}
		}
		if falls {
			return true
		}
		at = max(at, fn.insts[next].after())
	}
	return false
}

// inner are the instructions of a function that only it may jump to. Code outside its symbol
// counts only if it comes back.
func (fl *Flow) inner(fn *function) map[uint64]bool {
	inside := func(addr uint64) bool { return fn.end == 0 || addr >= fn.entry && addr < fn.end }
	back := false
	for addr, in := range fn.insts {
		for _, next := range in.next {
			back = back || !inside(addr) && inside(next)
		}
	}
	list := map[uint64]bool{}
	for addr := range fn.insts {
		if addr != fn.entry && (back || inside(addr)) {
			list[addr] = true
		}
	}
	return list
}

// jumpARM64 looks for a direct branch of other code (DDI 0487, C4.1, "Branches").
func jumpARM64(fn *function, inner map[uint64]bool, code []byte, at uint64) bool {
	for i := 0; i+4 <= len(code); i += 4 {
		w := binary.LittleEndian.Uint32(code[i:])
		var distance int64
		switch {
		case w&0xfc000000 == 0x14000000: // b
			distance = int64(int32(w<<6)) >> 4
		case w&0xff000010 == 0x54000000, w&0x7e000000 == 0x34000000: // b.cond, cbz
			distance = int64(int32(w<<8)>>13) * 4
		case w&0x7e000000 == 0x36000000: // tbz
			distance = int64(int32(w<<13)>>18) * 4
		default:
			continue
		}
		from := at + uint64(i)
		if to := from + uint64(distance); to >= fn.entry && inner[to] && fn.insts[from] == nil {
			return true
		}
	}
	return false
}

// jumpAMD64 looks for a direct branch with a distance of 32 bits.
func jumpAMD64(fn *function, inner map[uint64]bool, code []byte, at uint64) bool {
	lo, hi := ^uint64(0), uint64(0)
	for addr := range inner {
		lo, hi = min(lo, addr), max(hi, addr)
	}
	for i := 0; i+5 <= len(code); i++ {
		if code[i] != 0xe9 && code[i]&0xf0 != 0x80 {
			continue
		}
		from := at + uint64(i)
		to := from + 5 + uint64(int64(int32(binary.LittleEndian.Uint32(code[i+1:]))))
		if to < lo || to > hi || !inner[to] {
			continue
		}
		if code[i] != 0xe9 {
			if i == 0 || code[i-1] != 0x0f {
				continue
			}
			from--
		}
		// Bytes within the function's own instructions are no jump of others.
		own := fn.insts[from] != nil
		for back := uint64(1); back < 15 && !own; back++ {
			if in := fn.insts[from-back]; in != nil && in.after() > from {
				own = true
			}
		}
		if !own {
			return true
		}
	}
	return false
}

// jumpsShort looks for a branch with a distance of 8 bits in the code of a neighbour.
func (fl *Flow) jumpsShort(fn *function, inner map[uint64]bool, lo, hi uint64) bool {
	code, ok := fl.space.Read(lo, hi-lo)
	if !ok {
		return false
	}
	for off := uint64(0); off < uint64(len(code)); {
		// Two bytes are all of a short jump, and decoding takes long.
		in, err := disasm.Decode(fl.abi.arch, code[off:], lo+off, nil)
		if err != nil {
			return false
		}
		if in.Branch && in.Len <= 3 && in.Target != 0 && inner[in.Target] && fn.insts[in.Addr] == nil {
			return true
		}
		off += uint64(in.Len)
	}
	return false
}

package flow

import (
	"encoding/binary"
	"slices"

	"golang.org/x/arch/x86/x86asm"

	"emurace/disasm"
)

// maxTable bounds the entries of a table of jumps.
const maxTable = 1 << 10

// table is where a jump leads that a table says, as compilers make of switch: a number that was
// compared with a bound, an entry that it selects, and the sum of that with an address.
//
//	cmp w0, #9; b.hi; adrp, add x1; ldrh w0, [x1, w0, uxtw #1]; adr x1; add x0, x1, w0, sxth #2; br x0
//	cmp eax, 9; ja; lea rdx, [rip+..]; movsxd rax, [rdx+rax*4]; add rax, rdx; jmp rax
//
// ok is false for what is not such.
func (fl *Flow) table(fn *function, jump *instruction) (targets []uint64, ok bool) {
	add := fl.makes(fn, jump)
	if add == nil {
		return nil, false
	}
	st, _ := fl.states(fn, add, false)
	base, entry, shift, ok := fl.target(add, st)
	if !ok {
		return nil, false
	}
	load := fn.insts[fn.symbols[entry.sym].addr]
	if fn.symbols[entry.sym].kind != defined || load == nil || entry.ext != whole || entry.off != 0 || len(load.Mem) != 1 || len(load.Moves) != 1 {
		return nil, false
	}
	m, move := load.Mem[0], load.Moves[0]
	before, _ := fl.states(fn, load, false)
	table, index := fl.abi.register(m.Base), fl.abi.register(m.Index)
	if move.Kind != disasm.Load || before == nil || table < 0 || index < 0 || int(m.Scale) != move.Size || m.Segment != "" || m.Addr32 {
		return nil, false
	}
	first, ok := before.regs[table].constant()
	if !ok || before.regs[table].doubt {
		return nil, false
	}
	n, ok := fl.bound(fn, load, before.regs[index])
	if !ok || n > maxTable {
		return nil, false
	}
	signed := move.Signed || shift.signed
	for i := range n {
		at := first + uint64(m.Disp) + i*uint64(m.Scale)
		v, ok := fl.read(at, move.Size, signed)
		to := base + v<<shift.left
		if !ok || !fl.fixed(at, move.Size) || to < fn.entry || to >= fn.end {
			return nil, false
		}
		if !slices.Contains(targets, to) {
			targets = append(targets, to)
		}
	}
	return targets, n > 0
}

// makes is the instruction of the same block that makes the address of a jump.
func (fl *Flow) makes(fn *function, jump *instruction) *instruction {
	b := fn.at[jump.Addr]
	if b == nil || len(jump.Mem) > 0 {
		return nil
	}
	r := -1
	for _, name := range jump.Src {
		r = max(r, fl.abi.register(name))
	}
	for i := slices.Index(b.insts, jump) - 1; i >= 0 && r >= 0; i-- {
		if slices.Contains(b.insts[i].Dst, fl.abi.names[r]) {
			return b.insts[i]
		}
	}
	return nil
}

// shifted says how an entry is extended and shifted.
type shifted struct {
	left   uint
	signed bool
}

// target takes a sum of an address and an entry apart.
func (fl *Flow) target(add *instruction, st *state) (base uint64, entry value, shift shifted, ok bool) {
	if st == nil {
		return
	}
	a, b := -1, -1
	if fl.abi == arm64 {
		code, readable := fl.space.Read(add.Addr, 4)
		if !readable {
			return
		}
		w := binary.LittleEndian.Uint32(code)
		option := w >> 13 & 7
		switch {
		case w&0xffe00000 == 0x8b200000 && option >= 4 && option <= 6: // sxtb, sxth, sxtw
			shift = shifted{uint(w >> 10 & 7), true}
		case w&0xffe00000 == 0x8b000000:
			shift.left = uint(w >> 10 & 63)
		default:
			return
		}
		a, b = int(w>>5&31), int(w>>16&31)
		if b == 31 {
			return
		}
	} else {
		if len(add.sums) != 1 || add.sums[0].narrow || add.sums[0].b < 0 || add.sums[0].scale != 1 || add.sums[0].a < 0 || add.sums[0].add != 0 {
			return
		}
		a, b = add.sums[0].a, add.sums[0].b
		if _, constant := st.regs[a].constant(); !constant {
			a, b = b, a
		}
	}
	base, ok = st.regs[a].constant()
	return base, st.regs[b], shift, ok && !st.regs[a].doubt && !st.regs[b].doubt
}

// maxBefore bounds the blocks between a comparison and the load of an entry.
const maxBefore = 4

// bound is how many values an index can have before an instruction, by the comparison that leads
// there.
func (fl *Flow) bound(fn *function, load *instruction, index value) (n uint64, ok bool) {
	b := fn.at[load.Addr]
	for range maxBefore {
		if len(b.from) != 1 || b == fn.blocks[0] {
			return 0, false
		}
		before := b.from[0]
		last := before.insts[len(before.insts)-1]
		over := last.Op == "ja" || last.Op == "b.hi" || last.Op == "jae" || last.Op == "b.cs" || last.Op == "b.hs"
		below := last.Op == "jbe" || last.Op == "b.ls" || last.Op == "jb" || last.Op == "b.cc" || last.Op == "b.lo"
		if over && b.head() == last.after() && last.Target != b.head() || below && b.head() == last.Target && last.after() != b.head() {
			add := uint64(1)
			if slices.Contains([]string{"jae", "b.cs", "b.hs", "jb", "b.cc", "b.lo"}, last.Op) {
				add = 0
			}
			if limit, ok := fl.compared(fn, before, index); ok {
				return limit + add, true
			}
		}
		b = before
	}
	return 0, false
}

// compared is the number that the last comparison of a block compares a value with.
func (fl *Flow) compared(fn *function, b *block, v value) (limit uint64, ok bool) {
	for i := len(b.insts) - 1; i >= 0; i-- {
		in := b.insts[i]
		if !slices.Contains(in.Dst, "nzcv") && !slices.Contains(in.Dst, "eflags") {
			continue
		}
		if in.Op != "cmp" {
			return 0, false
		}
		st, _ := fl.states(fn, in, false)
		r, size, limit, ok := fl.operands(in)
		if !ok || st == nil {
			return 0, false
		}
		if len(in.Mem) > 0 {
			// The same memory, compared and then loaded.
			s := step{Flow: fl, fn: fn, in: in, st: st}
			addr, known := s.address(&in.Mem[0])
			list := fn.sources[v.sym]
			return limit, known && v.off == 0 && len(list) == 1 && list[0].kind == Loaded && !list[0].signed && list[0].size == size && list[0].val.same(addr)
		}
		if size >= 4 {
			return limit, st.regs[r].low32(zero32).same(v.low32(zero32))
		}
		return limit, fl.low(fn, v, st.regs[r], size)
	}
	return 0, false
}

// low tells whether a value is the low bytes of another one, extended by zeros.
func (fl *Flow) low(fn *function, v, of value, size int) bool {
	list := fn.sources[v.sym]
	if v.sym == of.sym {
		return v.off == 0 && of.off == 0 && len(list) == 1 && list[0].kind == Loaded && list[0].size == size && !list[0].signed
	}
	sym := fn.symbols[v.sym]
	in := fn.insts[sym.addr]
	if sym.kind != defined || in == nil || len(in.Moves) != 1 || v.off != 0 {
		return false
	}
	m := in.Moves[0]
	from := fl.abi.register(m.Src)
	st, _ := fl.states(fn, in, false)
	return m.Kind == disasm.Copy && m.Size == size && !m.Signed && from >= 0 && st != nil && st.regs[from].same(of)
}

// operands are what a comparison compares with a number: a register, of which size bytes count,
// or memory.
func (fl *Flow) operands(in *instruction) (r, size int, limit uint64, ok bool) {
	code, readable := fl.space.Read(in.Addr, uint64(in.Len))
	if !readable {
		return
	}
	if fl.abi == arm64 {
		w := binary.LittleEndian.Uint32(code)
		ok = w&0x7f80001f == 0x7100001f && w>>22&1 == 0 && w>>5&31 != 31
		return int(w >> 5 & 31), 4, uint64(w >> 10 & 0xfff), ok
	}
	asm, err := x86asm.Decode(code, 64)
	imm, constant := asm.Args[1].(x86asm.Imm)
	if err != nil || !constant || imm < 0 {
		return
	}
	if len(in.Mem) == 1 {
		return -1, in.Mem[0].Size, uint64(imm), true
	}
	reg, _ := asm.Args[0].(x86asm.Reg)
	size = 4
	if reg < x86asm.AX {
		size = 1
	} else if reg < x86asm.EAX {
		size = 2
	}
	if len(in.Src) != 1 || reg >= x86asm.AH && reg <= x86asm.BH {
		return
	}
	r = fl.abi.register(in.Src[0])
	return r, size, uint64(imm), r >= 0
}

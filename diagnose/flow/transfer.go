package flow

import (
	"slices"
	"strings"

	"emurace/disasm"
)

// symbol is the number of a symbol, which is made when it is new.
func (fn *function) symbol(kind symbolKind, addr uint64, at place) int32 {
	s := symbol{kind, addr, at}
	i, ok := fn.index[s]
	if !ok {
		i = int32(len(fn.symbols))
		fn.symbols = append(fn.symbols, s)
		fn.index[s] = i
	}
	return i
}

// initially is the symbol of a register at the entry: solve makes them first, after the constant.
func initially(register int) int32 { return int32(register) + 1 }

// entry is the state in which the function begins.
func (fl *Flow) entry() *state {
	st := &state{}
	for r := range fl.abi.n {
		st.regs[r] = value{sym: initially(r)}
	}
	return st
}

// inFrame tells whether a value is an address of the function's own frame.
func (fl *Flow) inFrame(v value) bool { return v.sym == initially(fl.abi.sp) && v.ext == whole }

// step is one instruction's work on a state.
type step struct {
	*Flow
	fn  *function
	in  *instruction
	st  *state // before, then after
	new [maxRegisters]value
	set [maxRegisters]bool
}

// transfer changes a state as the instruction does.
func (fl *Flow) transfer(fn *function, in *instruction, st *state) {
	s := step{Flow: fl, fn: fn, in: in, st: st}
	s.registers()
	s.escapes()
	s.memory()
	for r := range fl.abi.n {
		if s.set[r] {
			st.regs[r] = s.new[r]
		}
	}
	if in.Call {
		s.call()
	}
}

// put is what a register holds after the instruction.
func (s *step) put(r int, v value) {
	if r >= 0 {
		s.new[r], s.set[r] = v, true
	}
}

// opaque is the symbol of what the instruction leaves in a register.
func (s *step) opaque(r int, list ...source) value {
	sym := s.fn.symbol(defined, s.in.Addr, place{register: r})
	s.fn.sources[sym] = list
	return value{sym: sym}
}

// registers finds what the instruction leaves in the registers that it writes.
func (s *step) registers() {
	in, abi := s.in, s.abi
	computed := source{kind: Computed, at: placesOf(in.Addr)}
	if in.Undecoded {
		for r := range abi.n {
			s.put(r, s.opaque(r, computed))
		}
		return
	}
	for _, name := range in.Dst {
		if r := abi.register(name); r >= 0 {
			s.put(r, s.opaque(r, computed))
		}
	}
	for i := range in.sums {
		if v, ok := in.sums[i].apply(s.st); ok {
			s.put(in.sums[i].dst, v)
		}
	}
	s.chosen()
	for _, m := range in.Moves {
		r := abi.register(m.Dst)
		if r < 0 || slices.Contains(in.Partial, m.Dst) || in.Repeat {
			continue
		}
		switch m.Kind {
		case disasm.Const:
			s.put(r, constantOf(m.Value))
		case disasm.Copy:
			if from := abi.register(m.Src); from >= 0 {
				if v, ok := s.cut(s.st.regs[from], m.Size, m.Signed); ok {
					s.put(r, v)
				}
			}
		case disasm.Load:
			s.put(r, s.loaded(r, m))
		default:
		}
	}
}

// cut is what the low bytes of a value are.
func (s *step) cut(v value, size int, signed bool) (value, bool) {
	switch {
	case size == 8:
		return v, true
	case size != 4:
		return v, false
	case signed:
		return v.low32(sign32), true
	case v.ext == whole && v.off == 0 && s.short(v.sym):
		return v, true
	}
	return v.low32(zero32), true
}

// short tells whether a symbol is what a load of at most 32 bits, extended by zeros, has brought.
func (s *step) short(sym int32) bool {
	list := s.fn.sources[sym]
	return s.fn.symbols[sym].kind == defined && len(list) == 1 && list[0].kind == Loaded && list[0].size <= 4 && !list[0].signed
}

// chosen handles an instruction that takes one of two registers by a condition.
func (s *step) chosen() {
	if s.abi == arm64 && s.in.Op == "csel" || s.abi == amd64 && strings.HasPrefix(s.in.Op, "cmov") && len(s.in.Mem) == 0 {
		var from []int
		for _, name := range s.in.Src {
			if r := s.abi.register(name); r >= 0 {
				from = append(from, r)
			}
		}
		// With the zero register, or a narrow one, there is more to it.
		if len(from) != 2 || len(s.in.Dst) != 1 || slices.Contains(s.in.Partial, s.in.Dst[0]) || !strings.Contains(s.in.Text+",", " "+s.in.Dst[0]+",") {
			return
		}
		a, b := s.st.regs[from[0]], s.st.regs[from[1]]
		r := s.abi.register(s.in.Dst[0])
		switch {
		case r < 0:
		case a.same(b):
			a.doubt = a.doubt || b.doubt
			s.put(r, a)
		default:
			s.put(r, s.opaque(r, bounded(slices.Concat(s.fn.sourcesOf(a), s.fn.sourcesOf(b)))...))
		}
	}
}

// address is that of a memory operand, as far as it is a symbol plus a constant.
func (s *step) address(m *disasm.MemOperand) (v value, ok bool) {
	if m.Segment != "" || m.Addr32 {
		return v, false
	}
	if m.Base != "" {
		r := s.abi.register(m.Base)
		if r < 0 {
			return v, false
		}
		v = s.st.regs[r]
	}
	disp := m.Disp
	if m.PostIndex {
		disp = 0
	} else if m.Index != "" {
		r := s.abi.register(m.Index)
		if r < 0 || m.IndexBits != 64 {
			return v, false
		}
		index := s.st.regs[r]
		c, constant := index.constant()
		if !constant {
			return v, false
		}
		disp += int64(c) * int64(m.Scale)
		v.doubt = v.doubt || index.doubt
	}
	return v.plus(disp)
}

// loaded is what a load brings into a register.
func (s *step) loaded(r int, m disasm.Move) value {
	load := source{kind: Loaded, at: placesOf(s.in.Addr), size: m.Size, signed: m.Signed}
	addr, ok := s.address(&s.in.Mem[m.Mem])
	if !ok {
		load.lost = true
		return s.opaque(r, load)
	}
	addr.off += int64(m.Offset)
	load.val = addr
	if s.inFrame(addr) && !addr.doubt {
		if i, ok := s.st.find(addr.off); ok && int64(m.Size) <= s.st.slots[i].size {
			if v, ok := s.cut(s.st.slots[i].val, m.Size, m.Signed); ok {
				return v
			}
		}
	}
	if c, ok := addr.constant(); ok && s.fixed(c, m.Size) {
		if n, ok := s.read(c, m.Size, m.Signed); ok {
			return value{off: int64(n), doubt: addr.doubt}
		}
	}
	return s.opaque(r, load)
}

// escapes notices addresses of the frame that go where other code may find them.
func (s *step) escapes() {
	st, in := s.st, s.in
	if in.Undecoded {
		st.escaped = true
		return
	}
	for _, m := range in.Moves {
		if r := s.abi.register(m.Src); m.Kind == disasm.Store && r >= 0 && s.inFrame(st.regs[r]) {
			st.escaped = true
		}
	}
	// A result that is not known as a symbol plus a constant may still be an address.
	hidden := slices.ContainsFunc(in.Dst, func(name string) bool {
		r := s.abi.register(name)
		if r < 0 {
			return name != "nzcv" && name != "eflags" && !in.loads(name)
		}
		v := s.new[r]
		return v.sym != 0 && s.fn.symbols[v.sym] == (symbol{defined, in.Addr, place{register: r}}) && !in.loads(name)
	})
	if !hidden || in.Call {
		return
	}
	for _, name := range in.Src {
		r := s.abi.register(name)
		address := slices.ContainsFunc(in.Mem, func(m disasm.MemOperand) bool { return m.Base == name || m.Index == name })
		if r >= 0 && s.inFrame(st.regs[r]) && !address {
			st.escaped = true
		}
	}
}

// loads tells whether the instruction merely loads a register.
func (in *instruction) loads(dst string) bool {
	return slices.ContainsFunc(in.Moves, func(m disasm.Move) bool { return m.Kind == disasm.Load && m.Dst == dst })
}

// memory forgets what the instruction may overwrite, and follows what it stores in the frame.
func (s *step) memory() {
	st, in := s.st, s.in
	if in.Undecoded || in.Op == "svc" || in.Op == "syscall" {
		s.elsewhere()
		for r := range s.abi.n {
			if s.inFrame(st.regs[r]) && r != s.abi.sp && !s.abi.saved[r] {
				st.escaped = true
				st.doubt()
			}
		}
	}
	for i := range in.Mem {
		m := &in.Mem[i]
		if !m.Write {
			continue
		}
		addr, ok := s.address(m)
		switch {
		case ok && s.inFrame(addr) && m.Size != 0 && !in.Repeat && !addr.doubt:
			st.forget(addr.off, int64(m.Size))
		case s.based(m):
			st.doubt()
		case ok && addr.sym == 0:
		default:
			s.elsewhere()
		}
	}
	// A store that depends on more than that it runs is not followed.
	if in.Repeat || strings.HasPrefix(in.Op, "stx") || strings.HasPrefix(in.Op, "stlx") || in.Call {
		return
	}
	for _, m := range in.Moves {
		if m.Kind != disasm.Store || m.Size != 4 && m.Size != 8 {
			continue
		}
		addr, ok := s.address(&in.Mem[m.Mem])
		if !ok || !s.inFrame(addr) || addr.doubt {
			continue
		}
		v := constantOf(m.Value)
		if m.Src != "" {
			r := s.abi.register(m.Src)
			if r < 0 {
				continue
			}
			v = st.regs[r]
		}
		if m.Size == 4 {
			v = v.low32(zero32)
		}
		st.store(addr.off+int64(m.Offset), int64(m.Size), v)
	}
}

// based tells whether an operand's address is made of one of the frame.
func (s *step) based(m *disasm.MemOperand) bool {
	for _, name := range []string{m.Base, m.Index} {
		if r := s.abi.register(name); r >= 0 && s.inFrame(s.st.regs[r]) {
			return true
		}
	}
	return false
}

// elsewhere is a write to memory that may be the frame once its address is known elsewhere.
func (s *step) elsewhere() {
	if s.st.escaped {
		s.st.doubt()
	}
}

// call does what the called function may do.
func (s *step) call() {
	st := s.st
	for r := range s.abi.n {
		if v := st.regs[r]; !s.abi.saved[r] && s.inFrame(v) {
			st.escaped = true
			st.forget(v.off, 8)
		}
	}
	s.elsewhere()
	if sp := st.regs[s.abi.sp]; s.inFrame(sp) {
		st.slots = slices.DeleteFunc(st.slots, func(t slot) bool { return t.off < sp.off })
	}
	for r := range s.abi.n {
		switch {
		case s.abi.saved[r]:
		case r == s.abi.result:
			st.regs[r] = s.opaque(r, source{kind: Returned, at: placesOf(s.in.Addr), target: s.in.Target})
		default:
			st.regs[r] = s.opaque(r, source{kind: Computed, at: placesOf(s.in.Addr)})
		}
	}
}

// sourcesOf are the ways in which a value can have come about.
func (fn *function) sourcesOf(v value) []source {
	symbol := fn.symbols[v.sym]
	switch {
	case symbol.kind == constant:
		return []source{{kind: Constant, val: v}}
	case symbol.kind == initial:
		return []source{{kind: Argument, val: v}}
	case v.ext == whole && v.off == 0:
		list := slices.Clone(fn.sources[v.sym])
		if v.doubt {
			for i := range list {
				list[i].val.doubt = true
			}
		}
		return list
	}
	// What an instruction made, plus a constant, is not followed through a join.
	var list []source
	for _, from := range fn.sources[v.sym] {
		if from.kind == Constant && v.ext == whole {
			from.val.off += v.off
			list = append(list, from)
		} else {
			list = append(list, source{kind: Computed, at: from.at})
		}
	}
	return list
}

// bounded drops what is there twice, and what is more than is told apart.
func bounded(list []source) (out []source) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	if len(out) > maxSources {
		out = append(out[:maxSources], source{kind: Computed})
	}
	return out
}

package depend

import (
	"slices"
	"strconv"

	"emurace/disasm"
)

// offset is where an access lies from the operand's first byte, going by the
// lowest access of the same direction, which is the operand's address unless
// only a later part was logged.
func offset(a Access, accesses []Access) int {
	low := a.Addr
	for _, b := range accesses {
		if b.Write == a.Write {
			low = min(low, b.Addr)
		}
	}
	return int(a.Addr - low)
}

// written is where the value of a write comes from.
func (t *Tracker) written(d *decoded, a Access, accesses []Access) (v value) {
	w := word(d.code)
	if d.Atomic && w&0x3f000000 == 0x08000000 { // cas: Rt is stored, Rs and memory only decide
		rs, rt := int(w>>16&31), int(w&31)
		regs := []string{xname(rt)}
		tests := []string{xname(rs)}
		if w>>23&1 == 0 { // casp
			regs, tests = append(regs, xname(rt+1)), append(tests, xname(rs+1))
		}
		v, test := t.all(regs), t.all(tests)
		return v.with(value{pick: union(test.hard, test.pick)})
	}
	if d.Atomic {
		return t.regs[xname(int(w>>16&31))]
	}
	found, at := false, offset(a, accesses)
	for _, m := range d.in.Moves {
		if m.Kind != disasm.Store {
			continue
		}
		found = true
		if m.Src != "" && m.Offset < at+a.Size && at < m.Offset+m.Size {
			v = v.with(t.regs[m.Src])
		}
	}
	if found {
		return v
	}
	for _, r := range d.in.Src { // st2 and the like
		if !slices.Contains(d.address, r) {
			v = v.with(t.regs[r])
		}
	}
	return v
}

// xname names a general register; 31 is xzr, which depends on nothing.
func xname(n int) string {
	if n >= 31 {
		return ""
	}
	return "x" + strconv.Itoa(n)
}

// loaded is where the bytes [from, to) of a read operand come from.
func (t *Tracker) loaded(accesses []Access, from, to int) (v value) {
	for _, a := range accesses {
		at := offset(a, accesses)
		if a.Write || at >= to || from >= at+a.Size {
			continue
		}
		if a.Event >= 0 {
			v.hard = union(v.hard, []int{a.Event})
			continue
		}
		for i := max(from, at); i < min(to, at+a.Size, at+4096); i++ {
			v = v.with(t.mem[a.Addr+uint64(i-at)])
		}
	}
	return v
}

// registers carries values on through one arm64 instruction.
func (t *Tracker) registers(d *decoded, accesses []Access, address value) {
	in := &d.in
	if in.Branch {
		t.depends(t.all(in.Src))
	}
	// Private memory first: what is stored is what registers held before.
	stores := map[uint64]value{}
	for _, a := range accesses {
		if !a.Write || a.Event >= 0 || a.Kept && d.Atomic && !d.Swap {
			continue
		}
		v := t.written(d, a, accesses)
		switch w := word(d.code); {
		case d.Swap && w&0x8000 == 0: // what the others of the kind write they compute of what they read
			v = v.with(t.loaded(accesses, 0, 1<<30))
		case d.Atomic || d.StoreExclusive: // aob: a read of it that acquires comes behind what the step has read
			was := t.memory(a)
			v.may = union(v.may, union(was.hard, was.may))
		}
		v = v.with(address)
		t.keeps(union(v.hard, v.pick))
		for i := range min(a.Size, 4096) {
			stores[a.Addr+uint64(i)] = v
		}
	}
	results := map[string]value{}
	for _, r := range in.Dst {
		results[r] = t.result(d, r, accesses, address)
	}
	for r, v := range results {
		put(t, t.regs, r, v)
	}
	for at, v := range stores {
		put(t, t.mem, at, v)
	}
}

// result is where a register written comes from.
func (t *Tracker) result(d *decoded, r string, accesses []Access, address value) (v value) {
	in, w := &d.in, word(d.code)
	if in.Op == "svc" {
		return value{} // the caller has a full barrier there
	}
	if slices.Contains(in.Partial, r) {
		v = t.regs[r]
	}
	for _, m := range in.Moves {
		if m.Dst != r {
			continue
		}
		switch m.Kind {
		case disasm.Load:
			v = v.with(t.loaded(accesses, m.Offset, m.Offset+m.Size))
			return v.with(address)
		case disasm.Copy:
			return v.with(t.regs[m.Src])
		case disasm.Const:
			return v
		case disasm.Store: // to memory
		}
	}
	for _, m := range in.Mem {
		if m.Base == r && (m.PreIndex || m.PostIndex) {
			return v.with(t.regs[m.Base]).with(t.regs[m.Index])
		}
	}
	switch {
	case d.StoreExclusive:
		return v // the status: that it succeeded comes from no read
	case len(in.Mem) > 0: // ld2 and the like, one lane
		v = v.with(t.loaded(accesses, 0, 1<<30))
		return v.with(address)
	}
	pick := w&0x3fe00000 == 0x1a800000 || // csel, csinc, csinv, csneg
		w&0x3fe00000 == 0x3a400000 || // ccmp, ccmn
		w&0xff200c00 == 0x1e200c00 || w&0xff200c00 == 0x1e200400 // fcsel, fccmp
	if pick {
		return t.picked(in.Src, v)
	}
	for _, s := range in.Src {
		v = v.with(t.regs[s])
	}
	return v
}

// picked is where the result of a conditional select comes from, beside v. Which of its sources it takes is not known here: what
// they have in common is sure, and the rest may be what was taken. What decided picks.
func (t *Tracker) picked(src []string, v value) value {
	var test value
	var sources []value
	for _, s := range src {
		if s == "nzcv" {
			test = t.regs[s]
		} else {
			sources = append(sources, t.regs[s])
		}
	}
	for len(sources) < 2 { // the other one is zero
		sources = append(sources, value{})
	}
	a, b := sources[0], sources[1]
	common := func(a, b []int) []int {
		return slices.DeleteFunc(slices.Clone(a), func(n int) bool { return !has(b, []int{n}) })
	}
	both := a.with(b)
	sure := value{hard: common(a.hard, b.hard), pick: common(a.pick, b.pick)}
	v = v.with(sure)
	v.pick = union(v.pick, union(test.hard, test.pick))
	v.may = union(v.may, union(union(both.hard, both.pick), union(both.may, test.may)))
	if has(v.hard, v.may) {
		v.may = nil
	}
	return v
}

// memory is where what a private access finds comes from.
func (t *Tracker) memory(a Access) (v value) {
	for i := range min(a.Size, 4096) {
		v = v.with(t.mem[a.Addr+uint64(i)])
	}
	return v
}

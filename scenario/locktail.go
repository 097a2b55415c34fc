package scenario

import (
	"slices"
	"strings"

	"emurace/disasm"
	"emurace/emu"
	"emurace/loader"
)

// tail is where a thread is that has taken a lock, or let it go, when it is next about
// to do something that others can see, or when its call has returned.
type tail struct {
	returned bool
	pc       uint64
	regs     []emu.Register
	written  map[uint64][2]byte // private bytes that it has written on its way: before, and now
}

// tail runs the thread to there, and tells whether it has woken those who wait for the
// word, if it may.
func (x *trial) tail(mayWake bool) (t tail, wakes bool, err error) {
	s := x.s
	for {
		mark, err := s.Mark()
		if err != nil {
			return t, wakes, err
		}
		stop, err := s.M.Run(x.thread, tailLimit)
		if err == nil && mayWake && stop.Event && stop.Kind == emu.Budget && len(stop.Objects) == 1 &&
			stop.Objects[0].Class == emu.ObjectFutex && stop.Objects[0].ID == x.word && x.wakes() {
			wakes = true
			mark.Drop()
			continue
		}
		t.returned = stop.Kind == emu.Returned
		if err == nil && !t.returned {
			if err = mark.Rewind(); err == nil && stop.Ran > 1 {
				_, err = s.M.Run(x.thread, stop.Ran-1)
			}
		}
		mark.Drop()
		if err != nil {
			return t, wakes, err
		}
		break
	}
	if t.pc, err = s.M.PC(x.thread); err != nil {
		return t, wakes, err
	}
	if t.regs, err = s.M.Registers(x.thread); err != nil {
		return t, wakes, err
	}
	t.written = map[uint64][2]byte{}
	for _, a := range s.M.Log()[x.log:] {
		if int(a.Thread) != x.thread || a.Kind == emu.LogRead {
			continue
		}
		for k := range uint64(a.Size) {
			at := a.Addr + k
			if at >= x.word && at < x.word+4 {
				continue
			}
			b, seen := t.written[at]
			if !seen {
				b[0] = byte(a.Old >> (8 * k))
			}
			b[1] = byte(a.Value >> (8 * k))
			t.written[at] = b
		}
	}
	return t, wakes, nil
}

// difference is what two runs of a thread differ in: registers and bytes of memory.
type difference struct {
	regs  map[string]bool
	bytes map[uint64]bool
}

func (d *difference) empty() bool { return len(d.regs)+len(d.bytes) == 0 }

// add takes in what another run has come to differently. It tells whether the two are
// at the same place at all.
func (d *difference) add(a, b tail) bool {
	if a.returned != b.returned || a.pc != b.pc || len(a.regs) != len(b.regs) {
		return false
	}
	for i, r := range a.regs {
		if !slices.Equal(r.Value, b.regs[i].Value) {
			d.regs[r.Name] = true
		}
	}
	for at, v := range a.written {
		o, ok := b.written[at]
		if !ok {
			o[1] = v[0]
		}
		if o[1] != v[1] {
			d.bytes[at] = true
		}
	}
	for at, v := range b.written {
		if _, ok := a.written[at]; !ok && v[0] != v[1] {
			d.bytes[at] = true
		}
	}
	return true
}

// same tells whether it makes no difference to the thread in which of these ways it
// has taken the lock or let it go: nothing in which they differ is read again before
// it is written, as far as the call goes. What a call returns counts if result is set.
func (x *trial) same(plain tail, others []tail, result bool) (bool, error) {
	d := difference{map[string]bool{}, map[uint64]bool{}}
	for _, o := range others {
		if !d.add(plain, o) {
			return false, nil
		}
	}
	if d.empty() {
		return true, nil
	}
	same := false
	err := x.back(func() (err error) {
		if _, _, err = x.again(plain); err == nil {
			same, err = x.dead(&d, plain.returned, result)
		}
		return err
	})
	return same, err
}

// again runs the thread to where its tail was.
func (x *trial) again(t tail) (act, uint64, error) {
	for range maxActs {
		a, n, err := x.act()
		if err != nil || a == actTake || a == actFree {
			if err == nil {
				_, _, err = x.tail(a == actFree)
			}
			return a, n, err
		}
	}
	return actOther, 0, nil
}

// maxDead bounds for how many instructions a difference is followed.
const maxDead = 20_000

// dead runs the thread on and tells whether nothing of a difference is ever used.
func (x *trial) dead(d *difference, returned, result bool) (bool, error) {
	s := x.s
	for n := 0; !returned && !d.empty(); n++ {
		if n == maxDead {
			return x.unused(d, false), nil
		}
		pc, err := s.M.PC(x.thread)
		if err != nil {
			return false, err
		}
		code, ok := s.M.Read(pc, 16)
		if !ok {
			if code, ok = s.M.Read(pc, 4); !ok {
				return false, nil
			}
		}
		in, err := disasm.Decode(s.M.Arch(), code, pc, nil)
		if err != nil || in.Undecoded {
			return false, nil
		}
		from := len(s.M.Log())
		stop, err := s.M.Run(x.thread, 1)
		if err != nil {
			return false, err
		}
		if d.used(&in, s.M.Log()[from:], x) {
			return false, nil
		}
		switch stop.Kind {
		case emu.Budget:
		case emu.Returned:
			returned = true
		case emu.Gone, emu.Ended:
			return true, nil
		default:
			return x.unused(d, false), nil
		}
	}
	return x.unused(d, result), nil
}

// used takes an instruction that has run and what it accessed, and tells whether it
// has read anything of the difference. What it has written is in it no more.
func (d *difference) used(in *disasm.Inst, log []emu.LogEntry, x *trial) bool {
	zeroes := in.Op == "xor" && len(in.Mem) == 0 && len(in.Src) == 1
	for _, r := range in.Src {
		if d.regs[r] && !zeroes {
			return true
		}
	}
	for _, a := range log {
		for k := range uint64(a.Size) {
			if a.Kind == emu.LogRead && d.bytes[a.Addr+k] {
				return true
			}
			delete(d.bytes, a.Addr+k)
		}
	}
	for _, r := range in.Dst {
		if !slices.Contains(in.Partial, r) {
			delete(d.regs, r)
		}
	}
	return false
}

// unused tells whether none of a difference can matter any more where a call is over:
// it is in registers that calls need not keep, or below the stack.
func (x *trial) unused(d *difference, result bool) bool {
	for r := range d.regs {
		if !x.scratch(r) || result && (r == "x0" || r == "rax") {
			return false
		}
	}
	sp, _ := x.s.M.StackPointer(x.thread)
	lo, _, ok := x.s.M.MappingOf(sp)
	for at := range d.bytes {
		if !ok || at < lo || at >= sp {
			return false
		}
	}
	return true
}

// scratch tells whether a register is one that a function may leave changed, after the
// procedure call standards of the two architectures.
func (x *trial) scratch(name string) bool {
	if x.s.M.Arch() == loader.AMD64 {
		return slices.Contains([]string{"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "eflags"}, name) ||
			strings.HasPrefix(name, "xmm")
	}
	switch name {
	case "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "sp", "pc", "tpidr_el0", "fpcr",
		"v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15":
		return false
	}
	return true
}

package scenario

import (
	"maps"
	"slices"
	"strings"

	"emurace/disasm"
	"emurace/emu"
	"emurace/loader"
)

// difference is what two runs of a thread differ in: registers and bytes of memory.
type difference struct {
	regs  map[string][]uint64 // what else they hold, none where that is not known
	bytes map[uint64]bool
	after int  // the instructions that others could see where it was followed
	soon  bool // nothing but flags may be left of it after the first of these
}

func newDifference() difference {
	return difference{regs: map[string][]uint64{}, bytes: map[uint64]bool{}}
}

// has tells whether a register is part of the difference.
func (d *difference) has(r string) bool {
	_, ok := d.regs[r]
	return ok
}

func (d *difference) empty() bool { return len(d.regs)+len(d.bytes) == 0 }

// onlyFlags tells whether nothing but the processor's flags is different.
func (d *difference) onlyFlags() bool {
	for r := range d.regs {
		if r != "nzcv" && r != "eflags" {
			return false
		}
	}
	return len(d.bytes) == 0
}

// add takes in what another run has come to differently.
func (d *difference) add(a, b place) {
	for i, r := range a.regs {
		if v := b.regs[i].Uint64(); !slices.Equal(r.Value, b.regs[i].Value) && !slices.Contains(d.regs[r.Name], v) {
			d.regs[r.Name] = append(d.regs[r.Name], v)
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
}

// together runs ways to take a lock or to let it go, and calls the lock none if it makes
// a difference to the thread which of them it has taken. Two ways that have come to the
// same instruction need not have come together: both may be in a function that two copies
// of the code behind the lock call, each of which gets back to its own. So when what they
// differ in matters, they are run again and compared at the next place behind that.
func (x *trial) together(ways func() ([][]place, error), result bool) error {
	for x.apart = 0; ; {
		others, err := ways()
		if err != nil || x.bad {
			return err
		}
		k, err := x.differ(others, result)
		if err != nil || k < 0 {
			return err
		}
		if k < x.apart || k+1 >= len(x.plain) {
			x.bad = true
			return nil
		}
		x.apart = k + 1
	}
}

// differ is -1 if it makes no difference to the thread in which of these ways it has
// taken the lock or let it go: they come together again, with nothing in between
// that others could tell apart, and nothing in which they differ is then used before it
// is written, as far as the call goes. What a call returns counts if result is set. Where
// something is used it is the last place before, and if they have not come together it is
// that of the end.
func (x *trial) differ(others [][]place, result bool) (int, error) {
	plain := x.plain
	ds := make([]difference, len(plain)) // by the place where they come together
	for _, o := range others {
		k := len(o) - 1
		if k >= len(plain) {
			return len(plain), nil
		}
		for i := range k {
			if plain[i].returned || !slices.Equal(plain[i].does, o[i].does) {
				return len(plain), nil
			}
		}
		if plain[k].pc != o[k].pc || plain[k].returned != o[k].returned || len(plain[k].regs) != len(o[k].regs) {
			return len(plain), nil
		}
		if ds[k].regs == nil {
			ds[k] = newDifference()
		}
		ds[k].add(plain[k], o[k])
	}
	for k := range ds {
		if ds[k].empty() {
			continue
		}
		same := false
		err := x.back(func() (err error) {
			if err = x.again(k); err == nil {
				same, err = x.dead(&ds[k], plain[k].returned, result)
			}
			return err
		})
		if err != nil || !same {
			return k + max(ds[k].after-1, 0), err
		}
	}
	return -1, nil
}

// again runs the thread to a place of its plain tail.
func (x *trial) again(k int) error {
	for range maxActs {
		a, err := x.act()
		if err != nil {
			return err
		}
		if a != x.does {
			continue
		}
		for range k {
			if _, _, err := x.place(); err != nil {
				return err
			}
			if _, err := x.s.m.Run(x.thread, 1); err != nil {
				return err
			}
		}
		_, _, err = x.place()
		return err
	}
	return nil
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
		pc, err := s.m.PC(x.thread)
		if err != nil {
			return false, err
		}
		code, ok := s.m.Read(pc, 16)
		if !ok {
			if code, ok = s.m.Read(pc, 4); !ok {
				return false, nil
			}
		}
		in, err := disasm.Decode(s.m.Arch(), code, pc, nil)
		if err != nil || in.Undecoded {
			return false, nil
		}
		src := in.Src
		if in.Op == "svc" || in.Op == "syscall" {
			if src, err = x.arguments(d); err != nil {
				return false, err
			}
		}
		from := s.m.LogLen()
		stop, err := s.m.Run(x.thread, 1)
		if err != nil {
			return false, err
		}
		if d.used(&in, src, s.m.Log().From(from).List(), stop.Event) {
			return false, nil
		}
		if stop.Event {
			d.after++
		}
		if d.soon && d.after > 1 && !d.onlyFlags() {
			return false, nil
		}
		switch stop.Kind {
		case emu.Budget:
		case emu.Returned:
			returned = true
		case emu.Gone, emu.Ended:
			return true, nil
		default:
			// It waits for something else, until others let it go on.
			goesOn, used, err := x.runOthers(d)
			if err != nil || used {
				return false, err
			}
			if !goesOn {
				return len(d.regs) == 0 && x.unused(d, false), nil
			}
		}
	}
	return x.unused(d, result), nil
}

// runOthers runs the other threads, one after the other and none beyond the end of its
// call, until the thread can go on. It tells whether it can, and whether they have made
// use of anything of a difference.
func (x *trial) runOthers(d *difference) (goesOn, used bool, err error) {
	m := x.s.m
	for i := range x.s.threads {
		t := x.s.threads[i].machine
		for n := 0; t != x.thread && n < maxDead && m.Runnable(t) && !m.Runnable(x.thread); n++ {
			from := m.LogLen()
			stop, err := m.Run(t, tailLimit)
			if err != nil {
				return false, false, err
			}
			for a := range m.Log().From(from).All() {
				for at := a.Addr; at < a.Addr+uint64(a.Size); at++ {
					if a.Kind == emu.LogRead && d.bytes[at] {
						return false, true, nil
					}
					delete(d.bytes, at)
				}
			}
			if stop.Kind != emu.Budget {
				break
			}
		}
	}
	return m.Runnable(x.thread), false, nil
}

// used takes an instruction that has run, the registers that it read and what it
// accessed, and tells whether it has made use of anything of the difference. What it has
// only moved is then at a second place; what it has written is in it no more.
func (d *difference) used(in *disasm.Inst, src []string, log []emu.LogEntry, event bool) bool {
	if in.Op == "xor" && len(in.Mem) == 0 && len(in.Src) == 1 {
		src = nil // sets it to 0, whatever it was
	}
	var reads, writes span
	for _, a := range log {
		if a.Kind == emu.LogRead {
			reads.add(a)
		} else {
			writes.add(a)
		}
	}
	regs, bytes := map[string][]uint64{}, map[uint64]bool{}
	moved, loaded := map[string]bool{}, map[uint64]bool{}
	for _, mv := range in.Moves {
		switch {
		case mv.Kind == disasm.Copy && d.has(mv.Src):
			moved[mv.Src], regs[mv.Dst] = true, nil
		case mv.Kind == disasm.Store && mv.Src != "" && d.has(mv.Src):
			moved[mv.Src] = true
			for k := range uint64(mv.Size) {
				bytes[writes.lo+uint64(mv.Offset)+k] = true
			}
		case mv.Kind == disasm.Load:
			for k := range uint64(mv.Size) {
				at := reads.lo + uint64(mv.Offset) + k
				loaded[at] = true
				if d.bytes[at] {
					regs[mv.Dst] = nil
				}
			}
		}
	}
	if len(in.Mem) > 1 || event {
		clear(moved)
		clear(loaded)
	}
	for _, m := range in.Mem {
		delete(moved, m.Base)
		delete(moved, m.Index)
	}
	if slices.ContainsFunc(src, func(r string) bool { return d.has(r) && !moved[r] }) {
		return true
	}
	for at := reads.lo; at < reads.hi; at++ {
		if d.bytes[at] && !loaded[at] {
			return true
		}
	}
	for at := writes.lo; at < writes.hi; at++ {
		delete(d.bytes, at)
	}
	for _, r := range in.Dst {
		if !slices.Contains(in.Partial, r) {
			delete(d.regs, r)
		}
	}
	maps.Copy(d.regs, regs)
	maps.Copy(d.bytes, bytes)
	return false
}

// span is the bytes that an instruction reads, or writes, from the first to the last.
type span struct{ lo, hi uint64 }

func (s *span) add(a emu.LogEntry) {
	end := a.Addr + uint64(a.Size)
	if s.hi == 0 {
		s.lo = a.Addr
	}
	s.lo, s.hi = min(s.lo, a.Addr), max(s.hi, end)
}

// arguments are the registers of a difference that matter to the system call which the
// thread is about to make: with what else they hold it would do something else.
func (x *trial) arguments(d *difference) (list []string, err error) {
	s := x.s
	names := []string{"x8", "x0", "x1", "x2", "x3", "x4", "x5"}
	if s.m.Arch() == loader.AMD64 {
		names = []string{"rax", "rdi", "rsi", "rdx", "r10", "r8", "r9"}
	}
	from := s.m.LogLen()
	var plain, other called
	for _, r := range names {
		if !d.has(r) {
			continue
		}
		same := len(d.regs[r]) > 0
		if plain.log == nil {
			if err := x.back(func() error { return x.call(&plain, from) }); err != nil {
				return nil, err
			}
		}
		for _, v := range d.regs[r] {
			err := x.back(func() error {
				if _, err := s.m.SetRegister(x.thread, r, v); err != nil {
					return err
				}
				return x.call(&other, from)
			})
			if err != nil {
				return nil, err
			}
			same = same && plain.equal(&other)
		}
		if !same {
			list = append(list, r)
		}
	}
	return list, nil
}

// called is what a system call has come to.
type called struct {
	kind    emu.StopKind
	result  uint64
	objects []emu.Object
	log     []emu.LogEntry
}

func (c *called) equal(o *called) bool {
	return c.kind == o.kind && c.result == o.result && slices.Equal(c.objects, o.objects) && slices.Equal(c.log, o.log)
}

// call makes the thread's system call.
func (x *trial) call(c *called, from int) error {
	stop, err := x.s.m.Run(x.thread, 1)
	if err != nil {
		return err
	}
	name := "x0"
	if x.s.m.Arch() == loader.AMD64 {
		name = "rax"
	}
	c.kind, c.objects = stop.Kind, stop.Objects
	c.result, _ = x.s.m.Register(x.thread, name)
	c.log = slices.Collect(x.s.m.Log().From(from).All())
	return nil
}

// unused tells whether none of a difference can matter any more where a call is over:
// it is in registers that calls need not keep, or below the stack.
func (x *trial) unused(d *difference, result bool) bool {
	for r := range d.regs {
		if !x.scratch(r) || result && (r == "x0" || r == "rax") {
			return false
		}
	}
	sp, _ := x.s.m.StackPointer(x.thread)
	lo, _, ok := x.s.m.MappingOf(sp)
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
	if x.s.m.Arch() == loader.AMD64 {
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

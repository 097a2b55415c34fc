package diagnose

import (
	"fmt"
	"strings"

	"emurace/diagnose/process"
	"emurace/disasm"
	"emurace/emu"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/loader/corefile"
	"emurace/symbolize"
)

// Fault is an access to memory that was refused.
type Fault struct {
	Instruction disasm.Inst
	At          symbolize.Location
	Execute     bool // there is no code at PC
	Write       bool
	Address     uint64 // of the access
	Size        int    // in bytes, 0 for unknown
	Known       bool   // Address is: the kernel tells it, or it follows from the registers
	// Register is the one that the address was made of and that has a bad value, "" for none.
	Register string
	Value    uint64
}

// Signals that are about an access to memory.
const (
	sigILL  = 4
	sigTRAP = 5
	sigABRT = 6
	sigBUS  = 7
	sigFPE  = 8
	sigSEGV = 11
)

// siKernel is the si_code of a fault whose address the processor does not tell: on amd64 an address
// that is not canonical.
const siKernel = 128

// faultOf is the access that the process died of, nil when it died of something else.
func faultOf(p *process.Process, t *process.Thread) *Fault {
	s := p.Core.Signal
	if s.Number != sigSEGV && s.Number != sigBUS || s.Sent() {
		return nil
	}
	pc := t.Thread.PC()
	f := &Fault{At: symbolize.Locate(p, pc, false)}
	if s.Full && s.Code != siKernel {
		f.Address, f.Known = s.Addr, true
	}
	if !p.Executable(pc) {
		f.Execute, f.Address, f.Known = true, pc, true
		return f
	}
	f.Instruction = symbolize.Disassemble(p, pc)
	f.operand(p, t)
	return f
}

// register reads a thread's register by the name that disasm gives it.
func register(t *process.Thread) func(name string) (uint64, bool) {
	return func(name string) (uint64, bool) {
		v, ok := t.Registers[name]
		return v, ok
	}
}

// operand finds the operand that was refused, and the register to blame: of those that its address
// was made of the one with the value that is nearest to the address.
func (f *Fault) operand(p *process.Process, t *process.Thread) {
	var refused *disasm.MemOperand
	for i := range f.Instruction.Mem {
		m := &f.Instruction.Mem[i]
		at, ok := m.Address(register(t))
		if !ok {
			continue
		}
		size := uint64(max(m.Size, 1))
		// An access over the end of a page faults at the page's beginning.
		if f.Known && f.Address-at < size || !f.Known && !usable(p, at, size, m.Write) {
			if !f.Known {
				f.Address, f.Known = at, true
			}
			refused = m
			break
		}
	}
	if refused == nil {
		return
	}
	f.Write, f.Size = refused.Write, refused.Size
	best := ^uint64(0)
	for _, name := range []string{refused.Base, refused.Index} {
		v, ok := t.Registers[name]
		if name == "" || !ok {
			continue
		}
		if name == refused.Index && refused.Base != "" && refused.Scale > 1 {
			continue // a number of elements
		}
		if far := distance(v, f.Address); far < best || f.Register == "" {
			best, f.Register, f.Value = far, name, v
		}
	}
}

func distance(a, b uint64) uint64 {
	if a > b {
		return a - b
	}
	return b - a
}

// usable tells whether memory could be accessed.
func usable(p *process.Process, addr, size uint64, write bool) bool {
	for _, at := range []uint64{addr, addr + size - 1} {
		r, ok := p.Core.Range(at)
		if !ok || !r.Readable || write && !r.Writable && !r.Listed {
			return false
		}
	}
	return true
}

// unusable says why an address cannot be accessed.
func unusable(p *process.Process, f *Fault) string {
	if top := int64(f.Address) >> 47; p.Core.Arch == loader.AMD64 && top != 0 && top != -1 {
		return "which is no address that amd64 can have"
	}
	r, ok := p.Core.Range(f.Address)
	switch {
	case !ok:
		return "where nothing is mapped"
	case f.Execute:
		return "where nothing may be executed"
	case f.Write && !r.Writable && !r.Listed:
		return "where nothing may be written"
	case !r.Readable:
		return "where nothing may be read"
	}
	if s, _ := p.Core.At(f.Address); s == corefile.LeftOut {
		return "which is mapped and not in the core"
	}
	return "which is mapped"
}

// death says what the process died of.
func (d *Diagnosis) death() {
	p, s := d.Process, d.Process.Core.Signal
	name := emu.SignalName(s.Number)
	switch {
	case s.Number == 0:
		d.certain(Death, 0, nil, "No signal is in the core: the process was alive, and somebody took a picture of it.")
		return
	case d.Alive():
		d.certain(Death, 0, nil, "The signal in the core is %s, of which no process dies: it was stopped, and somebody took a picture of it.", name)
		return
	case d.Fault == nil:
		text := fmt.Sprintf("%s died of %s%s", words.Capital(d.Title(d.Dead)), name, d.inside())
		switch {
		case s.Sent() && s.PID == p.Core.PID && s.PID != 0:
			text += "; the process sent the signal itself"
		case s.Sent():
			text += fmt.Sprintf("; process %d sent the signal", s.PID)
		}
		d.certain(Death, d.Dead.TID, nil, "%s.", text)
		return
	case d.Fault.Execute:
		d.certain(Death, d.Dead.TID, nil, "%s died of %s: it went to %#x, %s.", words.Capital(d.Title(d.Dead)), name, d.Fault.Address, unusable(p, d.Fault))
		return
	}
	f := d.Fault
	verb := "reads"
	if f.Write {
		verb = "writes"
	}
	where := "at an address that the core does not tell"
	if f.Known {
		where = fmt.Sprintf("%#x, %s", f.Address, unusable(p, f))
	}
	var evidence []string
	evidence = append(evidence, fmt.Sprintf("%s  %s", f.At, f.Instruction.Text))
	if f.Register != "" {
		evidence = append(evidence, fmt.Sprintf("%s = %#x", f.Register, f.Value))
	}
	if f.Instruction.Undecoded {
		text := "what instruction is there is not known"
		if f.Known {
			text += "; the access was to " + where
		}
		d.certain(Death, d.Dead.TID, nil, "%s died of %s%s at %s: %s.", words.Capital(d.Title(d.Dead)), name, d.inside(), f.At, text)
		return
	}
	d.certain(Death, d.Dead.TID, evidence, "%s died of %s%s: %s %s %s.", words.Capital(d.Title(d.Dead)), name, d.inside(), f.Instruction.Text, verb, where)
}

// alive are signals that end no process unless it is told to (signal(7)): a debugger that has stopped
// one leaves them in a core.
var alive = map[int]bool{0: true, 17: true, 18: true, 19: true, 20: true, 21: true, 22: true, 23: true, 28: true}

// Alive tells that the process had not died when the core was written.
func (d *Diagnosis) Alive() bool { return alive[d.Process.Core.Signal.Number] }

// inside names the function that the dead thread was in.
func (d *Diagnosis) inside() string {
	frames, _ := d.Dead.Frames()
	if len(frames) > 0 && frames[0].At.Function != "" {
		return " in " + function(frames[0].At.Function)
	}
	return ""
}

// function is a function's name as it is shown: of C++ without what the compiler makes of it.
func function(name string) string { return Demangled(name) }

// Around are the instructions around the one that the dead thread was to run: some before it, as far
// as its function is known, and some behind.
func (d *Diagnosis) Around(before, behind int) (list []disasm.Inst, current int) {
	p, pc := d.Process, d.Dead.Thread.PC()
	start := pc
	if name, off, ok := p.Symbol(pc); ok && name != "" && off < 64<<10 {
		start = pc - off
	} else if p.Core.Arch == loader.ARM64 {
		start = pc - uint64(4*before)
	}
	for at := start; at < pc; {
		in := symbolize.Disassemble(p, at)
		if in.Len <= 0 {
			break
		}
		if list = append(list, in); len(list) > before {
			list = list[1:]
		}
		at += uint64(in.Len)
		if at > pc { // the beginning was none
			list = nil
		}
	}
	current = len(list)
	for at, n := pc, 0; n <= behind; n++ {
		in := symbolize.Disassemble(p, at)
		list = append(list, in)
		if in.Undecoded && strings.HasPrefix(in.Text, "(") {
			break
		}
		at += uint64(in.Len)
	}
	return list, current
}

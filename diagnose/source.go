package diagnose

import (
	"fmt"
	"strconv"
	"strings"

	"emurace/diagnose/flow"
	"emurace/symbolize"
)

// source is where the bad value came from: a word of memory, or a function that has made it.
type source struct {
	known bool   // it was read from memory, at addr
	addr  uint64 // of the word
	value uint64 // that was read; what was used may be that plus a constant
	text  string // the operand, as [x20]
	by    string // who walks there: x20, or the function that has read it
	// certain: the code says so, and the word has the value still. Else the memory speaks for it.
	certain bool
	way     []string // how it came from there, innermost first
	call    string   // the call that went there, "" for none
}

// maxPassed bounds the calls through which a value is followed outwards.
const maxPassed = 8

// origin is where the bad value came from, as the code tells; nil for unknown.
func (d *Diagnosis) origin() *source {
	f, stack := d.Fault, d.stack(d.Dead)
	if len(stack) == 0 || f == nil || f.Execute || f.Register == "" {
		return nil
	}
	if s := d.follow(stack, 0, d.flow.OriginIn(stack, 0, f.Register), f.Value); s != nil {
		if s.known || d.Fault.Value == 0 {
			return s
		}
	}
	return d.given(stack)
}

// given is where the bad value came from when the function's code does not tell more than what it was
// given: code in assembly, and what rounds an address down to that of a vector.
func (d *Diagnosis) given(stack []flow.Frame) (found *source) {
	const vector = 64 // bytes
	f := d.Fault
	args := d.arguments(d.Dead, 0)
	for k, kind := range prototype(d.calledName(d.Dead, 0)) {
		if kind != 's' && kind != 'p' {
			continue
		}
		values := []uint64{f.Value}
		if k < len(args) && args[k].Known && args[k].Value != f.Value && args[k].Value-f.Value < vector {
			values = append(values, args[k].Value)
		}
		for _, v := range values {
			s := d.follow(stack, 1, d.flow.Passed(stack, 0, k, v, true), v)
			if s == nil || !s.known || s.value != v {
				continue
			}
			if found != nil && found.addr != s.addr {
				return nil
			}
			s.certain, found = false, s
		}
	}
	return found
}

// follow follows an origin in the frame stack[i] through the calls that have handed the value, now, on.
func (d *Diagnosis) follow(stack []flow.Frame, i int, o flow.Origin, now uint64) *source {
	frames, _ := d.Dead.Frames()
	frames = frames[len(frames)-len(stack):]
	s := &source{certain: true}
	for n := 0; o.Kind == flow.Argument && n < maxPassed; n++ {
		s.way = append(s.way, o.How)
		s.certain = s.certain && o.Certain
		now -= uint64(o.Plus)
		o = d.flow.Passed(stack, i, o.Argument, now, true)
		i++
	}
	now -= uint64(o.Plus)
	in := ""
	if i > 0 && i < len(frames) {
		in = " in " + Demangled(frames[i].At.Function)
	}
	switch o.Kind {
	case flow.Loaded:
		if o.Size != 8 || !o.Certain && !o.Holds {
			return nil
		}
		s.known, s.addr, s.value, s.certain = true, o.Addr, now, s.certain && o.Certain && o.Holds
		s.text, s.by = fmt.Sprintf("[%#x]", o.Addr), fmt.Sprintf("%#x", o.Addr)
		switch {
		case o.Base == "":
		case o.Disp == 0:
			s.text = "[" + o.Base + "]"
		default:
			s.text = fmt.Sprintf("[%s%+d]", o.Base, o.Disp)
		}
		if i > 0 || len(s.way) > 0 {
			s.text += in
			s.by = Demangled(frames[min(i, len(frames)-1)].At.Function)
		} else if o.Base != "" {
			s.by = o.Base
		}
		return s
	case flow.Returned, flow.Constant:
		s.way = append(s.way, o.How+in)
		s.certain = s.certain && o.Certain
		return s
	case flow.Unknown, flow.Argument, flow.Computed:
		if len(s.way) > 0 && o.How != "" {
			s.way, s.certain = append(s.way, o.How+in), false
			return s
		}
	}
	return nil
}

// sourceText says where the bad value came from.
func (d *Diagnosis) sourceText(s source) string {
	what := "the value"
	if len(s.way) > 0 {
		what = s.way[len(s.way)-1] + ", which"
		for _, w := range s.way[:len(s.way)-1] {
			what = w + ", and " + what
		}
	} else if f := d.Fault; f != nil && f.Register != "" {
		what = f.Register
	}
	if f := d.Fault; len(s.way) == 0 && f != nil && f.Execute {
		what = "the address"
	}
	place := s.text
	if bare := fmt.Sprintf("[%#x]", s.addr); !strings.HasPrefix(place, bare) {
		place += fmt.Sprintf(" = %#x", s.addr)
	}
	if name := d.object(s.addr); name != "" {
		place += ", which is " + name
	}
	if s.certain {
		return fmt.Sprintf("%s was loaded from %s; %#x still is there", what, place, s.value)
	}
	return fmt.Sprintf("%s was loaded from %s, as it seems; %#x is there", what, place, s.value)
}

// target is where the address came from that a thread went to, though there is no code: by the
// call that the return address leads to, whose registers are still as they were.
func (d *Diagnosis) target() *source {
	p, t := d.Process, d.Dead
	frames, _ := t.Frames()
	pc := t.PC()
	if len(frames) < 2 {
		return nil
	}
	get := register(t)
	for n := uint64(2); n <= 8; n++ {
		at := frames[1].PC - n
		in := symbolize.Disassemble(p, at)
		if !in.Call || uint64(in.Len) != n || in.Target != 0 {
			continue
		}
		for _, m := range in.Mem {
			addr, ok := m.Address(get)
			if v, there := p.Read64(addr); ok && there && v == pc && m.Read {
				text := d.place(at) + "  " + in.Text
				return &source{known: true, addr: addr, value: pc, text: fmt.Sprintf("[%#x]", addr), by: Demangled(frames[1].At.Function), certain: d.sure(at), call: text}
			}
		}
		for _, name := range in.Src {
			if v, ok := get(name); !ok || v != pc || name == "sp" || name == "rsp" {
				continue
			}
			caller := flow.Of(p.Core.Arch, &frames[1].Frame)
			caller.PC, caller.Return, caller.Doubtful = at, false, false
			outer := caller.Register
			caller.Register = func(r string) (uint64, bool) {
				if r == "sp" || r == "rsp" {
					return outer(r)
				}
				return get(r)
			}
			stack := append([]flow.Frame{caller}, d.stack(t)[2:]...)
			o := d.flow.OriginIn(stack, 0, name)
			s := d.follow(stack, 0, o, pc)
			if s != nil {
				s.call = d.place(at) + "  " + in.Text
				s.certain = s.certain && d.sure(at)
			}
			if s == nil || !s.known {
				if found := d.static(pc); found != nil {
					found.call = d.place(at) + "  " + in.Text
					return found
				}
			}
			return s
		}
	}
	return d.static(pc)
}

// static is the one word of static data that has a value, nil for none or more.
func (d *Diagnosis) static(v uint64) *source {
	names := symbolize.Pointers(d.Process, v)
	if len(names) != 1 {
		return nil
	}
	name, off, _ := strings.Cut(names[0], "+0x")
	addr, ok := d.Process.Lookup(name)
	n, _ := strconv.ParseUint(off, 16, 64) // 0 for no offset
	if w, there := d.Process.Core.Read64(addr + n); !ok || !there || w != v {
		return nil
	}
	return &source{known: true, addr: addr + n, value: v, text: fmt.Sprintf("[%#x]", addr+n), by: names[0]}
}

// sure tells whether the code of a function has an instruction at an address.
func (d *Diagnosis) sure(addr uint64) bool {
	return d.Process.Core.Arch.String() == "arm64" || d.flow.Instruction(addr)
}

// place names an address of code.
func (d *Diagnosis) place(addr uint64) string {
	return symbolize.Locate(d.Process, addr, false).String()
}

package diagnose

import (
	"fmt"

	"emurace/unwind"
)

// Of a stack that has overflown, the access is not farther from the stack pointer than a frame is large.
const (
	farthestFrame = 1 << 20
	manyFrames    = 64
)

// overflow tells whether the dead thread's stack was full: it accessed what lies just below its
// mapping, near the stack pointer.
func (d *Diagnosis) overflow() bool {
	p, f, sp := d.Process, d.Fault, d.Dead.SP()
	if !f.Known || distance(f.Address, sp) > farthestFrame {
		return false
	}
	// The stack is what begins above the address; what lies there is its guard, or nothing.
	if r, ok := p.Core.Range(f.Address); ok && r.Readable && r.Writable {
		return false
	}
	var lo, hi uint64
	for _, r := range p.Core.Ranges {
		if r.Lo > f.Address && r.Readable && r.Writable {
			lo, hi = r.Lo, r.Hi
			break
		}
	}
	if lo == 0 || lo-f.Address > farthestFrame || sp >= hi || sp+farthestFrame < lo {
		return false
	}
	frames, end := d.Dead.Frames()
	bySP := f.Register == "sp" || f.Register == "rsp" || f.Register == "x29" || f.Register == "rbp" || f.Register == ""
	sure := bySP && sp <= lo+symbolizePage
	evidence := []string{fmt.Sprintf("the stack is the memory from %#x to %#x, the stack pointer %#x, and the address %#x is below", lo, hi, sp, f.Address)}
	most := map[string]int{}
	recursive := ""
	for _, fr := range frames {
		if name := fr.At.Function; name != "" {
			if most[name]++; most[name] > most[recursive] {
				recursive = name
			}
		}
	}
	if most[recursive] >= manyFrames {
		count := fmt.Sprint(most[recursive])
		if end.Reason == unwind.TooDeep {
			count = "more than " + count
		}
		evidence = append(evidence, fmt.Sprintf("%s calls of %s are on it", count, Demangled(recursive)))
		d.state(sure, Overflow, d.Dead.TID, evidence, "The stack of %s is full: %s calls itself without end, or too deep.", d.Title(d.Dead), Demangled(recursive))
		return true
	}
	if !sure {
		return false
	}
	d.certain(Overflow, d.Dead.TID, evidence, "The stack of %s is full.", d.Title(d.Dead))
	return true
}

const symbolizePage = 4096

// jump tells of a thread that went to where no code is.
func (d *Diagnosis) jump() {
	p, t := d.Process, d.Dead
	pc := t.Thread.PC()
	var evidence []string
	for _, name := range d.registers() {
		if v := t.Registers[name]; v == pc && name != "pc" && name != "rip" {
			evidence = append(evidence, fmt.Sprintf("%s = %#x", name, v))
		}
	}
	at := d.target()
	if at != nil && at.call != "" {
		evidence = append(evidence, "the call: "+at.call)
	}
	if at != nil && at.known {
		evidence = append(evidence, d.sourceText(*at))
	}
	who := ""
	if frames, _ := t.Frames(); len(frames) > 1 {
		who = ", called by " + place(frames[1].At)
		evidence = append(evidence, "the return address leads to "+frames[1].At.String())
	}
	what := fmt.Sprintf("%#x", pc)
	wrong := "a function pointer, a vtable or a return address is wrong"
	if at != nil && at.known && at.certain {
		if name := d.object(at.addr); name != "" {
			wrong = "the pointer in " + name + " is no function's"
		} else {
			wrong = fmt.Sprintf("the pointer at %#x is no function's", at.addr)
		}
	}
	switch {
	case pc == 0:
		d.certain(WildJump, t.TID, evidence, "%s called a function by a pointer that is NULL%s.", capital(d.Title(t)), who)
		return
	default:
		if _, ok := p.Core.Range(pc); ok {
			what += " (" + d.placeOf(pc) + ")"
		}
	}
	d.certain(WildJump, t.TID, evidence, "%s went to %s, where there is no code%s: %s.", capital(d.Title(t)), what, who, wrong)
	d.used(pc, at)
}

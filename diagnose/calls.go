package diagnose

import (
	"fmt"
	"strings"

	"emurace/diagnose/flow"
	"emurace/diagnose/process"
	"emurace/symbolize"
)

// calls tells which call of the C library the dead thread was in: by the outermost of the innermost
// frames that are the library's.
func (d *Diagnosis) calls() {
	frames, _ := d.Dead.Frames()
	if len(frames) == 0 || d.Process.Libc() == nil {
		return
	}
	name := frames[0].At.Function
	if name == "" {
		return
	}
	text := d.callText(d.Dead, 0)
	if len(frames) > 1 {
		text += ", called by " + chain(frames[1:], 8)
	}
	d.certain(InCall, d.Dead.TID, nil, "%s was in %s.", capital(d.Title(d.Dead)), text)
}

// callText writes the call of a frame with what is known of its arguments.
func (d *Diagnosis) callText(t *process.Thread, i int) string {
	frames, _ := t.Frames()
	name := d.calledName(t, i)
	if name == "" {
		return frames[i].At.String()
	}
	args := d.arguments(t, i)
	kinds, _ := symbolize.Prototype(trimmed(name))
	var parts []string
	known := false
	for n, kind := range kinds {
		text := "?"
		if n < len(args) && args[n].Known {
			text, known = d.argumentText(kind, args[n]), true
		} else if kind == '.' {
			text = "..."
		}
		parts = append(parts, text)
	}
	if !known {
		return Demangled(name)
	}
	return Demangled(name) + "(" + strings.Join(parts, ", ") + ")"
}

// argumentText writes an argument.
func (d *Diagnosis) argumentText(kind rune, a Arg) string {
	if a.IsText {
		return quote(d.Shown(a.Text))
	}
	return symbolize.FormatArgument(d.Process, kind, a.Value)
}

// calledName is the function of a frame as it was called: that which has gone on to the frame's by a
// jump, where one has.
func (d *Diagnosis) calledName(t *process.Thread, i int) string {
	frames, _ := t.Frames()
	if name, _, ok := d.flow.Called(d.stack(t), i); ok {
		return name
	}
	return frames[i].At.Function
}

// arguments are what is known of the arguments of a frame's function, as many as its prototype has.
func (d *Diagnosis) arguments(t *process.Thread, i int) []Arg {
	kinds, _ := symbolize.Prototype(trimmed(d.calledName(t, i)))
	return d.argumentsAs(t, i, kinds)
}

// argumentsAs is the same for arguments of these kinds.
func (d *Diagnosis) argumentsAs(t *process.Thread, i int, kinds string) []Arg {
	n := len(strings.TrimSuffix(kinds, "."))
	if n == 0 {
		return nil
	}
	var list []Arg
	for k, v := range d.flow.Arguments(d.stack(t), i, n) {
		a := Arg{Value: v.Value, Known: v.Known, Certain: v.Certain}
		if kinds[k] == 's' && v.Known && v.Bits == 64 {
			if text, ok := d.Process.Text(v.Value); ok {
				a.Text, a.IsText = text, true
			}
		}
		if v.Bits < 64 && strings.ContainsRune("splu", rune(kinds[k])) {
			a.Known = false // a half of it
		}
		list = append(list, a)
	}
	return list
}

// stack is a thread's stack for package flow.
func (d *Diagnosis) stack(t *process.Thread) (list []flow.Frame) {
	frames, _ := t.Frames()
	for i := range frames {
		f := flow.Of(d.Process.Core.Arch, &frames[i].Frame)
		f.Doubtful = f.Doubtful || frames[i].Doubtful()
		list = append(list, f)
	}
	return list
}

// origin is where the bad value came from, as the code tells.
func (d *Diagnosis) origin() (o flow.Origin) {
	stack := d.stack(d.Dead)
	if len(stack) == 0 || d.Fault == nil || d.Fault.Execute || d.Fault.Register == "" {
		return o
	}
	return d.flow.Origin(stack[0], d.Fault.Register)
}

// loadedFrom is where the bad value was read, as the code tells; nil when it does not.
func (d *Diagnosis) loadedFrom() *source {
	o := d.origin()
	if o.Kind != flow.Loaded || o.Plus != 0 || o.Size != 8 {
		return nil
	}
	s := &source{addr: o.Addr, certain: o.Certain && o.Holds, text: fmt.Sprintf("[%#x]", o.Addr)}
	switch {
	case o.Base != "" && o.Disp == 0:
		s.text = "[" + o.Base + "]"
	case o.Base != "":
		s.text = fmt.Sprintf("[%s%+d]", o.Base, o.Disp)
	}
	return s
}

// elsewhere tells where the threads are that something is told of.
func (d *Diagnosis) elsewhere() {
	seen := map[uint32]bool{d.Dead.TID: true, 0: true}
	for _, f := range d.Facts {
		if seen[f.Thread] || f.Kind == Waiting || f.Kind == Deadlock || f.Kind == Stuck {
			continue
		}
		seen[f.Thread] = true
		t := d.thread(f.Thread)
		if t == nil {
			continue
		}
		frames, _ := t.Frames()
		if len(frames) == 0 {
			continue
		}
		d.certain(Where, t.TID, nil, "%s is in %s.", capital(d.Title(t)), chain(frames, 8))
	}
}

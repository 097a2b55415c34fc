package diagnose

import (
	"slices"
	"strings"

	"emurace/diagnose/flow"
	"emurace/diagnose/process"
	"emurace/symbolize"
)

// calls tells which call the dead thread was in: that of the innermost frame, or, of a thread that
// was in no function by its own fault or waited, that of the outermost one of the C library's.
func (d *Diagnosis) calls() {
	frames, _ := d.Dead.Frames()
	at := 0
	switch {
	case d.Fault != nil && d.Fault.Execute:
		at = 1 // there is no function at the first
	case d.Fault == nil:
		for i := 0; i < len(frames) && d.ofLibc(frames[i].PC); i++ {
			if _, ok := symbolize.Prototype(trimmed(d.calledName(d.Dead, i))); ok {
				at = i
			}
		}
	}
	if at >= len(frames) || frames[at].At.Function == "" {
		return
	}
	text := d.callText(d.Dead, at)
	if at > 0 && d.Fault == nil {
		text += ", there in " + chain(frames[:1], 1)
	}
	if len(frames) > at+1 {
		text += ", called by " + chain(frames[at+1:], 8)
	}
	d.state(!frames[at].Doubtful() || d.Fault != nil && d.Fault.Execute && at == 1, InCall, d.Dead.TID, nil, "%s was in %s.", capital(d.Title(d.Dead)), text)
}

// callText writes the call of a frame with what is known of its arguments.
func (d *Diagnosis) callText(t *process.Thread, i int) string {
	frames, _ := t.Frames()
	name := d.calledName(t, i)
	if name == "" {
		return frames[i].At.String()
	}
	args := d.arguments(t, i)
	kinds := prototype(name)
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

// handOns are functions of glibc's that others go on to by a jump, and which of their arguments are
// those that the other one was called with (stdlib/setenv.c: setenv and __add_to_environ).
var handOns = map[string]map[string][]int{"add_to_environ": {"setenv": {0, 1, 3}}}

// internal are the prototypes of functions within glibc, as [symbolize.Prototype] has others:
// name, value, combined and replace of stdlib/setenv.c.
var internal = map[string]string{"add_to_environ": "sspd"}

// Prototype says what the arguments of a function of the C library are, as [symbolize.Prototype] does,
// also of some that are within it. It is false for a function that is not known.
func Prototype(name string) (string, bool) {
	if kinds, ok := symbolize.Prototype(trimmed(name)); ok {
		return kinds, true
	}
	kinds, ok := internal[strings.TrimLeft(name, "_")]
	return kinds, ok
}

func prototype(name string) string {
	kinds, _ := Prototype(name)
	return kinds
}

// arguments are what is known of the arguments of a frame's function as it was called, as many as its
// prototype has.
func (d *Diagnosis) arguments(t *process.Thread, i int) []Arg {
	return d.argumentsAs(t, i, prototype(d.calledName(t, i)))
}

// argumentsAs is the same for arguments of these kinds.
func (d *Diagnosis) argumentsAs(t *process.Thread, i int, kinds string) []Arg {
	frames, _ := t.Frames()
	name := d.calledName(t, i)
	n := len(strings.TrimSuffix(kinds, "."))
	if n == 0 {
		return nil
	}
	which := make([]int, n)
	for k := range which {
		which[k] = k
	}
	if own := frames[i].At.Function; own != name {
		if which = handOns[strings.TrimLeft(own, "_")][trimmed(name)]; len(which) != n {
			return nil
		}
	}
	var list []Arg
	values := d.flow.Arguments(d.stack(t), i, slices.Max(which)+1)
	for k, from := range which {
		if from >= len(values) {
			break
		}
		v := values[from]
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

package diagnose

import (
	"fmt"
	"strings"

	"emurace/diagnose/process"
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
	text := d.callText(frames, 0)
	if len(frames) > 1 {
		text += ", called by " + chain(frames[1:], 8)
	}
	d.certain(InCall, d.Dead.TID, nil, "%s was in %s.", capital(d.Title(d.Dead)), text)
}

// callText writes the call of a frame with what is known of its arguments.
func (d *Diagnosis) callText(frames []process.Frame, i int) string {
	name := Demangled(frames[i].At.Function)
	if name == "" {
		return frames[i].At.String()
	}
	args := d.arguments(frames, i)
	if len(args) == 0 {
		return name
	}
	var parts []string
	for _, a := range args {
		switch {
		case !a.Known:
			parts = append(parts, "?")
		case a.IsText:
			parts = append(parts, quote(d.Shown(a.Text)))
		default:
			parts = append(parts, fmt.Sprintf("%#x", a.Value))
		}
	}
	return name + "(" + strings.Join(parts, ", ") + ")"
}

// arguments are what is known of the arguments of a frame's function.
func (d *Diagnosis) arguments(frames []process.Frame, i int) []Arg { return nil }

// loadedFrom is where the bad value was read, as the code tells; nil when it does not.
func (d *Diagnosis) loadedFrom() *source { return nil }

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

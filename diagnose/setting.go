package diagnose

import "strings"

// setters are functions of glibc's that change the environment (stdlib/setenv.c).
var setters = map[string]bool{"add_to_environ": true, "setenv": true, "putenv": true, "unsetenv": true, "clearenv": true}

// setting tells which other thread is changing the environment at this moment, when the dead thread uses
// the array that environ leads to and that array is free: it is being moved.
func (d *Diagnosis) setting() {
	e := d.Environ
	if d.old != nil || e == nil || d.block == nil || !d.block.State.Free() || !d.block.Block().Has(e.Block) {
		return
	}
	for _, t := range d.Process.Threads {
		frames, _ := t.Frames()
		if t == d.Dead {
			continue
		}
		for i := range frames[:min(len(frames), maxHandling)] {
			if !setters[strings.TrimLeft(frames[i].At.Function, "_")] || !d.ofLibc(frames[i].PC) {
				continue
			}
			sure := !frames[i].Doubtful()
			d.state(sure, InHand, t.TID, []string{"its stack: " + chain(frames, 8)}, "%s is at this moment in %s, which changes the environment.", capital(d.Title(t)), d.callText(t, i))
			d.likely(Cause, t.TID, []string{"the array that environ leads to is free: " + blockText(*d.block)},
				"%s moves the array of environ while %s goes through it: the old one is freed already, and environ does not lead to the new one yet.", capital(d.Title(t)), d.Title(d.Dead))
			break
		}
	}
}

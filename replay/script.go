package replay

import (
	"strings"

	"emurace/emu"
	"emurace/symbolize"
)

// script says where a script has the load or store that an instruction is, behind its text: a function of
// ours has nothing more to say of where it is.
func script(a *symbolize.Act) Text {
	if a.Script == "" || !strings.HasPrefix(a.Location.Function, emu.RoutinePrefix) {
		return nil
	}
	return say("  at %s", name(a.Script))
}

// written is the call that a thread is in, with where a script has it.
func (t *ThreadState) written() string {
	if t.Script == "" {
		return t.Call
	}
	return t.Call + " at " + t.Script
}

// written is the call of an instruction, with where a script has it.
func written(a *symbolize.Act) string {
	if a.Script == "" {
		return a.Call
	}
	return a.Call + " at " + a.Script
}

package replay

import (
	"path"
	"strings"

	"emurace/emu"
	"emurace/symbolize"
)

// scriptLine is FILE:LINE of a place in a script, without its folder and its column.
func scriptLine(pos string) string {
	file, column, ok := cutLast(pos)
	if !ok {
		return ""
	}
	if name, line, ok := cutLast(file); ok {
		return path.Base(name) + ":" + line
	}
	return path.Base(file) + ":" + column
}

func cutLast(text string) (before, after string, ok bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+1:], true
}

// script says where a script has the load or store that an instruction is, behind its text: a function of
// ours has nothing more to say of where it is.
func script(a *symbolize.Act) Text {
	if a.Script == "" || !strings.HasPrefix(a.Location.Function, emu.RoutinePrefix) {
		return nil
	}
	return say("  at %s", name(a.Script))
}

// written is the call of an instruction, with where a script has it.
func written(a *symbolize.Act) string {
	if a.Script == "" {
		return a.Call
	}
	return a.Call + " at " + a.Script
}

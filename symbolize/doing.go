package symbolize

import (
	"path"

	"emurace/emu"
)

// Doing is the call that a thread is in, or was in last: the one that it was given, or what
// has made it. A thread of a program was given none: then it is the function by which it has
// left the program's own code for a library's, as in strerror_l, or where it is in its own the
// function there; "" once it has ended. Of a static program, all of whose code is its own, it is the innermost one.
func Doing(m *emu.Process, thread int) string {
	threads := m.Threads()
	if thread < 0 || thread >= len(threads) {
		return ""
	}
	if text := threads[thread].Doing(); text != "" || !m.RunsProgram() {
		return text
	}
	if !m.Alive(thread) {
		return ""
	}
	return outermost(Backtrace(m, thread), path.Base(m.Program().Path))
}

// outermost is the function of the last frame, from the innermost one on, that is not in a
// module, or of the innermost where that is in it.
func outermost(stack []Location, module string) string {
	text := ""
	for _, l := range stack {
		if l.Module == module && text != "" {
			break
		}
		if text = l.Function; text == "" {
			text = l.String()
		}
		if l.Module == module {
			break
		}
	}
	return text
}

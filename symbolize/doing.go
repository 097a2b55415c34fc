package symbolize

import (
	"path"
	"slices"

	"emurace/emu"
	"emurace/unwind"
)

// Doing is the call that a thread is in, or was in last: the one that it was given, or what
// has made it. A thread of a program was given none: then it is the function by which it has
// left the program's own code for a library's, as in strerror_l, or where it is in its own the
// function there; "" once it has ended. Of a static program, all of whose code is its own, it is the innermost one.
//
// Of a process whose calls are named, see [NameCalls], it is the call with its arguments, as in
// getenv("LANGUAGE"). Where a library has made it whose functions are not known, such as one
// that calls what it is told to, it is a call of the function by which the thread has left
// the program: setenv("A", "1", 1) of ffi_call.
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
	frames := frames(m, thread)
	var stack []Location
	for i, f := range frames {
		stack = append(stack, Locate(m, f.PC, i > 0))
	}
	away := beyond(stack, path.Base(m.Program().Path))
	if away == 0 {
		return outermost(stack[:min(1, len(stack))])
	}
	call, at := named(m.NamedCalls(thread), frames, away)
	switch outer := outermost(stack[:away]); {
	case call == "":
		return outer
	case at == away-1:
		return call
	default:
		return call + " of " + outer
	}
}

// beyond is how many frames, from the innermost one on, are not in a module.
func beyond(stack []Location, module string) int {
	if i := slices.IndexFunc(stack, func(l Location) bool { return l.Module == module }); i >= 0 {
		return i
	}
	return len(stack)
}

// outermost is the function of the last of some frames.
func outermost(stack []Location) string {
	if len(stack) == 0 {
		return ""
	}
	l := stack[len(stack)-1]
	if l.Function == "" {
		return l.String()
	}
	return l.Function
}

// named is the outermost of a thread's named calls whose frame is among the first n, and
// which of them that is. A frame is known by its place on the stack and by where it returns
// to. A function that has gone on to another one by a jump has no frame any more, but
// that one's is in its place, and what was called is the first one. One of the same name
// further out was left without a return.
func named(calls []emu.NamedCall, frames []unwind.Frame, n int) (text string, at int) {
	for i := n - 1; i >= 0; i-- {
		if i+1 >= len(frames) {
			continue
		}
		seen := map[string]bool{}
		for _, c := range calls {
			if c.Caller != frames[i+1].PC || frames[i].CFA != 0 && c.SP != frames[i].CFA {
				continue
			}
			if seen[c.Func] {
				break
			}
			seen[c.Func], text = true, c.Text
		}
		if text != "" {
			return text, i
		}
	}
	return "", 0
}

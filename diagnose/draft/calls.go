package draft

import (
	"fmt"
	"slices"
	"strings"

	"emurace/diagnose"
	"emurace/diagnose/process"
	"emurace/loader/corefile"
)

// internals are functions of glibc's own that are on a stack in place of the one that was called,
// which has gone on to them by a jump: the call that a program makes.
var internals = map[string]struct {
	public string
	args   []int // which of the arguments the public one has; -1 is the number 1
}{
	"__add_to_environ": {"setenv", []int{0, 1, -1}},
}

// waitsForever are functions in which threads wait for something that a scenario does not have.
var waitsForever = []string{"poll", "ppoll", "select", "read", "recv", "recvfrom", "recvmsg", "accept", "accept4", "epoll_wait", "nanosleep", "clock_nanosleep",
	"sleep", "usleep", "pause", "sigwait", "pthread_cond_wait", "pthread_cond_timedwait", "pthread_join", "sem_wait", "pthread_barrier_wait", "syscall", "futex"}

// noCalls are functions that are no call of a thread's own: those by which a process or a thread begins, and by
// which it gives up.
var noCalls = []string{"abort", "raise", "kill", "pthread_kill", "gsignal", "clone", "clone3", "thread_start", "start_thread", "start_call_main", "libc_start_main", "libc_start_call_main"}

// racing takes the calls that threads were in when the process died, and those that are concluded to
// have been made before.
func (w *draft) racing() {
	if c, ok := w.inProgress(w.Dead); ok {
		w.depth = c.frame + 1
		t := w.thread(w.Dead)
		t.calls = append(t.calls, c)
	}
	for _, k := range w.Calls {
		of := w.process(k.Thread)
		if of == nil || of == w.Dead {
			continue
		}
		t := w.thread(of)
		t.calls = append(t.calls, w.finished(k))
	}
	for _, of := range w.Process.Threads {
		if of == w.Dead || slices.ContainsFunc(w.Waits, func(x diagnose.Wait) bool { return x.Thread == of.TID }) {
			continue
		}
		if c, ok := w.inProgress(of); ok {
			t := w.thread(of)
			if !slices.ContainsFunc(t.calls, func(o call) bool { return o.text == c.text }) {
				t.calls = append(t.calls, c)
			}
		}
	}
}

// process is a thread of the process by its number.
func (w *draft) process(tid uint32) *process.Thread {
	for _, t := range w.Process.Threads {
		if t.TID == tid {
			return t
		}
	}
	return nil
}

// finished is a call that was concluded from what it left.
func (w *draft) finished(k diagnose.Call) call {
	var args []string
	for _, a := range k.Args {
		switch {
		case a.IsText:
			args = append(args, w.text(a.Text))
		default:
			args = append(args, fmt.Sprint(a.Value))
		}
	}
	return call{text: made(k.Function, args), why: k.Why}
}

func made(function string, args []string) string {
	return fmt.Sprintf("t.call(%s)", strings.Join(append([]string{quoted(function)}, args...), ", "))
}

// text is a string argument.
func (w *draft) text(s string) string {
	if w.Private {
		return quoted(strings.Repeat("x", len(s)))
	}
	return quoted(s)
}

// inProgress is the call of the C library that a thread is in: of the frames from the innermost one
// on that are the library's, the outermost whose arguments are known. It is false when the thread is
// in none, or waits.
func (w *draft) inProgress(t *process.Thread) (call, bool) {
	frames, _ := t.Frames()
	libc := w.Process.Libc()
	if libc == nil {
		return call{}, false
	}
	n := 0
	for n < len(frames) && frames[n].PC >= libc.Lo && frames[n].PC < libc.Hi {
		n++
	}
	unknown := ""
	for i := n - 1; i >= 0; i-- {
		name := w.Called(t, i)
		plain := strings.TrimLeft(name, "_")
		if slices.Contains(waitsForever, plain) {
			return call{}, false
		}
		if name == "" || slices.Contains(noCalls, plain) || slices.Contains(noCalls, strings.TrimPrefix(plain, "libc_")) {
			continue
		}
		c, known := w.called(t, i, name)
		if known {
			c.frame = i
			if unknown != "" {
				w.notes = append(w.notes, fmt.Sprintf("%s was in %s, whose arguments are not known; in its place it makes the call of %s that came of it.", w.Title(t), unknown, plain))
			}
			return c, true
		}
		if unknown == "" && w.exported(name) {
			unknown = name
		}
	}
	if unknown != "" {
		w.notes = append(w.notes, fmt.Sprintf("%s was in %s, whose arguments are not known: it makes no call here.", w.Title(t), unknown))
	}
	return call{}, false
}

// called is the call of a frame, false unless a scenario can make it.
func (w *draft) called(t *process.Thread, i int, name string) (call, bool) {
	kinds, ok := diagnose.Prototype(name)
	internal, inside := internals[name]
	if !ok || !inside && !w.exported(name) {
		return call{}, false
	}
	var args []string
	var c call
	list := w.ArgumentsAs(t, i, kinds)
	for n, kind := range strings.TrimSuffix(kinds, ".") {
		if inside && !slices.Contains(internal.args, n) {
			args = append(args, "")
			continue
		}
		if n >= len(list) {
			return call{}, false
		}
		text, before, ok := w.argument(kind, list[n], len(c.before))
		if !ok {
			return call{}, false
		}
		c.before = append(c.before, before...)
		args = append(args, text)
	}
	if inside {
		var public []string
		for _, n := range internal.args {
			if n < 0 {
				public = append(public, "1")
			} else {
				public = append(public, args[n])
			}
		}
		name, args = internal.public, public
	}
	c.text = made(name, args)
	c.why = w.Title(t) + " was in it"
	return c, true
}

// exported tells whether the C library exports a function.
func (w *draft) exported(name string) bool {
	libc := w.Process.Libc()
	if libc == nil || libc.Image == nil {
		return false
	}
	s, ok := libc.Image.Symbol(name)
	return ok && s.Function()
}

// Sizes of memory that a call is given, in bytes: not less than what functions of the C library write
// through a pointer that is not about its own objects, and not more than a script may have.
const (
	leastMemory = 256
	mostMemory  = 64 << 10
)

// argument is what a scenario gives a call for an argument: a number, a text, the address of what the C
// library exports, or memory of its own. Before are lines that make it.
func (w *draft) argument(kind rune, a diagnose.Arg, number int) (text string, before []string, ok bool) {
	if !a.Known {
		return "", nil, false
	}
	switch kind {
	case 's':
		if !a.IsText {
			return "0", nil, a.Value == 0
		}
		return w.text(a.Text), nil, true
	case 'd':
		return fmt.Sprint(int32(a.Value)), nil, true
	case 'l':
		return fmt.Sprint(int64(a.Value)), nil, true
	case 'u', 'x', 'o', 'c':
		return fmt.Sprint(a.Value), nil, true
	}
	if a.Value == 0 {
		return "0", nil, true
	}
	if name, ok := w.exportedObject(a.Value); ok {
		return fmt.Sprintf("symbol(%s)", quoted(name)), nil, true
	}
	size, ok := w.room(a.Value)
	if !ok {
		return "", nil, false
	}
	name := fmt.Sprintf("memory_%d", number+1)
	return name, []string{fmt.Sprintf("%s = t.alloc(%d) # %s", name, size, hex(a.Value))}, true
}

// exportedObject names an object of the C library's by its address.
func (w *draft) exportedObject(addr uint64) (string, bool) {
	libc := w.Process.Libc()
	if libc == nil || libc.Image == nil || addr < libc.Lo || addr >= libc.Hi {
		return "", false
	}
	s, off, ok := libc.Image.SymbolAt(addr - libc.Base)
	if !ok || off != 0 || s.Function() {
		return "", false
	}
	if exported, ok := libc.Image.Symbol(s.Name); !ok || exported.Addr != s.Addr {
		return "", false
	}
	return s.Name, true
}

// room is how many bytes there are from an address on in what it lies in: a block or a stack. What is in
// any other memory is an object of somebody's, which a scenario cannot make up.
func (w *draft) room(addr uint64) (uint64, bool) {
	if size, ok := w.BlockFrom(addr); ok {
		return min(max(size, leastMemory), mostMemory), true
	}
	for _, t := range w.Process.Threads {
		lo, hi, ok := w.Process.Stack(t)
		if s, _ := w.Process.Core.At(addr); ok && addr >= lo && addr < hi && s == corefile.Stored {
			return leastMemory, true
		}
	}
	return 0, false
}

package diagnose

import (
	"fmt"
	"strings"

	"emurace/diagnose/process"
	"emurace/symbolize"
)

// maxMessage bounds what the C library said, in bytes.
const maxMessage = 4096

// aborts tells why a process that died of SIGABRT gave up.
func (d *Diagnosis) aborts() {
	if d.Process.Core.Signal.Number != sigABRT && d.Process.Core.Signal.Number != sigILL {
		return
	}
	frames, _ := d.Dead.Frames()
	message := d.message()
	evidence := []string{}
	if message != "" {
		evidence = append(evidence, "the C library keeps the message in __abort_msg: "+quote(d.Shown(message)))
	}
	evidence = append(evidence, "the stack: "+chain(frames, 6))
	who, tid := capital(d.Title(d.Dead)), d.Dead.TID
	switch {
	case called(frames, "__assert_fail", "__assert_fail_base", "__assert_perror_fail", "__assert"):
		text := ""
		if message != "" {
			text = ": " + quote(d.Shown(strings.TrimSpace(message)))
		}
		d.certain(Assertion, tid, evidence, "%s gave up because an assertion did not hold%s.", who, text)
	case called(frames, "__cxa_pure_virtual"):
		d.pureVirtual(frames, evidence)
	case called(frames, "__cxa_throw", "__cxa_rethrow", "_ZSt9terminatev", "_ZN10__cxxabiv111__terminateEPFvvE", "__gxx_personality_v0"):
		d.exception(frames, evidence)
	case called(frames, "__stack_chk_fail", "__fortify_fail"):
		d.certain(Aborted, tid, evidence, "%s gave up: %s. A function's frame was written over, or a call was given a buffer that is too small.", who, orNothing(message))
	case called(frames, "malloc_printerr", "free", "realloc", "malloc", "calloc", "_int_free", "_int_malloc") && message != "":
		d.mallocAbort(message, evidence)
	case message != "":
		d.certain(Aborted, tid, evidence, "The C library gave up, and said: %s.", quote(d.Shown(strings.TrimSpace(message))))
	case called(frames, "abort"):
		d.certain(Aborted, tid, evidence, "%s called abort%s.", who, from(frames, "abort"))
	}
}

func orNothing(message string) string {
	if message == "" {
		return "the C library found a function's frame damaged"
	}
	return quote(strings.TrimSpace(message))
}

// from names who called a function on a stack: " in F", or nothing.
func from(frames []process.Frame, name string) string {
	for i, f := range frames {
		if trimmed(f.At.Function) == name && i+1 < len(frames) {
			return " in " + place(frames[i+1].At)
		}
	}
	return ""
}

func place(l symbolize.Location) string {
	text := Demangled(l.Function)
	if text == "" {
		text = l.String()
	}
	if s := l.Source(); s != "" {
		text += " (" + s + ")"
	}
	return text
}

// message is what glibc keeps of the text that it printed when it gave up: struct abort_msg_s of
// include/stdlib.h, its size and the characters. "" for none.
func (d *Diagnosis) message() string {
	at, ok := d.Process.Lookup("__abort_msg")
	if !ok {
		return ""
	}
	msg, ok := d.Process.Core.Read64(at)
	if !ok || msg == 0 {
		return ""
	}
	text, _ := d.Process.Text(msg + 4)
	return text[:min(len(text), maxMessage)]
}

// mallocMessages are what glibc's malloc says when it gives up (malloc/malloc.c), and what that means.
var mallocMessages = []struct {
	text string
	kind Kind
	says string
}{
	{"double free or corruption (fasttop)", DoubleFree, "the block is the first one of its fast bin already: it was freed twice in a row"},
	{"double free or corruption (!prev)", DoubleFree, "the chunk behind says that the block is free already: it was freed twice, or something wrote over the word behind it"},
	{"double free or corruption (top)", DoubleFree, "the block is what is left over at the end of the heap: it was freed twice"},
	{"double free or corruption (out)", HeapDamaged, "the chunk behind the block would be outside of the heap: the block's size was written over"},
	{"free(): double free detected in tcache 2", DoubleFree, "the block is in the thread's cache already: it was freed twice"},
	{"free(): invalid pointer", HeapDamaged, "what was to be freed is no block of malloc's, or its size was written over"},
	{"free(): invalid size", HeapDamaged, "the word before the block, its size, is none"},
	{"free(): invalid next size", HeapDamaged, "the size of the chunk behind was written over: something wrote beyond the end of the block"},
	{"realloc(): invalid pointer", HeapDamaged, "what was to be reallocated is no block of malloc's"},
	{"realloc(): invalid next size", HeapDamaged, "the size of the chunk behind was written over: something wrote beyond the end of the block"},
	{"malloc(): corrupted top size", HeapDamaged, "something wrote beyond the end of the last block of the heap"},
	{"malloc(): unaligned tcache chunk detected", HeapDamaged, "a link of the thread's cache was written over: something wrote into a block after it was freed"},
	{"malloc(): unsorted double linked list corrupted", HeapDamaged, "a link of a free chunk was written over"},
	{"malloc(): invalid size (unsorted)", HeapDamaged, "the size of a free chunk was written over: something wrote beyond the end of the block before it"},
	{"malloc(): invalid next size (unsorted)", HeapDamaged, "the size of a chunk was written over: something wrote beyond the end of a block"},
	{"malloc(): mismatching next->prev_size (unsorted)", HeapDamaged, "the last word of a free chunk was written over: something used the block after it was freed"},
	{"malloc(): smallbin double linked list corrupted", HeapDamaged, "a link of a free chunk was written over"},
	{"malloc(): memory corruption", HeapDamaged, "a chunk's size was written over"},
	{"corrupted size vs. prev_size", HeapDamaged, "the last word of a free chunk is not its size: something wrote beyond the end of a block, or into a free one"},
	{"corrupted double-linked list", HeapDamaged, "a link of a free chunk was written over"},
	{"munmap_chunk(): invalid pointer", HeapDamaged, "what was to be freed is no block of malloc's"},
}

// mallocAbort tells what malloc complained about.
func (d *Diagnosis) mallocAbort(message string, evidence []string) {
	message = strings.TrimSpace(message)
	for _, m := range mallocMessages {
		if strings.HasPrefix(message, m.text) {
			frames, _ := d.Dead.Frames()
			d.certain(m.kind, d.Dead.TID, evidence, "malloc gave up: %s. %s called it%s.", quote(message), capital(d.Title(d.Dead)), d.caller(frames))
			d.likely(m.kind, d.Dead.TID, nil, "%s.", capital(m.says))
			return
		}
	}
	d.certain(HeapDamaged, d.Dead.TID, evidence, "malloc gave up: %s.", quote(d.Shown(message)))
}

// caller names the function that called the C library.
func (d *Diagnosis) caller(frames []process.Frame) string {
	libc := d.Process.Libc()
	for i, f := range frames {
		if libc != nil && (f.PC < libc.Lo || f.PC >= libc.Hi) {
			if i > 0 {
				return fmt.Sprintf(" by %s in %s", trimmed(frames[i-1].At.Function), place(f.At))
			}
			break
		}
	}
	return ""
}

// called tells whether one of the functions is on a stack.
func called(frames []process.Frame, names ...string) bool {
	for _, f := range frames {
		for _, name := range names {
			own, _, _ := strings.Cut(f.At.Function, ".") // what a compiler has moved out of it: name.cold
			if own == name || trimmed(own) == name {
				return true
			}
		}
	}
	return false
}

// trimmed is the name of a C library's function without the underscores and the prefix of its other
// names: malloc of __libc_malloc, pthread_mutex_lock of ___pthread_mutex_lock.
func trimmed(name string) string {
	short := strings.TrimLeft(name, "_")
	short = strings.TrimPrefix(short, "libc_")
	short = strings.TrimPrefix(short, "GI_")
	if short == name || short == "" {
		return name
	}
	if strings.HasPrefix(name, "__GI_") || strings.HasPrefix(name, "__libc_") || strings.HasPrefix(short, "pthread_") {
		return strings.TrimLeft(short, "_")
	}
	return name
}

// chain writes the first frames of a stack in one line, innermost first.
func chain(frames []process.Frame, most int) string {
	var parts []string
	for i, f := range frames {
		if i >= most {
			parts = append(parts, "...")
			break
		}
		name := Demangled(f.At.Function)
		if name == "" {
			name = f.At.String()
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, " < ")
}

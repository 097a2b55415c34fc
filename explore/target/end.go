package target

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// End is how a process has ended, as far as it is known. What is not known is zero.
type End struct {
	// Kind is a scenario.Kind that is a failure, as segv or deadlock.
	Kind string `json:"kind"`
	// Arch is "arm64" or "amd64".
	Arch string `json:"arch,omitempty"`
	// Thread is what the thread is called that it happened on. It is for readers: names differ from
	// one process to the next, and are not compared.
	Thread string `json:"thread,omitempty"`
	// Backtrace is that thread's, the innermost frame first: the instruction that failed, and then
	// return addresses.
	Backtrace []Frame `json:"backtrace,omitempty"`
	// Access is what the instruction did where a segv is: "read", "write" or "execute".
	Access string `json:"access,omitempty"`
	// Register is the one that held the value which made the address, for readers.
	Register string `json:"register,omitempty"`
	// Value is what that value was.
	Value Value `json:"value,omitempty"`
	// Signal is that of a signal, Code that of an exit.
	Signal int  `json:"signal,omitempty"`
	Code   *int `json:"code,omitempty"`
	// Message is what the process said when it aborted, or a check that failed.
	Message string `json:"message,omitempty"`
	// Waits are the threads of a deadlock, in no order.
	Waits []Wait `json:"waits,omitempty"`
}

// Frame is a place in the code. Of an innermost frame it is the instruction, of the others the
// return address.
type Frame struct {
	Function string  `json:"function,omitempty"` // as the symbol table has it, not demangled
	Offset   *uint64 `json:"offset,omitempty"`   // in the function
	Module   string  `json:"module,omitempty"`   // the file's name without its folder
	BuildID  string  `json:"build_id,omitempty"` // of the module, in hexadecimal
	// ModuleOffset is where in the module it is: the address less the load bias.
	ModuleOffset *uint64 `json:"module_offset,omitempty"`
}

// Wait is a thread that waits in a deadlock.
type Wait struct {
	Thread    string  `json:"thread,omitempty"` // for readers, as End.Thread
	Backtrace []Frame `json:"backtrace,omitempty"`
	// What it waits for: mutex, lock, thread, condition variable, semaphore, barrier, read-write lock or
	// once, as results of replay have it.
	What string `json:"what,omitempty"`
}

// Value says what a bad value was.
type Value string

// The kinds of value. Those that heap.MeaningKind has are called as there.
const (
	Null         Value = "null"          // 0
	MallocSize   Value = "malloc-size"   // of a chunk
	MallocLink   Value = "malloc-link"   // of a list of free chunks
	MallocKey    Value = "malloc-key"    // of the thread cache
	StalePointer Value = "stale-pointer" // into a block that is free
	Text         Value = "text"          // eight printable bytes
	Data         Value = "data"          // known to be none of these
)

// Values lists them.
func Values() []Value {
	return []Value{Null, MallocSize, MallocLink, MallocKey, StalePointer, Text, Data}
}

// The kinds of ends, as scenario.Kind has them.
const (
	segv     = "segv"
	illegal  = "illegal"
	abort    = "abort"
	signal   = "signal"
	exit     = "exit"
	deadlock = "deadlock"
	livelock = "livelock"
	check    = "check"
)

// Kinds lists the kinds of ends.
func Kinds() []string {
	return []string{segv, illegal, abort, signal, exit, deadlock, livelock, check}
}

// Bounds of what an end may hold: it may be of a file that is anybody's.
const (
	maxFrames  = 256
	maxWaits   = 256
	maxName    = 4096
	maxMessage = 1 << 16
)

// Check is an error for an end that cannot be looked for.
func (e *End) Check() error {
	if !slices.Contains(Kinds(), e.Kind) {
		return fmt.Errorf("kind: %.40q: not %s", e.Kind, strings.Join(Kinds(), ", "))
	}
	if e.Arch != "" && e.Arch != "arm64" && e.Arch != "amd64" {
		return fmt.Errorf("arch: %.40q: not arm64 or amd64", e.Arch)
	}
	if e.Value != "" && !slices.Contains(Values(), e.Value) {
		var list []string
		for _, v := range Values() {
			list = append(list, string(v))
		}
		return fmt.Errorf("value: %.40q: not %s", e.Value, strings.Join(list, ", "))
	}
	if !slices.Contains([]string{"", "read", "write", "execute"}, e.Access) {
		return fmt.Errorf("access: %.40q: not read, write or execute", e.Access)
	}
	if len(e.Message) > maxMessage || !utf8.ValidString(e.Message) {
		return fmt.Errorf("message: %d bytes: more than %d, or not UTF-8", len(e.Message), maxMessage)
	}
	if err := checkNames(map[string]string{"thread": e.Thread, "register": e.Register}); err != nil {
		return err
	}
	if err := checkFrames(e.Backtrace); err != nil {
		return fmt.Errorf("backtrace: %w", err)
	}
	if len(e.Waits) > maxWaits {
		return fmt.Errorf("waits: %d, at most %d", len(e.Waits), maxWaits)
	}
	for i, w := range e.Waits {
		if err := errors.Join(checkNames(map[string]string{"thread": w.Thread, "what": w.What}), checkFrames(w.Backtrace)); err != nil {
			return fmt.Errorf("waits[%d]: %w", i, err)
		}
	}
	if e.Kind == segv || e.Kind == illegal {
		if len(placed(e.Backtrace, e.failing())) == 0 {
			return fmt.Errorf("backtrace: a %s is looked for by where it is, and this one has no function, nor a module with build_id and module_offset", e.Kind)
		}
	}
	return nil
}

func checkFrames(list []Frame) error {
	if len(list) > maxFrames {
		return fmt.Errorf("%d frames, at most %d", len(list), maxFrames)
	}
	for i, f := range list {
		if err := checkNames(map[string]string{"function": f.Function, "module": f.Module, "build_id": f.BuildID}); err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
		if _, err := hex.DecodeString(f.BuildID); err != nil {
			return fmt.Errorf("frame %d: build_id: %.40q: not hexadecimal", i, f.BuildID)
		}
		if strings.Contains(f.Function, " in ") || strings.Contains(f.Function+f.Module, "+0x") || strings.ContainsAny(f.Module, "() ") {
			return fmt.Errorf("frame %d: %.40q, %.40q: not names of a symbol and of a file", i, f.Function, f.Module)
		}
	}
	return nil
}

func checkNames(names map[string]string) error {
	for what, name := range names {
		if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%s: %.40q: more than %d bytes, or not text of one line", what, name, maxName)
		}
	}
	return nil
}

// placed is a backtrace from a frame on, nil where nothing is known of that.
func placed(list []Frame, from int) []Frame {
	if from >= len(list) || !list[from].named() {
		return nil
	}
	return list[from:]
}

// named tells whether a frame can be told from others at all.
func (f Frame) named() bool {
	return f.Function != "" || f.BuildID != "" && f.ModuleOffset != nil
}

// Printable tells whether a value is Text: whether each of its eight bytes is a printable character
// of ASCII.
func Printable(value uint64) bool {
	for range 8 {
		if b := byte(value); b < ' ' || b > '~' {
			return false
		}
		value >>= 8
	}
	return true
}

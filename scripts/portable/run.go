package portable

import (
	"fmt"
	"strconv"
	"strings"
)

// Run lets one thread run, until a condition has come true, for N instructions, or
// as long as it can: until its calls end, it waits, or the process ends. With Half an
// instruction ends in its middle, see [scenario.Slice]: the last of N, or the next one
// behind where the condition has come true.
type Run struct {
	Thread string
	Until  Until  // nil for none
	Hit    int    // stop when the condition comes true for this time, counted from 1; 0 is 1
	N      uint64 // instructions; without Until
	Half   bool
}

// String writes the run as a script does.
func (r Run) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run(%s", strconv.Quote(r.Thread))
	switch {
	case r.Until != nil:
		fmt.Fprintf(&b, ", until = %v", r.Until)
		if r.Hit > 1 {
			fmt.Fprintf(&b, ", hit = %d", r.Hit)
		}
	case r.N > 0:
		fmt.Fprintf(&b, ", n = %d", r.N)
	}
	if r.Half {
		b.WriteString(", half = True")
	}
	return b.String() + ")"
}

// Text writes runs as the lines of a script.
func Text(runs []Run) string {
	var b strings.Builder
	for _, r := range runs {
		b.WriteString(r.String() + "\n")
	}
	return b.String()
}

// Check finds runs that mean nothing.
func (r Run) Check() error {
	switch {
	case r.Hit < 0:
		return fmt.Errorf("hit = %d: less than 1", r.Hit)
	case r.Until == nil && r.Hit > 1:
		return fmt.Errorf("hit = %d: there is no condition to come true", r.Hit)
	case r.Until != nil && r.N > 0:
		return fmt.Errorf("both a condition and a number of instructions to stop at")
	case r.Half && r.Until == nil && r.N == 0:
		return fmt.Errorf("half = True: neither a condition nor a number says which instruction is to end in its middle")
	}
	if a, ok := r.Until.(Access); ok {
		return a.check()
	}
	return nil
}

// Until is a condition that a run stops at: [At], [Calls], [Returns], [Access] or
// [NextEvent]. Where the thread stands when the run begins never counts: each run
// that is not over at once runs an instruction.
type Until interface {
	// String writes it in the words of a script.
	String() string
	until()
}

// At stops before the instruction at a place, as a breakpoint does.
type At struct{ Place Place }

// Calls stops before the first instruction of a function.
type Calls struct {
	Func Symbol
	In   Symbol // only while the thread is in a call of this function; "" for any
}

// Returns stops when a call of a function has returned: the thread stands behind
// the call, with its caller's stack. A call that was in progress when the run began
// counts. When it is a call that the scenario makes, the thread stands before the
// next one or is at its end.
type Returns struct{ Func Symbol }

// Way is how an instruction accesses memory.
type Way uint8

// The ways. What only reads is not Writes, such as a compare-and-swap that fails.
const (
	Reads Way = iota + 1
	Writes
	Touches // either
)

// String is its word.
func (w Way) String() string {
	if w > Touches {
		return fmt.Sprintf("way%d", w)
	}
	return [...]string{"", "reads", "writes", "touches"}[w]
}

// Access stops behind an instruction, or system call, that accesses any of the bytes
// at a location. An instruction counts once, however many of them it accesses.
type Access struct {
	Way  Way
	Loc  Loc
	Size uint64 // bytes; 0 is 8
	// Value, if there is one, is what the bytes must hold when the instruction has
	// run, as a little-endian number; there are at most eight of them then.
	Value *uint64
	In    Symbol // only while the thread is in this function or called from it; "" for any
}

// NextEvent stops behind an instruction that accesses bytes which threads share.
type NextEvent struct{}

func (At) until()        {}
func (Calls) until()     {}
func (Returns) until()   {}
func (Access) until()    {}
func (NextEvent) until() {}

// String is the place alone.
func (a At) String() string { return a.Place.String() }

// String writes calls("f").
func (c Calls) String() string {
	return fmt.Sprintf("calls(%s%s)", strconv.Quote(c.Func.String()), inside(c.In))
}

// String writes returns("f").
func (r Returns) String() string { return fmt.Sprintf("returns(%s)", strconv.Quote(r.Func.String())) }

// String writes next_event.
func (NextEvent) String() string { return "next_event" }

// String writes writes("f", size = 4) and the like.
func (a Access) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v(%v", a.Way, a.Loc)
	if a.Size != 0 && a.Size != word {
		fmt.Fprintf(&b, ", size = %d", a.Size)
	}
	if a.Value != nil {
		fmt.Fprintf(&b, ", value = %#x", *a.Value)
	}
	return b.String() + inside(a.In) + ")"
}

func inside(f Symbol) string {
	if f.Name == "" {
		return ""
	}
	return ", in_ = " + strconv.Quote(f.String())
}

// word is how many bytes an access is of when nothing else is said.
const word = 8

func (a Access) size() uint64 {
	if a.Size == 0 {
		return word
	}
	return a.Size
}

func (a Access) check() error {
	const most = 1 << 32
	switch size := a.size(); {
	case a.Way < Reads || a.Way > Touches:
		return fmt.Errorf("access %d: not reads, writes or touches", a.Way)
	case size > most:
		return fmt.Errorf("size = %d: more than %d bytes", size, uint64(most))
	case a.Value != nil && size > word:
		return fmt.Errorf("size = %d: a value has at most %d bytes", size, word)
	case a.Value != nil && size < word && *a.Value>>(8*size) != 0:
		return fmt.Errorf("value = %#x: does not fit into %d bytes", *a.Value, size)
	}
	return nil
}

package target

import (
	"fmt"
	"slices"
)

// Grade says how near the end of a run comes to one that is looked for; the higher the nearer.
type Grade uint8

// The grades.
const (
	// None is another end.
	None Grade = iota
	// Function is one in the same function, by its name: of a fault the one that fails, of an abort
	// the one that has called abort or what calls it, of a deadlock those in which the threads wait. Where an
	// end has no place, as a check that failed, it is one of the same kind.
	Function
	// SameValue is one in the same function with the same kind of value; of an abort with the same
	// message but for numbers, of a deadlock with threads that wait for the same kinds of things.
	SameValue
	// Instruction is the same instruction of the same build, called from where the other one is, as far as both
	// are known. The value may be of another kind, which [Match.Differs] says.
	Instruction
)

// String is the grade as results have it.
func (g Grade) String() string {
	switch g {
	case Function:
		return "function"
	case SameValue:
		return "value"
	case Instruction:
		return "instruction"
	default:
	}
	return "none"
}

// MarshalText is String.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (g *Grade) UnmarshalText(text []byte) error {
	for *g = None; *g <= Instruction; *g++ {
		if g.String() == string(text) {
			return nil
		}
	}
	return fmt.Errorf("grade: %.20q: not none, function, value or instruction", text)
}

// Module is a library or program that a process has.
type Module struct{ Name, BuildID string }

// Process is what there is to know of a process beside its end.
type Process struct {
	Arch    string   // "arm64" or "amd64"
	Modules []Module // nil where they are not known
}

// has tells whether the process has a module of a name, whatever its version.
func (p Process) has(name string) bool {
	return slices.ContainsFunc(p.Modules, func(m Module) bool { return stem(m.Name) == stem(name) })
}

// Match is what came of comparing an end with the one that is looked for.
type Match struct {
	Grade Grade
	// Differs says what the next higher grade lacks, and of the highest what is another all the same.
	Differs []string
}

// failing is the index of the frame where the end is: of a jump to where no code is the one that has
// jumped, of a process that has decided to end the one that has.
func (e *End) failing() int {
	switch e.Kind {
	case segv, illegal:
		if len(e.Backtrace) > 1 && e.Backtrace[0].Function == "" && e.Backtrace[0].Module == "" {
			return 1
		}
	case abort, exit, signal:
		return behind(e.Backtrace, quitting)
	}
	return 0
}

// failing is the index of the frame that waits.
func (w *Wait) failing() int { return behind(w.Backtrace, waiting) }

// behind is the first frame that is in none of some functions, or the last of them where there is no
// other.
func behind(list []Frame, functions []string) int {
	for i, f := range list {
		if f.Function == "" || !slices.Contains(functions, plain(f.Function)) {
			return i
		}
	}
	return max(len(list)-1, 0)
}

// Compare tells how near an end, of a process, comes to the one that is wanted. Both have passed
// Check, or were made of what was seen.
func Compare(want, got *End, p Process) Match {
	switch {
	case want.Kind != got.Kind:
		return Match{Differs: []string{fmt.Sprintf("it is of kind %s, not %s", got.Kind, want.Kind)}}
	case want.Signal != 0 && want.Signal != got.Signal:
		return Match{Differs: []string{fmt.Sprintf("the signal is %d, not %d", got.Signal, want.Signal)}}
	case want.Code != nil && got.Code != nil && *want.Code != *got.Code:
		return Match{Differs: []string{fmt.Sprintf("the status is %d, not %d", *got.Code, *want.Code)}}
	case want.Access == "execute" != (got.Access == "execute") && want.Access != "" && got.Access != "":
		return Match{Differs: []string{fmt.Sprintf("the access is to %s, not to %s", got.Access, want.Access)}}
	}
	if want.Kind == deadlock || want.Kind == livelock {
		return compareWaits(want, got, p)
	}
	return want.compare(got, p)
}

// compare is Compare of what has one place, or none.
func (e *End) compare(got *End, p Process) Match {
	value, told := sameValue(e, got)
	place := placed(e.Backtrace, e.failing())
	if len(place) == 0 { // it is to be told by the kind of it and by what is said
		switch {
		case value && told == "":
			return Match{Grade: SameValue}
		case told == "" || e.Kind != check:
			return Match{Grade: Function, Differs: list(told)}
		}
		return Match{Differs: list(told)}
	}
	if e.Kind == check && told != "" {
		return Match{Differs: list(told)}
	}
	m := compareFrames(place, placed(got.Backtrace, got.failing()), e.Arch, p)
	switch {
	case m.Grade == Instruction && told != "" && e.Kind == abort:
		return Match{Grade: Function, Differs: list(told)} // calls that never come back may be one instruction
	case m.Grade == Instruction:
		return Match{Grade: Instruction, Differs: list(told)}
	case m.Grade == Function && value && told == "":
		return Match{Grade: SameValue, Differs: m.Differs}
	case m.Grade == Function && told != "":
		return Match{Grade: Function, Differs: append(list(told), m.Differs...)}
	}
	return m
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

// sameValue tells whether the values of two ends, or what is said, are known and of the same kind, and if
// they are known to be of others, how.
func sameValue(want, got *End) (same bool, differ string) {
	if want.Kind == segv || want.Kind == illegal {
		switch {
		case want.Value == "" || got.Value == "":
			return false, ""
		case want.Value != got.Value:
			return false, fmt.Sprintf("the value is of another kind: %s, not %s", got.Value, want.Value)
		}
		return true, ""
	}
	w, g := unnumbered(want.Message), unnumbered(got.Message)
	switch {
	case w == "" || g == "":
		return w == "" && (want.Signal != 0 || want.Code != nil), ""
	case w != g:
		return false, fmt.Sprintf("what it says is another: %.80q, not %.80q", g, w)
	}
	return true, ""
}

// compareFrames compares two places with their callers: Instruction, Function or None.
func compareFrames(want, got []Frame, arch string, p Process) Match {
	if len(got) == 0 {
		return Match{Differs: []string{"where it is is not known"}}
	}
	same, known := sameInstruction(want[0], got[0], arch, p.Arch)
	if !same && !sameFunction(want[0], got[0]) {
		return Match{Differs: []string{fmt.Sprintf("it is at %s, not at %s", got[0].Short(), want[0].Short())}}
	}
	m := Match{Grade: Function}
	caller := sameCallers(want[1:], got[1:], p)
	switch {
	case !known && (want[0].Offset != nil || want[0].ModuleOffset != nil):
		m.Differs = []string{"it is another build, whose instructions are others"}
	case !known: // which instruction is wanted is not known
	case !same:
		m.Differs = []string{fmt.Sprintf("the instruction is another: %s, not %s", got[0].Short(), want[0].Short())}
	case caller != "":
		m.Differs = []string{caller}
	default:
		m.Grade = Instruction
	}
	return m
}

// sameInstruction tells whether two frames are at the same instruction, and whether that can be:
// in another build there is none that is the same.
func sameInstruction(want, got Frame, wantArch, gotArch string) (same, known bool) {
	if wantArch != "" && gotArch != "" && wantArch != gotArch {
		return false, false
	}
	if want.BuildID != "" && got.BuildID != "" {
		if want.BuildID != got.BuildID {
			return false, false
		}
		if want.ModuleOffset != nil && got.ModuleOffset != nil {
			return *want.ModuleOffset == *got.ModuleOffset, true
		}
	}
	if want.Offset == nil || got.Offset == nil || want.Function == "" || got.Function == "" {
		return false, false
	}
	return *want.Offset == *got.Offset && sameFunction(want, got), true
}

// sameFunction tells whether two frames are known to be in functions of the same name, of modules
// of the same name as far as those are known.
func sameFunction(want, got Frame) bool {
	if want.Module != "" && got.Module != "" && stem(want.Module) != stem(got.Module) {
		return false
	}
	return want.Function != "" && got.Function != "" && plain(want.Function) == plain(got.Function)
}

// sameCallers says which caller is another, "" for none. It goes on until one that is wanted is not
// known, or is in a module that the process has not: a scenario makes the calls that a program made
// in which the end was seen.
func sameCallers(want, got []Frame, p Process) string {
	for i, w := range want {
		if !w.named() || w.Module != "" && p.Modules != nil && !p.has(w.Module) {
			return ""
		}
		if i >= len(got) {
			return fmt.Sprintf("it is not called by %s, but by the thread itself", w.Short())
		}
		g := got[i]
		same, _ := sameInstruction(w, g, "", "")
		switch {
		case same || sameFunction(w, g):
		case w.Function == "" || g.Function == "":
			return "" // nobody knows which function that is
		default:
			return fmt.Sprintf("it is called by %s, not by %s", g.Short(), w.Short())
		}
	}
	return ""
}

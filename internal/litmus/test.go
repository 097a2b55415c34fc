package litmus

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"emurace/loader"
)

// Test is a litmus test.
type Test struct {
	Name    string // what the file calls it
	Path    string // where it was read, in an archive; else ""
	Arch    loader.Arch
	Init    []Init
	Threads [][]Line // each one's instructions
	Shown   []Place  // what `locations` asks to be shown; it is part of no condition
	Filter  *Cond    // executions that do not meet it are of no account; nil: all are
	Asks    Question
	Cond    *Cond
}

// Init is what a register or a location holds first. What no Init names is 0.
type Init struct {
	Place Place
	Type  string // of C, such as uint64_t; "" where the file does not say
	Value Value
}

// Place is a register of a thread, or a location in memory where Thread is Memory. Registers of AArch64
// are written X0, X1 ..., also where an instruction has W0; those of x86 EAX, EBX ...
type Place struct {
	Thread int
	Name   string
}

// Memory is the Thread of places that are no registers.
const Memory = -1

// Value is a number, or the address of the location At.
type Value struct {
	Number int64
	At     string
}

// Line is one line of a thread's column: labels, then an instruction, or "".
type Line struct {
	Labels []string
	Text   string
}

// Question is what a test asks of its condition.
type Question uint8

// The questions of litmus files. `final` is Exists: the files that have it say in words of their own what
// is allowed.
const (
	Exists    Question = iota // whether it can be met
	NotExists                 // whether it is never met
	ForAll                    // whether it is always met
)

// String is how a file has it.
func (q Question) String() string { return [...]string{"exists", "~exists", "forall"}[q] }

// Seen tells whether an execution with this end is one that the test looks for: it meets the condition,
// or of ForAll it does not; and it meets the filter.
func (t *Test) Seen(end func(Place) Value) bool {
	if t.Filter != nil && !t.Filter.Holds(end) {
		return false
	}
	return t.Cond.Holds(end) != (t.Asks == ForAll)
}

// Says turns around what a collection of results says of a test, which is whether its question is
// answered with yes: it tells whether an execution can be seen that the test looks for. It is its own inverse.
func (t *Test) Says(yes bool) bool { return yes == (t.Asks == Exists) }

// Locations are the names of the test's memory, in the order in which the file has them.
func (t *Test) Locations() (list []string) {
	seen := map[string]bool{}
	add := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	place := func(p Place) {
		if p.Thread == Memory {
			add(p.Name)
		}
	}
	for _, i := range t.Init {
		place(i.Place)
		add(i.Value.At)
	}
	if t.Arch == loader.AMD64 {
		for _, column := range t.Threads {
			for _, l := range column {
				add(symbolX86(l.Text))
			}
		}
	}
	for _, c := range []*Cond{t.Filter, t.Cond} {
		c.each(func(a *Cond) {
			place(a.Place)
			add(a.Value.At)
		})
	}
	for _, p := range t.Shown {
		place(p)
	}
	return list
}

// Registers are those of a thread that conditions or `locations` name, each once.
func (t *Test) Registers(thread int) (list []string) {
	seen := map[string]bool{}
	add := func(p Place) {
		if p.Thread == thread && !seen[p.Name] {
			seen[p.Name] = true
			list = append(list, p.Name)
		}
	}
	for _, c := range []*Cond{t.Filter, t.Cond} {
		c.each(func(a *Cond) { add(a.Place) })
	}
	for _, p := range t.Shown {
		add(p)
	}
	return list
}

// Uses tells whether a thread has an instruction of one of these names, which are in upper case.
func (t *Test) Uses(names ...string) bool {
	for _, column := range t.Threads {
		for _, l := range column {
			name, _, _ := strings.Cut(l.Text, " ")
			if slices.Contains(names, strings.ToUpper(name)) {
				return true
			}
		}
	}
	return false
}

// Initial is what a place holds first.
func (t *Test) Initial(p Place) Value {
	for i := len(t.Init) - 1; i >= 0; i-- {
		if t.Init[i].Place == p {
			return t.Init[i].Value
		}
	}
	return Value{}
}

// sizes are those of C's types, in bytes, as on the guests.
var sizes = map[string]int{
	"char": 1, "int8_t": 1, "uint8_t": 1, "short": 2, "int16_t": 2, "uint16_t": 2, "int": 4, "unsigned": 4, "int32_t": 4,
	"uint32_t": 4, "long": 8, "int64_t": 8, "uint64_t": 8, "intptr_t": 8, "uintptr_t": 8,
}

// Size is that of a location in bytes: what its type says; else 8 where it holds an address at first or at
// the end; else 4.
func (t *Test) Size(location string) int {
	size := 4
	for _, i := range t.Init {
		switch {
		case i.Place != Place{Memory, location}:
		case strings.HasSuffix(i.Type, "*"):
			size = 8
		case i.Type != "":
			size = sizes[i.Type]
		case i.Value.At != "":
			size = 8
		}
	}
	for _, c := range []*Cond{t.Filter, t.Cond} {
		c.each(func(a *Cond) {
			if a.Place == (Place{Memory, location}) && a.Value.At != "" {
				size = 8
			}
		})
	}
	return size
}

// String is the value as a file has it.
func (v Value) String() string {
	if v.At != "" {
		return v.At
	}
	return strconv.FormatInt(v.Number, 10)
}

// String is the place as a file has it.
func (p Place) String() string {
	if p.Thread == Memory {
		return p.Name
	}
	return fmt.Sprintf("%d:%s", p.Thread, p.Name)
}

// String is the line as a file has it.
func (l Line) String() string {
	var words []string
	for _, name := range l.Labels {
		words = append(words, name+":")
	}
	if l.Text != "" {
		words = append(words, l.Text)
	}
	return strings.Join(words, " ")
}

// String is a file that Parse reads to the same test, without the path.
func (t *Test) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n{\n", archNames[t.Arch], t.Name)
	for _, i := range t.Init {
		if i.Type != "" {
			b.WriteString(i.Type + " ")
		}
		fmt.Fprintf(&b, "%s=%s;\n", i.Place, i.Value)
	}
	b.WriteString("}\n")
	rows := 0
	for _, column := range t.Threads {
		rows = max(rows, len(column))
	}
	table := make([][]string, rows+1)
	for i := range t.Threads {
		cells := []string{fmt.Sprintf("P%d", i)}
		for _, l := range t.Threads[i] {
			cells = append(cells, l.String())
		}
		width := 0
		for _, c := range cells {
			width = max(width, len(c))
		}
		for row := range table {
			text := ""
			if row < len(cells) {
				text = cells[row]
			}
			table[row] = append(table[row], fmt.Sprintf("%-*s", width, text))
		}
	}
	for _, row := range table {
		fmt.Fprintf(&b, " %s ;\n", strings.Join(row, " | "))
	}
	if len(t.Shown) > 0 {
		b.WriteString("locations [")
		for _, p := range t.Shown {
			b.WriteString(p.String() + ";")
		}
		b.WriteString("]\n")
	}
	if t.Filter != nil {
		fmt.Fprintf(&b, "filter %s\n", t.Filter)
	}
	fmt.Fprintf(&b, "%s %s\n", t.Asks, t.Cond)
	return b.String()
}

var archNames = map[loader.Arch]string{loader.ARM64: "AArch64", loader.AMD64: "X86"}

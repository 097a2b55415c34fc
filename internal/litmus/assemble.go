package litmus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
)

// Together is how many tests are best made one piece of code: compiling takes as long as starting a guest.
const Together = 100

// Code is the code of some tests of one architecture.
type Code struct {
	code  guestcode.Code
	tests []*Test
}

// Assemble makes code of tests of one architecture. The test fails where an instruction is not one.
func Assemble(t testing.TB, tests []*Test) *Code {
	t.Helper()
	source, err := Source(tests)
	must(t, err)
	return &Code{guestcode.Build(t, tests[0].Arch, source), tests}
}

// Source is C source of tests of one architecture, nearly all of it assembly. Test n has
//   - its locations, each on cache lines of its own, in the variables tn_NAME;
//   - for each thread p a function tn_pp, which gives the registers their first values, runs the
//     column's instructions as they stand, and puts the registers that conditions name
//   - into the thread's own variable tn_rp, 8 bytes each, in the order of Registers.
func Source(tests []*Test) (string, error) {
	var b strings.Builder
	b.WriteString("typedef unsigned char u8;\n#define LINE __attribute__((aligned(64)))\n")
	for n, test := range tests {
		if test.Arch != tests[0].Arch {
			return "", fmt.Errorf("%s: not of the same architecture as %s", test.Name, tests[0].Name)
		}
		if err := test.source(&b, n); err != nil {
			return "", fmt.Errorf("%s: %w", test.Name, err)
		}
	}
	return b.String(), nil
}

// line is the size of a cache line, in bytes, and of what a location has to itself.
const cacheLine = 64

// source writes the source of a test, which is number n.
func (t *Test) source(b *strings.Builder, n int) error {
	for _, name := range t.Locations() {
		fmt.Fprintf(b, "LINE u8 t%d_%s[%d];\n", n, name, cacheLine)
	}
	for thread := range t.Threads {
		size := max(cacheLine, 8*len(t.Registers(thread)))
		fmt.Fprintf(b, "LINE u8 t%d_r%d[%d];\n", n, thread, size)
	}
	b.WriteString("asm(\".text\\n\"\n")
	write := func(format string, args ...any) {
		fmt.Fprintf(b, "\"%s\\n\"\n", fmt.Sprintf(format, args...))
	}
	if t.Arch == loader.ARM64 {
		write(".arch armv8.5-a") // the emulated processor has LDAPR, which the compiler is not told
	}
	for thread, column := range t.Threads {
		for _, l := range column {
			if err := plain(l.Text); err != nil {
				return err
			}
		}
		f := &function{Test: t, n: n, thread: thread, write: write}
		write(".balign 16")
		write(".globl t%d_p%d", n, thread)
		write(".type t%d_p%d, %%function", n, thread)
		write("t%d_p%d:", n, thread)
		var err error
		if t.Arch == loader.ARM64 {
			err = f.arm64()
		} else {
			err = f.amd64()
		}
		if err != nil {
			return err
		}
		write(".size t%d_p%d, . - t%d_p%d", n, thread, n, thread)
	}
	b.WriteString(");\n")
	return nil
}

var errText = errors.New("it has signs that no instruction has")

// plain checks that an instruction is one, and no directive to the assembler.
func plain(text string) error {
	for i, c := range []byte(text) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune(" _0123456789,.#$[]!-+", rune(c))) {
			return fmt.Errorf("%q: %w", text, errText)
		}
	}
	return nil
}

// function is a thread's, being written.
type function struct {
	*Test
	n, thread int
	write     func(format string, args ...any)
}

// label is a label of the column as one of the whole code.
func (f *function) label(name string) string { return fmt.Sprintf(".Lt%d_%d_%s", f.n, f.thread, name) }

// body writes the column, each instruction as change makes it.
func (f *function) body(change func(text string) string) {
	var labels []string
	for _, l := range f.Threads[f.thread] {
		labels = append(labels, l.Labels...)
	}
	for _, l := range f.Threads[f.thread] {
		for _, name := range l.Labels {
			f.write("%s:", f.label(name))
		}
		if l.Text != "" {
			f.write("%s", change(words(l.Text, func(word string) string {
				if slices.Contains(labels, word) {
					return f.label(word)
				}
				return word
			})))
		}
	}
}

// words has each word of a text changed, but for the first, the instruction's name.
func words(text string, change func(string) string) string {
	var b strings.Builder
	for first := true; text != ""; first = false {
		n := 0
		for n < len(text) && (wordByte(text[n]) && text[n] != '-' || first && text[n] == '.') {
			n++
		}
		if n == 0 {
			b.WriteByte(text[0])
			text = text[1:]
			continue
		}
		if first {
			b.WriteString(text[:n])
		} else {
			b.WriteString(change(text[:n]))
		}
		text = text[n:]
	}
	return b.String()
}

package cycles

import (
	"errors"
	"fmt"

	"emurace/internal/litmus"
)

// writer makes the column of a thread.
type writer struct {
	test    *litmus.Test
	thread  int
	lines   []litmus.Line
	labels  []string // for the next line
	used    int      // registers so far
	labeled int
	address map[int]string // the register with each location's
}

func (w *writer) write(format string, args ...any) {
	w.lines = append(w.lines, litmus.Line{Labels: w.labels, Text: fmt.Sprintf(format, args...)})
	w.labels = nil
}

// register is the number of the next register that is not used.
func (w *writer) register() int {
	w.used++
	return w.used - 1
}

// addressOf is the register with a location's address.
func (w *writer) addressOf(n int) string {
	if w.address[n] == "" {
		w.address[n] = fmt.Sprintf("X%d", w.register())
		w.test.Init = append(w.test.Init, litmus.Init{
			Place: litmus.Place{Thread: w.thread, Name: w.address[n]}, Value: litmus.Value{At: location(n)},
		})
	}
	return w.address[n]
}

var (
	errRegisters = errors.New("a thread has too many accesses for its registers")
	errNotX86    = errors.New("x86 has no such relation")
	errNotARM    = errors.New("AArch64 has no such relation")
)

// maxRegisters is how many registers of AArch64 a thread has: the others are left to who calls it.
const maxRegisters = 29

// arm makes a thread of AArch64.
func arm(t *litmus.Test, list []*access) error {
	w := &writer{test: t, thread: len(t.Threads), address: map[int]string{}}
	before := edge{kind: rf} // what leads to the access
	for i, a := range list {
		base, zero := w.addressOf(a.location), -1
		if before.kind == addr || before.kind == data {
			from := list[i-1].register[1:]
			zero = w.register()
			w.write("EOR W%d,W%s,W%s", zero, from, from)
		}
		r := w.register()
		if a.write {
			if before.kind == data {
				w.write("ADD W%d,W%d,#%d", r, zero, a.value)
			} else {
				w.write("MOV W%d,#%d", r, a.value)
			}
		} else {
			a.register = fmt.Sprintf("X%d", r)
		}
		op := map[byte]string{'P': "LDR", 'A': "LDAR", 'Q': "LDAPR"}[a.mark]
		if a.write {
			op = map[byte]string{'P': "STR", 'L': "STLR"}[a.mark]
		}
		switch {
		case before.kind != addr:
			w.write("%s W%d,[%s]", op, r, base)
		case a.mark == 'P':
			w.write("%s W%d,[%s,W%d,SXTW]", op, r, base, zero)
		default:
			sum := w.register()
			w.write("ADD X%d,%s,W%d,SXTW", sum, base, zero)
			w.write("%s W%d,[X%d]", op, r, sum)
		}
		before = a.edge
		if before.kind == fenced {
			if before.fence == "MFENCE" {
				return errNotARM
			}
			w.write("%s", before.fence)
		}
		if before.kind == ctrl || before.kind == ctrlISB {
			label := fmt.Sprintf("LC%d%d", w.thread, w.labeled)
			w.labeled++
			w.write("CBNZ W%d,%s", r, label)
			w.labels = append(w.labels, label)
		}
		if before.kind == ctrlISB {
			w.write("ISB")
		}
		if w.used > maxRegisters {
			return errRegisters
		}
	}
	t.Threads = append(t.Threads, w.lines)
	return nil
}

// x86 makes a thread of x86.
func x86(t *litmus.Test, list []*access) error {
	registers := []string{"EAX", "EBX", "ECX", "EDX", "ESI", "EDI"}
	w := &writer{test: t}
	for _, a := range list {
		switch {
		case a.mark != 'P' || a.edge.kind == addr || a.edge.kind == data || a.edge.kind == ctrl || a.edge.kind == ctrlISB:
			return errNotX86
		case a.write:
			w.write("MOV [%s],$%d", location(a.location), a.value)
		default:
			r := w.register()
			if r >= len(registers) {
				return errRegisters
			}
			a.register = registers[r]
			w.write("MOV %s,[%s]", a.register, location(a.location))
		}
		if a.edge.kind == fenced {
			if a.edge.fence != "MFENCE" {
				return errNotX86
			}
			w.write("MFENCE")
		}
	}
	t.Threads = append(t.Threads, w.lines)
	return nil
}

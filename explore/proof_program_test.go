package explore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"emurace/loader"
)

// A proofWriter writes the programs of TestProofs: functions in C, one a thread. In a
// function, r mixes all that came of its operations and v is what came of the last.
type proofWriter struct {
	coder   // of the operations on shared bytes
	ops     []proofOp
	numbers map[string]uint64
	themes  []string
	thread  int
	left    int             // roughly, what the function may still do
	spins   bool            // there is a thread that may go round for a while
	clocks  bool            // there is one that may look at a clock
	rows    map[string]bool // system calls that were drawn
}

// proofOp is an operation of the programs.
type proofOp struct {
	theme string // those of one theme are about the same things
	cost  int    // how many events it has, roughly
	// needs is what the search has to know for it; see mended.
	needs string
	// write returns the operation as an expression; "" when there is none here.
	write func(w *proofWriter) string
}

// mended says which things a search knows of. Programs are made of what it knows.
var mended = map[string]bool{"": true, "abstract": true, "zeroed": true, "fetch": true, "spin": true, "rwlock": true, "signals": true, "exits": true, "time": true}

func newProofWriter(arch loader.Arch, seed uint64) *proofWriter {
	w := &proofWriter{ops: allOps(), numbers: numbersOf(arch), rows: map[string]bool{}}
	w.coder = coder{Rand: rand.New(rand.NewPCG(seed, uint64(arch))), arch: arch, text: &strings.Builder{}}
	return w
}

// program writes the functions f<seed>_<thread>, and returns how many threads there
// are. A program is about one theme or two.
func (w *proofWriter) program(seed uint64) (threads int) {
	threads = 2
	if w.IntN(4) == 0 {
		threads = 3
	}
	all := w.everyTheme()
	for range 1 + w.IntN(2) {
		w.themes = append(w.themes, all[w.IntN(len(all))])
	}
	for w.thread = range threads {
		fmt.Fprintf(w.text, "u64 f%d_%d(void) {\n\tu64 r = 0, v = 0;\n", seed, w.thread)
		for w.left = 2 + w.IntN(10/threads); w.left > 0; {
			w.step(true)
		}
		w.text.WriteString("\treturn 5 * r + v + 7 * AT(u32, 0);\n}\n")
	}
	return threads
}

// step writes an operation, or a condition around some.
func (w *proofWriter) step(nest bool) {
	switch n := w.IntN(20); {
	case nest && n < 3:
		fmt.Fprintf(w.text, "\tif (v %s %d) {\n", []string{"==", "!=", ">"}[w.IntN(3)], w.IntN(3))
		w.step(false)
		if w.IntN(2) == 0 {
			w.text.WriteString("\t} else {\n")
			w.step(false)
		}
		w.text.WriteString("\t}\n")
	case n < 6: // on shared bytes, as in the random programs that do nothing else
		w.events = 1
		w.operation()
		w.left--
	case n < 7:
		fmt.Fprintf(w.text, "\tif (v == %d) *(volatile u8 *)(r & 16) = 1;\n", 1+w.IntN(3))
	default:
		fmt.Fprintf(w.text, "\tv = (u64)(%s); r = 5 * r + v;\n", w.expression(true))
	}
}

// expression is an operation of the program's themes, seldom of another.
func (w *proofWriter) expression(nest bool) string {
	for {
		op := w.ops[w.IntN(len(w.ops))]
		if !mended[op.needs] || !slices.Contains(w.themes, op.theme) && w.IntN(400) > 0 {
			continue
		}
		if op.theme == "sections" && !nest {
			continue
		}
		// A thread that has gone round reads a clock that counts the rounds, of which a
		// search knows none: to it the thread waits.
		spins, clocks := op.needs == "spin" || op.needs == "rwlock", op.needs == "time"
		if spins && w.clocks || clocks && w.spins {
			continue
		}
		w.spins, w.clocks = w.spins || spins, w.clocks || clocks
		if text := op.write(w); text != "" {
			w.left -= op.cost
			return text
		}
	}
}

// everyTheme lists the themes of which there is anything to draw.
func (w *proofWriter) everyTheme() []string {
	var list []string
	for _, op := range w.ops {
		if mended[op.needs] && !slices.Contains(list, op.theme) {
			list = append(list, op.theme)
		}
	}
	return list
}

// libc is a call of libc's. Arguments are expressions.
func (w *proofWriter) libc(name string, args ...string) string {
	types := make([]string, len(args))
	for i := range args {
		types[i], args[i] = "u64", "(u64)("+args[i]+")"
	}
	i := slices.Index(libcNames, name)
	return fmt.Sprintf("((u64 (*)(%s))fn[%d])(%s)", strings.Join(types, ", "), i, strings.Join(args, ", "))
}

// number is libc for a function that returns an int.
func (w *proofWriter) number(name string, args ...string) string {
	return "(u32)" + w.libc(name, args...)
}

// sys is a system call, "" where the architecture has none of the name.
func (w *proofWriter) sys(name string, args ...string) string {
	n, ok := w.numbers[name]
	if !ok {
		return ""
	}
	w.rows[name] = true
	all := []string{fmt.Sprint(n)}
	for i := range 6 {
		arg := "0"
		if i < len(args) {
			arg = "(u64)(" + args[i] + ")"
		}
		all = append(all, arg)
	}
	return "sys(" + strings.Join(all, ", ") + ")"
}

// one is one of some texts.
func (w *proofWriter) one(list ...string) string { return list[w.IntN(len(list))] }

// small is a number below n.
func (w *proofWriter) small(n int) string { return fmt.Sprint(w.IntN(n)) }

// mine is words of the thread's own, from one of them on.
func (w *proofWriter) mine(at int) string { return fmt.Sprintf("&own[%d][%d]", w.thread, at) }

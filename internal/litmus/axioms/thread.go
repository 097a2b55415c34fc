package axioms

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"emurace/internal/litmus"
	"emurace/loader"
)

// maxSteps is how many instructions a thread may run. Those of loops that go on are not judged.
const maxSteps = 400

// errMore is that a run has come to a read for which no value was chosen.
var errMore = errors.New("one more read")

// taint is what a register's value comes from: the thread's own reads, as bits by their numbers.
type taint struct{ dep, pick uint64 }

func (t taint) or(o taint) taint { return taint{t.dep | o.dep, t.pick | o.pick} }

type register struct {
	value uint64
	taint
}

// thread is one that runs, with values chosen for its reads.
type thread struct {
	test    *litmus.Test
	number  int
	places  []string // of the test; the i-th one's address is addressOf(i)
	labels  map[string]int
	choices []uint64
	reads   int // so far

	trace
	regs       map[string]register
	n, z, c, v bool // flags
	flags      taint
	branches   taint
	monitor    int // 1 + number of the load exclusive's event that the next store exclusive belongs to
	pc         int
	next       int
	want       event // of errMore: what is to be read
}

// addressOf is where a test's i-th location lies. Nothing depends on it but which addresses differ.
func addressOf(i int) uint64 { return 0x10000 + 0x100*uint64(i) }

// newThread is a thread before its first instruction.
func newThread(test *litmus.Test, number int, places []string, choices []uint64) *thread {
	t := &thread{test: test, number: number, places: places, choices: choices, labels: map[string]int{}, regs: map[string]register{}}
	for i, line := range test.Threads[number] {
		for _, name := range line.Labels {
			t.labels[name] = i
		}
	}
	for _, i := range test.Init {
		if i.Place.Thread == number {
			t.regs[i.Place.Name] = register{value: t.bits(i.Value)}
		}
	}
	return t
}

// bits is a value as a register has it.
func (t *thread) bits(v litmus.Value) uint64 {
	if v.At == "" {
		return uint64(v.Number)
	}
	return addressOf(slices.Index(t.places, v.At))
}

// run runs the thread to its end. It is errMore where the choices do not do.
func (t *thread) run() error {
	column := t.test.Threads[t.number]
	for steps := 0; t.pc < len(column); steps++ {
		if steps == maxSteps {
			return fmt.Errorf("thread %d runs more than %d instructions", t.number, maxSteps)
		}
		line := column[t.pc]
		t.next = t.pc + 1
		if line.Text != "" {
			var err error
			if t.test.Arch == loader.ARM64 {
				err = t.arm(line.Text)
			} else {
				err = t.x86(line.Text)
			}
			if errors.Is(err, errMore) {
				return err
			}
			if err != nil {
				return fmt.Errorf("thread %d: %q: %w", t.number, line.Text, err)
			}
		}
		t.pc = t.next
		if len(t.events) > maxEvents {
			return fmt.Errorf("thread %d has more than %d events", t.number, maxEvents)
		}
	}
	t.ends = map[string]uint64{}
	for name, r := range t.regs {
		t.ends[name] = r.value
	}
	return nil
}

// jump goes on at a label, if a branch that comes from so much is taken.
func (t *thread) jump(label string, from taint, taken bool) error {
	to, ok := t.labels[label]
	if !ok {
		return fmt.Errorf("there is no label %q", label)
	}
	t.branches = t.branches.or(from)
	if taken {
		t.next = to
	}
	return nil
}

// place is the location at an address.
func (t *thread) place(address uint64) (string, error) {
	for i, name := range t.places {
		if addressOf(i) == address {
			return name, nil
		}
	}
	return "", fmt.Errorf("%#x is no location's address", address)
}

// load is a read: its value and what comes of it.
func (t *thread) load(e event, address register) (register, error) {
	at, err := t.place(address.value)
	if err != nil {
		return register{}, err
	}
	e.kind, e.at, e.addr, e.addrPick = read, at, address.dep, address.pick
	e.ctrl, e.ctrlPick = t.branches.dep, t.branches.pick
	if t.reads == len(t.choices) {
		t.want = e
		return register{}, errMore
	}
	e.value = t.choices[t.reads]
	t.reads++
	t.events = append(t.events, e)
	return register{e.value, taint{dep: 1 << (len(t.events) - 1)}}, nil
}

// store is a write.
func (t *thread) store(e event, address, value register) error {
	at, err := t.place(address.value)
	if err != nil {
		return err
	}
	e.kind, e.at, e.value = write, at, value.value&mask(e.size)
	e.addr, e.addrPick, e.data, e.dataPick = address.dep, address.pick, value.dep, value.pick
	e.ctrl, e.ctrlPick = t.branches.dep, t.branches.pick
	t.events = append(t.events, e)
	return nil
}

// mask has the bits of so many bytes.
func mask(size int) uint64 { return ^uint64(0) >> (64 - 8*size) }

// operands cuts what is behind an instruction's name at its commas, outside of brackets.
func operands(text string) (list []string) {
	depth, from := 0, 0
	for i := range len(text) {
		switch text[i] {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				list = append(list, strings.TrimSpace(text[from:i]))
				from = i + 1
			}
		}
	}
	if rest := strings.TrimSpace(text[from:]); rest != "" {
		list = append(list, rest)
	}
	return list
}

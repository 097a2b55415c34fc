package report

import (
	"slices"
	"strconv"

	"emurace/disasm"
	"emurace/emu"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/symbolize"
)

// recorder makes a Run of a timeline.
type recorder struct {
	line *timeline.Timeline
	x    *replay.Explanation
	l    *lesson.Lesson
	s    *scenario.Session
	run  *Run

	values, texts table
	places        map[uint64]int // by pc
	words         []word
	wordAt        map[uint64]int // by address
	heap          *heapView

	copied uint64 // where the block is copied to, 0 for nowhere

	// As they are at the moment that was recorded last.
	registers [][]int
	held      []held // of each word
	calls     []int
}

// word is a word of memory that is followed through the run.
type word struct {
	addr uint64
	size bool // it is a chunk's size, with flags
}

// held is a word's value and what it means, as indices.
type held struct{ value, text int }

// table gives every string a number. The empty string has 0.
type table struct {
	list   []string
	number map[string]int
}

func (t *table) add(s string) int {
	if t.number == nil {
		t.list, t.number = []string{""}, map[string]int{"": 0}
	}
	n, known := t.number[s]
	if !known {
		n = len(t.list)
		t.list = append(t.list, s)
		t.number[s] = n
	}
	return n
}

func (r *recorder) value(v uint64) int { return r.values.add(strconv.FormatUint(v, 16)) }

func newRecorder(line *timeline.Timeline, x *replay.Explanation, l *lesson.Lesson) *recorder {
	s := line.Session()
	r := &recorder{
		line: line, x: x, l: l, s: s, places: map[uint64]int{}, wordAt: map[uint64]int{},
		run: &Run{Threads: titles(x, s.Names()), Length: line.Len(), Fault: -1, Marks: []Mark{}, Tables: []Table{}},
	}
	if f, ok := x.Fact(replay.FactCopied); ok {
		r.copied = f.Addr
	}
	r.values.add("")
	r.texts.add("")
	return r
}

// titles are what the page calls the threads: what they are called at the end is theirs for the
// whole page.
func titles(x *replay.Explanation, names []string) []string {
	list := slices.Clone(names)
	for i, t := range x.Threads {
		if i < len(list) {
			list[i] = symbolize.Title(list[i], t.Called)
		}
	}
	return list
}

// machine is the one that stands at the timeline's present moment.
func (r *recorder) machine() *emu.Process { return r.s.Process() }

// follow makes a word one of those that are followed, and returns its index.
func (r *recorder) follow(addr uint64, size bool) int {
	if i, known := r.wordAt[addr]; known {
		r.words[i].size = r.words[i].size || size
		return i
	}
	r.wordAt[addr] = len(r.words)
	r.words = append(r.words, word{addr: addr, size: size})
	return len(r.words) - 1
}

// place is the index of the instruction at an address.
func (r *recorder) place(pc uint64) int {
	if i, known := r.places[pc]; known {
		return i
	}
	at := symbolize.Locate(r.machine(), pc, false)
	i := len(r.run.Places)
	r.places[pc] = i
	r.run.Places = append(r.run.Places, Place{
		PC: r.value(pc), Where: at.String(), Text: r.inst(pc).Text, Source: at.Source(),
	})
	return i
}

func (r *recorder) inst(pc uint64) disasm.Inst { return symbolize.Disassemble(r.machine(), pc) }

// window records a part of the run. The timeline goes through it step by step, so
// that all values are those that the machine has.
func (r *recorder) window(span span) error {
	if err := r.line.Seek(span.from); err != nil {
		return err
	}
	w := Window{From: span.from, Slices: []int{}, Places: []int{}, Changes: []int{}, Stores: []int{}, NewCalls: []int{}, Accesses: []int{}}
	if err := r.begin(&w); err != nil {
		return err
	}
	for n := span.from; n < span.to; n++ {
		pc, _ := r.line.PC(n)
		thread := r.line.Thread(n)
		if k := len(w.Slices); k > 0 && w.Slices[k-2] == thread {
			w.Slices[k-1]++
		} else {
			w.Slices = append(w.Slices, thread, 1)
		}
		w.Places = append(w.Places, r.place(pc))
		r.accesses(&w, n)
		if err := r.line.Seek(n + 1); err != nil {
			return err
		}
		if err := r.behind(&w, n, isKernel(r.machine().Arch(), r.inst(pc).Op)); err != nil {
			return err
		}
	}
	for i := range r.run.Threads {
		w.Next = append(w.Next, r.next(i))
	}
	r.run.Windows = append(r.run.Windows, w)
	return nil
}

// next is where a thread stands at the present moment, if that is in code.
func (r *recorder) next(thread int) int {
	m := r.s.MachineThread(thread)
	pc, err := r.machine().PC(m)
	if err != nil || r.machine().Idle(m) || r.inst(pc).Undecoded {
		return -1
	}
	return r.place(pc)
}

// isKernel tells whether an instruction is a system call, which may change more than
// the access log has.
func isKernel(arch loader.Arch, op string) bool {
	return arch == loader.ARM64 && op == "svc" || arch == loader.AMD64 && op == "syscall"
}

// begin writes down everything as it is at the window's start.
func (r *recorder) begin(w *Window) error {
	r.registers = make([][]int, len(r.run.Threads))
	for i := range r.run.Threads {
		values, err := r.readRegisters(i)
		if err != nil {
			return err
		}
		r.registers[i] = values
		w.Registers = append(w.Registers, slices.Clone(values))
	}
	r.held = make([]held, len(r.words))
	w.Words = []int{}
	for i := range r.words {
		r.held[i] = r.read(i)
		w.Words = append(w.Words, r.held[i].value, r.held[i].text)
	}
	r.calls = r.readCalls()
	w.Calls = slices.Clone(r.calls)
	r.heap.show(r, w.From, true)
	return nil
}

// behind writes down what is another after instruction n than before it. Texts may
// have changed without their word when the string that it points to was written; they
// are looked at again where the reader stops, which is at switches of threads and at
// the moments of the lesson.
func (r *recorder) behind(w *Window, n timeline.Moment, kernel bool) error {
	count := len(w.Changes)
	w.Changes = append(w.Changes, 0)
	for i := range r.run.Threads {
		values, err := r.readRegisters(i)
		if err != nil {
			return err
		}
		for k, v := range values {
			if v != r.registers[i][k] {
				w.Changes[count]++
				w.Changes = append(w.Changes, i*len(values)+k, v)
			}
		}
		r.registers[i] = values
	}
	count = len(w.Stores)
	w.Stores = append(w.Stores, 0)
	for _, i := range r.written(n, kernel || r.stops(n+1)) {
		if now := r.read(i); now != r.held[i] {
			w.Stores[count]++
			w.Stores = append(w.Stores, i, now.value, now.text)
			r.held[i] = now
		}
	}
	count = len(w.NewCalls)
	w.NewCalls = append(w.NewCalls, 0)
	calls := r.readCalls()
	for i, c := range calls {
		if c != r.calls[i] {
			w.NewCalls[count]++
			w.NewCalls = append(w.NewCalls, i, c)
		}
	}
	r.calls = calls
	r.heap.show(r, n+1, r.heap.touched(r, n))
	return nil
}

// stops tells whether a reader is led to a moment.
func (r *recorder) stops(n timeline.Moment) bool {
	if n == r.line.Len() || r.line.Thread(n) != r.line.Thread(n-1) {
		return true
	}
	return slices.ContainsFunc(r.run.Marks, func(m Mark) bool { return m.At == n || m.After == n })
}

// written are the followed words that an instruction may have changed.
func (r *recorder) written(n timeline.Moment, all bool) []int {
	var list []int
	if all {
		for i := range r.words {
			list = append(list, i)
		}
		return list
	}
	for _, a := range r.line.Accesses(n) {
		if a.Kind == emu.LogRead {
			continue
		}
		for at := a.Addr &^ 7; at < a.Addr+uint64(a.Size); at += 8 {
			if i, known := r.wordAt[at]; known && !slices.Contains(list, i) {
				list = append(list, i)
			}
		}
	}
	return list
}

func (r *recorder) accesses(w *Window, n timeline.Moment) {
	list := r.line.Accesses(n)
	w.Accesses = append(w.Accesses, len(list))
	for _, a := range list {
		var kind int
		switch a.Kind {
		case emu.LogRead:
			kind = kindRead
		case emu.LogWrite:
			kind = kindWrite
		case emu.LogKernel, emu.LogZero, emu.LogPoke:
			kind = kindKernel
		}
		w.Accesses = append(w.Accesses, kind, r.value(a.Addr), int(a.Size), r.value(a.Value), r.value(a.Old))
	}
}

// readRegisters reads the registers that the page has of a thread, as values; those
// of a thread that is gone, or not there yet, are 0, none.
func (r *recorder) readRegisters(thread int) ([]int, error) {
	regs, err := r.machine().Registers(r.s.MachineThread(thread))
	if err != nil {
		return nil, err
	}
	if r.run.Registers == nil {
		r.name(regs)
	}
	values := make([]int, len(r.run.Registers))
	for i := range values {
		if i < len(regs) {
			values[i] = r.value(regs[i].Uint64())
		}
	}
	return values, nil
}

// name chooses the registers: those up to pc, and the flags, which follow it.
func (r *recorder) name(regs []emu.Register) {
	r.run.FlagBits = flagBits(r.machine().Arch())
	for i, reg := range regs {
		r.run.Registers = append(r.run.Registers, reg.Name)
		if reg.Name == r.machine().PCName() {
			r.run.PC, r.run.Flags = i, i+1
		}
		if i > 0 && i == r.run.Flags {
			return
		}
	}
}

// flagBits are the conditions that comparisons leave: NZCV (Arm ARM, C5.2.10), and
// those of EFLAGS (Intel SDM, volume 1, 3.4.3.1).
func flagBits(arch loader.Arch) []Bit {
	if arch == loader.ARM64 {
		return []Bit{{31, "N"}, {30, "Z"}, {29, "C"}, {28, "V"}}
	}
	return []Bit{{0, "CF"}, {2, "PF"}, {4, "AF"}, {6, "ZF"}, {7, "SF"}, {10, "DF"}, {11, "OF"}}
}

func (r *recorder) readCalls() []int {
	list := make([]int, len(r.run.Threads))
	for i := range list {
		m := r.s.MachineThread(i)
		text := ""
		if r.machine().Alive(m) {
			text = symbolize.Doing(r.machine(), m)
		}
		if r.machine().Idle(m) {
			text = "" // it has made all its calls
		}
		list[i] = r.texts.add(text)
	}
	return list
}

// finish puts the lists into the run.
func (r *recorder) finish() {
	for _, w := range r.words {
		r.run.Words = append(r.run.Words, r.value(w.addr))
	}
	r.run.Values, r.run.Texts = r.values.list, r.texts.list
	r.run.Heap = r.heap.done()
}

func sorted(list []timeline.Moment) []timeline.Moment {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

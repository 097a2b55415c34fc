package flow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"emurace/disasm"
	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/unwind"
)

// past is how a value came about, as the run shows it.
type past struct {
	at     uint64 // the instruction
	addr   uint64 // where it was loaded from
	result bool   // it is what a call returned
	before *past  // of the word that was loaded
	other  *past  // of a sum: the other term
}

// has tells whether a value came about in some way, as far as maxPast steps show it.
func (p *past) has(is func(*past) bool) bool {
	left := maxPast
	var search func(p *past) bool
	search = func(p *past) bool {
		for ; p != nil && left > 0; p = p.before {
			left--
			if is(p) || p.other != nil && search(p.other) {
				return true
			}
		}
		return false
	}
	return search(p)
}

// maxPast bounds how far back is looked: each call of a function that saves a register is a step.
const maxPast = 1 << 18

// activation is a call in progress, as the run shows it.
type activation struct {
	returns uint64
	called  uint64               // what the call instruction called
	entries map[uint64][8]uint64 // arguments, by the entry of each function that it has been in
	call    uint64               // the call instruction
	early   bool                 // it began before anybody looked
}

// watcher runs a thread instruction by instruction and knows its history.
type watcher struct {
	t      *testing.T
	p      *emu.Process
	step   func() bool // runs one instruction; false at the end
	fl     *Flow
	u      *unwind.Unwinder
	rand   *rand.Rand
	every  int
	thread int
	arity  map[string]int
	look   func(pc uint64) // nil for none

	stack    []activation
	regs     [maxRegisters]*past
	memory   map[uint64]*past
	decoded  map[uint64]*instruction
	function uint64 // that the instruction before was in
	samples  map[uint64]int

	count   map[string]int
	unknown map[string]int // reasons
	wrong   int
}

func newWatcher(t *testing.T, p *emu.Process, thread int, step func() bool) *watcher {
	t.Helper()
	fl, err := New(p)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{
		t: t, p: p, step: step, fl: fl, thread: thread, rand: rand.New(rand.NewPCG(testseed.Of(t, 1), 7)), every: 40,
		memory: map[uint64]*past{}, decoded: map[uint64]*instruction{}, samples: map[uint64]int{}, count: map[string]int{}, unknown: map[string]int{},
	}
	w.modules()
	return w
}

func (w *watcher) modules() {
	var modules []unwind.Module
	list := w.p.Modules()
	if m := w.p.Program(); m != nil {
		list = append(slices.Clone(list), m)
	}
	for _, m := range list {
		modules = append(modules, unwind.Module{Lo: m.Lo, Hi: m.Hi, Base: m.Base, Image: m.Image})
	}
	u, err := unwind.New(w.p.Arch(), modules)
	if err != nil {
		w.t.Fatal(err)
	}
	w.u = u
}

// Get and Read64 are what the unwinder sees.
func (w *watcher) Get(dwarf uint64) (uint64, bool) {
	return w.p.Register(w.thread, unwind.RegisterName(w.p.Arch(), dwarf))
}

func (w *watcher) Read64(addr uint64) (uint64, bool) { return w.p.Read64(addr) }

func (w *watcher) pc() uint64 {
	pc, err := w.p.PC(w.thread)
	if err != nil {
		w.t.Fatal(err)
	}
	return pc
}

func (w *watcher) register(name string) uint64 {
	v, _ := w.p.Register(w.thread, name)
	return v
}

// begin is a call by the host.
func (w *watcher) begin(fn, returns uint64) {
	w.stack = []activation{{returns: returns, called: fn, entries: map[uint64][8]uint64{}}}
	w.regs = [maxRegisters]*past{}
	w.function = 0
}

// run goes on until the thread ends or stops.
func (w *watcher) run(max int) {
	for n := 0; n < max && w.wrong < 20; n++ {
		pc := w.pc()
		w.enter(pc)
		if w.look != nil {
			w.look(pc)
		}
		if w.every > 0 && w.samples[pc] < 3 && w.rand.IntN(w.every) == 0 {
			w.samples[pc]++
			w.compare(pc)
		}
		in := w.decoded[pc]
		if in == nil {
			var ok bool
			if in, ok = w.fl.decode(pc); !ok {
				w.t.Fatalf("no code at %#x", pc)
			}
			w.decoded[pc] = in
		}
		note := w.note(in)
		if !w.step() {
			return
		}
		note()
	}
}

// enter takes down the arguments where a function begins.
func (w *watcher) enter(pc uint64) {
	_, off, ok := w.p.Symbol(pc)
	entry := pc - off
	if ok && off == 0 && w.function != entry && len(w.stack) > 0 {
		var args [8]uint64
		for i, r := range w.fl.abi.args {
			args[i] = w.register(w.fl.abi.names[r])
		}
		w.stack[len(w.stack)-1].entries[pc] = args
	}
	w.function = entry
}

// note takes down what an instruction is about to do; what it returns is for when it has.
func (w *watcher) note(in *instruction) func() {
	abi := w.fl.abi
	address := func(i int) (uint64, bool) {
		return in.Mem[i].Address(func(name string) (uint64, bool) { return w.p.Register(w.thread, name) })
	}
	regs, written := w.regs, map[uint64]*past{}
	for _, name := range in.Dst {
		if r := abi.register(name); r >= 0 {
			regs[r] = nil
		}
	}
	for _, s := range in.sums {
		if s.a >= 0 && s.keep == 0 {
			regs[s.dst] = w.regs[s.a]
		}
		if s.b >= 0 && w.regs[s.b] != nil {
			regs[s.dst] = &past{before: regs[s.dst], other: w.regs[s.b]}
		}
	}
	for i := range in.Mem {
		addr, ok := address(i)
		if in.Mem[i].Write && ok {
			for a := addr &^ 7; a < addr+uint64(max(in.Mem[i].Size, 1)); a += 8 {
				written[a] = nil
			}
		}
	}
	for _, m := range in.Moves {
		r, from := abi.register(m.Dst), abi.register(m.Src)
		switch {
		case m.Kind == disasm.Load && r >= 0:
			if addr, ok := address(m.Mem); ok {
				addr += uint64(m.Offset)
				regs[r] = &past{at: in.Addr, addr: addr, before: w.memory[addr]}
			}
		case m.Kind == disasm.Copy && r >= 0 && from >= 0 && m.Size >= 4:
			regs[r] = w.regs[from]
		case m.Kind == disasm.Store && from >= 0 && m.Size >= 4:
			if addr, ok := address(m.Mem); ok {
				written[addr+uint64(m.Offset)] = w.regs[from]
			}
		}
	}
	// What takes one of two registers.
	if strings.HasPrefix(in.Op, "cmov") || in.Op == "csel" {
		r := abi.register(in.Dst[0])
		before := map[uint64]*past{}
		for _, name := range in.Src {
			if from := abi.register(name); from >= 0 {
				before[w.register(name)] = w.regs[from]
			}
		}
		return func() {
			w.regs = regs
			w.done(in, written)
			w.regs[r] = before[w.register(in.Dst[0])]
		}
	}
	if in.Repeat {
		return func() { w.done(in, written) }
	}
	return func() {
		w.regs = regs
		w.done(in, written)
	}
}

// done is when an instruction has run.
func (w *watcher) done(in *instruction, written map[uint64]*past) {
	for addr, p := range written {
		w.memory[addr] = p
	}
	pc := w.pc()
	switch {
	case in.Call:
		w.stack = append(w.stack, activation{returns: in.after(), called: pc, entries: map[uint64][8]uint64{}, call: in.Addr})
		w.function = 0
	case in.Ret:
		for len(w.stack) > 0 {
			top := w.stack[len(w.stack)-1]
			w.stack = w.stack[:len(w.stack)-1]
			if top.returns == pc {
				regs := [maxRegisters]*past{}
				for r := range w.fl.abi.n {
					if w.fl.abi.saved[r] {
						regs[r] = w.regs[r]
					}
				}
				w.regs = regs
				w.regs[w.fl.abi.result] = &past{at: top.call, result: true}
				break
			}
		}
		_, off, _ := w.p.Symbol(pc)
		w.function = pc - off
	}
}

// frames is the stack as it is for Flow.
func (w *watcher) frames(pc uint64) (list []Frame) {
	frames, _ := w.u.Stack(pc, w, w, len(w.stack))
	for i := range frames {
		list = append(list, Of(w.p.Arch(), &frames[i]))
	}
	return list
}

func (w *watcher) fail(pc uint64, form string, args ...any) {
	w.wrong++
	name, off, _ := w.p.Symbol(pc)
	w.t.Errorf("at %s+%#x (%#x): %s", name, off, pc, fmt.Sprintf(form, args...))
}

// compare compares what is said of all frames with what the run has shown.
func (w *watcher) compare(pc uint64) {
	frames := w.frames(pc)
	for i := range frames {
		a := &w.stack[len(w.stack)-1-i]
		if i > 0 && frames[i].PC != w.stack[len(w.stack)-i].returns {
			return // the unwinder's mistake
		}
		fn := w.fl.function(&frames[i])
		if fn == nil {
			w.unknown["no function"]++
			continue
		}
		if fn.problem != "" {
			w.unknown[fn.problem+" "+fn.name]++
		}
		w.arguments(frames, i, fn, a)
		w.called(frames, i, a)
	}
	if len(frames) > 0 && !w.stack[len(w.stack)-1].early {
		w.origins(frames)
	}
}

func (w *watcher) arguments(frames []Frame, i int, fn *function, a *activation) {
	truth, ok := a.entries[fn.entry]
	if !ok {
		return
	}
	n, listed := w.arity[fn.name]
	for k, v := range w.fl.Arguments(frames, i, 8) {
		right := v.Value == truth[k]
		if v.Known && v.Bits == 32 {
			right = v.Value == truth[k]&0xffffffff
		}
		switch {
		case v.Known && v.Certain && !right:
			w.fail(frames[0].PC, "frame %d, %s+%#x: argument %d is certainly %#x (%s), and was %#x", i, fn.name, frames[i].PC-fn.entry, k, v.Value, v.How, truth[k])
		}
		what := "unknown"
		if v.Known {
			what = map[bool]string{true: "certain", false: "likely"}[v.Certain]
			if !right {
				what = "wrong"
			}
		}
		if listed && k < n {
			w.count["argument "+what]++
		}
		w.count["register "+what]++
	}
}

func (w *watcher) called(frames []Frame, i int, a *activation) {
	name, addr, ok := w.fl.Called(frames, i)
	if i+1 >= len(frames) {
		return
	}
	if !ok {
		w.count["call unknown"]++
		return
	}
	w.count["call known"]++
	if want := w.fl.through(a.called); want != 0 && addr != want {
		w.fail(frames[0].PC, "frame %d was called as %s at %#x, and it was %#x", i, name, addr, want)
	}
}

// origins compares what is said of the innermost frame's registers.
func (w *watcher) origins(frames []Frame) {
	for r, name := range w.fl.abi.names {
		o := w.fl.Origin(frames[0], name)
		w.count["origin "+o.Kind.String()+map[bool]string{true: " certain"}[o.Certain]]++
		now := w.register(name)
		wrong := ""
		switch o.Kind {
		case Constant:
			if now != o.Value {
				wrong = fmt.Sprintf("%#x", now)
			}
		case Loaded:
			found := w.regs[r].has(func(p *past) bool {
				return p.addr == o.Addr && (slices.Contains(o.At, p.at) || len(o.At) == len(places{}))
			})
			if !found {
				wrong = fmt.Sprintf("%+v", w.regs[r])
			}
		case Argument:
			fn := w.fl.function(&frames[0])
			if args, ok := w.stack[len(w.stack)-1].entries[fn.entry]; ok && args[o.Argument]+uint64(o.Plus) != now {
				wrong = fmt.Sprintf("%#x", now)
			}
		case Returned:
			found := w.regs[r].has(func(p *past) bool { return p.result && slices.Contains(o.At, p.at) })
			if !found {
				wrong = fmt.Sprintf("%+v", w.regs[r])
			}
		default:
		}
		if wrong != "" && o.Certain {
			w.fail(frames[0].PC, "%s (%+v): it was %s", o.How, o, wrong)
		} else if wrong != "" {
			w.count["origin "+o.Kind.String()+" wrong"]++
		}
	}
}

// report logs what was known, and fails when that is less than it was.
func (w *watcher) report(title string, arguments int, certain float64) {
	w.t.Helper()
	sum := w.count["argument certain"] + w.count["argument likely"] + w.count["argument unknown"] + w.count["argument wrong"]
	share := float64(w.count["argument certain"]) / float64(max(1, sum))
	w.t.Logf("%s: %d arguments, %.1f %% of them known for certain; %v; not analysed: %v", title, sum, 100*share, w.count, w.unknown)
	if sum < arguments || share < certain {
		w.t.Errorf("%s: only %.1f %% of %d arguments are known for certain", title, 100*share, sum)
	}
	if likely := w.count["origin loaded"]; w.count["origin loaded certain"] < 50 || w.count["origin loaded wrong"] > likely/2 {
		w.t.Errorf("%s: of the loads %d are certain, and of %d likely ones %d wrong", title, w.count["origin loaded certain"], likely, w.count["origin loaded wrong"])
	}
}

package replay

import (
	"emurace/disasm"
	"emurace/emu"
	"emurace/explore/target"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/scenario"
	"emurace/symbolize"
	"fmt"
)

// Explanation is why a run failed, as far as the run itself tells.
type Explanation struct {
	Outcome scenario.Outcome
	arch    loader.Arch
	Names   []string       // of the racing threads, and of the clock where schedules name it
	Ticks   []Tick         // where the clock was moved on
	At      *symbolize.Act // the failing instruction; nil for deadlock and livelock
	Message string         // what the process printed last, for an abort; what a check said
	// Round tells of a livelock that those that are left go round for ever.
	Round bool

	// Register is the one whose value made the address that faulted.
	Register string
	Value    uint64
	// ValuePlace and FaultPlace are the static data that Value and the address that faulted are in,
	// and TargetPlace that where a link of malloc's leads; "" for none.
	ValuePlace, FaultPlace, TargetPlace string
	// hops is the way of that value into the register, latest first.
	hops []hop
	// Load is where the value came out of memory, LoadAddr the address and
	// loadSize the bytes.
	Load     *symbolize.Act
	LoadAddr uint64
	// LoadPlace is the static data that LoadAddr is in, as in environ; "" for none.
	LoadPlace string
	loadSize  int
	loaded    []byte
	// Sources is where those bytes came from. Writer is the last instruction in the race that
	// wrote to them, Written what it stored of them; nil when none has, or it is not known.
	Sources Sources
	Writer  *symbolize.Act
	Written uint64

	// Unmapped is the system call of the race that took the page of the address that
	// faulted away, or its rights; nil when it was so before.
	Unmapped *symbolize.Act

	// What AddHeap finds out: the block of malloc's that those bytes belonged
	// to, what the value means, and what the block had there while in use.
	Allocation *Allocation
	Meaning    heap.Meaning
	Correct    *Correct

	// Looks are the values that a failing check looked at, in that order, Unlooked how many more
	// of them came before.
	Looks    []Look
	Unlooked int

	// Waits is, for a deadlock, what each remaining thread waits for; the
	// first Cycle of them wait for each other, each for the next.
	Waits []Wait
	// Prints are, for a check of what a program has printed, the latest parts of that, and Unprinted how
	// many came before.
	Prints    []Print
	Unprinted int
	// Rounds are, for a livelock, what the threads that go on go round.
	Rounds []Round
	Cycle  int

	// Races are pairs of instructions without whose order the run would have
	// passed, where somebody has found them out; with Together, a run in which all of them are
	// the other way round passes, and none was found in which one of them is.
	Races    []Race
	Together bool
	// Sections are, where no single race decides, pairs of critical sections that do: with the second
	// one first, as a whole, the run passes.
	Sections [][2]Section

	// Stale are reads that saw what memory did not hold any more.
	Stale []Stale

	// Problems are what was found wrong with the run, whether it failed or not, where somebody has looked.
	Problems []Problem

	Threads  []ThreadState
	Schedule scenario.Schedule
	Steps    uint64 // instructions of the race

	ended          target.End
	since          string // from when on a thread has what it was not seen to get
	use            blockUse
	loader, writer int // the threads of Load and Writer, by the machine's numbers
}

// ThreadState is what a thread was doing at the end.
type ThreadState struct {
	Name      string
	Called    string // what the program calls it, "" for nothing
	Status    string // running, waiting, done
	Call      string // the call in progress or the last one
	Script    string // where a script has that call, "" where that is not known
	Backtrace []symbolize.Location
}

// Explain finds out why a run ended as it did. The history's session is left at
// the end of the run.
func Explain(h *History) (*Explanation, error) {
	s := h.s
	s.Process().System().LoadDebug()
	o, over := s.Outcome()
	if !over {
		return nil, fmt.Errorf("explain: the run is not over")
	}
	x := &Explanation{Outcome: o, Names: s.ScheduleNames(), Schedule: h.schedule, Steps: s.Steps(), Ticks: h.ticks, arch: s.Process().Arch()}
	x.Threads, x.ended = threadStates(s), EndOf(s)
	x.Stale = h.stale()
	if o.Kind == scenario.Check {
		x.Message = o.Message
		if err := h.looks(x); err != nil {
			return nil, err
		}
		if s.Plan().Program != nil {
			if err := h.addPrints(x); err != nil {
				return nil, err
			}
		}
	}
	if o.Kind == scenario.Abort || o.Kind == scenario.Exit {
		x.Message = lastPrinted(s.Process())
	}
	x.Round = o.Kind == scenario.Livelock && !s.CutShort()
	switch {
	case o.Kind == scenario.Deadlock:
		return x, h.addWaits(x)
	case o.Kind == scenario.Livelock:
		return x, h.rounds(x)
	}
	if o.Thread < 0 || o.End == nil {
		return x, nil
	}
	x.At = h.act(o.Thread, o.End.PC, s.Process().Steps()+1)
	if o.End.Kind != emu.EndFault {
		if s.Process().RunsProgram() {
			return x, nil
		}
		return x, h.takeLooks(x, h.loadsOf(o.Thread))
	}
	h.cause(x)
	x.ValuePlace, x.FaultPlace = Symbol(h.s.Process(), x.Value), h.place(o.End.Addr)
	if err := h.unmapped(x); err != nil {
		return nil, err
	}
	if x.Load != nil {
		if err := h.writer(x); err != nil {
			return nil, err
		}
	}
	return x, h.SeekEnd()
}

func threadStates(s *scenario.Session) []ThreadState {
	var list []ThreadState
	for i, name := range s.Names() {
		m := s.MachineThread(i)
		if m < 0 {
			list = append(list, ThreadState{Name: name, Status: "absent"})
			continue
		}
		st := ThreadState{Name: name, Called: s.Process().Called(m), Status: "running", Call: symbolize.Doing(s.Process(), m), Script: s.Written(i)}
		switch {
		case !s.Process().Alive(m) && s.Makes(name):
			st.Status = "ended"
		case s.Process().Waiting(m):
			st.Status = "waiting"
		case s.Process().Idle(m):
			st.Status = "done"
		}
		if st.Status != "done" {
			st.Backtrace = symbolize.Backtrace(s.Process(), m)
		}
		list = append(list, st)
	}
	return list
}

// act describes the thread's instruction at pc, with the machine at the moment
// before it.
func (h *History) act(thread int, pc, step uint64) *symbolize.Act {
	m, t := h.s.Process(), h.s.MachineThread(thread)
	return &symbolize.Act{
		Thread: h.s.Names()[thread], Step: step - h.s.Base(), Location: symbolize.Locate(m, pc, false),
		Instruction: h.Inst(pc).Text, Call: symbolize.Doing(m, t), Backtrace: symbolize.Backtrace(m, t),
		Script: h.s.Written(thread),
	}
}

// cause finds the register behind a fault and follows its value back to memory.
func (h *History) cause(x *Explanation) {
	thread, end := x.Outcome.Thread, x.Outcome.End
	now := h.s.Process().Steps() + 1
	if end.Access == emu.AccessExec {
		h.causeOfJump(x, thread)
		return
	}
	x.Register, x.Value = h.culprit(thread, end)
	if x.Register == "" {
		return
	}
	x.hops, x.since = h.origin(thread, x.Register, now), h.since(thread)
	h.takeLoad(x, thread)
}

// since is from when on a thread has what nothing in the history has given it.
func (h *History) since(thread int) string {
	switch {
	case h.cut():
		return fmt.Sprintf("since before the last %s instructions, which are looked at,", words.Grouped(maxHistory))
	case h.s.Makes(h.s.Names()[thread]):
		return "since it began"
	}
	return "since before the race or as an argument of its call"
}

// takeLoad notes the load at the end of the value's way. Its backtrace is the
// end's until writer goes back to that moment.
func (h *History) takeLoad(x *Explanation, thread int) {
	if len(x.hops) == 0 {
		return
	}
	last := &x.hops[len(x.hops)-1]
	if last.Kind != hopLoad {
		return
	}
	data, ok := h.loadedBytes(*last)
	if !ok || !handsOn(x.Value, data) {
		last.Kind = hopUnknown // something has changed it that was not followed
		return
	}
	x.LoadAddr, x.loadSize, x.loaded = last.Addr, last.Size, data
	x.LoadPlace = h.place(last.Addr)
	x.Load = h.act(thread, last.PC, last.Step)
}

// causeOfJump handles a fetch that faulted: the culprit is what the branch
// before it went by, a register or a word of memory such as a return address.
func (h *History) causeOfJump(x *Explanation, thread int) {
	list := h.byThread[thread]
	if len(list) == 0 {
		return
	}
	e := h.events[list[len(list)-1]]
	in := h.Inst(e.PC)
	x.Value = x.Outcome.End.Addr
	for _, a := range h.Accesses(e.Step) {
		if a.Kind == emu.LogRead && a.Size == 8 && a.Value == x.Value {
			x.Register = h.s.Process().PCName()
			x.hops = []hop{{Event: e, Inst: in, Kind: hopLoad, Reg: x.Register, Addr: a.Addr, Size: 8}}
			h.takeLoad(x, thread)
			return
		}
	}
	for _, r := range in.Src {
		if v, ok := h.s.Process().Register(h.s.MachineThread(thread), r); ok && v == x.Value {
			x.Register = r
			x.hops, x.since = h.origin(thread, r, e.Step), h.since(thread)
			h.takeLoad(x, thread)
			return
		}
	}
}

// culprit is the register that formed the address that faulted. Where base and
// index share the blame, it is the one that points to no memory: an index that
// leads out of bounds has a good base, and a bad pointer may have any index. If
// both or neither do, it is the one nearer to the address.
func (h *History) culprit(thread int, end *emu.End) (name string, value uint64) {
	m, t := h.s.Process(), h.s.MachineThread(thread)
	regs := func(name string) (uint64, bool) { return m.Register(t, name) }
	bestGood, best := true, ^uint64(0)
	for _, op := range h.Inst(end.PC).Mem {
		ea, ok := op.Address(regs)
		if !ok || !covers(ea, op, end.Addr) {
			continue
		}
		for _, r := range []string{op.Base, op.Index} {
			v, ok := regs(r)
			if r == "" || !ok {
				continue
			}
			_, _, good := m.MappingOf(v)
			d := distance(v, end.Addr)
			if name == "" || bestGood && !good || good == bestGood && d < best {
				name, value, bestGood, best = r, v, good, d
			}
		}
	}
	return name, value
}

// covers tells whether an operand at ea reaches the address. The top byte of an
// arm64 address is a tag that the fault address may lack.
func covers(ea uint64, op disasm.MemOperand, addr uint64) bool {
	size := uint64(max(op.Size, 64)) // dc zva and xsave have no size of their own
	if op.Size > 0 {
		size = uint64(op.Size)
	}
	return addr-ea < size || (addr-ea)<<8>>8 < size
}

func distance(a, b uint64) uint64 { return min(a-b, b-a) }

// writer finds who last wrote the bytes that the fatal value was loaded from,
// and goes back to those moments for the backtraces.
func (h *History) writer(x *Explanation) error {
	load := x.hops[len(x.hops)-1]
	if err := h.SeekTo(load.Step - 1 - h.s.Base()); err != nil {
		return err
	}
	x.Load = h.act(load.Thread, load.PC, load.Step)
	x.loader = h.s.MachineThread(load.Thread)
	var err error
	if x.Sources, err = h.sources(load.Addr, x.loaded, load.Step); err != nil {
		return err
	}
	if len(x.Sources.Writers) == 0 {
		return nil
	}
	w := &x.Sources.Writers[0]
	x.Writer, x.writer, x.Written = &w.Act, w.machine, number64(w.Data)
	return nil
}

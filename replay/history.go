package replay

import (
	"errors"
	"slices"
	"sort"

	"emurace/disasm"
	"emurace/emu"
	"emurace/scenario"
	"emurace/symbolize"
)

// maxHistory is how many instructions a history keeps: the last ones of a
// longer run.
const maxHistory = 1 << 20

// Event is one instruction that a thread completed.
type Event struct {
	Step   uint64 // the instruction's number, as in the access log
	Thread int    // index of the racing thread
	PC     uint64
	Call   int    // how many calls of the thread had returned before
	Part   string // as Touch.Part
	// Handler tells that it is the first instruction of a signal's handler: the kernel has set
	// registers before it.
	Handler bool
}

// History is a run instruction by instruction, with the log of its accesses.
type History struct {
	*scenario.Playback
	s        *scenario.Session
	schedule scenario.Schedule
	events   []Event
	byThread [][]int // indices into events
	log      []emu.LogEntry
	fresh    []freshPages
	frames   []frameOf
	kernel   map[uint64]bool   // by pc: whether the instruction there calls the kernel
	numbers  map[uint64]uint64 // by step: which system call its instruction makes
	insts    map[uint64]disasm.Inst
	gone     []string                      // libraries that the race unmaps
	places   map[uint64]symbolize.Location // of their instructions
	end      uint64                        // race steps at the end
	results  [][]uint64                    // of each thread's calls, at the end
	calls    []int                         // how many there are
	ticks    []Tick
	sights   []scenario.Sight // see scenario.Session.Sights
	usage    *usage
	printed  prints
	fates    map[uint64][]Signalled // of the signals on an object
	odd      map[uint64]*scenario.Seeing
}

// NewHistory plays a schedule from the start of the race, noting every
// instruction. The session is left at the end of the run.
func NewHistory(s *scenario.Session, schedule scenario.Schedule) (*History, error) {
	h := &History{s: s, schedule: schedule, insts: map[uint64]disasm.Inst{}, kernel: map[uint64]bool{}, numbers: map[uint64]uint64{}}
	h.byThread, h.odd = make([][]int, s.Threads()), odds(s, schedule)
	if err := errors.Join(s.Restart(), symbolize.NameCalls(s.Process())); err != nil {
		return nil, err
	}
	before := modules(s)
	if _, _, err := run(s, schedule); err != nil {
		return nil, err
	}
	h.sights = s.Sights()
	var err error
	if h.Playback, err = scenario.NewPlayback(s, schedule); err != nil {
		return nil, err
	}
	h.gone, h.places = gone(s, before), map[uint64]symbolize.Location{}
	if h.gone != nil {
		s.Process().System().LoadDebug() // for visit
	}
	h.end = s.Steps()
	for i := range s.Threads() {
		h.results = append(h.results, slices.Clone(s.Results(i)))
		h.calls = append(h.calls, len(s.Results(i)))
	}
	if err := h.step(h.end - min(h.end, maxHistory)); err != nil {
		return nil, err
	}
	if !slices.Equal(h.Counted(), h.schedule) {
		if err := h.SeekEnd(); err != nil { // to where they are known to go round
			return nil, err
		}
	}
	h.log = slices.AppendSeq(h.log, s.Process().Log().From(s.StartLog()).All())
	return h, nil
}

// step notes every instruction from the moment after skip instructions on.
func (h *History) step(skip uint64) error {
	first, done, err := h.Seek(skip)
	if err != nil {
		return err
	}
	h.usage = newUsage(h.s, skip == 0)
	h.printed.look(h.s, 0, 0, 0)
	h.printed.list = nil // it was there before
	for _, sl := range h.Counted()[first:] {
		if h.s.IsClock(sl.Thread) {
			if err := h.tick(sl, done); err != nil {
				return err
			}
			done = 0
			continue
		}
		m := h.s.MachineThread(sl.Thread)
		for (sl.N == 0 || done < sl.N) && h.s.Runnable(sl.Thread) {
			if _, over := h.s.Outcome(); over {
				return nil
			}
			pc, err := h.s.Process().PC(m)
			if err != nil {
				return err
			}
			step, call := h.s.Process().Steps()+1, len(h.s.Results(sl.Thread))
			kernel := h.usage.before(h.s, sl.Thread, pc, step)
			part := ""
			if h.s.Holds(sl.Thread) {
				part = h.half(true)
			}
			h.visit(pc)
			number, calls := h.callsKernel(m, pc)
			ran, err := h.s.RunSlice(sl.Part(done, 1))
			if err != nil {
				return err
			}
			frame, handler := h.s.Process().Frame()
			if handler {
				h.frames = append(h.frames, frameOf{frame, step, m})
			}
			if ran == 0 {
				break // the instruction failed, or there was none left
			}
			if handler {
				pc = frame.PC
				h.visit(pc)
				number, calls = h.callsKernel(m, pc)
			}
			if calls {
				h.noteCall(number, step, m)
			}
			h.byThread[sl.Thread] = append(h.byThread[sl.Thread], len(h.events))
			if h.s.Holds(sl.Thread) {
				part = h.half(false)
			}
			h.events = append(h.events, Event{Step: step, Thread: sl.Thread, PC: pc, Call: call, Part: part, Handler: handler})
			if len(h.s.Results(sl.Thread)) > call {
				h.usage.back(sl.Thread, 0, step)
				kernel = true // nobody may be left to run, and the clock moved on
			}
			if kernel {
				h.printed.look(h.s, sl.Thread, pc, step)
			}
			if kernel || !h.s.Runnable(sl.Thread) {
				h.usage.look(h.s, sl.Thread, step)
			}
			done++
		}
		done = 0
	}
	return nil
}

// Events are the instructions in the order in which they ran.
func (h *History) Events() []Event { return h.events }

// Session is the session that the history was taken of.
func (h *History) Session() *scenario.Session { return h.s }

// Accesses are the log entries of one instruction.
func (h *History) Accesses(step uint64) []emu.LogEntry {
	lo := sort.Search(len(h.log), func(i int) bool { return h.log[i].Step >= step })
	hi := lo
	for hi < len(h.log) && h.log[hi].Step == step {
		hi++
	}
	return h.log[lo:hi]
}

// gone are the libraries that were there when the race began, or that the race has
// loaded, and that are not there now that it is over.
func gone(s *scenario.Session, before []File) (paths []string) {
	now, all := modules(s), slices.Clone(s.Loads())
	for _, f := range before {
		all = append(all, f.Path)
	}
	for _, path := range all {
		if !named(now, path) && !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// visit takes down what is at pc, where that cannot be asked at the end any more: in a library
// that the race unmaps, and outside of all, where code may come and go.
func (h *History) visit(pc uint64) {
	if _, known := h.kernel[pc]; known {
		return
	}
	h.kernel[pc] = symbolize.IsSystemCall(h.s.Process(), pc)
	switch mod, ok := h.s.Process().Module(pc); {
	case !ok:
		h.insts[pc] = symbolize.Disassemble(h.s.Process(), pc)
	case slices.Contains(h.gone, mod.Path):
		h.places[pc] = symbolize.Locate(h.s.Process(), pc, false)
		h.insts[pc] = symbolize.Disassemble(h.s.Process(), pc)
	}
}

// Inst decodes the instruction at pc, as the code is at the end of the run; outside of all
// libraries, and in one that the race has unmapped, as it was when the run first came there.
func (h *History) Inst(pc uint64) disasm.Inst {
	if in, ok := h.insts[pc]; ok {
		return in
	}
	in := symbolize.Disassemble(h.s.Process(), pc)
	h.insts[pc] = in
	return in
}

// Locate names the place of an instruction, as Inst decodes it.
func (h *History) Locate(pc uint64) symbolize.Location {
	if l, ok := h.places[pc]; ok {
		return l
	}
	return symbolize.Locate(h.s.Process(), pc, false)
}

// place names what an address that is accessed lies in, as the libraries are at the present moment: static data, or an
// object of the C library's that a call was seen with.
func (h *History) place(addr uint64) string {
	place := symbolize.Member(h.s.Process(), addr)
	if _, own := h.s.Process().Static(addr); place != "" && !own {
		return place
	}
	object, typ, member := h.usage.member(addr)
	switch name := symbolize.Data(h.s.Process(), object); {
	case member == "":
		return place
	case name != "":
		return name + "." + member
	}
	return typ + "." + member
}

// lastWrite finds the last write to any of the bytes [addr, addr+size) by an
// instruction before the given step. An atomic instruction that puts back what it
// has read, such as a failed compare-and-swap, has not written it. Where that instruction has been given other
// bytes than memory held, it is who has written those.
func (h *History) lastWrite(addr, size, before uint64) (emu.LogEntry, bool) {
	if h.odd[before] != nil && h.oddBytes(addr, size, before) {
		return h.lastSeen(addr, size, before)
	}
	return h.lastStanding(addr, size, before)
}

// lastStanding is lastWrite in what memory held.
func (h *History) lastStanding(addr, size, before uint64) (emu.LogEntry, bool) {
	i := sort.Search(len(h.log), func(i int) bool { return h.log[i].Step >= before })
	for i--; i >= 0; i-- {
		a := h.log[i]
		if a.Kind != emu.LogRead && a.Addr < addr+size && addr < a.Addr+uint64(a.Size) && !h.putsBack(i) && !h.under(a, addr, size) {
			return a, true
		}
	}
	return emu.LogEntry{}, false
}

// under tells whether none of some bytes stood in memory as an instruction had written them.
func (h *History) under(a emu.LogEntry, addr, size uint64) bool {
	if h.odd[a.Step] == nil {
		return false
	}
	for at := max(a.Addr, addr); at < min(a.Addr+uint64(a.Size), addr+size); at++ {
		if !h.covered(a.Step, at) {
			return false
		}
	}
	return true
}

// putsBack tells whether an entry of the log is the write of what the same
// instruction has just read there.
func (h *History) putsBack(i int) bool {
	w := h.log[i]
	if w.Kind != emu.LogWrite || w.Old != w.Value {
		return false
	}
	for i--; i >= 0 && h.log[i].Step == w.Step; i-- {
		if r := h.log[i]; r.Kind == emu.LogRead && r.Addr == w.Addr && r.Size == w.Size {
			return true
		}
	}
	return false
}

// indexOf is the position in a thread's events of the instruction of a step, or
// of the first one after it.
func (h *History) indexOf(thread int, step uint64) int {
	list := h.byThread[thread]
	return sort.Search(len(list), func(i int) bool { return h.events[list[i]].Step >= step })
}

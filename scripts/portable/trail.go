package portable

import (
	"slices"

	"emurace/emu"
	"emurace/scenario"
)

// trail is a thread's way, instruction by instruction, from the present moment on.
// Moment 0 is where it stands, moment k is behind k instructions.
type trail struct {
	moments []instant
	begun   []openFunction // calls in progress at the beginning
	// granules are the moments behind instructions that accessed any of eight
	// bytes, by address divided by eight.
	granules map[uint64][]int
	top      uint64 // the function that the scenario has called, 0 for none
	base     uint64 // the machine's steps at the beginning
	ended    bool   // at its end the thread waits, or has made all its calls
}

// instant is a moment of a trail.
type instant struct {
	pc, sp   uint64
	ret, end uint64 // where a call that begins here returns to, and the stack then
	events   int    // of the thread, since the race began
	accesses []scenario.Access
	returned bool // a call that the scenario makes has just returned
}

// openFunction is a call in progress of the function that begins at an address.
type openFunction struct {
	entry uint64
	call  openCall
}

// maxTrail bounds the instructions of a trail.
const maxTrail = 200_000

// walk goes on with a thread until its next event would be one more than most.
func (d *describer) walk(t *tally, thread, most int) (*trail, error) {
	w := &trail{granules: map[uint64][]int{}, top: d.topEntry(thread), base: d.s.Process().Steps()}
	_, trap, _ := d.s.Process().Traps()
	stack := d.p.stack(thread)
	for k := 0; k+1 < len(stack); k++ {
		if entry, ok := d.entryOf(stack[k].at); ok && stack[k].cfa != 0 && stack[k+1].pc != trap {
			w.begun = append(w.begun, openFunction{entry, openCall{stack[k+1].pc, stack[k].cfa}})
		}
	}
	events := t.counts[thread]
	for {
		now, err := d.instant(thread)
		if err != nil {
			return nil, err
		}
		now.events = events
		w.moments = append(w.moments, now)
		if w.ended = !d.s.Runnable(thread); w.ended || len(w.moments) > maxTrail || d.s.Steps() >= d.s.Limit {
			break
		}
		e, stop, err := d.s.RunPart(thread, 1)
		if err != nil {
			return nil, err
		}
		if len(e.Accesses) > 0 || len(e.Objects) > 0 {
			events++
		}
		if events > most || e.Ran == 0 && stop.Kind != emu.Returned {
			break
		}
		w.note(d, e, stop)
	}
	return w, nil
}

// note keeps what the instruction behind the last moment did, with the moment to
// come. Where a call returns there is a moment more than instructions.
func (w *trail) note(d *describer, e scenario.Event, stop emu.Stop) {
	k := len(w.moments)
	last := &w.moments[k-1]
	last.returned = stop.Kind == emu.Returned
	if e.Ran == 0 {
		return
	}
	last.accesses = slices.Clone(d.s.LastAccesses())
	for _, a := range last.accesses {
		for g := a.Addr / 8; g <= (a.Addr+a.Size-1)/8; g++ {
			if list := w.granules[g]; len(list) == 0 || list[len(list)-1] != k {
				w.granules[g] = append(list, k)
			}
		}
	}
}

// step is the number in the log of the instruction that led to a moment.
func (w *trail) step(k int) uint64 { return w.base + uint64(k) }

// before is the instruction that led to a moment.
func (w *trail) before(k int) *instant { return &w.moments[k-1] }

func (d *describer) instant(thread int) (instant, error) {
	var now instant
	t := d.s.MachineThread(thread)
	pc, err := d.s.Process().PC(t)
	if err != nil {
		return now, err
	}
	now.pc = pc
	now.sp, _ = d.s.Process().StackPointer(t)
	if entry, ok := d.entryOf(pc); ok && entry == pc {
		now.ret, now.end, _ = d.p.link(thread)
	}
	return now, nil
}

// entryOf is the first instruction of the function that an instruction is of.
func (d *describer) entryOf(pc uint64) (uint64, bool) {
	mod, ok := d.s.Process().Module(pc)
	if !ok {
		return 0, false
	}
	sym, _, ok := mod.Image.SymbolAt(pc - mod.Base)
	return mod.Base + sym.Addr, ok && sym.Function()
}

// accessed lists the moments behind instructions that accessed any of some bytes in
// a way, in order.
func (w *trail) accessed(way Way, addr, size uint64) []int {
	var list []int
	for g := addr / 8; g <= (addr+size-1)/8; g++ {
		for _, k := range w.granules[g] {
			if way.among(w.before(k).accesses, addr, size) {
				list = append(list, k)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

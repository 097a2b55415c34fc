package replay

import (
	"cmp"
	"encoding/binary"
	"slices"

	"emurace/emu"
	"emurace/symbolize"
)

// Sources is where bytes of memory came from that an instruction loaded or a check looked at. What
// is said of that is compared with the run: where the bytes are not those that were written last,
// nobody is named.
type Sources struct {
	// Writers are the instructions of the race that wrote those bytes last, the latest first.
	Writers []Wrote
	More    int // how many more of them there are
	Older   int // bytes that are older than the race
	Unknown int // bytes of which it is not known who has written them
	size    int
	given   bool // some are not what memory held
}

// Wrote is an instruction with what it put there.
type Wrote struct {
	symbolize.Act     // of a signal, and of what the scenario places: the thread's instruction behind it
	How           How // in which way
	// Addr is where the bytes are, of those that are asked for, that are still as it wrote them,
	// Data what it wrote there.
	Addr  uint64
	Place string // the static data that Addr is in; "" for none
	Data  []byte

	machine int
	step    uint64 // of the log
}

// mostWriters bounds how many writers are told of bytes.
const mostWriters = 3

// byteSource is who has written a byte last.
type byteSource struct {
	found   bool
	given   bool // the instruction has been given it: it is what was there before the race, or else found
	older   bool // of a given one: it is from before the race
	how     How
	step    uint64
	machine int
	value   byte
}

// last finds who has written each of size bytes last, before the instruction of a step; of bytes that it has been
// given, who has written those.
func (h *History) last(addr uint64, size int, step uint64) []byteSource {
	list, left := make([]byteSource, size), size
	set := func(lo, hi uint64, s byteSource, value func(i uint64) byte) {
		for at := max(lo, addr); at < min(hi, addr+uint64(size)); at++ {
			if b := &list[at-addr]; !b.found && !b.given && !(s.how == HowStored && h.covered(s.step, at)) {
				*b, left = s, left-1
				b.found, b.value = true, value(at-lo)
			}
		}
	}
	for i := range list {
		at := addr + uint64(i)
		b, given := h.seen(step, at)
		if !given {
			continue
		}
		list[i], left = byteSource{given: true, older: b.Step == 0}, left-1
		for _, a := range h.writes(b.Step, at) {
			list[i] = byteSource{given: true, found: true, how: h.how(a), step: a.Step, machine: int(a.Thread), value: byte(a.Value >> (8 * (at - a.Addr)))}
		}
	}
	fresh := len(h.fresh)
	pages := func(from uint64) { // the steps from here on
		for ; fresh > 0 && h.fresh[fresh-1].step > from; fresh-- {
			f := h.fresh[fresh-1]
			if f.step >= step || f.Addr >= addr+uint64(size) || addr >= f.Addr+f.Size {
				continue
			}
			how := HowMapped
			for _, o := range h.fresh[:fresh] {
				if o.step == f.step && o.Was && o.Addr < f.Addr+f.Size && f.Addr < o.Addr+o.Size {
					how = HowZeroed
				}
			}
			set(f.Addr, f.Addr+f.Size, byteSource{how: how, step: f.step, machine: f.machine}, func(uint64) byte { return 0 })
		}
	}
	for i := h.logFrom(step) - 1; i >= 0 && left > 0; i-- {
		a := h.log[i]
		pages(a.Step)
		hi := a.Addr + uint64(a.Size)
		if a.Kind == emu.LogRead || a.Kind == emu.LogZero && h.freshAt(a) || a.Addr >= addr+uint64(size) || addr >= hi || h.putsBack(i) {
			continue
		}
		set(a.Addr, hi, byteSource{how: h.how(a), step: a.Step, machine: int(a.Thread)}, func(k uint64) byte { return byte(a.Value >> (8 * k)) })
	}
	pages(0)
	return list
}

// freshAt tells whether the pages that an entry zeroes are known as a whole.
func (h *History) freshAt(a emu.LogEntry) bool {
	return slices.ContainsFunc(h.fresh, func(f freshPages) bool {
		return f.step == a.Step && f.Addr <= a.Addr && a.Addr < f.Addr+f.Size
	})
}

// sources finds who has put bytes where they were before the instruction of a step. The session is
// left at some moment of the run.
func (h *History) sources(addr uint64, data []byte, step uint64) (Sources, error) {
	s := Sources{size: len(data)}
	list := h.last(addr, len(data), step)
	if err := h.doubt(addr, data, list, &s); err != nil {
		return s, err
	}
	for i := 0; i < len(list); {
		b, n := list[i], 1
		for i+n < len(list) && list[i+n].found && list[i+n].step == b.step && list[i+n].how == b.how && list[i+n].machine == b.machine {
			n++
		}
		if b.found {
			s.Writers = append(s.Writers, Wrote{How: b.how, Addr: addr + uint64(i), Data: data[i:][:n:n], machine: b.machine, step: b.step})
		}
		i += n
	}
	slices.SortStableFunc(s.Writers, func(a, b Wrote) int { return cmp.Compare(b.step, a.step) })
	if s.More = max(0, len(s.Writers)-mostWriters); s.More > 0 {
		s.Writers = s.Writers[:mostWriters]
	}
	for i := range s.Writers {
		if err := h.describe(&s.Writers[i]); err != nil {
			return s, err
		}
	}
	return s, nil
}

// doubt compares what is said to have been written with what is there. Bytes that are otherwise,
// and those that nobody is said to have written and that were otherwise when the race began, are
// not known.
func (h *History) doubt(addr uint64, data []byte, list []byteSource, s *Sources) error {
	unwritten := slices.ContainsFunc(list, func(b byteSource) bool { return !b.found })
	if unwritten {
		if err := h.SeekTo(0); err != nil {
			return err
		}
	}
	for i := range list {
		s.given = s.given || list[i].given
		switch b := &list[i]; {
		case b.found && b.value != data[i]:
			b.found = false
			s.Unknown++
		case b.found:
		case b.given && !b.older:
			s.Unknown++
		default:
			if was, ok := h.s.Process().Peek(addr+uint64(i), 1); ok && was[0] == data[i] {
				s.Older++
			} else {
				s.Unknown++
			}
		}
	}
	return nil
}

// describe takes the session to the moment before an instruction that wrote, and looks at it.
func (h *History) describe(w *Wrote) error {
	step := w.step
	if thread := h.s.RacingThread(w.machine); thread >= 0 && (w.How == HowSignal || w.How == HowPlaced) {
		// What it was done for is what the thread does next.
		if i := h.indexOf(thread, step+1); i < len(h.byThread[thread]) {
			step = h.events[h.byThread[thread][i]].Step
		} else {
			step = h.s.Base() + h.end + 1 // the instruction that fails
		}
	}
	if err := h.SeekTo(max(step, h.s.Base()+1) - 1 - h.s.Base()); err != nil {
		return err
	}
	m := h.s.Process()
	act, err := symbolize.ActOf(m, w.machine, step-min(step, h.s.Base()))
	if err != nil {
		return err
	}
	if thread := h.s.RacingThread(w.machine); thread >= 0 {
		act.Script = h.s.Written(thread)
	}
	if e, ok := h.eventAt(step); ok && h.s.MachineThread(e.Thread) == w.machine {
		act.Location, act.Instruction = h.Locate(e.PC), h.Inst(e.PC).Text
	}
	w.Act, w.Place = *act, Symbol(m, w.Addr)
	return nil
}

// whole tells whether one instruction has written all bytes.
func (s *Sources) whole() bool {
	return len(s.Writers) == 1 && s.More == 0 && len(s.Writers[0].Data) == s.size
}

func number64(b []byte) uint64 {
	var all [8]byte
	copy(all[:], b)
	return binary.LittleEndian.Uint64(all[:])
}

// handsOn tells whether a value can be what was loaded from bytes and then copied: the number in
// them, with zeros or with its sign in front, or the lower half of it.
func handsOn(value uint64, data []byte) bool {
	loaded, bits := number64(data), 8*min(len(data), 8)
	signed := int64(loaded<<(64-bits)) >> (64 - bits)
	return value == loaded || value == uint64(signed) || value == uint64(uint32(loaded)) || value == uint64(uint32(signed)) || value == uint64(int32(loaded))
}

// join adds where more of the bytes came from.
func (s *Sources) join(o Sources) {
	for _, w := range o.Writers {
		known := slices.IndexFunc(s.Writers, func(k Wrote) bool { return k.step == w.step && k.How == w.How && k.machine == w.machine })
		if known < 0 || s.Writers[known].Addr+uint64(len(s.Writers[known].Data)) != w.Addr {
			s.Writers = append(s.Writers, w)
			continue
		}
		k := &s.Writers[known]
		k.Data = slices.Concat(k.Data, w.Data)
	}
	slices.SortStableFunc(s.Writers, func(a, b Wrote) int { return cmp.Compare(b.step, a.step) })
	s.More, s.Older, s.Unknown, s.given = s.More+o.More, s.Older+o.Older, s.Unknown+o.Unknown, s.given || o.given
	if n := len(s.Writers) - mostWriters; n > 0 {
		s.Writers, s.More = s.Writers[:mostWriters], s.More+n
	}
}

// lastWriter finds who has written any of some bytes last, before the instruction of a step: what
// it has written, whole.
func (h *History) lastWriter(addr, size, before uint64) (by Wrote, ok bool) {
	w, ok := h.lastWrite(addr, size, before)
	if p, emptied := h.lastEmptied(addr, size, before); emptied && !h.oddBytes(addr, size, before) && (!ok || w.Step < p.step || w.Step == p.step && w.Kind == emu.LogZero) {
		src := h.last(max(addr, p.Addr), 1, before)
		return Wrote{How: src[0].how, Addr: max(addr, p.Addr), Data: make([]byte, min(size, 8)), machine: p.machine, step: p.step}, true
	}
	if !ok {
		return by, false
	}
	data := binary.LittleEndian.AppendUint64(nil, w.Value)[:min(w.Size, 8)]
	return Wrote{How: h.how(w), Addr: w.Addr, Data: data, machine: int(w.Thread), step: w.Step}, true
}

package replay

import (
	"encoding/binary"
	"fmt"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Stale is a read that found in memory what memory did not hold any more, as processors may, or a write of what had
// been overwritten already; see scenario.Seeing.
type Stale struct {
	Over  bool // a write
	Addr  uint64
	Place string // what is there, "" where it has no name
	Saw   uint64 // what a write wrote
	Held  uint64
	Size  int
	Read  *symbolize.Act
	// Writer has written what memory held, From what the read saw: nil where that is from before the race.
	Writer, From *symbolize.Act
}

// mostStale bounds the reads that are told of.
const mostStale = 8

// stale finds the reads of the run that have seen other bytes than memory held. The session is at the run's end.
func (h *History) stale() (list []Stale) {
	step := h.s.Base()
	for _, sl := range h.schedule {
		if !h.s.IsClock(sl.Thread) {
			step += sl.N
		}
		if sl.Seeing == nil {
			continue
		}
		for _, b := range sl.Seeing.Sees {
			if x, ok := h.staleAt(sl.Thread, step, b); ok && len(list) < mostStale {
				list = append(list, x)
			}
		}
		for _, b := range sl.Seeing.Leaves {
			if x, ok := h.overAt(sl.Thread, step, b); ok && len(list) < mostStale {
				list = append(list, x)
			}
		}
	}
	return list
}

// overAt is what a thread's instruction has written that had been overwritten already; false where memory holds it.
func (h *History) overAt(thread int, step uint64, b scenario.Bytes) (x Stale, ok bool) {
	size := uint64(len(b.Data))
	w, ok := h.lastStanding(b.Addr, size, step)
	by := h.s.RacingThread(int(w.Thread))
	if !ok || by < 0 || size > 8 {
		return x, false
	}
	for _, a := range h.Accesses(step) {
		if a.Kind == emu.LogRead || a.Addr != b.Addr || uint64(a.Size) != size {
			continue
		}
		return Stale{
			Over: true, Addr: b.Addr, Place: h.place(b.Addr), Saw: a.Value, Held: little(b.Data), Size: len(b.Data),
			Read: h.plainAct(thread, a.PC, step), Writer: h.plainAct(by, w.PC, w.Step),
		}, a.Value != little(b.Data)
	}
	return x, false
}

// staleAt is what a thread's instruction has seen; false where memory held the same.
func (h *History) staleAt(thread int, step uint64, b scenario.Seen) (x Stale, ok bool) {
	if len(b.Data) > 8 {
		return x, false
	}
	held := make([]byte, len(b.Data)) // as the log tells it: what was written before, or read
	known := make([]bool, len(b.Data))
	last, pc := -1, uint64(0)
	for i, a := range h.log {
		if a.Step > step {
			break
		}
		if a.Step == step && a.Kind == emu.LogRead && a.Addr < b.Addr+uint64(len(b.Data)) && b.Addr < a.Addr+uint64(a.Size) {
			pc = a.PC
		}
		for k := range uint64(a.Size) {
			at := a.Addr + k - b.Addr
			if at >= uint64(len(held)) || a.Step >= step || a.Kind == emu.LogRead || h.covered(a.Step, a.Addr+k) {
				continue
			}
			held[at], known[at] = byte(a.Value>>(8*k)), true
			last = i
		}
	}
	if last < 0 || pc == 0 {
		return x, false
	}
	for k, ok := range known {
		if !ok {
			held[k] = b.Data[k]
		}
	}
	x = Stale{Addr: b.Addr, Place: h.place(b.Addr), Saw: little(b.Data), Held: little(held), Size: len(b.Data), Read: h.plainAct(thread, pc, step)}
	w := h.log[last]
	if i := h.s.RacingThread(int(w.Thread)); i >= 0 {
		x.Writer = h.plainAct(i, w.PC, w.Step)
	}
	if b.Step != 0 {
		for _, a := range h.log {
			if i := h.s.RacingThread(int(a.Thread)); a.Step == b.Step+h.s.Base() && a.Kind != emu.LogRead && i >= 0 {
				x.From = h.plainAct(i, a.PC, a.Step)
			}
		}
	}
	return x, x.Saw != x.Held
}

// plainAct is an act of which only the place is known, and not how the thread came there.
func (h *History) plainAct(thread int, pc, step uint64) *symbolize.Act {
	return &symbolize.Act{
		Thread: h.s.Names()[thread], Step: step - h.s.Base(), Location: symbolize.Locate(h.s.Process(), pc, false), Instruction: h.Inst(pc).Text,
	}
}

func little(b []byte) uint64 {
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:])
}

// staleReads says which reads have seen what memory did not hold any more.
func (x *Explanation) staleReads() (list []Fact) {
	for _, s := range x.Stale {
		if s.Over {
			list = append(list, x.over(&s))
			continue
		}
		addr := addressOf(s.Addr, s.Place)
		from := say(", which was there before the race.")
		if s.From != nil {
			from = say(", which %s had written at %s.", name(s.From.Thread), s.From.Location.String())
		}
		text := append(say("%s at %s (%s) saw %s at %s", name(s.Read.Thread), s.Read.Location.String(), s.Read.Instruction, number(words.Hex(s.Saw)), number(addr)), from...)
		f := x.fact(FactStale, s.Read)
		f.Addr, f.Place, f.Short, f.section = s.Addr, s.Place, []Text{text}, sectionMemory
		f.Title = s.Read.Thread + " reads an older value"
		f.Long = []string{fmt.Sprintf("At %s %s finds %s, %s", addr, s.Read.Thread, words.Hex(s.Saw), strings.TrimPrefix(from.String(), ", "))}
		if s.Writer != nil {
			f.Short = append(f.Short, say("  %s had written %s there already, at %s (%s): the two were seen in another order than they were made in.",
				name(s.Writer.Thread), number(words.Hex(s.Held)), s.Writer.Location.String(), s.Writer.Instruction))
			f.Long[0] += fmt.Sprintf(" Memory holds %s there, which %s has written at %s: the processor may show a thread older bytes, as long as nothing keeps the accesses in order.",
				words.Hex(s.Held), s.Writer.Thread, s.Writer.Location)
		}
		list = append(list, f)
	}
	return list
}

// over says which write came before one that had run.
func (x *Explanation) over(s *Stale) Fact {
	addr := addressOf(s.Addr, s.Place)
	f := x.fact(FactStale, s.Read)
	f.Addr, f.Place, f.section = s.Addr, s.Place, sectionMemory
	f.Title = s.Read.Thread + " writes what is overwritten already"
	f.Short = []Text{
		say("%s at %s (%s) wrote %s at %s, and memory holds %s there.", name(s.Read.Thread), s.Read.Location.String(), s.Read.Instruction,
			number(words.Hex(s.Saw)), number(addr), number(words.Hex(s.Held))),
		say("  %s had written that, at %s (%s): the two writes came to memory in another order than they ran.",
			name(s.Writer.Thread), s.Writer.Location.String(), s.Writer.Instruction),
	}
	f.Long = []string{fmt.Sprintf("%s writes %s at %s. Memory holds %s there, which %s has written at %s: the processor may have the writes of two threads come to memory in either order, as long as nothing keeps them in one.",
		words.Capital(s.Read.Thread), words.Hex(s.Saw), addr, words.Hex(s.Held), s.Writer.Thread, s.Writer.Location)}
	return f
}

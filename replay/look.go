package replay

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/symbolize"
)

// Look is a value that a failing check looked at, or that a thread had read whose results it
// looked at.
type Look struct {
	Addr  uint64
	Place string // the static data that Addr is in, as in environ; "" for none
	Data  []byte // what was there
	// Load is the instruction that read it, for a thread, or the last one that read a part of it; nil
	// for a check's own look at the end.
	Load *symbolize.Act
	Sources
	// Block is the block of malloc's that the bytes belong to; nil for none that is known.
	Block *Allocation

	parts []lookPart
}

// lookPart is bytes of a look, and the instruction before which they were as they were seen.
type lookPart struct{ addr, size, step uint64 }

// mostLooks bounds what is told of a check.
const mostLooks = 6

// looks finds out about what the check that failed had looked at.
func (h *History) looks(x *Explanation) error {
	var list []Look
	end := h.s.Process().Steps() + 1
	for _, sight := range h.sights {
		if sight.Thread < 0 {
			list = append(list, Look{Addr: sight.Addr, Data: sight.Data, parts: []lookPart{{sight.Addr, uint64(len(sight.Data)), end}}})
			continue
		}
		list = append(list, h.loadsOf(sight.Thread)...)
	}
	return h.takeLooks(x, list)
}

// takeLooks finds out about values that were looked at, and has an explanation tell of them.
func (h *History) takeLooks(x *Explanation, list []Look) error {
	if n := len(list) - mostLooks; n > 0 {
		// A thread's latest ones are the nearest to what it has returned.
		x.Unlooked, list = n, list[n:]
	}
	for i := range list {
		list[i].Place = h.place(list[i].Addr)
		if err := h.wrote(&list[i]); err != nil {
			return err
		}
	}
	x.Looks = list
	return h.SeekEnd()
}

// loadsOf are what a thread's function read itself, one after the other. Reads of bytes that follow
// each other, as of a text, are one.
func (h *History) loadsOf(thread int) (list []Look) {
	for _, i := range h.byThread[thread] {
		e := h.events[i]
		if name, _, ok := h.s.Process().Symbol(e.PC); !ok || !strings.HasPrefix(name, emu.RoutinePrefix) || h.Inst(e.PC).Ret {
			continue
		}
		for _, a := range h.Accesses(e.Step) {
			if a.Kind != emu.LogRead {
				continue
			}
			data := binary.LittleEndian.AppendUint64(nil, a.Value)[:min(a.Size, 8)]
			part := lookPart{a.Addr, uint64(len(data)), e.Step}
			if n := len(list) - 1; n >= 0 && list[n].Addr+uint64(len(list[n].Data)) == a.Addr {
				l := &list[n]
				l.Data, l.parts = append(l.Data, data...), append(l.parts, part)
				l.Load.Step, l.Load.Location.PC = e.Step, e.PC // only then it has all of them
				continue
			}
			list = append(list, Look{
				Addr: a.Addr, Data: data, parts: []lookPart{part},
				Load: &symbolize.Act{Thread: h.s.Names()[thread], Step: e.Step, Location: symbolize.Location{PC: e.PC}},
			})
		}
	}
	return list
}

// wrote finds who wrote the bytes of a look last, and describes who read them.
func (h *History) wrote(l *Look) error {
	if l.Load != nil {
		if err := h.SeekTo(l.Load.Step - 1 - h.s.Base()); err != nil {
			return err
		}
		l.Load = h.act(slices.Index(h.s.Names(), l.Load.Thread), l.Load.Location.PC, l.Load.Step)
	}
	l.size = len(l.Data)
	for _, p := range l.parts {
		data := l.Data[p.addr-l.Addr:][:p.size]
		some, err := h.sources(p.addr, data, p.step)
		if err != nil {
			return err
		}
		l.join(some)
	}
	return nil
}

// addBlocks finds the blocks of malloc's that the bytes belong to.
func (x *Explanation) addBlocks(h *History, blocks *heap.History) error {
	found := false
	for i := range x.Looks {
		l := &x.Looks[i]
		step := l.parts[0].step
		if b := blocks.Owner(l.Addr, step); b != nil {
			l.Block, found = allocation(h, blocks, b, l.Addr, step), true
			if err := l.Block.pointed(h, step); err != nil {
				return err
			}
		}
	}
	if found {
		return h.SeekEnd()
	}
	return nil
}

// addressOf writes an address, with the static data that it is in.
func addressOf(addr uint64, place string) string {
	if place == "" {
		return words.Hex(addr)
	}
	return fmt.Sprintf("%s (%s)", words.Hex(addr), place)
}

func (l *Look) value() string { return valueText(l.Data) }

// valueText writes bytes of memory: a number, or a text in quotes.
func valueText(data []byte) string {
	if n := len(data); n == 1 || n == 2 || n == 4 || n == 8 {
		return words.Hex(number64(data))
	}
	text := data
	if n := len(text); n > 0 && text[n-1] == 0 {
		text = text[:n-1]
	}
	return strconv.Quote(string(text))
}

// seen says what a check saw, and who had written it.
func (x *Explanation) seen() []Fact {
	var list []Fact
	for i := range x.Looks {
		list = append(list, x.look(&x.Looks[i]))
	}
	if x.Unlooked > 0 {
		list = append(list, Fact{Kind: factSeen, Thread: -1, Short: []Text{say("Before that it looked at %s more.", words.Count(uint64(x.Unlooked), "value"))}})
	}
	return list
}

func (x *Explanation) look(l *Look) Fact {
	f := Fact{Kind: factSeen, Thread: -1, Addr: l.Addr}
	at := addressOf(l.Addr, l.Place)
	text := say("The check found %s at %s", number(l.value()), at)
	if l.Load != nil {
		f = x.fact(FactSeen, l.Load)
		f.Addr = l.Addr
		f.Title = fmt.Sprintf("%s reads %s", l.Load.Thread, l.value())
		by := "in its call of "
		if n := len(l.parts); n > 1 {
			by = fmt.Sprintf("in %d loads, the last in its call of ", n)
		}
		text = say("%s read %s from %s, %s%s", name(l.Load.Thread), number(l.value()), at, by, written(l.Load))
		if len(x.Rounds) > 0 {
			text = say("In each round %s", text)
		}
		f.Long = []string{words.Capital(text.String()) + "."}
		switch {
		case l.Older == len(l.Data) && l.given:
			f.Long = append(f.Long, "That is what was there before the race: it has not seen what was written there since.")
		case l.Older == len(l.Data):
			f.Long = append(f.Long, "Nothing has written there since the race began: the value is older.")
		}
	}
	if l.Block != nil {
		text = say("%s, in a block: %s", text, l.Block.tell())
	}
	f.Short = []Text{say("%s.", text)}
	if l.Block != nil {
		for _, line := range l.Block.pointers() {
			f.Short = append(f.Short, say("  %s", line))
		}
	}
	for _, line := range l.tell() {
		f.Short = append(f.Short, say("  %s", line))
	}
	return f
}

// lookWrites are the writes that a check found the values of, each at its moment.
func (x *Explanation) lookWrites() (list []Fact) {
	for i := range x.Looks {
		for k := range x.Looks[i].Writers {
			w := &x.Looks[i].Writers[k]
			f := x.fact(FactWritten, &w.Act)
			f.Addr = w.Addr
			f.Title = w.title()
			f.Long = []string{fmt.Sprintf("%s, where the value is that %s.", w.long(), x.sees(&x.Looks[i]))}
			list = append(list, f)
		}
	}
	return list
}

// LookReport is a value that a check looked at, in the result object.
type LookReport struct {
	Address   string            `json:"address"`
	Place     string            `json:"place,omitempty"` // static data that Address is in
	Value     string            `json:"value"`
	ReadBy    *symbolize.Report `json:"read_by,omitempty"` // absent for a check's own look at the end
	WrittenBy []WroteReport     `json:"written_by"`        // the latest first; none when older than the race
	Older     int               `json:"older,omitempty"`   // bytes that are older than the race
	Unknown   int               `json:"unknown,omitempty"` // bytes of which it is not known who has written them
	Block     *AllocationReport `json:"block,omitempty"`   // that the bytes belong to
}

func (l *Look) report() LookReport {
	return LookReport{
		Address: words.Hex(l.Addr), Place: l.Place, Value: l.value(), ReadBy: l.Load.Report(), Block: l.Block.report(),
		WrittenBy: l.Sources.report(), Older: l.Older, Unknown: l.Unknown,
	}
}

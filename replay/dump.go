package replay

import (
	"fmt"
	"strings"

	"emurace/disasm"
	"emurace/emu"
	"emurace/internal/words"
	"emurace/symbolize"
)

// DumpOptions say how much of a run is shown.
type DumpOptions struct {
	Last uint64 // instructions of the interleaving, from its end
	Full bool   // all there is: code, registers, memory and environment too
}

// Dump shows the end of a run as a debugger would: what happened and why, every
// thread's backtrace and the last instructions of the interleaving; in full also the code around
// the failing instruction, all registers, the memory that matters, and the environment then and
// now. The history's session is left at the end.
func Dump(p *Printer, h *History, x *Explanation, o DumpOptions) error {
	p.Printf("%s\n", x.Headline())
	x.Tell(p)
	d := dumper{p, h, x}
	d.backtraces()
	if o.Full {
		if err := d.full(); err != nil {
			return err
		}
	}
	d.interleaving(o.Last)
	return p.Err()
}

type dumper struct {
	*Printer
	h *History
	x *Explanation
}

// full shows what a debugger would be asked for next.
func (d dumper) full() error {
	env, err := d.h.environments()
	if err != nil {
		return err
	}
	d.disassembly()
	if err := d.registers(); err != nil {
		return err
	}
	d.memory()
	d.environ(env)
	return nil
}

func (d dumper) section(format string, args ...any) {
	d.Printf("\n%s\n", d.Head(fmt.Sprintf(format, args...)))
}

func (d dumper) machine() *emu.Process { return d.h.s.Process() }

func (d dumper) backtraces() {
	for _, t := range d.x.Threads {
		if t.Status == "absent" {
			continue
		}
		name := symbolize.Title(t.Name, t.Called)
		if t.Status == "ended" && t.Call == "" {
			d.section("thread %s: ended", name)
			continue
		}
		if t.Status == "ended" {
			d.section("thread %s: ended; it ran %s", name, t.Call)
			continue
		}
		if t.Status == "done" && t.Call == "" {
			d.section("thread %s: done; it made no call", name)
			continue
		}
		if t.Status == "done" {
			d.section("thread %s: done; its last call was %s", name, t.Call)
			continue
		}
		d.section("thread %s: %s in %s", name, t.Status, t.Call)
		for i, f := range t.Backtrace {
			d.Printf("    #%-2d %s in %s %s\n", i, d.Faint(fmt.Sprintf("%#016x", f.PC)), d.Name(f.String()), d.Faint(f.Source()))
		}
	}
}

// Lines of disassembly shown before and after the failing instruction.
const (
	linesBefore = 10
	linesAfter  = 6
)

func (d dumper) disassembly() {
	if d.x.At == nil {
		return
	}
	at := d.x.At.Location
	d.section("code at %s", at)
	insts := around(d.machine(), at)
	for i, in := range insts {
		if in.Addr != at.PC {
			continue
		}
		for _, in := range insts[max(0, i-linesBefore):min(len(insts), i+linesAfter+1)] {
			mark := "   "
			text := in.Text
			if in.Addr == at.PC {
				mark, text = d.Bad("=> "), d.Head(in.Text)
			}
			d.Printf(" %s%s  %s  %s\n", mark, d.Faint(words.Hex(in.Addr)), d.Name(pad(symbolize.Locate(d.machine(), in.Addr, false).String(), 14)), text)
		}
	}
}

// around decodes from the start of the function to some way behind the place:
// only from there are the bounds of amd64's instructions certain.
func around(m *emu.Process, at symbolize.Location) []disasm.Inst {
	pc := at.PC
	if at.Function != "" {
		pc -= at.Offset
	}
	var insts []disasm.Inst
	for after := 0; after <= linesAfter; {
		in := symbolize.Disassemble(m, pc)
		if in.Undecoded && pc > at.PC {
			break
		}
		insts = append(insts, in)
		if pc >= at.PC {
			after++
		}
		pc += uint64(in.Len)
	}
	return insts
}

func (d dumper) registers() error {
	thread := d.x.Outcome.Thread
	if thread < 0 {
		return nil
	}
	regs, err := d.machine().Registers(d.h.s.MachineThread(thread))
	if err != nil {
		return err
	}
	d.section("registers of %s", d.x.Names[thread])
	var row []string
	for _, r := range regs {
		cell := fmt.Sprintf("%-9s %#x", r.Name, r.Uint64())
		most := 4
		if len(r.Value) > 8 {
			cell = fmt.Sprintf("%-9s %s", r.Name, words.Bytes(r.Value))
			most = 2
		}
		if len(row) >= most {
			d.row(row)
			row = nil
		}
		row = append(row, cell)
	}
	d.row(row)
	return nil
}

// row writes some registers in a line. The one that matters is highlighted.
func (d dumper) row(cells []string) {
	var line strings.Builder
	for i, c := range cells {
		width := 28
		if i == len(cells)-1 {
			width = 0 // no blanks at the end of a line
		}
		text := c
		if name, _, _ := strings.Cut(c, " "); name == d.x.Register {
			text = d.Number(c)
		}
		line.WriteString("    " + text + strings.Repeat(" ", max(0, width-len(c))))
	}
	d.Printf("%s\n", line.String())
}

// memory shows the words around where the fatal value was loaded from.
func (d dumper) memory() {
	if d.x.Load == nil {
		return
	}
	const before, shown = 12, 20
	from := d.x.LoadAddr&^7 - 8*before
	d.section("memory around %s, where %s was loaded from", words.Hex(d.x.LoadAddr), d.x.Register)
	for i := uint64(0); i < shown; i += 2 {
		addr := from + 8*i
		d.Printf("    %s:", d.Faint(words.Hex(addr)))
		for _, a := range []uint64{addr, addr + 8} {
			d.Printf("  %s", d.word(a))
		}
		d.Printf("\n")
	}
}

func (d dumper) word(addr uint64) string {
	v, ok := d.machine().Read64(addr)
	if !ok {
		return pad("(not mapped)", 18)
	}
	s := fmt.Sprintf("%#016x", v)
	if addr == d.x.LoadAddr&^7 {
		return d.Number(s)
	}
	return s
}

// interleaving shows the last instructions, thread by thread, with what each
// read and wrote.
func (d dumper) interleaving(last uint64) {
	events := d.h.events
	if last == 0 || len(events) == 0 {
		return
	}
	if uint64(len(events)) > last {
		events = events[uint64(len(events))-last:]
	}
	d.section("the last %s of %s", words.Count(uint64(len(events)), "instruction"), words.Grouped(d.x.Steps))
	d.h.List(d.Printer, events)
	if d.x.fails() {
		d.Printf("    %s  %-24s %s\n", d.Bad("   fault"), d.x.At.Location, d.x.At.Instruction)
	}
}

// accesses writes what one instruction did to memory, with the static data that it is in.
func accesses(list []emu.LogEntry, place func(addr uint64) string) string {
	const most = 4
	var s strings.Builder
	for i, a := range list {
		if i == most {
			fmt.Fprintf(&s, "  and %d more", len(list)-most)
			break
		}
		what := ""
		if i == 0 || list[i-1].Addr != a.Addr {
			what = place(a.Addr)
		}
		s.WriteString("  " + AccessText(a, what))
	}
	return s.String()
}

// AccessText writes an access to memory: [0x10] -> 0x2, [0x10] <- 0x2 (was 0x1). What lies
// there can be said too.
func AccessText(a emu.LogEntry, what string) string {
	place := words.Hex(a.Addr)
	if what != "" {
		place += ", " + what
	}
	switch {
	case a.Kind == emu.LogRead:
		return fmt.Sprintf("[%s] -> %#x", place, a.Value)
	case a.Value != a.Old:
		return fmt.Sprintf("[%s] <- %#x (was %#x)", place, a.Value, a.Old)
	}
	return fmt.Sprintf("[%s] <- %#x", place, a.Value)
}

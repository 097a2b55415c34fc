package step

import (
	"fmt"
	"strings"

	"emurace/disasm"
	"emurace/emu"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/timeline"
	"emurace/symbolize"
)

// effect is what one instruction did, or is about to do.
type effect struct {
	n      timeline.Moment
	thread int
	where  symbolize.Location
	in     disasm.Inst
	done   bool
	memory []touch
	regs   []string // "x19 = 0x220", what it left in its registers
}

// touch is an instruction's access to memory.
type touch struct {
	addr uint64
	text string
}

// effect reads what instruction n did, with the session behind it, or what it is
// about to do, with the session before it.
func (m *Model) effect(n timeline.Moment, now *snapshot, done bool) *effect {
	line := m.o.Line
	pc, ok := line.PC(n)
	thread := line.Thread(n)
	if !ok || thread < 0 || thread >= len(now.threads) {
		return nil
	}
	t := &now.threads[thread]
	d := &effect{n: n, thread: thread, where: m.code.locate(pc), in: m.code.inst(pc), done: done}
	for _, a := range line.Accesses(n) {
		text := replay.AccessText(a, m.place(a.Addr, now))
		if held, ok := m.unseen(n, a); ok {
			text += fmt.Sprintf(", memory holds %#x", held)
		}
		d.memory = append(d.memory, touch{a.Addr, text})
	}
	pending := "" // register that is still to be loaded
	if line.Half(n) {
		text := "its write is still to come"
		if m.s.Process().Arch() == loader.ARM64 {
			text = "its second register is still to come"
		}
		d.memory = append(d.memory, touch{text: text})
		if _, rest := m.s.Process().Held(m.s.MachineThread(thread)); done && len(rest) > 0 {
			pending = rest[0].Register
		}
	}
	if !done {
		if len(d.memory) == 0 {
			d.memory = m.operands(d.in, t, now)
		}
		return d
	}
	for _, r := range d.in.Dst {
		// A register that names no number of its own, like the flags, is left out.
		if v, ok := t.reg(r); ok && r != pending && r != m.s.Process().PCName() && !strings.HasSuffix(r, "flags") && r != "nzcv" {
			d.regs = append(d.regs, fmt.Sprintf("%s = %#x", r, v))
		}
	}
	return d
}

// unseen is what memory holds where instruction n reads something older; false where it does not. The session stands
// before the instruction or behind it.
func (m *Model) unseen(n timeline.Moment, a emu.LogEntry) (held uint64, ok bool) {
	if m.o.Line.Seeing(n) == nil || a.Kind != emu.LogRead {
		return 0, false
	}
	for _, w := range m.o.Line.Accesses(n) {
		if w.Kind != emu.LogRead {
			return 0, false // it may have written there
		}
	}
	b, ok := m.s.Process().Peek(a.Addr, uint64(a.Size))
	for i, v := range b {
		held |= uint64(v) << (8 * i)
	}
	return held, ok && held != a.Value
}

// operands are the accesses of an instruction that has not run: those of one that
// will fail are in no record.
func (m *Model) operands(in disasm.Inst, t *threadSnapshot, now *snapshot) []touch {
	var list []touch
	for _, op := range in.Mem {
		addr, ok := op.Address(t.reg)
		if !ok || op.Write && !op.Read {
			continue // what it will store is not to be read anywhere yet
		}
		a := emu.LogEntry{Kind: emu.LogRead, Addr: addr}
		b, known := m.s.Process().Read(addr, uint64(max(op.Size, 1)))
		for i, v := range b[:min(len(b), 8)] {
			a.Value |= uint64(v) << (8 * i)
		}
		text := replay.AccessText(a, m.place(addr, now))
		if !known || len(b) > 8 {
			text, _, _ = strings.Cut(text, " -> ")
			text += ": no memory there"
		}
		list = append(list, touch{addr, text})
	}
	return list
}

// place says what lies at an address, as far as it has a name: a variable, a word
// of the block, an entry of environ, a stack.
func (m *Model) place(addr uint64, now *snapshot) string {
	if name := replay.Symbol(m.s.Process(), addr); name != "" {
		return clean(name)
	}
	if b := m.block(); b != nil {
		lo, hi := b.Extent()
		switch {
		case addr >= b.Addr && addr < max(hi, b.Addr+b.Size):
			return fmt.Sprintf("block word %d", (addr-b.Addr)/8)
		case b.ChunkSize != 0 && addr == b.Addr-heap.ChunkHeader:
			return "the block's chunk"
		case addr >= lo && addr < b.Addr:
			return "size of the block's chunk"
		}
	}
	if m.env != 0 && addr >= m.env && addr <= m.env+8*uint64(m.entries) {
		return fmt.Sprintf("environ[%d]", (addr-m.env)/8)
	}
	if b := m.owner(addr); b != nil && b.Size != 0 {
		return fmt.Sprintf("block at %#x", b.Addr)
	}
	for i := range now.threads {
		t := &now.threads[i]
		sp, ok := t.reg(m.s.Process().StackPointerName())
		if !ok {
			continue
		}
		if lo, hi, ok := m.s.Process().MappingOf(sp); ok && addr >= lo && addr < hi {
			return t.name + "'s stack"
		}
	}
	return ""
}

// owner is malloc's block that an address lies in at this moment; nil for none or
// when it is not known.
func (m *Model) owner(addr uint64) *heap.Block {
	if m.story.Heap == nil {
		return nil
	}
	return m.story.Heap.Owner(addr, m.logStep())
}

// logStep is the number that the log gives to the instruction that comes next.
func (m *Model) logStep() uint64 { return m.s.Base() + m.o.Line.At() + 1 }

// block is malloc's block that the story is about; nil without one.
func (m *Model) block() *heap.Block {
	if x := m.story.Explanation; x != nil && x.Allocation != nil {
		return &x.Allocation.Block
	}
	// In a run of one's own that has not failed the same block still matters.
	if x := m.o.Story.Explanation; x != nil && x.Allocation != nil {
		return &x.Allocation.Block
	}
	return nil
}

// meaning says what a value is to whoever takes it for an address: "" when it is
// most likely none. A string is more than the place where it lies.
func (m *Model) meaning(v uint64, now *snapshot) string {
	if v < 4096 {
		return ""
	}
	// A library's variables and code may look like text.
	if _, _, ok := m.s.Process().Symbol(v); !ok {
		if text := m.text(v); text != "" {
			return text
		}
	}
	return m.place(v, now)
}

// text is the string at an address, quoted; "" when there is none that somebody
// could have written.
func (m *Model) text(addr uint64) string {
	const most, least = 48, 3
	text, written := replay.Quoted(m.s.Process(), addr, most)
	if !written || len(text) < len(`""`)+least {
		return ""
	}
	return clean(text)
}

// said is the effect in a line: the instruction's number, what ran, and what that did.
func (d *effect) said(names []threadSnapshot) string {
	const most = 3
	parts := []string{fmt.Sprintf("%s %s %s  %s", words.Grouped(d.n+1), names[d.thread].name, d.where, d.in.Text)}
	for i, a := range d.memory {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(d.memory)-most))
			break
		}
		parts = append(parts, a.text)
	}
	if len(d.regs) > 0 {
		parts = append(parts, strings.Join(d.regs, ", "))
	}
	return strings.Join(parts, "   ")
}

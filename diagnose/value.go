package diagnose

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"emurace/heap/arena"
	"emurace/loader"
	"emurace/loader/corefile"
	"emurace/symbolize"
)

// nullReach is how far from NULL an access can be that is one by a NULL pointer: members and elements
// of what it should lead to. Linux maps nothing below mmap_min_addr.
const nullReach = 1 << 16

// registers are the names of the dead thread's general registers, the one with the bad value first,
// then those that the instruction uses, then all others in their order.
func (d *Diagnosis) registers() (names []string) {
	put := func(name string) {
		if _, ok := d.Dead.Registers[name]; ok && !slices.Contains(names, name) && !slices.Contains([]string{"pc", "rip", "pstate", "eflags", "orig_rax", "fs_base", "gs_base"}, name) {
			names = append(names, name)
		}
	}
	if f := d.Fault; f != nil {
		put(f.Register)
		for _, name := range f.Instruction.Src {
			put(name)
		}
	}
	if d.Process.Core.Arch == loader.AMD64 {
		for _, name := range []string{"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"} {
			put(name)
		}
		return names
	}
	for i := range 31 {
		put(fmt.Sprintf("x%d", i))
	}
	put("sp")
	return names
}

// source is where the bad value was read from.
type source struct {
	addr    uint64
	text    string // the operand, as [x20]
	certain bool   // the code says so; else memory there has the value
}

// value tells what the value is that was used as an address.
func (d *Diagnosis) value() {
	f := d.Fault
	if f.Register == "" {
		if f.Known {
			d.add(Fact{Kind: OtherBlock, Certain: true, Text: fmt.Sprintf("%#x lies in %s.", f.Address, d.placeOf(f.Address))})
		}
		return
	}
	if f.Register == "sp" || f.Register == "rsp" {
		d.certain(OtherBlock, d.Dead.TID, nil, "The stack pointer is %#x, %s.", f.Value, d.placeOf(f.Value))
		return
	}
	if f.Value == 0 || f.Value > ^uint64(nullReach) {
		d.null()
		return
	}
	if f.Value != 0 && d.accessible(f.Value) && d.chunkFact(f.Value) {
		return
	}
	at := d.loadedFrom()
	if at != nil && d.malloced(*at) {
		return
	}
	if at == nil && d.near() {
		return
	}
	var addr uint64
	if at != nil {
		addr = at.addr
	}
	d.meaning(f.Value, addr)
}

// accessible tells whether something is mapped at an address.
func (d *Diagnosis) accessible(addr uint64) bool { return d.Process.Mapped(addr) }

// null tells of an access by NULL.
func (d *Diagnosis) null() {
	f := d.Fault
	far := f.Address - f.Value
	if f.Value != 0 {
		d.certain(BadValue, d.Dead.TID, nil, "%s is %d, a negative number that was used as an address.", f.Register, int64(f.Value))
		return
	}
	evidence := []string{}
	if at := d.loadedFrom(); at != nil {
		evidence = append(evidence, d.sourceText(*at)+", which "+d.placeOf(at.addr)+" has")
	}
	if far == 0 {
		d.certain(Null, d.Dead.TID, evidence, "%s is NULL, and was used as a pointer.", f.Register)
		return
	}
	d.certain(Null, d.Dead.TID, evidence, "%s is NULL: the access is to what would be %s behind it, such as a member of a structure.", f.Register, bytes(far))
}

func bytes(n uint64) string { return fmt.Sprintf("%d (%#x) bytes", n, n) }

// malloced tells of a value that malloc has written where the thread read it.
func (d *Diagnosis) malloced(s source) bool {
	f := d.Fault
	if d.Malloc == nil {
		return false
	}
	list := d.Malloc.Meaning(s.addr, f.Value)
	if len(list) == 0 {
		return d.content(s)
	}
	m := list[0]
	if m.Chunk == nil || m.Field == "" {
		return d.content(s)
	}
	d.wordOf(m, s)
	return true
}

// wordOf tells of a word that is malloc's own.
func (d *Diagnosis) wordOf(m arena.Meaning, s source) {
	f, c := d.Fault, m.Chunk
	evidence := []string{d.sourceText(s)}
	for _, e := range m.Evidence {
		evidence = append(evidence, e.Says)
	}
	block := c.Block()
	sure := s.certain && m.Certain
	word := (s.addr - block.Lo) / 8
	switch m.Kind {
	case arena.Foot:
		d.state(sure, BadValue, d.Dead.TID, evidence, "%#x is the size of the free chunk that %s walks: malloc keeps it in the chunk's last word, which is word %d of %s.",
			f.Value, walker(s), word, blockText(*c))
	case arena.SizeField:
		d.state(sure, BadValue, d.Dead.TID, evidence, "%#x is a chunk's size, with its flags: malloc keeps it in the word before %s.", f.Value, blockText(*c))
	case arena.FreeLink:
		to := d.linkText(m)
		d.state(sure, BadValue, d.Dead.TID, evidence, "%#x is malloc's: the link %s of a list of free chunks, %s. It is word %d of %s.", f.Value, m.Field, to, word, blockText(*c))
	case arena.CacheLink:
		text := "a link of a list of free blocks"
		if m.Mangled {
			text += ", mangled with its own position"
		}
		d.state(sure, BadValue, d.Dead.TID, evidence, "%#x is malloc's: %s, %s. It is word %d of %s.", f.Value, text, d.linkText(m), word, blockText(*c))
	case arena.CacheKey:
		d.state(sure, BadValue, d.Dead.TID, evidence, "%#x is malloc's: the key by which the thread's cache knows a block that is in it. It is word %d of %s.", f.Value, word, blockText(*c))
	default:
		d.state(sure, BadValue, d.Dead.TID, evidence, "%#x is %s of %s.", f.Value, m.Kind, blockText(*c))
	}
	if c.State.Free() {
		d.freed(*c, s)
	}
}

// linkText says where a link leads.
func (d *Diagnosis) linkText(m arena.Meaning) string {
	switch {
	case m.Target == 0:
		return "at the end of its list"
	case m.Arena != nil && m.Bin != 0:
		return fmt.Sprintf("to the head of bin %d of %s", m.Bin, arenaText(m.Arena))
	case m.Arena != nil:
		return "into " + arenaText(m.Arena)
	case m.To != nil:
		return fmt.Sprintf("to %s", blockText(*m.To))
	}
	return fmt.Sprintf("to %#x", m.Target)
}

// walker names what a source was reached by: the register in it, or the address.
func walker(s source) string {
	if reg, ok := strings.CutPrefix(s.text, "["); ok {
		reg, _, _ = strings.Cut(strings.TrimSuffix(reg, "]"), "+")
		reg, _, _ = strings.Cut(reg, ",")
		if reg != "" {
			return reg
		}
	}
	return fmt.Sprintf("%#x", s.addr)
}

// sourceText says where the bad value came from.
func (d *Diagnosis) sourceText(s source) string {
	f := d.Fault
	if s.certain {
		return fmt.Sprintf("%s was loaded from %s = %#x, where that value still is", f.Register, s.text, s.addr)
	}
	return fmt.Sprintf("the word at %s = %#x has the value of %s", s.text, s.addr, f.Register)
}

// freed tells that a thread used a block that is free, and whose it is.
func (d *Diagnosis) freed(c arena.Chunk, s source) {
	block := c.Block()
	var evidence []string
	if c.Doubt != "" {
		evidence = append(evidence, c.Doubt)
	}
	for _, l := range c.Lists {
		evidence = append(evidence, "it is in "+l.String())
	}
	if names := symbolize.Pointers(d.Process, block.Lo); len(names) > 0 {
		evidence = append(evidence, "still pointing to it: "+strings.Join(names, ", "))
	}
	text := fmt.Sprintf("%s uses memory that is free: %s", capital(d.Title(d.Dead)), blockText(c))
	if threads, where, _ := d.owner(block.Lo); where != "" {
		text += fmt.Sprintf(", of %s", where)
		if len(threads) > 0 {
			text += fmt.Sprintf(" (of %s)", d.names(threads))
		}
	}
	d.state(c.Certain && s.certain, FreedBlock, d.Dead.TID, evidence, "%s.", text)
}

// content tells of a value that the program wrote where it was read, into a block that is free by
// now or in use.
func (d *Diagnosis) content(s source) bool {
	c, ok := d.chunk(s.addr)
	if !ok || !c.Block().Has(s.addr) {
		return false
	}
	f := d.Fault
	if !c.State.Free() {
		if text, ok := d.textAround(s.addr); ok {
			d.state(s.certain, Text, d.Dead.TID, []string{d.sourceText(s), "the characters around it: " + quote(text)}, "%#x is no pointer but text: %s.", f.Value, quote(characters(f.Value)))
			d.chunkFact(s.addr)
			return true
		}
		return false
	}
	d.state(s.certain, BadValue, d.Dead.TID, []string{d.sourceText(s)}, "%#x is what is left in %s: word %d of it.", f.Value, blockText(c), (s.addr-c.Block().Lo)/8)
	d.freed(c, s)
	return true
}

// near tells of a value that is the size of a free chunk which another register points into, when
// the code does not tell where the value came from.
func (d *Diagnosis) near() bool {
	if d.Malloc == nil {
		return false
	}
	for _, name := range d.registers() {
		at := d.Dead.Registers[name]
		if name == d.Fault.Register {
			continue
		}
		v, ok := d.Process.Core.Read64(at &^ 7)
		if !ok || v != d.Fault.Value {
			continue
		}
		if d.malloced(source{addr: at &^ 7, text: "[" + name + "]"}) {
			return true
		}
	}
	return false
}

// meaning tells what a value is by itself. Addr is where it was read, 0 for unknown.
func (d *Diagnosis) meaning(v, addr uint64) {
	tid := d.Dead.TID
	var evidence []string
	if addr != 0 {
		evidence = append(evidence, fmt.Sprintf("it was read from %#x, in %s", addr, d.placeOf(addr)))
	}
	switch text := characters(v); {
	case len(text) == 8 || len(text) >= 5 && v>>(8*len(text)) == 0:
		if around, ok := d.textAround(addr); addr != 0 && ok {
			evidence = append(evidence, "the characters around it: "+quote(around))
		}
		d.likely(Text, tid, evidence, "%#x is no pointer but text: %s.", v, quote(text))
	case pattern(v) != "":
		d.likely(BadValue, tid, evidence, "%#x is %s.", v, pattern(v))
	case v < nullReach:
		d.likely(BadValue, tid, evidence, "%#x is a small number and no pointer, or one that was computed from NULL.", v)
	case d.accessible(v):
		d.certain(OtherBlock, tid, evidence, "%#x lies in %s.", v, d.placeOf(v))
	default:
		d.certain(BadValue, tid, evidence, "%#x is no address of anything in the process; what it is is not known.", v)
	}
}

// patterns are words that debuggers and allocators fill memory with.
var patterns = map[byte]string{
	0xa5: "freshly allocated memory of allocators that fill it", 0x5a: "memory that such an allocator has freed",
	0xcd: "memory that was never written, as debugging allocators fill it", 0xdd: "memory that a debugging allocator has freed",
	0xfe: "memory that a debugging allocator has freed", 0xcc: "a stack that was never written", 0xbe: "memory of AddressSanitizer's that was never written",
	0xaa: "memory that was never initialised, as compilers fill it", 0xff: "nothing but ones: -1, an error value",
}

// pattern names a value that is one byte over and over.
func pattern(v uint64) string {
	b := byte(v)
	if v != uint64(b)*0x0101010101010101 {
		return ""
	}
	if text, ok := patterns[b]; ok {
		return text
	}
	return ""
}

// characters is a value as text, up to its first zero; "" when any of it is no printed character.
func characters(v uint64) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	n := 8
	for n > 0 && b[n-1] == 0 {
		n--
	}
	if !printed(b[:n]) {
		return ""
	}
	return string(b[:n])
}

// textAround is the text that a word is a part of.
func (d *Diagnosis) textAround(addr uint64) (string, bool) {
	if addr == 0 {
		return "", false
	}
	const reach = 48
	lo, hi := addr, addr+8
	for ; lo > addr-reach; lo-- {
		if b, ok := d.Process.Core.Read(lo-1, 1); !ok || !printed(b) {
			break
		}
	}
	for ; hi < addr+reach; hi++ {
		if b, ok := d.Process.Core.Read(hi, 1); !ok || !printed(b) {
			break
		}
	}
	b, ok := d.Process.Core.Read(lo, hi-lo)
	if !ok {
		return "", false
	}
	text, _, _ := strings.Cut(string(b), "\x00")
	return text, len(text) >= 8 && printed([]byte(text))
}

// chunkFact tells which block an address lies in.
func (d *Diagnosis) chunkFact(addr uint64) bool {
	c, ok := d.chunk(addr)
	if !ok {
		return false
	}
	if c.State.Free() {
		d.freed(c, source{addr: addr, certain: true})
		return true
	}
	d.state(c.Certain, OtherBlock, d.Dead.TID, nil, "%#x lies in %s.", addr, blockText(c))
	return true
}

// placeOf names what an address is in.
func (d *Diagnosis) placeOf(addr uint64) string {
	p := d.Process
	if name := d.object(addr); name != "" {
		return name
	}
	if c, ok := d.chunk(addr); ok {
		return blockText(c)
	}
	for _, t := range p.Threads {
		if lo, hi, ok := p.Stack(t); ok && addr >= lo && addr < hi {
			return "the stack of " + d.Title(t)
		}
	}
	if m, ok := p.Module(addr); ok {
		return symbolize.Locate(p, addr, false).String() + " of " + m.Path
	}
	switch s, _ := p.Core.At(addr); s {
	case corefile.Unmapped:
		return "no mapping"
	case corefile.LeftOut, corefile.Lost:
		return "memory that is not in the core"
	case corefile.Stored:
	}
	return "other memory"
}

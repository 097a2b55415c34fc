package diagnose

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

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

// value tells what the value is that was used as an address.
func (d *Diagnosis) value() {
	f := d.Fault
	if f.Register == "" {
		if f.Known && d.accessible(f.Address) {
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
	v, at := f.Value, d.origin()
	if at != nil && at.known && at.value-v < 64 {
		v = at.value // which was rounded down
	}
	d.used(v, at)
}

// used tells what a value is that was used as an address or as code, by where it came from.
func (d *Diagnosis) used(v uint64, at *source) {
	if at != nil && !at.known {
		at = nil
	}
	if at != nil && d.malloced(*at) {
		return
	}
	if at == nil && d.search(v) {
		return
	}
	d.meaning(v, at)
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
	var evidence []string
	from := ""
	switch at := d.origin(); {
	case at == nil:
	case at.known:
		evidence = append(evidence, d.sourceText(*at))
		from = ", which was loaded from " + d.placeOf(at.addr)
	default:
		evidence = append(evidence, at.way...)
	}
	if far == 0 {
		d.certain(Null, d.Dead.TID, evidence, "%s is NULL%s, and was used as a pointer.", f.Register, from)
		return
	}
	d.certain(Null, d.Dead.TID, evidence, "%s is NULL%s: the access is to what would be %s behind it, such as a member of a structure.", f.Register, from, count(far))
}

func count(n uint64) string { return fmt.Sprintf("%d (%#x) bytes", n, n) }

// meaning tells what a value is by itself, and where it was read if that is known.
func (d *Diagnosis) meaning(v uint64, at *source) {
	tid := d.Dead.TID
	var evidence []string
	if at != nil {
		evidence = append(evidence, d.sourceText(*at), fmt.Sprintf("%#x is in %s", at.addr, d.placeOf(at.addr)))
	}
	switch text := characters(v); {
	case len(text) == 8 || len(text) >= 5 && v>>(8*len(text)) == 0:
		if at != nil {
			if around, _, ok := d.textAround(at.addr); ok {
				evidence = append(evidence, "the characters around it: "+quote(d.Shown(around)))
			}
		}
		d.likely(Text, tid, evidence, "%#x is no pointer but text: %s.", v, quote(d.Shown(text)))
	case pattern(v) != "":
		d.likely(BadValue, tid, evidence, "%#x is %s.", v, pattern(v))
	case v < nullReach:
		d.likely(BadValue, tid, evidence, "%#x is a small number and no pointer, or one that was computed from NULL.", v)
	case d.accessible(v):
		d.certain(OtherBlock, tid, evidence, "%#x lies in %s.", v, d.placeOf(v))
	case d.Fault.Execute: // it is told already
	default:
		d.certain(BadValue, tid, evidence, "Nothing is mapped at %#x; what this value is is not known.", v)
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

// textAround is the text that a word is a part of, and where it begins.
func (d *Diagnosis) textAround(addr uint64) (text string, from uint64, ok bool) {
	const before, behind, least = 512, 64, 8
	lo, hi := addr, addr+8
	for ; lo > addr-before; lo-- {
		if b, ok := d.Process.Core.Read(lo-1, 1); !ok || !printed(b) {
			break
		}
	}
	for ; hi < addr+behind; hi++ {
		if b, ok := d.Process.Core.Read(hi, 1); !ok || !printed(b) {
			break
		}
	}
	b, ok := d.Process.Core.Read(lo, hi-lo)
	if !ok {
		return "", 0, false
	}
	text, _, _ = strings.Cut(string(b), "\x00")
	return text, lo, uint64(len(text)) > addr-lo && len(text) >= least && printed([]byte(text))
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

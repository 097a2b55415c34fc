package diagnose

import (
	"fmt"
	"slices"
	"strings"
)

// Lead is a register near the instruction that failed, and what it leads to.
type Lead struct {
	Register string
	Value    uint64
	Text     string
}

// Leads are the registers of the dead thread that the instructions from some before the one that failed
// to some behind it use, and that lead to a block, static data, a stack or code.
func (d *Diagnosis) Leads(before, behind int) (list []Lead) {
	if d.Process.Core.Signal.Number == 0 {
		return nil
	}
	near, _ := d.Around(before, behind)
	used := map[string]bool{}
	for _, in := range near {
		for _, name := range slices.Concat(in.Src, in.Dst) {
			used[name] = true
		}
		for _, m := range in.Mem {
			used[m.Base], used[m.Index] = true, true
		}
	}
	for _, name := range d.registers() {
		v := d.Dead.Registers[name]
		if !used[name] || name == "sp" || name == "rsp" || !d.accessible(v) {
			continue
		}
		if text := d.leadsTo(v); text != "" {
			list = append(list, Lead{name, v, text})
		}
	}
	return list
}

// leadsTo says what is at an address: of a block how far from its beginning, its neighbours' states, and whose it
// is; "" for nothing to tell.
func (d *Diagnosis) leadsTo(addr uint64) string {
	c, ok := d.chunk(addr)
	if !ok {
		text := d.placeOf(addr)
		if text == "other memory" || text == "no mapping" {
			return ""
		}
		if s, whole := d.Process.CString(addr, 64); whole && len(s) >= 4 && printed([]byte(s)) {
			text += ": " + quote(d.Shown(s))
		}
		return text
	}
	text := blockText(c)
	if name := d.classOf(c.Block().Lo); name != "" && !c.State.Free() {
		text += ", an object of class " + name
	}
	switch b := c.Block(); {
	case addr < b.Lo:
		text += ", its size"
	case addr > b.Lo:
		text += fmt.Sprintf(", %#x bytes behind its beginning", addr-b.Lo)
	}
	if threads, where, _ := d.owner(c.Block().Lo); where != "" {
		text += ", of " + where
		if len(threads) > 0 && len(threads) <= mostNamed {
			text += " (" + d.names(threads) + ")"
		}
	}
	var beside []string
	for _, n := range d.Malloc.Around(addr, 1, 1) {
		switch {
		case n.Addr < c.Addr:
			beside = append(beside, fmt.Sprintf("before it %#x bytes, %s", n.Size, n.State))
		case n.Addr > c.Addr:
			beside = append(beside, fmt.Sprintf("behind it %#x bytes, %s", n.Size, n.State))
		}
	}
	if len(beside) > 0 {
		text += "; " + strings.Join(beside, ", ")
	}
	return text
}

// classOf is the class of the C++ object at an address, by its pointer to a vtable (Itanium C++ ABI 2.5);
// "" for no such pointer.
func (d *Diagnosis) classOf(addr uint64) string {
	v, ok := d.Process.Read64(addr)
	if !ok {
		return ""
	}
	symbol, off, ok := d.Process.Symbol(v)
	mangled, vtable := strings.CutPrefix(symbol, "_ZTV")
	if !ok || !vtable || off < 16 {
		return ""
	}
	return typeText(mangled)
}

// mostNamed bounds the threads that a sentence names.
const mostNamed = 4

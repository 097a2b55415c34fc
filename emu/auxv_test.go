package emu

import (
	"bytes"
	"testing"

	"emurace/loader"
)

// TestAuxv: the vector that the machine tells is the one that the process has
// behind its environment, and leads to the program's headers and entry.
func TestAuxv(t *testing.T) {
	eachSystem(t, func(t *testing.T, m *process) {
		have := map[uint64]uint64{}
		auxv := m.Auxv()
		for i := 0; i+16 <= len(auxv); i += 16 {
			have[le.Uint64(auxv[i:])] = le.Uint64(auxv[i+8:])
		}
		if n := len(auxv); n%16 != 0 || le.Uint64(auxv[n-16:]) != loader.AT_NULL {
			t.Fatalf("%d bytes that do not end in AT_NULL", n)
		}
		entry, ret, start := m.Traps()
		if have[loader.AT_ENTRY] != entry || ret <= entry || start <= ret {
			t.Errorf("AT_ENTRY %#x, traps %#x %#x %#x", have[loader.AT_ENTRY], entry, ret, start)
		}
		name, ok := m.CString(have[loader.AT_EXECFN], 64)
		p := m.Program()
		if !ok || name != p.Path {
			t.Errorf("AT_EXECFN %q, the program is %q", name, p.Path)
		}
		head, ok := m.Read(p.Lo, 64)
		if !ok || !bytes.Equal(head, p.Image.Data()[:64]) {
			t.Errorf("the program is not mapped at %#x", p.Lo)
		}
		sp, _ := m.StackPointer(0)
		_, top, _ := m.MappingOf(sp)
		stack, ok := m.Read(sp, top-sp)
		if !ok || !bytes.Contains(stack, auxv) {
			t.Error("the vector is not on the stack")
		}
	})
}

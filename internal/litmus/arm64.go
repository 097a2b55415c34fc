package litmus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var errRegisters = errors.New("no register is left over")

// arm64 writes a function for AArch64. Registers that a caller wants kept lie on the stack meanwhile, which nobody else
// looks at.
func (f *function) arm64() error {
	var used [Zero]bool
	for _, l := range f.Threads[f.thread] {
		words(l.Text, func(word string) string {
			if r, ok := RegisterARM(strings.ToUpper(word)); ok && r < Zero {
				used[r] = true
			}
			return word
		})
	}
	for _, i := range f.Init {
		if i.Place.Thread == f.thread {
			r, _ := RegisterARM(i.Place.Name)
			used[r] = true
		}
	}
	names := f.Registers(f.thread)
	for _, name := range names {
		r, _ := RegisterARM(name)
		used[r] = true
	}
	spare := slices.Index(used[:], false)
	if spare < 0 {
		return errRegisters
	}
	used[spare] = true
	// X19 to X29 are kept for the caller by the procedure call standard, and X30 is where to return to.
	var kept []int
	for r := 19; r < Zero; r++ {
		if used[r] {
			kept = append(kept, r)
		}
	}
	if len(kept) > 0 {
		f.write("sub sp, sp, #%d", (8*len(kept)+15)/16*16)
	}
	for i, r := range kept {
		f.write("str x%d, [sp, #%d]", r, 8*i)
	}
	for r := range Zero {
		if used[r] {
			f.loadARM(r, f.Initial(Place{f.thread, fmt.Sprintf("X%d", r)}))
		}
	}
	f.body(func(text string) string { return text })
	f.write("adrp x%d, t%d_r%d", spare, f.n, f.thread)
	f.write("add x%d, x%d, :lo12:t%d_r%d", spare, spare, f.n, f.thread)
	for i, name := range names {
		f.write("str %s, [x%d, #%d]", strings.ToLower(name), spare, 8*i)
	}
	for i, r := range kept {
		f.write("ldr x%d, [sp, #%d]", r, 8*i)
	}
	if len(kept) > 0 {
		f.write("add sp, sp, #%d", (8*len(kept)+15)/16*16)
	}
	f.write("mov x0, #0")
	f.write("ret")
	return nil
}

// loadARM puts a value into a register.
func (f *function) loadARM(r int, v Value) {
	if v.At != "" {
		f.write("adrp x%d, t%d_%s", r, f.n, v.At)
		f.write("add x%d, x%d, :lo12:t%d_%s", r, r, f.n, v.At)
		return
	}
	f.write("movz x%d, #%d", r, uint16(v.Number))
	for shift := 16; shift < 64; shift += 16 {
		if part := uint16(uint64(v.Number) >> shift); part != 0 {
			f.write("movk x%d, #%d, lsl #%d", r, part, shift)
		}
	}
}

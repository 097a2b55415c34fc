package symbolize

import (
	"debug/elf"
	"encoding/binary"
	"slices"

	"emurace/emu"
	"emurace/loader"
)

// Bounds of the search for static pointers.
const (
	mostPointers = 2        // that are told: more of them say nothing
	mostData     = 16 << 20 // bytes of a segment that are looked at
)

// Pointers names the static data of libraries and the program in which the address lies at the
// present moment, as environ or _IO_list_all: a block that one of them points to is best known by
// that. It is nil where there is none, or where there are too many to tell.
func Pointers(m Space, addr uint64) (list []string) {
	if addr == 0 {
		return nil
	}
	for _, mod := range append([]*emu.Module{m.Program()}, m.Modules()...) {
		if mod == nil || mod.Image == nil {
			continue
		}
		for _, s := range mod.Image.Load {
			if s.Flags&elf.PF_W == 0 {
				continue
			}
			lo := (mod.Base + s.Vaddr + 7) &^ 7
			for _, at := range wordsWith(m, lo, mod.Base+s.End(), addr) {
				if name := Data(m, at); name != "" && !slices.Contains(list, name) {
					list = append(list, name)
				}
			}
			if len(list) > mostPointers {
				return nil
			}
		}
	}
	return list
}

// wordsWith are the aligned words of memory from lo to hi that hold a value, some of them where
// there are many.
func wordsWith(m Space, lo, hi, value uint64) (list []uint64) {
	if lo >= hi {
		return nil
	}
	for at, end := lo, lo+min(hi-lo, mostData); at+8 <= end; {
		n := min(loader.PageSize-at%loader.PageSize, end-at) &^ 7
		page, ok := m.Peek(at, n)
		for i := uint64(0); ok && i < n; i += 8 {
			if binary.LittleEndian.Uint64(page[i:]) == value {
				if list = append(list, at+i); len(list) > 4*mostPointers {
					return list
				}
			}
		}
		at += max(n, 8)
	}
	return list
}

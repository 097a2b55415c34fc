package loader

import (
	"bytes"
	"debug/elf"
)

// maxName bounds the names in string tables. Without it, thousands of entries
// that share one long string would take time and memory far beyond the file.
const maxName = 16 << 10

// dynamic is what PT_DYNAMIC says: addresses as in the file, 0 when missing.
type dynamic struct {
	strtab                  []byte
	symtab, hash, gnuHash   uint64
	versym, verdef, verdefn uint64
}

// parseDynamic reads the dynamic section up to DT_NULL.
func (im *Image) parseDynamic(p phdr) error {
	if err := im.checkInside(p); err != nil {
		return err
	}
	table := im.data[p.Offset : p.Offset+p.Filesz]
	var strtab, strsz uint64
	var needed []uint64
	soname, hasSoname := uint64(0), false
	terminated := false
	for ; len(table) >= dynSize; table = table[dynSize:] {
		tag, value := elf.DynTag(le.Uint64(table)), le.Uint64(table[8:])
		if terminated = tag == elf.DT_NULL; terminated {
			break
		}
		switch tag {
		case elf.DT_STRTAB:
			strtab = value
		case elf.DT_STRSZ:
			strsz = value
		case elf.DT_SYMTAB:
			im.dyn.symtab = value
		case elf.DT_HASH:
			im.dyn.hash = value
		case elf.DT_GNU_HASH:
			im.dyn.gnuHash = value
		case elf.DT_VERSYM:
			im.dyn.versym = value
		case elf.DT_VERDEF:
			im.dyn.verdef = value
		case elf.DT_VERDEFNUM:
			im.dyn.verdefn = value
		case elf.DT_NEEDED:
			needed = append(needed, value)
		case elf.DT_SONAME:
			soname, hasSoname = value, true
		case elf.DT_SYMENT:
			if value != symSize {
				return im.errorf("DT_SYMENT", "%d is not %d", value, symSize)
			}
		}
	}
	if !terminated {
		return im.errorf("PT_DYNAMIC", "not terminated by DT_NULL")
	}
	if strtab != 0 || strsz != 0 {
		var ok bool
		if im.dyn.strtab, ok = im.fileRange(strtab, strsz); !ok {
			return im.errorf("DT_STRTAB", "%#x bytes at %#x are not in the file's part of a PT_LOAD", strsz, strtab)
		}
	}
	return im.dynamicNames(needed, soname, hasSoname)
}

func (im *Image) dynamicNames(needed []uint64, soname uint64, hasSoname bool) error {
	// Each name is cut from the table as bounded text, and a library depends on
	// few others, so this stays small whatever the file repeats.
	if limit := 4096; len(needed) > limit {
		return im.errorf("DT_NEEDED", "%d of them, more than %d", len(needed), limit)
	}
	for _, off := range needed {
		s, ok := cstring(im.dyn.strtab, off, maxPath)
		if !ok || s == "" {
			return im.errorf("DT_NEEDED", "no name at %#x in DT_STRTAB", off)
		}
		im.Needed = append(im.Needed, s)
	}
	if hasSoname {
		s, ok := cstring(im.dyn.strtab, soname, maxPath)
		if !ok {
			return im.errorf("DT_SONAME", "no name at %#x in DT_STRTAB", soname)
		}
		im.Soname = s
	}
	return nil
}

// cstring returns the NUL-terminated text at off, without the NUL, when it is
// shorter than limit bytes.
func cstring(table []byte, off uint64, limit int) (string, bool) {
	if off >= uint64(len(table)) {
		return "", false
	}
	s := table[off:]
	if len(s) > limit {
		s = s[:limit]
	}
	n := bytes.IndexByte(s, 0)
	if n < 0 {
		return "", false
	}
	return string(s[:n]), true
}

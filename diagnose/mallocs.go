package diagnose

import (
	"fmt"
	"strings"

	"emurace/heap/arena"
	"emurace/loader/corefile"
)

// regions adapts a process's memory for package arena.
type regions struct{ *Diagnosis }

func (r regions) Read(addr, size uint64) ([]byte, bool) { return r.Process.Core.Read(addr, size) }
func (r regions) Read64(addr uint64) (uint64, bool)     { return r.Process.Core.Read64(addr) }

// Regions are the mappings as far as they are in the core.
func (r regions) Regions() (list []arena.Region) {
	c := r.Process.Core
	next := 0
	for _, m := range c.Ranges {
		if m.Known() <= m.Lo {
			continue
		}
		for next < len(c.Mapped) && c.Mapped[next].Hi <= m.Lo {
			next++
		}
		file := ""
		if next < len(c.Mapped) && c.Mapped[next].Lo <= m.Lo {
			file = c.Mapped[next].Path
		}
		list = append(list, arena.Region{Lo: m.Lo, Hi: m.Known(), Writable: m.Writable, File: file})
	}
	return list
}

// others are allocators that a library or the program itself brings, by functions that only they
// have: their blocks are none of glibc's.
var others = []struct{ symbol, name string }{
	{"mallctl", "jemalloc"}, {"je_mallctl", "jemalloc"}, {"tc_version", "tcmalloc"}, {"MallocExtension_Internal_GetNumericProperty", "tcmalloc"},
	{"mi_version", "mimalloc"}, {"snmalloc_get_version", "snmalloc"}, {"rpmalloc", "rpmalloc"}, {"scudo_malloc_info", "scudo"},
}

// readMalloc reads glibc's malloc, nil when the process has another one.
func (d *Diagnosis) readMalloc() *arena.Malloc {
	p := d.Process
	for _, o := range others {
		if _, ok := p.Lookup(o.symbol); ok {
			d.gap("The process's malloc is %s, whose blocks are not looked at.", o.name)
			return nil
		}
	}
	libc := p.Libc()
	if libc == nil {
		d.gap("No C library was found among the modules: its blocks and the environment are not known.")
		return nil
	}
	if strings.HasPrefix(libc.Name(), "ld-musl") || libc.Image != nil && isMusl(libc.Image.MuslVersion()) {
		d.gap("The C library is musl, whose blocks are not looked at.")
		return nil
	}
	version, _ := p.Glibc()
	in := arena.Process{Memory: regions{d}, Arch: p.Core.Arch, Version: version,
		Libc: arena.Module{Image: libc.Image, Lo: libc.Lo, Hi: libc.Hi, Base: libc.Base}}
	for _, t := range p.Threads {
		in.Threads = append(in.Threads, arena.Thread{ID: t.TID, TP: t.TP, SP: t.SP()})
	}
	m := arena.Read(in)
	for _, problem := range m.Problems {
		if problem.Kind == arena.NoArena || problem.Kind == arena.NoMemory {
			d.gap("malloc: %s.", problem.Text)
		}
	}
	return m
}

func isMusl(_ string, is bool) bool { return is }

// owner names the threads that a block belongs to; "" for unknown. Certain tells that it is one
// thread's and no other's.
func (d *Diagnosis) owner(addr uint64) (threads []uint32, arenaName string, certain bool) {
	if d.Malloc == nil {
		return nil, "", false
	}
	o, ok := d.Malloc.Owners(addr)
	if !ok {
		return nil, "", false
	}
	for _, i := range o.Threads {
		threads = append(threads, d.Malloc.Threads[i].ID)
	}
	return threads, arenaText(o.Arena), o.Certain && len(threads) == 1
}

func arenaText(a *arena.Arena) string {
	switch {
	case a == nil:
		return ""
	case a.Main:
		return "the main arena"
	}
	return fmt.Sprintf("the arena at %#x", a.Addr)
}

// names are several threads as they are told: "main and thread 7".
func (d *Diagnosis) names(tids []uint32) string {
	var parts []string
	for _, tid := range tids {
		parts = append(parts, d.name(tid))
	}
	switch n := len(parts); n {
	case 0:
		return "no thread that is known"
	case 1:
		return parts[0]
	default:
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
}

// chunk is what malloc has at an address.
func (d *Diagnosis) chunk(addr uint64) (arena.Chunk, bool) {
	if d.Malloc == nil {
		return arena.Chunk{}, false
	}
	if s, _ := d.Process.Core.At(addr); s != corefile.Stored {
		return arena.Chunk{}, false
	}
	return d.Malloc.At(addr)
}

// blockText describes a chunk: "a block of 0x218 bytes at 0x5555, free, in the unsorted bin".
func blockText(c arena.Chunk) string {
	b := c.Block()
	return fmt.Sprintf("the block of %#x bytes at %#x (%s)", b.Hi-b.Lo, b.Lo, c.State)
}

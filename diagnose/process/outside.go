package process

import "emurace/loader"

// Qemu's user mode leaves the first pages of all images out of its cores. Then their files have to
// say where the dynamic linker's list is.

// withFile is memory with the program headers of a file in it.
type withFile struct {
	reader
	at    uint64
	table []byte
}

func (w withFile) Read(addr, size uint64) ([]byte, bool) {
	if addr >= w.at && size <= uint64(len(w.table)) && addr-w.at <= uint64(len(w.table))-size {
		return w.table[addr-w.at:][:size], true
	}
	return w.reader.Read(addr, size)
}

// programOfFile is the program's image by its file, which must agree with the auxiliary vector; nil
// where there is none.
func (p *Process) programOfFile(f *Files) *header {
	at, ok := p.Core.Aux(loader.AT_PHDR)
	entry, ok2 := p.Core.Aux(loader.AT_ENTRY)
	count, _ := p.Core.Aux(loader.AT_PHNUM)
	if !ok || !ok2 {
		return nil
	}
	for _, name := range []string{f.Program, f.Beside} {
		if name == "" {
			continue
		}
		im, err := f.image(Source{}, name, "\x00"+name)
		if err != nil || im.Arch != p.Core.Arch || uint64(im.Phnum) != count || len(im.Load) == 0 {
			continue // what is wrong with it is said when it is looked for
		}
		size := count * phdrSize
		data := im.Data()
		if uint64(len(data)) < size || im.Phoff > uint64(len(data))-size {
			continue
		}
		h := p.programHeader(withFile{p.Core, at, data[im.Phoff:][:size]})
		if h != nil && h.base+im.Entry == entry {
			return h
		}
	}
	return nil
}

// linksOfInterp is the dynamic linker's list by its own file: the symbol _r_debug. AT_BASE says
// where it is mapped.
func (p *Process) linksOfInterp(f *Files) []link {
	base, ok := p.Core.Aux(loader.AT_BASE)
	if !ok || base == 0 {
		return nil
	}
	for _, s := range f.Sources {
		for _, libc := range []loader.Libc{loader.Glibc, loader.Musl} {
			name := libc.Interp(p.Core.Arch)
			im, err := f.image(s, name, s.Name+"\x00"+name)
			if err != nil || im.Arch != p.Core.Arch {
				continue
			}
			sym, ok := im.Symbol("_r_debug")
			if !ok {
				continue
			}
			// Its entry for itself has the load bias that the kernel says.
			list := linksAt(p.Core, base+sym.Addr)
			for _, l := range list {
				if l.base == base && l.name != "" {
					return list
				}
			}
		}
	}
	return nil
}

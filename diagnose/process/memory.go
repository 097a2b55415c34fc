package process

import (
	"debug/elf"

	"emurace/emu"
	"emurace/loader"
	"emurace/loader/corefile"
)

// reader is memory.
type reader interface {
	Read(addr, size uint64) ([]byte, bool)
	Read64(addr uint64) (uint64, bool)
}

// maxRead bounds one Read, in bytes.
const maxRead = 64 << 20

// Read returns memory: of the core, and where the core has left a mapping out, of the file that was
// mapped there. It is false unless all of it is known. The bytes are the caller's.
func (p *Process) Read(addr, size uint64) ([]byte, bool) {
	if b, ok := p.Core.Read(addr, size); ok {
		return b, true
	}
	if size > maxRead || addr+size < addr {
		return nil, false
	}
	out := make([]byte, 0, size)
	for end := addr + size; addr < end; {
		state, hi := p.Core.At(addr)
		n := min(hi, end) - addr
		var b []byte
		ok := false
		switch state {
		case corefile.Stored:
			b, ok = p.Core.Read(addr, n)
		case corefile.LeftOut, corefile.Lost:
			b, ok = p.ofFile(addr, n)
		default:
		}
		if !ok || len(b) == 0 {
			return nil, false
		}
		out, addr = append(out, b...), addr+uint64(len(b))
	}
	return out, true
}

// ofFile is the beginning of memory as the file of the module there has it. What can be written to
// may have been something else: the kernel leaves that out too where its filter says so.
func (p *Process) ofFile(addr, size uint64) ([]byte, bool) {
	m := p.moduleAt(addr)
	if m == nil || m.Image == nil || m.Origin == FromCore {
		return nil, false
	}
	data := m.Image.Data()
	for _, s := range m.Image.Load {
		at := addr - m.Base
		// Whole pages of the file are mapped.
		start := s.Vaddr &^ (loader.PageSize - 1)
		if at < start || at >= s.Vaddr+s.Filesz {
			continue
		}
		if s.Flags&elf.PF_W != 0 {
			return nil, false
		}
		off := s.Offset - (s.Vaddr - start) + at - start
		n := min(size, s.Vaddr+s.Filesz-at, uint64(len(data))-off)
		return data[off : off+n], n > 0
	}
	return nil, false
}

// Peek is Read.
func (p *Process) Peek(addr, size uint64) ([]byte, bool) { return p.Read(addr, size) }

// Read64 returns the word at an address, as Read does.
func (p *Process) Read64(addr uint64) (uint64, bool) {
	if v, ok := p.Core.Read64(addr); ok {
		return v, true
	}
	b, ok := p.Read(addr, 8)
	if !ok {
		return 0, false
	}
	return le.Uint64(b), true
}

// Text is the C string at an address, as far as memory has it; false when it does not have its
// beginning. It is cut at 4 KiB.
func (p *Process) Text(addr uint64) (string, bool) {
	if _, ok := p.Read(addr, 1); !ok {
		return "", false
	}
	return textAt(p, addr), true
}

// CString is the C string at an address up to a limit in bytes, and whether that is all of it.
func (p *Process) CString(addr uint64, limit int) (s string, whole bool) {
	s, ok := p.Text(addr)
	if !ok {
		return "", false
	}
	if len(s) > limit {
		return s[:limit], false
	}
	return s, len(s) < maxText
}

// Mapped tells whether anything was mapped at an address, in the core or not.
func (p *Process) Mapped(addr uint64) bool {
	s, _ := p.Core.At(addr)
	return s != corefile.Unmapped
}

// Executable tells whether code can run at an address. Where the core does not tell the rights of a
// mapping, its file does.
func (p *Process) Executable(addr uint64) bool {
	r, ok := p.Core.Range(addr)
	if !ok || !r.Listed {
		return ok && r.Execute
	}
	m := p.moduleAt(addr)
	if m == nil || m.Image == nil {
		return true
	}
	for _, s := range m.Image.Load {
		if at := addr - m.Base; at >= s.Vaddr && at < s.End() {
			return s.Flags&elf.PF_X != 0
		}
	}
	return false
}

// moduleAt is the module that an address lies in, nil for none.
func (p *Process) moduleAt(addr uint64) *Module {
	lo, hi := 0, len(p.modules)
	for lo < hi {
		if mid := (lo + hi) / 2; p.modules[mid].Hi <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(p.modules) && p.modules[lo].Lo <= addr {
		return p.modules[lo]
	}
	return nil
}

// At is the module that an address lies in, nil for none.
func (p *Process) At(addr uint64) *Module { return p.moduleAt(addr) }

// Module is the image that an address lies in.
func (p *Process) Module(addr uint64) (*emu.Module, bool) {
	if m := p.moduleAt(addr); m != nil {
		return &m.Module, true
	}
	return nil, false
}

// Modules are all images but the program's.
func (p *Process) Modules() (list []*emu.Module) {
	for _, m := range p.modules {
		if m != p.program {
			list = append(list, &m.Module)
		}
	}
	return list
}

// Program is the program's image, nil when it was not found.
func (p *Process) Program() *emu.Module {
	if p.program == nil {
		return nil
	}
	return &p.program.Module
}

// Symbol names an address: the function or object that it lies in, and how far from its beginning.
func (p *Process) Symbol(addr uint64) (name string, off uint64, ok bool) {
	m := p.moduleAt(addr)
	if m == nil || m.Image == nil {
		return "", 0, false
	}
	sym, off, ok := m.Image.SymbolAt(addr - m.Base)
	return sym.Name, off, ok
}

// Arch is the process's architecture.
func (p *Process) Arch() loader.Arch { return p.Core.Arch }

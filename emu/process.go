package emu

import (
	"bytes"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// The process's identity, as getpid and getuid tell it; the main thread's id is
// the process's.
const (
	ProcessID = linux.FirstTID
	ParentID  = 1
	UserID    = linux.UserID
)

// Mapping is a range of whole pages with one protection and one origin, as a
// line of /proc/PID/maps is.
type Mapping struct {
	Start, End uint64 // addresses
	Prot       loader.Prot
	Path       string // guest path of the file, or "[heap]", "[stack]" or ""
	Offset     uint64 // of Start in the file, in bytes
}

// OfFile tells whether the mapping shows a file.
func (g Mapping) OfFile() bool { return g.Path != "" && g.Path[0] == '/' }

// Mappings lists what is mapped, in ascending order of address.
func (p *Process) Mappings() []Mapping {
	var list []Mapping
	for _, v := range p.kernel.State().VMAs {
		list = append(list, Mapping{v.Start, v.End, v.Prot, v.Path, v.Offset})
	}
	return list
}

// Page is the content of the page that starts at addr, whatever it allows: nil
// when it holds zeros, or when there is no such page. It must not be written, and
// is valid until the machine runs, rewinds or closes.
func (p *Process) Page(addr uint64) []byte {
	used := p.eng.Used(addr, shim.PageSize)
	if len(used) != 1 || used[0] != shim.Touched || !p.eng.Allows(addr, shim.PageSize, 0) {
		return nil
	}
	if page := p.eng.View(addr, shim.PageSize); !bytes.Equal(page, zeroPage[:]) {
		return page
	}
	return nil
}

// SignalMask is the set of signals that a thread blocks, as rt_sigprocmask tells
// it: signal n is bit n-1.
func (p *Process) SignalMask(t int) uint64 {
	if t < 0 || t >= len(p.st.threads) {
		return 0
	}
	return p.kernel.State().Tasks[t].SigMask
}

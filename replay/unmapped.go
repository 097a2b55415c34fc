package replay

import (
	"slices"

	"emurace/emu"
	"emurace/loader"
)

// maxUnmapped is how many system calls back a page is looked for. A run of a race
// makes a handful.
const maxUnmapped = 64

// unmapped finds the system call that made the address which faulted one that
// faults: the last one before which the access would have been allowed. The session
// is left at some moment of the run.
func (h *History) unmapped(x *Explanation) error {
	end, calls := x.Outcome.End, 0
	for _, e := range slices.Backward(h.events) {
		if !systemCall(h.Inst(e.PC).Op) {
			continue
		}
		if calls++; calls > maxUnmapped {
			return nil
		}
		if err := h.SeekTo(e.Step - 1 - h.s.Base()); err != nil {
			return err
		}
		if h.allows(end) {
			x.Unmapped = h.act(e.Thread, e.PC, e.Step)
			return nil
		}
	}
	return nil
}

// systemCall tells whether an instruction of that name calls the kernel.
func systemCall(op string) bool { return op == "svc" || op == "syscall" }

// allows tells whether the access of a fault would be allowed now.
func (h *History) allows(end *emu.End) bool {
	want := map[emu.Access]loader.Prot{emu.AccessRead: loader.ProtRead, emu.AccessWrite: loader.ProtWrite, emu.AccessExec: loader.ProtExec}[end.Access]
	return slices.ContainsFunc(h.s.Process().Mappings(), func(m emu.Mapping) bool {
		return m.Start <= end.Addr && end.Addr < m.End && m.Prot&want != 0
	})
}

package core

import (
	"errors"
	"fmt"
	"slices"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// Process is a process at a moment.
type Process struct {
	Arch    loader.Arch
	Threads []Thread // the one that died, or is to be looked at, first
	Signal  Signal   // what the process died of
	Path    string   // of the program, which is its command line too
	Program []byte   // the program's file
	// Whole tells that the process runs a program of its own, whose file is as it is; BuildID
	// is its build-id in hex then, "" for none.
	Whole    bool
	BuildID  string
	Mappings []emu.Mapping
	Auxv     []byte // pairs of words, AT_NULL included
	// Page is the content of the page that starts at an address, or nil when it
	// holds zeros.
	Page func(addr uint64) []byte
}

// Thread is a thread's part of a core.
type Thread struct {
	Name      string // the machine's, which is not in the file
	ID        uint32
	Blocked   uint64 // signals that it blocks, signal n as bit n-1
	Registers map[string][]byte
	// Syscall tells that the thread is inside of a system call, whose number is
	// still in its register.
	Syscall bool
}

// errNoThread is about a process that has nobody to be looked at.
var errNoThread = errors.New("core: no thread of the process is left")

// Of is the present moment of a session. The racing thread `first` comes before the
// others, unless the process has died of another one; -1 is for the main thread. The
// session must not be moved as long as the result is used.
func Of(s *scenario.Session, first int) (*Process, error) {
	m := s.Process()
	p := &Process{
		Arch: m.Arch(), Path: m.Program().Path, Program: m.Program().Image.Data(),
		Whole: m.RunsProgram(), BuildID: m.Program().Image.BuildID,
		Mappings: m.Mappings(), Auxv: m.Auxv(), Page: m.Page,
	}
	head := 0
	if first >= 0 {
		head = s.MachineThread(first)
	}
	end := m.End()
	if end != nil {
		head = end.Thread
	}
	order := []int{head}
	for t := range m.Threads() {
		if t != head {
			order = append(order, t)
		}
	}
	for _, t := range order {
		if err := p.add(m, t); err != nil {
			return nil, err
		}
	}
	if len(p.Threads) == 0 {
		return nil, errNoThread
	}
	if end != nil {
		p.Threads[0].Syscall = end.Kind == emu.EndSignal || end.Kind == emu.EndExit
		p.Signal = signalOf(end, p.Arch, p.Threads[0])
	}
	return p, nil
}

// add appends a thread of the machine; one that has ended is not in a core.
func (p *Process) add(m *emu.Process, t int) error {
	regs, err := m.Registers(t)
	if err != nil {
		return fmt.Errorf("core: thread %d: %w", t, err)
	}
	id, alive := m.TID(t)
	if !alive || len(regs) == 0 {
		return nil
	}
	th := Thread{Name: m.Threads()[t].Name, ID: id, Blocked: m.SignalMask(t), Syscall: m.Waiting(t), Registers: map[string][]byte{}}
	for _, r := range regs {
		th.Registers[r.Name] = slices.Clone(r.Value)
	}
	p.Threads = append(p.Threads, th)
	return nil
}

// word is a register of at most eight bytes.
func (t Thread) word(name string) uint64 {
	var b [8]byte
	copy(b[:], t.Registers[name])
	return le.Uint64(b[:])
}

// PC is the address of the thread's next instruction.
func (t Thread) PC() uint64 {
	if _, ok := t.Registers["rip"]; ok {
		return t.word("rip")
	}
	return t.word("pc")
}

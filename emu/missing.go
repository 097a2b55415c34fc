package emu

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"emurace/emu/internal/linux"
)

// UnknownCall is a system call that the process made and that the kernel does not
// have, or asked for a part of one that it does not have. What the process did then may
// not be what it does on Linux. Calls that are left out by intention, because C libraries
// have another way, are none of these.
type UnknownCall struct {
	Name   string // such as getdents64, or "futex operation LOCK_PI"
	PC     uint64 // of the instruction that made it
	Func   string // the function that the thread was called with, such as readdir; "" outside of calls
	Thread int    // the thread that made it; of several the lowest
	Times  uint64 // how often it was made, in all runs of the machine
}

// MoreThreads tells whether it is only that the process can have no more threads here.
func (c UnknownCall) MoreThreads() bool { return c.Name == linux.MoreThreads }

// missingCall tells unknown calls apart.
type missingCall struct {
	name, function string
	pc             uint64
}

// unknownCalls lists the unknown system calls of all that the machine has run, also of
// what it has gone back from since, by name, then place: each name, place and function
// once.
func (p *Process) unknownCalls() []UnknownCall {
	var list []UnknownCall
	for _, c := range p.missing {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b UnknownCall) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.PC, b.PC), cmp.Compare(a.Func, b.Func))
	})
	return list
}

// unknownSyscalls are the names of unknownCalls, in order and each once.
func (p *Process) unknownSyscalls() []string {
	names := map[string]bool{}
	for c := range p.missing {
		names[c.name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// maxMissing bounds the places of unknown calls that are told apart: code that writes code can
// make one wherever it likes. maxMissed bounds those of one run.
const (
	maxMissing = 4096
	maxMissed  = 256
)

// missed notes that a thread made an unknown call at pc.
func (m *Machine) missed(name string, t int, pc uint64) {
	function, _, _ := strings.Cut(cmp.Or(m.st.threads[t].Call, m.st.threads[t].MadeIn), "(")
	at := missingCall{name, function, pc}
	c := m.missing[at]
	if c == nil {
		if m.missing == nil {
			m.missing = map[missingCall]*UnknownCall{}
		}
		c = &UnknownCall{Name: name, PC: pc, Func: function, Thread: t}
		if len(m.missing) < maxMissing {
			m.missing[at] = c
		}
	}
	c.Thread = min(c.Thread, t)
	c.Times++
	for _, c := range m.st.missed {
		if c.Name == name && c.Func == function && c.PC == pc {
			return
		}
	}
	if len(m.st.missed) == maxMissed {
		return
	}
	// Marks hold the list as it was.
	m.st.missed = append(slices.Clip(m.st.missed), UnknownCall{Name: name, PC: pc, Func: function, Thread: t, Times: 1})
}

// Missed lists the unknown system calls that have led to the present moment, in the
// order in which they were made, each name, place and function once.
func (p *Process) Missed() []UnknownCall { return slices.Clone(p.st.missed) }

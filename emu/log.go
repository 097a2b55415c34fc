package emu

import (
	"fmt"

	"emurace/emu/internal/linux"
	"emurace/internal/logging"
)

// SetLog has the System tell of the files that it reads, and its machines of their start and
// of each system call: also of those in runs that are taken back, as a search looks ahead.
// It is to be called before machines are made.
func (s *System) SetLog(l *logging.Log) { s.log = l }

// who names a thread in the log: the machine's number, the thread, and how many
// instructions have run on the machine.
func (m *Machine) who(t int) string {
	name := "clock"
	if t != linux.ClockThread {
		name = m.st.threads[t].Name
	}
	return fmt.Sprintf("#%d %s %d", m.number, name, m.Steps())
}

// logCall is the beginning of a line on a system call that is about to be served.
func (m *Machine) logCall(c linux.Call) string {
	if !m.sys.log.On(logging.Syscalls) {
		return ""
	}
	return m.who(c.Thread) + " " + m.kernel.Text(c)
}

// logWoken tells of a system call that has come to its end as another one was served. The
// wait that it was is over, with the result that is in its register.
func (m *Machine) logWoken(t int) {
	if !m.sys.log.On(logging.Syscalls) {
		return
	}
	number, err := m.eng.ReadReg(t, m.arch.number)
	value, err2 := m.eng.ReadReg(t, m.arch.result)
	if err != nil || err2 != nil {
		return // the thread has no registers any more
	}
	name := ""
	if m.arch.number != m.arch.result { // else the result is in its place
		name, _ = linux.CallName(m.arch.id, number)
		name += " "
	}
	m.sys.log.Printf(logging.Syscalls, "%s <... %sresumed> %s", m.who(t), name, linux.ResultText("", value))
}

// logStart tells what the process consists of when it has booted.
func (m *Machine) logStart() {
	if !m.sys.log.On(logging.Boot) {
		return
	}
	m.sys.log.Printf(logging.Boot, "machine #%d: booted in %d instructions, seed %d", m.number, m.Steps(), m.kernel.Seed)
	for _, mod := range m.Modules() {
		m.sys.log.Printf(logging.Boot, "machine #%d: %#x to %#x %s", m.number, mod.Lo, mod.Hi, mod.Path)
	}
}

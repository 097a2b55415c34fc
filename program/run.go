package program

import (
	"strings"

	"emurace/emu"
	"emurace/loader"
	"emurace/symbolize"
)

// Quantum is how many instructions a thread runs before the next one has its turn.
const Quantum = 100_000

// StuckError is that no thread of a process can ever run again, and it does not end: each
// waits in the kernel without a deadline.
type StuckError struct {
	Waiting []string // threads with their calls, as in "main in futex_wait < pthread_join < main"
}

// Error says who waits.
func (e *StuckError) Error() string {
	return "every thread waits for ever, a deadlock: " + strings.Join(e.Waiting, ", ")
}

// Run runs a process to its end, its threads in turn.
func Run(m *emu.Machine) (*emu.End, error) {
	err := InTurn(m, func(t int) (emu.StopKind, bool, error) {
		s, err := m.Run(t, Quantum)
		return s.Kind, true, err
	})
	if err != nil {
		return nil, err
	}
	if m.End() == nil {
		return nil, stuck(m)
	}
	return m.End(), nil
}

// InTurn has the threads of a process run in turn, each for a Quantum of instructions or until
// it waits: until the process has ended, or no thread can ever run again, or run, which runs a
// thread for its turn, says not to go on. The clock moves on when a deadline is due, or when
// nobody can run.
func InTurn(m *emu.Machine, run func(t int) (kind emu.StopKind, on bool, err error)) error {
	for m.End() == nil {
		ran := false
		for t := 0; t < m.Made() && m.End() == nil; t++ {
			for m.Runnable(t) {
				ran = true
				kind, on, err := run(t)
				if err != nil || !on {
					return err
				}
				if kind != emu.Budget || m.Timed() || others(m, t) {
					break
				}
			}
		}
		if m.End() != nil {
			break
		}
		due, err := m.Due()
		if err != nil {
			return err
		}
		if ran && !due {
			continue
		}
		if !m.Timed() {
			break
		}
		if _, err := m.Advance(!ran); err != nil {
			return err
		}
	}
	return nil
}

// others tells whether another thread can run.
func others(m *emu.Machine, t int) bool {
	for o := range m.Made() {
		if o != t && m.Runnable(o) {
			return true
		}
	}
	return false
}

func stuck(m *emu.Machine) error {
	m.System().LoadDebug()
	e := &StuckError{}
	for t, th := range m.Threads() {
		if m.Waiting(t) {
			text := th.Name + " in " + symbolize.Chain(symbolize.Backtrace(&m.Process, t))
			if what := m.WaitsForText(t); what != "" {
				text += ": " + what
			}
			e.Waiting = append(e.Waiting, text)
		}
	}
	return e
}

// Status is the exit code by which a shell tells of an end: the program's own, or 128 and the
// signal; of a limit that was reached it is that of SIGKILL, by which Linux would have ended it.
func Status(e *emu.End, arch loader.Arch) int {
	const sigkill = 9
	switch e.Kind {
	case emu.EndExit:
		return e.Code
	case emu.EndLimit:
		return 128 + sigkill
	case emu.EndSignal, emu.EndFault, emu.EndIllegal, emu.EndException:
	}
	return 128 + e.Siginfo(arch).Number
}

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

// Run runs a process to its end, its threads in turn, each for a Quantum of instructions or
// until it waits. The clock moves on when a deadline is due, or when nobody can run.
func Run(m *emu.Machine) (*emu.End, error) {
	for m.End() == nil {
		ran := false
		for t := 0; t < m.Made() && m.End() == nil; t++ {
			for m.Runnable(t) {
				ran = true
				s, err := m.Run(t, Quantum)
				if err != nil {
					return nil, err
				}
				if s.Kind != emu.Budget || m.Timed() || others(m, t) {
					break
				}
			}
		}
		if m.End() != nil {
			break
		}
		due, err := m.Due()
		if err != nil {
			return nil, err
		}
		if ran && !due {
			continue
		}
		if !m.Timed() {
			return nil, stuck(m)
		}
		if _, err := m.Advance(!ran); err != nil {
			return nil, err
		}
	}
	return m.End(), nil
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

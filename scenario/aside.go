package scenario

import "emurace/emu"

// What would come of other bytes, or of a thread that goes on alone, is found out aside of
// the run: the session has to be taken back to a mark of before.

// Write stores into mapped memory of the guest for a thread of the machine, whatever the
// pages allow.
func (s *Session) Write(machine int, addr uint64, b []byte) error {
	return s.m.Write(machine, addr, b)
}

// RunAside runs a thread of the machine for n instructions, or fewer when it stops before.
// A call of the plan's that returns is not followed by the next one.
func (s *Session) RunAside(machine int, n uint64) (emu.Stop, error) { return s.m.Run(machine, n) }

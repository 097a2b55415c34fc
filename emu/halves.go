package emu

import "emurace/emu/internal/shim"

// Store is bytes that an instruction writes.
type Store = shim.Store

// RunHalf is Run for one instruction that ends in its middle, if it is one of amd64 that
// reads memory and then writes to memory, and has no lock prefix: a processor may let
// others come in between. What it has read is read and its registers are changed; its
// stores are held, and are the thread's next step. That counts as one like an instruction,
// with the same pc; see Stop.Half. A load or store of a pair of registers of arm64 ends between
// the first register's access and the second one's, which is the next step.
func (m *Machine) RunHalf(t int) (Stop, error) {
	m.halving = true
	defer func() { m.halving = false }()
	return m.Run(t, 1)
}

// engine runs the thread on the processor.
func (m *Machine) engine(t int, n uint64) (shim.Stop, error) {
	if m.halving {
		return m.eng.RunHalf(t)
	}
	return m.eng.Run(t, n)
}

// SplitEvents has Run, while events are wanted, end instructions in their middle that can and
// touch shared bytes with both halves: they are two events, and two steps.
func (m *Machine) SplitEvents(on bool) { m.eng.SetSplits(on) }

// Splits tells whether SplitEvents does so: where code is generated for it. Elsewhere instructions
// end in their middle only where RunHalf has them do so.
func (p *Process) Splits() bool { return p.eng.CanSplit() }

// Holds tells whether a thread's last instruction has ended in its middle.
func (p *Process) Holds(t int) bool { return p.eng.Holds(t) }

// MayHalve tells whether the thread's next instruction may be one that can end in its middle.
func (p *Process) MayHalve(t int) bool {
	if p.kernel.Interrupted(t) {
		return true // it is a handler's
	}
	pc, err := p.PC(t)
	return err != nil || !p.eng.Indivisible(pc)
}

// Held are the stores that a thread's last instruction has still to make, or the loads, and its
// address.
func (p *Process) Held(t int) (pc uint64, stores []Store) { return p.eng.Held(t) }

// Indivisible tells whether other threads' accesses cannot come between those of the
// instruction at pc.
func (p *Process) Indivisible(pc uint64) bool { return p.eng.Indivisible(pc) }

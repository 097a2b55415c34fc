package emu

// StepRaw has the machine step as one writes first; see shim.Engine.StepRaw. It is the
// process's, because no other package has the machine.
func (p *Process) StepRaw() { p.eng.StepRaw() }

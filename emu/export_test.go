package emu

// StepRaw has the machine step as one writes first; see shim.Engine.StepRaw.
func (m *Machine) StepRaw() { m.eng.StepRaw() }

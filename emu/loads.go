package emu

import (
	"emurace/emu/internal/shim"
	"emurace/internal/crash"
	"emurace/loader"
)

// Loads lists the guest paths of the ELF files that the process has mapped from
// their beginning, in order, each as often as it was: libraries, whether they are
// mapped still or no more. The program's interpreter, which the kernel maps, is not
// among them.
func (p *Process) Loads() []string { return p.st.loads[:len(p.st.loads):len(p.st.loads)] }

// Image is the ELF file at a guest path, as the process would find it now.
func (p *Process) Image(path string) (*loader.Image, error) { return p.files.Image(path) }

// noteLoads takes down what the last system call has mapped.
func (m *Machine) noteLoads() {
	for _, addr := range m.mapped {
		v, ok := m.kernel.State().VMA(addr)
		if !ok || v.Start != addr || v.Offset != 0 || v.Path == "" || v.Path[0] != '/' || m.kernel.State().Changed(v) {
			continue
		}
		if _, err := m.files.Image(v.Path); err == nil {
			m.st.loads = append(m.st.loads, v.Path)
			m.awaited = m.awaited || m.loading
			m.describe()
		}
	}
}

// RecordDeath has fatal signals of the program noted in its record; see package crash. It
// does nothing in a program that has none.
func RecordDeath() error { return shim.RecordDeath() }

// described is of how many threads the record of a death has names: to write them all down costs
// their number each time.
const described = 256

// describe lets the engine know what it runs, for the case that the whole program dies of
// it: names of threads and places can be told then.
func (m *Machine) describe() {
	if !m.eng.Recorded() {
		return
	}
	p := crash.Process{Arch: m.arch.id.String(), Root: m.sys.Root.Dir()}
	for _, t := range m.st.threads[:min(len(m.st.threads), described)] {
		p.Threads = append(p.Threads, t.Name)
	}
	for _, mod := range m.Modules() {
		p.Modules = append(p.Modules, crash.Module{Path: mod.Path, Base: mod.Base, Lo: mod.Lo, Hi: mod.Hi})
	}
	m.eng.Describe(p)
}

package emu

import (
	"emurace/emu/internal/shim"
)

// Register is one register's name and its bytes, little-endian.
type Register struct {
	Name  string
	Value []byte // 2 to 16 bytes
}

// Uint64 is the value of a register of at most eight bytes, and the low eight
// of a longer one.
func (r Register) Uint64() uint64 {
	var b [8]byte
	copy(b[:], r.Value)
	return le.Uint64(b[:])
}

func (p *Process) hasRegisters(t int) bool {
	return p.Alive(t)
}

// Registers reads every register of a thread: general, pc, flags, thread
// pointer, floating point, SIMD, in the architecture's usual order. A thread
// that is not there or has ended has none.
func (p *Process) Registers(t int) ([]Register, error) {
	if !p.hasRegisters(t) {
		return nil, nil
	}
	block, err := p.eng.ReadRegs(t)
	if err != nil {
		return nil, err
	}
	var out []Register
	for _, r := range shim.Regs(p.arch.id) {
		value := block[:r.Size:r.Size]
		if pc, _ := p.Held(t); pc != 0 && r.Name == p.arch.pc.Name {
			le.PutUint64(value, pc) // it stands there: see PC
		}
		out = append(out, Register{Name: r.Name, Value: value})
		block = block[r.Size:]
	}
	return out, nil
}

// Register reads one register of at most eight bytes by its name.
func (p *Process) Register(t int, name string) (uint64, bool) {
	for _, r := range shim.Regs(p.arch.id) {
		if r.Name == name && r.Size <= 8 && p.hasRegisters(t) {
			if r == p.arch.pc {
				v, err := p.PC(t)
				return v, err == nil
			}
			v, err := p.eng.ReadReg(t, r)
			return v, err == nil
		}
	}
	return 0, false
}

// SetRegister gives a register of at most eight bytes another value: what would the
// thread do? It returns false when there is none of this name.
func (m *Machine) SetRegister(t int, name string, v uint64) (bool, error) {
	for _, r := range shim.Regs(m.arch.id) {
		if r.Name == name && r.Size <= 8 && m.hasRegisters(t) {
			return true, m.eng.WriteReg(t, r, v)
		}
	}
	return false, nil
}

// StackPointer is a thread's stack pointer.
func (p *Process) StackPointer(t int) (uint64, bool) {
	return p.Register(t, p.arch.sp.Name)
}

// StackPointerName is the name of the stack pointer.
func (p *Process) StackPointerName() string { return p.arch.sp.Name }

// PCName is the name of the program counter.
func (p *Process) PCName() string { return p.arch.pc.Name }

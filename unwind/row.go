package unwind

import (
	"errors"
	"fmt"
)

// tracked is the number of DWARF register numbers for which rules are kept:
// the general registers and the return address of both architectures. Rules
// for others, vector registers mostly, are read and dropped.
const tracked = 35

// ruleKind says how to recover a register of the caller (DWARF 5, 6.4.1).
type ruleKind uint8

const (
	unspecified  ruleKind = iota // by the ABI: callee-saved registers are the same
	undefined                    // not recoverable; for the return address: no caller
	sameValue                    // not changed
	atOffset                     // saved at CFA + offset
	isOffset                     // is CFA + offset
	inRegister                   // in register number offset
	atExpression                 // saved at what the expression computes
	isExpression                 // is what it computes
)

// rule is the rule of one register.
type rule struct {
	kind       ruleKind
	offset     int64
	expression []byte
}

// row is a row of the table: the rules at one address. The CFA is register +
// offset, or what an expression computes.
type row struct {
	cfaRegister   uint64
	cfaOffset     int64
	cfaExpression []byte // nil unless that is the rule
	regs          [tracked]rule
	signed        bool // arm64: the return address carries a signature
}

// maxRemembered bounds the nesting of DW_CFA_remember_state. Compilers nest
// once.
const maxRemembered = 32

// rowAt runs the programs of f and its CIE as far as the address vaddr.
func (f *fde) rowAt(vaddr uint64, arm64 bool) (row, error) {
	m := machine{cie: f.cie, location: f.begin, until: vaddr, arm64: arm64}
	if err := m.run(reader{data: f.cie.program}); err != nil {
		return row{}, err
	}
	m.initial = m.row
	m.inFDE = true
	m.location = f.begin
	if err := m.run(f.program); err != nil {
		return row{}, err
	}
	return m.row, nil
}

// machine executes call frame instructions.
type machine struct {
	row
	cie             *cie
	initial         row // after the CIE's program, for DW_CFA_restore
	inFDE           bool
	remembered      []row
	location, until uint64
	arm64           bool
}

// Call frame instructions (DWARF 5, 7.24). The first three have an operand in
// their low six bits.
const (
	cfaAdvanceLoc = 0x40
	cfaOffset     = 0x80
	cfaRestore    = 0xc0

	cfaNop              = 0x00
	cfaSetLoc           = 0x01
	cfaAdvanceLoc1      = 0x02
	cfaAdvanceLoc2      = 0x03
	cfaAdvanceLoc4      = 0x04
	cfaOffsetExtended   = 0x05
	cfaRestoreExtended  = 0x06
	cfaUndefined        = 0x07
	cfaSameValue        = 0x08
	cfaRegister         = 0x09
	cfaRememberState    = 0x0a
	cfaRestoreState     = 0x0b
	cfaDefCFA           = 0x0c
	cfaDefCFARegister   = 0x0d
	cfaDefCFAOffset     = 0x0e
	cfaDefCFAExpression = 0x0f
	cfaExpression       = 0x10
	cfaOffsetExtendedSF = 0x11
	cfaDefCFASF         = 0x12
	cfaDefCFAOffsetSF   = 0x13
	cfaValOffset        = 0x14
	cfaValOffsetSF      = 0x15
	cfaValExpression    = 0x16

	cfaNegateRAStateWithPC = 0x2c // DW_CFA_AARCH64_negate_ra_state_with_pc
	cfaNegateRAState       = 0x2d // DW_CFA_AARCH64_negate_ra_state
	cfaGNUArgsSize         = 0x2e
	cfaGNUNegativeOffset   = 0x2f
)

var errProgram = errors.New("call frame program: truncated")

// run executes a program to its end or until it describes addresses beyond
// m.until. It consumes at least a byte an instruction, so it ends.
func (m *machine) run(r reader) error {
	for r.left() > 0 {
		op := r.byte()
		var advance uint64
		switch op & 0xc0 {
		case cfaAdvanceLoc:
			advance = uint64(op&0x3f) * m.cie.codeAlign
		case cfaOffset:
			m.set(uint64(op&0x3f), rule{kind: atOffset, offset: int64(r.uleb()) * m.cie.dataAlign})
		case cfaRestore:
			m.restore(uint64(op & 0x3f))
		default:
			switch op {
			case cfaAdvanceLoc1:
				advance = r.unsigned(1) * m.cie.codeAlign
			case cfaAdvanceLoc2:
				advance = r.unsigned(2) * m.cie.codeAlign
			case cfaAdvanceLoc4:
				advance = r.unsigned(4) * m.cie.codeAlign
			case cfaSetLoc:
				advance = r.pointer(m.cie.pointers) - m.location
			default:
				if err := m.instruction(op, &r); err != nil {
					return err
				}
			}
		}
		if r.failed {
			return errProgram
		}
		if advance != 0 {
			if m.until-m.location < advance {
				return nil
			}
			m.location += advance
		}
	}
	return nil
}

// instruction executes what does not advance the location and has no operand
// in its opcode.
func (m *machine) instruction(op byte, r *reader) error {
	align := m.cie.dataAlign
	switch op {
	case cfaNop:
	case cfaGNUArgsSize:
		r.uleb()
	case cfaOffsetExtended:
		reg := r.uleb()
		m.set(reg, rule{kind: atOffset, offset: int64(r.uleb()) * align})
	case cfaOffsetExtendedSF:
		reg := r.uleb()
		m.set(reg, rule{kind: atOffset, offset: r.sleb() * align})
	case cfaGNUNegativeOffset:
		reg := r.uleb()
		m.set(reg, rule{kind: atOffset, offset: -int64(r.uleb()) * align})
	case cfaValOffset:
		reg := r.uleb()
		m.set(reg, rule{kind: isOffset, offset: int64(r.uleb()) * align})
	case cfaValOffsetSF:
		reg := r.uleb()
		m.set(reg, rule{kind: isOffset, offset: r.sleb() * align})
	case cfaRestoreExtended:
		m.restore(r.uleb())
	case cfaUndefined:
		m.set(r.uleb(), rule{kind: undefined})
	case cfaSameValue:
		m.set(r.uleb(), rule{kind: sameValue})
	case cfaRegister:
		reg := r.uleb()
		m.set(reg, rule{kind: inRegister, offset: int64(r.uleb())})
	case cfaExpression:
		reg := r.uleb()
		m.set(reg, rule{kind: atExpression, expression: r.take(r.uleb())})
	case cfaValExpression:
		reg := r.uleb()
		m.set(reg, rule{kind: isExpression, expression: r.take(r.uleb())})
	case cfaDefCFA:
		m.cfaRegister, m.cfaOffset, m.cfaExpression = r.uleb(), int64(r.uleb()), nil
	case cfaDefCFASF:
		m.cfaRegister, m.cfaOffset, m.cfaExpression = r.uleb(), r.sleb()*align, nil
	case cfaDefCFARegister:
		m.cfaRegister, m.cfaExpression = r.uleb(), nil
	case cfaDefCFAOffset:
		m.cfaOffset = int64(r.uleb())
	case cfaDefCFAOffsetSF:
		m.cfaOffset = r.sleb() * align
	case cfaDefCFAExpression:
		// An empty expression computes nothing; keep it apart from none.
		if m.cfaExpression = r.take(r.uleb()); m.cfaExpression == nil {
			m.cfaExpression = []byte{}
		}
	case cfaRememberState:
		if len(m.remembered) == maxRemembered {
			return fmt.Errorf("call frame program: more than %d states remembered", maxRemembered)
		}
		m.remembered = append(m.remembered, m.row)
	case cfaRestoreState:
		n := len(m.remembered)
		if n == 0 {
			return errors.New("call frame program: no state to restore")
		}
		m.row, m.remembered = m.remembered[n-1], m.remembered[:n-1]
	case cfaNegateRAState, cfaNegateRAStateWithPC:
		if !m.arm64 {
			return fmt.Errorf("call frame program: unknown instruction %#x", op)
		}
		m.signed = !m.signed
	default:
		return fmt.Errorf("call frame program: unknown instruction %#x", op)
	}
	return nil
}

func (m *machine) set(reg uint64, r rule) {
	if reg < tracked {
		m.regs[reg] = r
	}
}

// restore gives a register the rule that the CIE gave it.
func (m *machine) restore(reg uint64) {
	if reg < tracked {
		m.regs[reg] = m.initial.regs[reg]
	}
}

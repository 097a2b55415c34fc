package unwind

import (
	"errors"
	"fmt"
)

// Limits on DWARF expressions. Those of C libraries have a dozen operations
// and a stack of three.
const (
	maxExpressionSteps = 1000
	maxExpressionStack = 64
)

// Operations of DWARF expressions that call frame information may use (DWARF
// 5, 7.7.1).
const (
	opAddr       = 0x03
	opDeref      = 0x06
	opConst1u    = 0x08 // up to opConsts: each width unsigned and signed
	opConstu     = 0x10
	opConsts     = 0x11
	opDup        = 0x12
	opDrop       = 0x13
	opOver       = 0x14
	opPick       = 0x15
	opSwap       = 0x16
	opRot        = 0x17
	opAbs        = 0x19
	opAnd        = 0x1a
	opDiv        = 0x1b
	opMinus      = 0x1c
	opMod        = 0x1d
	opMul        = 0x1e
	opNeg        = 0x1f
	opNot        = 0x20
	opOr         = 0x21
	opPlus       = 0x22
	opPlusUconst = 0x23
	opShl        = 0x24
	opShr        = 0x25
	opShra       = 0x26
	opXor        = 0x27
	opBra        = 0x28
	opEq         = 0x29
	opGe         = 0x2a
	opGt         = 0x2b
	opLe         = 0x2c
	opLt         = 0x2d
	opNe         = 0x2e
	opSkip       = 0x2f
	opLit0       = 0x30
	opLit31      = 0x4f
	opBreg0      = 0x70
	opBreg31     = 0x8f
	opBregx      = 0x92
	opDerefSize  = 0x94
	opNop        = 0x96
)

var (
	errExpression = errors.New("expression: truncated")
	errUnderflow  = errors.New("expression: stack underflow")
	errUnreadable = errors.New("memory: unreadable")
	errRegister   = errors.New("register: value unknown")
)

// evaluator evaluates one expression.
type evaluator struct {
	reader
	stack []uint64
	regs  func(uint64) (uint64, bool)
	mem   Memory
}

// evaluate computes an expression; initial, if any, is on the stack at its
// start.
func evaluate(expression []byte, regs func(uint64) (uint64, bool), mem Memory, initial ...uint64) (uint64, error) {
	e := evaluator{reader: reader{data: expression}, stack: append([]uint64(nil), initial...), regs: regs, mem: mem}
	for steps := 0; e.left() > 0; steps++ {
		if steps == maxExpressionSteps {
			return 0, fmt.Errorf("expression: more than %d steps", maxExpressionSteps)
		}
		if err := e.step(); err != nil {
			return 0, err
		}
		if e.failed {
			return 0, errExpression
		}
		if len(e.stack) > maxExpressionStack {
			return 0, fmt.Errorf("expression: more than %d values on the stack", maxExpressionStack)
		}
	}
	if len(e.stack) == 0 {
		return 0, errUnderflow
	}
	return e.stack[len(e.stack)-1], nil
}

func (e *evaluator) push(v uint64) { e.stack = append(e.stack, v) }

// pick returns the value n places below the top.
func (e *evaluator) pick(n uint64) error {
	if n >= uint64(len(e.stack)) {
		return errUnderflow
	}
	e.push(e.stack[uint64(len(e.stack))-1-n])
	return nil
}

func (e *evaluator) pop() uint64 {
	v := e.stack[len(e.stack)-1]
	e.stack = e.stack[:len(e.stack)-1]
	return v
}

// needs is how many values an operation takes from the stack.
func needs(op byte) int {
	switch op {
	case opDeref, opDerefSize, opDrop, opAbs, opNeg, opNot, opPlusUconst, opBra:
		return 1
	case opSwap, opAnd, opDiv, opMinus, opMod, opMul, opOr, opPlus, opShl, opShr, opShra, opXor,
		opEq, opGe, opGt, opLe, opLt, opNe:
		return 2
	case opRot:
		return 3
	}
	return 0
}

func (e *evaluator) step() error {
	op := e.byte()
	if len(e.stack) < needs(op) {
		return errUnderflow
	}
	switch {
	case op >= opLit0 && op <= opLit31:
		e.push(uint64(op - opLit0))
		return nil
	case op >= opBreg0 && op <= opBreg31:
		return e.register(uint64(op-opBreg0), e.sleb())
	case op >= opConst1u && op < opConstu:
		width := uint64(1) << ((op - opConst1u) / 2)
		v := e.unsigned(width)
		if shift := 64 - 8*width; op&1 == 1 {
			v = uint64(int64(v<<shift) >> shift)
		}
		e.push(v)
		return nil
	case needs(op) == 2 && op != opSwap:
		b, a := e.pop(), e.pop()
		return e.binary(op, a, b)
	}
	switch op {
	case opNop:
	case opAddr:
		e.push(e.unsigned(8))
	case opConstu:
		e.push(e.uleb())
	case opConsts:
		e.push(uint64(e.sleb()))
	case opBregx:
		reg := e.uleb()
		return e.register(reg, e.sleb())
	case opDup:
		return e.pick(0)
	case opOver:
		return e.pick(1)
	case opPick:
		return e.pick(uint64(e.byte()))
	case opDrop:
		e.pop()
	case opSwap:
		n := len(e.stack)
		e.stack[n-1], e.stack[n-2] = e.stack[n-2], e.stack[n-1]
	case opRot:
		n := len(e.stack)
		e.stack[n-1], e.stack[n-2], e.stack[n-3] = e.stack[n-2], e.stack[n-3], e.stack[n-1]
	case opAbs:
		if v := int64(e.pop()); v < 0 {
			e.push(uint64(-v))
		} else {
			e.push(uint64(v))
		}
	case opNeg:
		e.push(-e.pop())
	case opNot:
		e.push(^e.pop())
	case opPlusUconst:
		e.push(e.pop() + e.uleb())
	case opDeref:
		return e.dereference(8)
	case opDerefSize:
		return e.dereference(uint64(e.byte()))
	case opBra:
		distance := int16(e.unsigned(2))
		if e.pop() != 0 {
			return e.jump(distance)
		}
	case opSkip:
		return e.jump(int16(e.unsigned(2)))
	default:
		return fmt.Errorf("expression: unknown operation %#x", op)
	}
	return nil
}

func (e *evaluator) register(reg uint64, offset int64) error {
	v, ok := e.regs(reg)
	if !ok {
		return errRegister
	}
	e.push(v + uint64(offset))
	return nil
}

func (e *evaluator) dereference(size uint64) error {
	if size == 0 || size > 8 {
		return fmt.Errorf("expression: size %d of a memory access", size)
	}
	v, ok := e.mem.Read64(e.pop())
	if !ok {
		return errUnreadable
	}
	if size < 8 {
		v &= 1<<(8*size) - 1
	}
	e.push(v)
	return nil
}

func (e *evaluator) jump(distance int16) error {
	to := e.at + int(distance)
	if to < 0 || to > len(e.data) {
		return errors.New("expression: branch out of it")
	}
	e.at = to
	return nil
}

// binary pushes a op b. Division and comparison are signed, as DWARF has it.
func (e *evaluator) binary(op byte, a, b uint64) error {
	truth := func(t bool) uint64 {
		if t {
			return 1
		}
		return 0
	}
	var v uint64
	switch op {
	case opAnd:
		v = a & b
	case opOr:
		v = a | b
	case opXor:
		v = a ^ b
	case opPlus:
		v = a + b
	case opMinus:
		v = a - b
	case opMul:
		v = a * b
	case opDiv, opMod:
		if b == 0 {
			return errors.New("expression: division by zero")
		}
		if op == opMod {
			v = a % b
		} else if int64(b) == -1 {
			v = -a // the one quotient that does not fit wraps
		} else {
			v = uint64(int64(a) / int64(b))
		}
	case opShl:
		v = a << b
	case opShr:
		v = a >> b
	case opShra:
		v = uint64(int64(a) >> b)
	case opEq:
		v = truth(a == b)
	case opNe:
		v = truth(a != b)
	case opGe:
		v = truth(int64(a) >= int64(b))
	case opGt:
		v = truth(int64(a) > int64(b))
	case opLe:
		v = truth(int64(a) <= int64(b))
	case opLt:
		v = truth(int64(a) < int64(b))
	}
	e.push(v)
	return nil
}

package axioms

import (
	"errors"
	"strconv"
	"strings"

	"emurace/internal/litmus"
)

var errUnknown = errors.New("not an instruction that is known here")

// x86 runs an instruction. All are of 32 bits.
func (t *thread) x86(text string) error {
	op, rest, _ := strings.Cut(text, " ")
	args := operands(rest)
	switch op = strings.ToUpper(op); {
	case op == "MFENCE" && len(args) == 0:
		t.events = append(t.events, event{kind: fenceFull})
		return nil
	case len(args) != 2:
		return errUnknown
	case op == "MOV" && isMemory(args[0]):
		value, err := t.sourceX86(args[1])
		if err != nil {
			return err
		}
		return t.store(event{size: 4}, t.addressX86(args[0]), value)
	case op == "MOV":
		value, err := t.sourceX86(args[1])
		if err != nil {
			return err
		}
		return t.setX86(args[0], value)
	case op == "XCHG" && isMemory(args[0]):
		value, err := t.sourceX86(args[1])
		if err != nil {
			return err
		}
		was, err := t.load(event{size: 4}, t.addressX86(args[0]))
		if err != nil {
			return err
		}
		if err := t.store(event{size: 4, of: len(t.events), single: true}, t.addressX86(args[0]), value); err != nil {
			return err
		}
		return t.setX86(args[1], was)
	}
	return errUnknown
}

func isMemory(arg string) bool { return strings.HasPrefix(arg, "[") }

// addressX86 is the address that [x] names, 0 where there is no such location.
func (t *thread) addressX86(arg string) register {
	name := strings.TrimSpace(strings.Trim(arg, "[]"))
	for i, place := range t.places {
		if place == name {
			return register{value: addressOf(i)}
		}
	}
	return register{}
}

// sourceX86 is the value of a register, a number or memory.
func (t *thread) sourceX86(arg string) (register, error) {
	if isMemory(arg) {
		return t.load(event{size: 4}, t.addressX86(arg))
	}
	if n, err := strconv.ParseInt(strings.TrimPrefix(arg, "$"), 0, 64); err == nil {
		return register{value: uint64(uint32(n))}, nil
	}
	if arg = strings.ToUpper(arg); litmus.RegisterX86(arg) < 0 {
		return register{}, errUnknown
	}
	return t.regs[arg], nil
}

func (t *thread) setX86(arg string, value register) error {
	if arg = strings.ToUpper(arg); litmus.RegisterX86(arg) < 0 {
		return errUnknown
	}
	t.regs[arg] = value
	return nil
}

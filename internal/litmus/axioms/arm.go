package axioms

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"emurace/internal/litmus"
)

// instruction is one of AArch64, being run.
type instruction struct {
	*thread
	op   string
	args []string
	err  error // the first one of a wrong operand
}

// arm runs an instruction of AArch64.
func (t *thread) arm(text string) error {
	op, rest, _ := strings.Cut(strings.ToUpper(text), " ")
	i := &instruction{thread: t, op: op, args: operands(rest)}
	// Labels are the one thing whose case matters.
	if _, words, ok := strings.Cut(text, " "); ok && strings.HasPrefix(op, "B") || strings.HasPrefix(op, "CB") || strings.HasPrefix(op, "TB") {
		given := operands(words)
		if len(given) > 0 {
			i.args[len(i.args)-1] = given[len(given)-1]
		}
	}
	err := i.run()
	if i.err != nil {
		return i.err
	}
	return err
}

func (i *instruction) run() error {
	for _, try := range []func() (bool, error){i.barrier, i.branch, i.arithmetic, i.move, i.atomic, i.memory} {
		if done, err := try(); done || err != nil {
			return err
		}
	}
	return errUnknown
}

func (i *instruction) barrier() (bool, error) {
	kinds := map[string]kind{"SY": fenceFull, "ISH": fenceFull, "OSH": fenceFull, "NSH": fenceFull, "LD": fenceLoad, "ST": fenceStore}
	switch i.op {
	case "NOP":
		return true, nil
	case "ISB":
		i.events = append(i.events, event{kind: fenceISB, ctrl: i.branches.dep, ctrlPick: i.branches.pick})
		return true, nil
	case "DMB", "DSB":
		if len(i.args) != 1 {
			return false, errUnknown
		}
		domain := i.args[0]
		for _, prefix := range []string{"ISH", "OSH", "NSH"} {
			if domain != prefix {
				domain = strings.TrimPrefix(domain, prefix)
			}
		}
		k, ok := kinds[domain]
		if !ok {
			return false, errUnknown
		}
		if i.op == "DSB" && k == fenceStore {
			k = fenceDSBST
		}
		i.events = append(i.events, event{kind: k})
		return true, nil
	}
	return false, nil
}

func (i *instruction) branch() (bool, error) {
	switch {
	case i.op == "B" && len(i.args) == 1:
		return true, i.jump(i.args[0], taint{}, true)
	case (i.op == "CBZ" || i.op == "CBNZ") && len(i.args) == 2:
		r := i.reg(i.args[0])
		return true, i.jump(i.args[1], r.taint, (r.value == 0) == (i.op == "CBZ"))
	case (i.op == "TBZ" || i.op == "TBNZ") && len(i.args) == 3:
		bit, ok := number(i.args[1])
		if !ok || bit > 63 {
			return false, errOperand
		}
		r := i.reg(i.args[0])
		return true, i.jump(i.args[2], r.taint, (r.value>>bit&1 == 0) == (i.op == "TBZ"))
	case strings.HasPrefix(i.op, "B.") && len(i.args) == 1:
		taken, err := i.condition(i.op[2:])
		if err != nil {
			return false, err
		}
		return true, i.jump(i.args[0], i.flags, taken)
	}
	return false, nil
}

// condition tells whether the flags meet a condition.
func (t *thread) condition(name string) (bool, error) {
	switch name {
	case "EQ":
		return t.z, nil
	case "NE":
		return !t.z, nil
	case "CS", "HS":
		return t.c, nil
	case "CC", "LO":
		return !t.c, nil
	case "MI":
		return t.n, nil
	case "PL":
		return !t.n, nil
	case "HI":
		return t.c && !t.z, nil
	case "LS":
		return !t.c || t.z, nil
	case "GE":
		return t.n == t.v, nil
	case "LT":
		return t.n != t.v, nil
	case "GT":
		return !t.z && t.n == t.v, nil
	case "LE":
		return t.z || t.n != t.v, nil
	case "AL":
		return true, nil
	}
	return false, fmt.Errorf("%q is no condition", name)
}

// arithmetic runs additions and bitwise operations.
func (i *instruction) arithmetic() (bool, error) {
	op, args := i.op, i.args
	if full, ok := map[string]string{"CMP": "SUBS", "CMN": "ADDS", "TST": "ANDS"}[op]; ok && len(args) > 0 {
		op, args = full, append([]string{args[0][:1] + "ZR"}, args...)
	}
	name := strings.TrimSuffix(op, "S")
	if name != op && name != "ADD" && name != "SUB" && name != "AND" {
		return false, nil
	}
	switch name {
	case "ADD", "SUB", "AND", "ORR", "EOR":
	default:
		return false, nil
	}
	if len(args) < 3 {
		return false, errUnknown
	}
	i.args = args
	a, b := i.reg(args[1]), i.source(2)
	size := i.width(args[0])
	a.value, b.value = a.value&mask(size), b.value&mask(size)
	r := register{taint: a.or(b.taint)}
	carry, overflow := false, false
	sign := uint64(1) << (8*size - 1)
	switch name {
	case "ADD":
		r.value = (a.value + b.value) & mask(size)
		carry = r.value < a.value
		overflow = (a.value^r.value)&(b.value^r.value)&sign != 0
	case "SUB":
		r.value = (a.value - b.value) & mask(size)
		carry = a.value >= b.value
		overflow = (a.value^b.value)&(a.value^r.value)&sign != 0
	case "AND":
		r.value = a.value & b.value
	case "ORR":
		r.value = a.value | b.value
	case "EOR":
		r.value = a.value ^ b.value
	}
	i.set(args[0], r)
	if name != op {
		i.flags, i.n, i.z, i.c, i.v = r.taint, r.value&sign != 0, r.value == 0, carry, overflow
	}
	return true, nil
}

// move runs those that choose a value.
func (i *instruction) move() (bool, error) {
	switch i.op {
	case "MOV", "MVN":
		if len(i.args) != 2 {
			return false, errUnknown
		}
		r := i.source(1)
		if i.op == "MVN" {
			r.value = ^r.value
		}
		i.set(i.args[0], r)
		return true, nil
	case "CSEL", "CSINC":
		if len(i.args) != 4 {
			return false, errUnknown
		}
		first, err := i.condition(i.args[3])
		if err != nil {
			return false, err
		}
		r := i.reg(i.args[1])
		if !first {
			if r = i.reg(i.args[2]); i.op == "CSINC" {
				r.value++
			}
		}
		r.pick |= i.flags.dep | i.flags.pick
		i.set(i.args[0], r)
		return true, nil
	case "CSET":
		if len(i.args) != 2 {
			return false, errUnknown
		}
		first, err := i.condition(i.args[1])
		if err != nil {
			return false, err
		}
		r := register{taint: taint{pick: i.flags.dep | i.flags.pick}}
		if first {
			r.value = 1
		}
		i.set(i.args[0], r)
		return true, nil
	}
	return false, nil
}

var errOperand = errors.New("an operand that is not known here")

// width is a register's, in bytes.
func (i *instruction) width(name string) int {
	if strings.HasPrefix(name, "W") {
		return 4
	}
	return 8
}

// reg is what a register holds, of a W register its lower half.
func (i *instruction) reg(name string) register {
	n, ok := litmus.RegisterARM(name)
	if !ok {
		i.err = errOperand
		return register{}
	}
	if n == litmus.Zero {
		return register{}
	}
	r := i.regs[fmt.Sprintf("X%d", n)]
	r.value &= mask(i.width(name))
	return r
}

// set writes a register, through W with zeros above.
func (i *instruction) set(name string, r register) {
	n, ok := litmus.RegisterARM(name)
	if !ok {
		i.err = errOperand
		return
	}
	if n != litmus.Zero {
		r.value &= mask(i.width(name))
		i.regs[fmt.Sprintf("X%d", n)] = r
	}
}

// source is the last source operand, which begins at args[at]: a number, or a register that may be shifted or
// extended.
func (i *instruction) source(at int) register {
	args := i.args[at:]
	if n, ok := number(args[0]); ok && len(args) == 1 {
		return register{value: n}
	}
	r := i.reg(args[0])
	if len(args) == 1 {
		return r
	}
	how, by, _ := strings.Cut(args[1], " ")
	n := uint64(0)
	if by != "" {
		var ok bool
		if n, ok = number(by); !ok {
			i.err = errOperand
		}
	}
	switch how {
	case "LSL", "UXTX", "SXTX":
	case "UXTW":
		r.value = uint64(uint32(r.value))
	case "SXTW":
		r.value = uint64(int64(int32(r.value)))
	case "LSR":
		r.value >>= n & 63
		return r
	default:
		i.err = errOperand
	}
	r.value <<= n & 63
	return r
}

// number reads #1, 1 or #0x10.
func number(text string) (uint64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(text, "#"), 0, 64)
	return uint64(n), err == nil
}

package axioms

import "strings"

// address is what [Xn], [Xn,#4], [Xn,Wm,SXTW] and those that write back name. The operand behind the brackets, of
// post-index, is args[at+1].
func (i *instruction) address(at int) register {
	if at >= len(i.args) || !strings.HasPrefix(i.args[at], "[") {
		i.err = errOperand
		return register{}
	}
	text := i.args[at]
	before := strings.HasSuffix(text, "!")
	parts := operands(strings.Trim(text, "[]!"))
	if len(parts) == 0 {
		i.err = errOperand
		return register{}
	}
	base := i.reg(parts[0])
	address := base
	if len(parts) > 1 {
		part := *i
		part.args = parts
		offset := part.source(1)
		if part.err != nil {
			i.err = part.err
		}
		address = register{base.value + offset.value, base.or(offset.taint)}
	}
	if before {
		i.set(parts[0], address)
	}
	if len(i.args) > at+1 {
		after := i.source(at + 1)
		i.set(parts[0], register{base.value + after.value, base.or(after.taint)})
	}
	return address
}

// sized cuts B or H off an instruction's name. 0 is the register's own size.
func sized(op string) (string, int) {
	switch {
	case strings.HasSuffix(op, "B"):
		return op[:len(op)-1], 1
	case strings.HasSuffix(op, "H"):
		return op[:len(op)-1], 2
	}
	return op, 0
}

// memory runs loads and stores.
func (i *instruction) memory() (bool, error) {
	op, size := sized(i.op)
	if len(i.args) == 0 {
		return false, nil
	}
	if size == 0 {
		size = i.width(i.args[0])
	}
	switch op {
	case "LDR", "LDUR", "LDAR", "LDAPR", "LDXR", "LDAXR":
		e := event{size: size, acquire: op == "LDAR" || op == "LDAXR", acquirePC: op == "LDAPR"}
		r, err := i.load(e, i.address(1))
		if i.err == nil && err == nil {
			if op == "LDXR" || op == "LDAXR" {
				i.monitor = len(i.events)
			}
			i.set(i.args[0], r)
		}
		return true, err
	case "STR", "STUR", "STLR":
		return true, i.store(event{size: size, release: op == "STLR"}, i.address(1), i.reg(i.args[0]))
	case "STXR", "STLXR":
		if len(i.args) != 3 {
			return false, errUnknown
		}
		if _, explicit := sized(i.op); explicit == 0 {
			size = i.width(i.args[1])
		}
		if i.monitor == 0 { // without a load exclusive it fails
			i.address(2)
			i.set(i.args[0], register{value: 1})
			return true, nil
		}
		// Else it does not fail: what is looked for is behind those that succeed.
		e := event{size: size, release: op == "STLXR", of: i.monitor}
		i.monitor = 0
		err := i.store(e, i.address(2), i.reg(i.args[1]))
		i.set(i.args[0], register{})
		return true, err
	case "LDP", "STP":
		return true, i.pair(op, size)
	}
	return false, nil
}

// pair runs those of two registers, which are two accesses.
func (i *instruction) pair(op string, size int) error {
	if len(i.args) < 3 {
		return errUnknown
	}
	first := i.address(2)
	second := first
	second.value += uint64(size)
	for n, address := range []register{first, second} {
		if op == "STP" {
			if err := i.store(event{size: size}, address, i.reg(i.args[n])); err != nil {
				return err
			}
			continue
		}
		r, err := i.load(event{size: size}, address)
		if err != nil {
			return err
		}
		i.set(i.args[n], r)
	}
	return nil
}

// atomic runs the instructions of the Large System Extensions.
func (i *instruction) atomic() (bool, error) {
	op, size := sized(i.op)
	e := event{single: true}
	for _, suffix := range []struct {
		text             string
		acquire, release bool
	}{{"AL", true, true}, {"A", true, false}, {"L", false, true}, {"", false, false}} {
		if name, ok := strings.CutSuffix(op, suffix.text); ok {
			if kind := atomicKinds[name]; kind != nil {
				e.acquire, e.release = suffix.acquire, suffix.release
				return true, i.modify(name, size, e, kind)
			}
		}
	}
	return false, nil
}

// atomicKinds are what the atomic instructions make of what is there and their operand. Of CAS this is not all.
var atomicKinds = map[string]func(was, operand uint64) uint64{
	"SWP": func(_, operand uint64) uint64 { return operand }, "CAS": func(_, operand uint64) uint64 { return operand },
	"LDADD": func(was, operand uint64) uint64 { return was + operand }, "STADD": func(was, operand uint64) uint64 { return was + operand },
	"LDSET": func(was, operand uint64) uint64 { return was | operand }, "STSET": func(was, operand uint64) uint64 { return was | operand },
	"LDCLR": func(was, operand uint64) uint64 { return was &^ operand }, "STCLR": func(was, operand uint64) uint64 { return was &^ operand },
	"LDEOR": func(was, operand uint64) uint64 { return was ^ operand }, "STEOR": func(was, operand uint64) uint64 { return was ^ operand },
}

// modify runs a read-modify-write. Those that give no register what was there have no acquire, says the manual,
// and a dmb ld does not order their reads; so has one whose register is WZR.
func (i *instruction) modify(name string, size int, e event, change func(was, operand uint64) uint64) error {
	want := 3
	if strings.HasPrefix(name, "ST") {
		want = 2
	}
	if len(i.args) != want {
		return errUnknown
	}
	if size == 0 {
		size = i.width(i.args[0])
	}
	target := ""
	if want == 3 {
		target = i.args[1]
	}
	operand, address := i.reg(i.args[0]), i.address(want-1)
	expected := register{}
	if name == "CAS" {
		expected, operand, target = operand, i.reg(i.args[1]), i.args[0]
	}
	noReturn := target == "" || strings.HasSuffix(target, "ZR")
	acquire, release := e.acquire && !noReturn, e.release
	was, err := i.load(event{size: size, acquire: acquire, noReturn: noReturn}, address)
	if err != nil || i.err != nil {
		return err
	}
	of := len(i.events)
	if target != "" {
		i.set(target, was)
	}
	if name == "CAS" && was.value != expected.value&mask(size) {
		return nil
	}
	value := register{change(was.value, operand.value), operand.taint}
	if name != "SWP" && name != "CAS" {
		value.taint = value.or(was.taint)
	}
	return i.store(event{size: size, release: release, of: of, single: true}, address, value)
}

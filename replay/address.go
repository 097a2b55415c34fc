package replay

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"emurace/emu"
)

// errAddress is wrapped by errors about text that names no address.
var errAddress = errors.New("not an address")

// Evaluate reads an address as a person writes it: terms joined by + and -, each a
// number, a register of the thread, or a function or variable of a library, as in
// environ+8 or x20-40. Registers are those of the present moment.
func (h *History) Evaluate(text string, thread int) (uint64, error) {
	sum, sign, rest := uint64(0), uint64(1), text
	for {
		term, next, more := rest, "", false
		if i := strings.IndexAny(rest, "+-"); i >= 0 {
			term, next, more = rest[:i], rest[i:], true
		}
		v, err := h.term(strings.TrimSpace(term), thread)
		if err != nil {
			return 0, fmt.Errorf("%q: %w", text, err)
		}
		sum += sign * v
		if !more {
			return sum, nil
		}
		sign = 1
		if next[0] == '-' {
			sign = ^uint64(0)
		}
		rest = next[1:]
	}
}

func (h *History) term(text string, thread int) (uint64, error) {
	if text == "" {
		return 0, fmt.Errorf("%w: something is missing", errAddress)
	}
	if v, err := strconv.ParseUint(text, 0, 64); err == nil {
		return v, nil
	}
	if thread >= 0 {
		if v, ok := h.s.Process().Register(h.s.MachineThread(thread), text); ok {
			return v, nil
		}
	}
	for _, mod := range append([]*emu.Module{h.s.Process().Program()}, h.s.Process().Modules()...) {
		for _, s := range mod.Image.Named(text) {
			return mod.Base + s.Addr, nil
		}
	}
	return 0, fmt.Errorf("%w: %q is no number, register or symbol", errAddress, text)
}

// IsRegister tells whether a thread has a register of that name.
func (h *History) IsRegister(name string, thread int) bool {
	_, ok := h.s.Process().Register(h.s.MachineThread(thread), name)
	return ok
}

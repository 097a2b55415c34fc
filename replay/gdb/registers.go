package gdb

import (
	"encoding/hex"
	"strings"
)

// unavailable is what a packet has for a byte that there is not.
const unavailable = "xx"

// values are a thread's registers by the machine's names; none for a thread that
// has ended.
func (c *client) values(thread int) (map[string][]byte, error) {
	regs, err := c.m.Registers(thread)
	if err != nil {
		return nil, err
	}
	v := map[string][]byte{}
	for _, r := range regs {
		v[r.Name] = r.Value
	}
	return v, nil
}

// encode writes a register's bytes, in as many as gdb has for it. The machine's
// registers are little-endian and may be shorter or, where the rest is always
// zero, longer.
func (r register) encode(values map[string][]byte) string {
	v, ok := values[r.from]
	if !ok {
		return strings.Repeat(unavailable, r.size())
	}
	b := make([]byte, r.size())
	copy(b, v)
	return hex.EncodeToString(b)
}

// readRegisters answers g.
func (c *client) readRegisters() string {
	thread, ok := c.general()
	if !ok {
		return errNoThread
	}
	values, err := c.values(thread)
	if err != nil {
		return c.failure(err.Error())
	}
	var b strings.Builder
	for _, r := range c.target.regs {
		b.WriteString(r.encode(values))
	}
	return b.String()
}

// readRegister answers p, with the register's number.
func (c *client) readRegister(arg string) string {
	n, err := parseHex(arg)
	if err != nil || n >= uint64(len(c.target.regs)) {
		return errInvalid
	}
	thread, ok := c.general()
	if !ok {
		return errNoThread
	}
	values, err := c.values(thread)
	if err != nil {
		return c.failure(err.Error())
	}
	return c.target.regs[n].encode(values)
}

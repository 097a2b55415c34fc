package replay

import (
	"fmt"

	"emurace/emu"
)

// environment is the process's environ at one moment: where the array is and
// how many entries it has before its NULL.
type environment struct {
	addr    uint64
	entries int
}

// maxEntries bounds how far an array is followed.
const maxEntries = 1 << 14

// environmentOf reads environ, which POSIX makes a public variable of every
// libc.
func environmentOf(m *emu.Process) (environment, bool) {
	symbol, err := m.Lookup("environ")
	if err != nil {
		return environment{}, false
	}
	addr, ok := m.Read64(symbol)
	if !ok {
		return environment{}, false
	}
	e := environment{addr: addr}
	for e.entries < maxEntries {
		v, ok := m.Read64(addr + 8*uint64(e.entries))
		if !ok || v == 0 {
			break
		}
		e.entries++
	}
	return e, addr != 0
}

// Environ is the process's environ at the present moment: where the array is and
// how many entries it has before its NULL; false when there is none.
func Environ(m *emu.Process) (addr uint64, entries int, ok bool) {
	e, ok := environmentOf(m)
	return e.addr, e.entries, ok
}

// environments returns environ as it was at the race's start and as it is at
// its end, one entry when it did not change. The session is left at the end.
func (h *History) environments() ([]environment, error) {
	if err := h.SeekTo(0); err != nil {
		return nil, err
	}
	old, okOld := environmentOf(h.s.Process())
	if err := h.SeekEnd(); err != nil {
		return nil, err
	}
	now, okNow := environmentOf(h.s.Process())
	switch {
	case okOld && okNow && old != now:
		return []environment{old, now}, nil
	case okNow:
		return []environment{now}, nil
	}
	return nil, nil
}

// environ shows the arrays entry by entry, as their memory is at the end.
func (d dumper) environ(list []environment) {
	for i, e := range list {
		switch {
		case len(list) == 2 && i == 0:
			d.section("environ when the race began: %s, %s; its memory now", hex(e.addr), count(uint64(e.entries), "entry"))
		default:
			d.section("environ now: %s, %s", hex(e.addr), count(uint64(e.entries), "entry"))
		}
		for n := 0; n <= e.entries; n++ {
			addr := e.addr + 8*uint64(n)
			d.Printf("    [%3d] %s: %s  %s\n", n, d.Faint(hex(addr)), d.word(addr), d.entry(addr, n == e.entries))
		}
	}
}

// entry says what an entry of the array is: a string, the end, or neither.
func (d dumper) entry(addr uint64, end bool) string {
	const most = 64
	m := d.machine()
	v, ok := m.Read64(addr)
	if !ok {
		return ""
	}
	if v == 0 {
		return d.Faint("NULL")
	}
	s, ok := m.CString(v, most)
	switch {
	case ok:
		s = fmt.Sprintf("%q", s)
	case s != "":
		s = fmt.Sprintf("%q...", s)
	default:
		s = d.Bad("no string: nothing is mapped there")
	}
	if end {
		s += d.Bad("  where NULL ended the list")
	}
	return s
}

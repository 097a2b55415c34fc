package replay

import (
	"emurace/emu"
	"emurace/internal/words"
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
	return environment{addr, Entries(m, addr)}, addr != 0
}

// Entries counts the entries of an array before its NULL, or before where it cannot be
// followed.
func Entries(m *emu.Process, addr uint64) int {
	for n := range maxEntries {
		if v, ok := m.Read64(addr + 8*uint64(n)); !ok || v == 0 {
			return n
		}
	}
	return maxEntries
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
			d.section("environ when the race began: %s, %s; its memory now", words.Hex(e.addr), words.Count(uint64(e.entries), "entry"))
		default:
			d.section("environ now: %s, %s", words.Hex(e.addr), words.Count(uint64(e.entries), "entry"))
		}
		for n := 0; n <= e.entries; n++ {
			addr := e.addr + 8*uint64(n)
			d.Printf("    [%3d] %s: %s  %s\n", n, d.Faint(words.Hex(addr)), d.word(addr), d.entry(addr, n == e.entries))
		}
	}
}

// NoString is what is said of an entry that points to no memory.
const NoString = "no string: nothing is mapped there"

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
	s, _ := Quoted(m, v, most)
	if s == "" {
		s = d.Bad(NoString)
	}
	if end {
		s += d.Bad("  where NULL ended the list")
	}
	return s
}

package scenario

// WantEvents makes runs stop at events, and the machine tell which bytes threads share:
// see RunEvent and Grown.
func (s *Session) WantEvents(on bool) { s.m.WantEvents(on) }

// StopAt makes threads stop before the instructions at these addresses, in place of those
// that were given before, as [emu.Machine.StopAt].
func (s *Session) StopAt(addrs ...uint64) error { return s.m.StopAt(addrs...) }

// StopAfter makes threads stop behind an instruction that reads or writes any of these
// bytes, as [emu.Machine.StopAfter].
func (s *Session) StopAfter(addr, size uint64, reads, writes bool) {
	s.m.StopAfter(addr, size, reads, writes)
}

// WithoutStops runs f with none of these stops.
func (s *Session) WithoutStops(f func() error) error { return s.m.WithoutStops(f) }

// SharedBytes are the bytes that threads are known to share, by the address of eight: a
// bit for each. They decide where events end.
func (s *Session) SharedBytes() map[uint64]uint8 { return s.m.SharedBytes() }

// AddShared makes more bytes known to be shared, as if runs had shown it.
func (s *Session) AddShared(bytes map[uint64]uint8) error { return s.m.AddShared(bytes) }

// ForgetShared goes back to the bytes that AddShared has told of.
func (s *Session) ForgetShared() { s.m.ForgetShared() }

package linux

const second = 1_000_000_000

// bootTime is the real-time clock, in nanoseconds since 1970, at the virtual
// machine's start: an arbitrary constant, so that runs are equal on any day.
const bootTime = 1_600_000_000 * second

// monotonic is the virtual clock in nanoseconds: one per instruction, and what
// was slept.
func (k *Kernel) monotonic() uint64 { return k.Memory.Steps() + k.s.Sleep + second }

// advance moves the clock on, up to 146 years in all: with a timeout added, a
// time still fits 64 bits.
func (k *Kernel) advance(ns uint64) {
	const most = 1 << 62
	s := k.mut()
	s.Sleep += min(ns, most-s.Sleep)
}

// clock is the virtual clock as a system call sees it.
type clock struct{ access }

func (k *Kernel) clock(r *Result) clock { return clock{access{k, r}} }

// now is the monotonic clock, in nanoseconds.
func (c clock) now() uint64 {
	c.reads(ObjectClock, 0)
	return c.k.monotonic()
}

// read is now, or the time of day in nanoseconds since 1970.
func (c clock) read(real bool) uint64 {
	if real {
		return bootTime + c.now()
	}
	return c.now()
}

// used is the processor time of the process in nanoseconds: one an instruction, as
// on the virtual clock, without what was slept.
func (c clock) used() uint64 {
	c.reads(ObjectClock, 0)
	return c.k.Memory.Steps()
}

// sleep moves the clock on.
func (c clock) sleep(ns uint64) {
	c.writes(ObjectClock, 0)
	c.k.advance(ns)
}

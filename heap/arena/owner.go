package arena

// Owners is which threads a block may have been handed out by.
type Owners struct {
	Arena *Arena
	// Threads are the indexes in Malloc.Threads of those that take their blocks from the
	// arena.
	Threads []int
	// Others is how many more threads the arena counts, which were not found; -1 when it does
	// not count them, or when some thread's arena is not known.
	Others int
	// Certain is set when the block is in the arena for certain and the listed threads are all
	// that take their blocks from it now. It may still be another thread's: one that has
	// ended had the arena before; what realloc moves stays in the arena of who had it first;
	// a cache hands out what its thread has freed, whose ever it was; and a thread takes from
	// another arena what its own has no room for.
	Certain bool
}

// Owners is which threads may have been handed the block that an address is in, by its arena;
// false for one that is in no arena, such as a block that has a mapping of its own.
func (m *Malloc) Owners(addr uint64) (Owners, bool) {
	c, ok := m.At(addr)
	if !ok || c.Arena == nil {
		return Owners{}, false
	}
	o := Owners{Arena: c.Arena, Threads: c.Arena.Threads, Others: -1}
	sure := true
	for _, t := range m.Threads {
		sure = sure && t.ArenaCertain
	}
	// From the beginning main_arena counts one thread, the first: it may not have had to
	// ask for an arena yet.
	if n := c.Arena.Attached; n >= 0 && sure {
		o.Others = max(n-len(o.Threads), 0)
	}
	h := m.heapAt(c.Addr)
	o.Certain = h != nil && h.Certain && c.Arena.Certain && sure && o.Others <= 0
	return o, true
}

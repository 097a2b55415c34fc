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
	// Certain is set when the block's chunk is certain and the listed threads are all that take
	// their blocks from the arena now. Before them one that has ended may have had it, and
	// a thread takes from another's arena what its own has no room for.
	Certain bool
}

// Owners is which threads may have been handed the block that an address is in, by its arena;
// false for one that is in no arena, such as a block that has a mapping of its own.
func (m *Malloc) Owners(addr uint64) (Owners, bool) {
	c, ok := m.At(addr)
	if !ok || c.Arena == nil {
		return Owners{}, false
	}
	return m.owners(c), true
}

func (m *Malloc) owners(c Chunk) Owners {
	o := Owners{Arena: c.Arena, Threads: c.Arena.Threads, Others: -1}
	sure := true
	for _, t := range m.Threads {
		sure = sure && t.Certain
	}
	// From the beginning main_arena counts one thread, the first: it may not have had to
	// ask for an arena yet.
	if n := c.Arena.Attached; n >= 0 && sure {
		o.Others = max(n-len(o.Threads), 0)
	}
	o.Certain = c.Certain && sure && o.Others <= 0
	return o
}

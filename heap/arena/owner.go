package arena

// Owners is which threads a block may belong to.
type Owners struct {
	Arena *Arena
	// Threads are the indexes in Malloc.Threads of those that take their blocks from the
	// arena. A block may have been handed out by one of them and be another's now.
	Threads []int
	// Certain is set when no other thread can have been handed the block by malloc while all
	// those now living had their arenas: the arena counts just the threads listed.
	Certain bool
	// Others is how many more threads the arena counts, which were not found; -1 for unknown.
	Others int
}

// Owners is which threads the block at an address may belong to, by its chunk's arena; false for
// one that is in no arena, such as a block that has a mapping of its own.
func (m *Malloc) Owners(addr uint64) (Owners, bool) { return Owners{}, false }

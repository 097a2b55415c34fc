package arena

// mapped recognises a block that has a mapping of its own around an address.
func (m *Malloc) mapped(addr uint64) (Chunk, bool) { return Chunk{}, false }

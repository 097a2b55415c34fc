package replay

// What glibc's malloc keeps in memory beside the blocks, on 64-bit machines
// (malloc/malloc.c, "Chunk representations"): before each block a word with the
// chunk's size and three flags, and before that the size of the chunk before it
// while that one is free; else that word is the last of the chunk before. In a
// free block, the first words are links of a list.
const (
	chunkHeader = 16 // from a chunk's start to its block
	chunkFlags  = 7  // PREV_INUSE, IS_MMAPPED, NON_MAIN_ARENA
	minChunk    = 32
)

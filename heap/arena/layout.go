package arena

// How malloc lays out its structures on 64-bit machines (malloc/malloc.c, malloc/arena.c).
const (
	header   = 16 // from a chunk's start to its block
	sizeAt   = 8  // from a chunk's start to its size field
	flagBits = 7
	// The flags of the size field.
	prevInUse = 1 // the chunk before is not in a bin
	isMmapped = 2
	nonMain   = 4 // of an arena other than main_arena
	minChunk  = 32
	align     = 16

	binCount  = 127              // bins 1 to 127; bin 1 is the unsorted one
	firstBig  = 64               // the first large bin, for chunks of 1024 bytes on
	bigChunk  = 1024             // the smallest chunk of a large bin
	binsSize  = 2 * 8 * binCount // malloc_state.bins
	nextAt    = binsSize + 16    // from bins to next, binmap being between them
	fastCount = 10               // malloc_state.fastbinsY, directly before top

	topWord = ^uint64(15) // -16: from bins to top; last_remainder is behind that
)

// layout is how one version keeps a malloc_state, seen from its member bins: all between top
// and next has been at the same distance from it in all versions.
type layout struct {
	// bins is where bins is: 104 before 2.27; 112 from then on, when have_fastchunks came
	// between; 24 in 2.43, which has no fast bins.
	bins uint64
	// fast is set when there are fast bins.
	fast bool
	// attached is set when attached_threads comes before system_mem: 2.23 on.
	attached bool
}

func (l layout) size() uint64 {
	size := l.bins + nextAt + 4*8 // next, next_free, system_mem, max_system_mem
	if l.attached {
		size += 8
	}
	return size
}

func (l layout) systemMem() uint64 {
	if l.attached {
		return l.bins + nextAt + 24
	}
	return l.bins + nextAt + 16
}

// layouts are all that there are, newest last.
var layouts = []layout{
	{bins: 104, fast: true}, {bins: 104, fast: true, attached: true},
	{bins: 112, fast: true, attached: true}, {bins: 24, attached: true},
}

// layoutOf is that of a version.
func layoutOf(minor int) layout {
	switch {
	case minor < 23:
		return layouts[0]
	case minor < 27:
		return layouts[1]
	case minor < 43:
		return layouts[2]
	}
	return layouts[3]
}

// heapInfoSizes are those of heap_info, at the start of each heap of an arena that is not the main
// one: 32 bytes, and 48 since 2.35 has pagesize in it.
var heapInfoSizes = []uint64{48, 32}

// binOf is the number of the bin that free chunks of a size are kept in (malloc/malloc.c,
// bin_index for 64-bit machines).
func binOf(size uint64) int {
	switch {
	case size < bigChunk:
		return int(size >> 4)
	case size>>6 <= 48:
		return 48 + int(size>>6)
	case size>>9 <= 20:
		return 91 + int(size>>9)
	case size>>12 <= 10:
		return 110 + int(size>>12)
	case size>>15 <= 4:
		return 119 + int(size>>15)
	case size>>18 <= 2:
		return 124 + int(size>>18)
	}
	return 126
}

// cacheLayout is how a tcache_perthread_struct is laid out. It can be told by the size of the chunk that
// it lies in.
type cacheLayout struct {
	chunk   uint64 // size of its chunk
	bins    int
	count   int // bytes of a bin's count: 1 before 2.30, then 2
	entries uint64
}

// cacheLayouts: 2.26 to 2.29, 2.30 to 2.41, and since 2.42, which counts the free places of
// a bin instead of the blocks in it, and has 12 bins for large blocks, each for sizes up to a power of two.
var cacheLayouts = []cacheLayout{{0x250, 64, 1, 64}, {0x290, 64, 2, 128}, {0x300, 76, 2, 152}}

// smallCacheBins of a cache are for one size each, from minChunk on.
const smallCacheBins = 64

// cacheBinHolds tells whether a chunk of a size belongs into a bin of a cache.
func cacheBinHolds(bin int, size uint64) bool {
	if bin < smallCacheBins {
		return size == minChunk+uint64(bin)*align
	}
	return size >= minChunk+smallCacheBins*align && size <= maxCached
}

// maxCached is the size of the largest chunk that a thread's cache can be made to hold (2.42 on;
// glibc.malloc.tcache_max goes up to 4 MiB).
const maxCached = 4<<20 + pageSize

// chunkSize is the size without its flags when it can be a chunk's.
func chunkSize(field uint64) (size uint64, ok bool) {
	size = field &^ flagBits
	return size, size >= minChunk && size%align == 0 && size < addressLimit
}

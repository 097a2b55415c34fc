package arena

// Kind says what a word is.
type Kind string

// The kinds.
const (
	SizeField  Kind = "size"          // the size of Chunk, with flags
	Foot       Kind = "foot"          // the size of the free Chunk, in the last word of it
	FreeLink   Kind = "link"          // a link of a list of free chunks
	CacheLink  Kind = "cache-link"    // a link of a thread's cache or of a fast bin: next
	CacheKey   Kind = "cache-key"     // what marks a block as being in a thread's cache
	ToFree     Kind = "to-free-block" // a pointer into a free block
	ToUsed     Kind = "to-used-block" // a pointer into a block in use
	ToTop      Kind = "to-top"        // a pointer into the top chunk
	ToArena    Kind = "to-arena"      // a pointer to or into a malloc_state
	ToCache    Kind = "to-cache"      // a pointer to or into a tcache_perthread_struct
	ToInternal Kind = "to-internal"   // a pointer into what else is malloc's own
)

// Meaning is one thing that a word may be.
type Meaning struct {
	Kind    Kind
	Certain bool
	Field   string // of the chunk that the word lies in: "size", "prev_size", "fd", "bk", "fd_nextsize", "bk_nextsize", "next", "key"; "" for none
	Chunk   *Chunk // that the word is a field of, or that it is the size of; nil for none
	Target  uint64 // where it leads once it is demangled; 0 for nowhere, or the end of a list
	Mangled bool   // it was, with its own position
	To      *Chunk // that has Target, nil for none
	Arena   *Arena // that has Target in its malloc_state, nil for none
	Bin     int    // of Arena, when Target is the head of one; 0 for none
	Cache   *Cache // that Target is in, or whose key it is; nil for none or unknown
	// Evidence is what it was concluded from, the strongest first.
	Evidence []Fact
}

// Fact is a word of memory that speaks for a conclusion, and what it says.
type Fact struct {
	Addr, Value uint64
	Says        string // plain words, no sentence
}

// Meaning says what a value is that lies or once lay at an address, or that is known without
// one (0). The first is the best; none is left when it means nothing to malloc.
func (m *Malloc) Meaning(addr, value uint64) []Meaning { return nil }

// MeaningOf says what a value is without an address of its own, which someone holds who walks the
// memory at the addresses of near, such as other registers: the size of a free chunk that one of
// them points into or behind, or else what Meaning says.
func (m *Malloc) MeaningOf(value uint64, near ...uint64) []Meaning { return nil }

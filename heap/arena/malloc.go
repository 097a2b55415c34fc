package arena

// Extent is the bytes from Lo up to Hi.
type Extent struct{ Lo, Hi uint64 }

// Has tells whether an address is in the extent.
func (e Extent) Has(addr uint64) bool { return addr >= e.Lo && addr < e.Hi }

// Malloc is glibc's malloc in a dead process. It is not for several goroutines at a time.
type Malloc struct {
	// Arenas are all that were found, the main one first.
	Arenas []*Arena
	// Caches are the threads' caches (tcache_perthread_struct), those of no known thread
	// last.
	Caches []*Cache
	// Threads are the process's, as given, with what malloc has for each.
	Threads []ThreadHeap
	// Lists are all free lists that are not empty.
	Lists []*List
	// Problems are what is damaged, what is missing and what could not be found.
	Problems []Problem
	// Params is malloc_par, mp_.
	Params Params

	p      Process
	minor  int // 36 of 2.36; 0 for unknown
	mem    *reader
	lay    layout
	known  bool // lay is
	mangle mangling
	mainAt uint64  // main_arena by its symbol, 0 for unknown
	heaps  []*Heap // of all arenas, by address
	free   freeIndex
	doubt  doubts
	tried  int // chunks that were gone through to find where a heap begins

	maps      []mapping // by address
	mapsKnown bool      // they were looked for

	keyAt, keyValue      uint64
	keyKnown, keyCertain bool // the key was looked for; it is certain
}

const maxProblems = 1 << 10

// Read finds out what the memory of a dead process has of malloc. What it does not find is said in
// Problems. A heap is gone through when something in it is asked for the first time.
func Read(p Process) *Malloc {
	m := &Malloc{p: p, minor: minorOf(p.Version), mem: newReader(p.Memory)}
	switch {
	case m.minor == 0:
	case m.minor >= 32:
		m.mangle = mangleOn
	default:
		m.mangle = manglePlain
	}
	m.findArenas()
	m.findParams()
	m.findHeaps()
	m.recogniseParams()
	m.findThreads()
	m.findLists()
	return m
}

func (m *Malloc) problem(kind ProblemKind, addr uint64, text string) {
	if len(m.Problems) < maxProblems {
		m.Problems = append(m.Problems, Problem{kind, addr, text})
	}
}

// Arena is one malloc_state and the memory that it has.
type Arena struct {
	Addr uint64
	Main bool
	// Certain is set when the arena is in the ring of all arenas, or named by a symbol.
	Certain bool
	// Locked is set when a thread held the arena's lock: it was inside malloc, and a
	// block of the arena may be on its way from one list to another.
	Locked bool
	// Heaps are the ranges that its chunks lie in, by ascending address; the extent goes from
	// the first chunk to the end of the last one, which in the last heap is top.
	Heaps []*Heap
	// Top is the address of the top chunk, 0 for none, and TopSize its size in bytes.
	Top, TopSize uint64
	// SystemMem is how many bytes it has from the kernel, as the arena says itself.
	SystemMem uint64
	// Attached is how many threads it says it has; -1 where it does not count them: before
	// glibc 2.23, or when that is not known. An arena of none is waiting for a new thread,
	// unless it is the main one, which counts from 1.
	Attached int
	// Threads are the indexes in Malloc.Threads of those attached to it.
	Threads []int

	index int // in Malloc.Arenas
}

// ThreadHeap is what malloc has for a thread.
type ThreadHeap struct {
	Thread // its TP found by its ID when it was not given
	// Arena is the one that the thread takes its blocks from, nil for none yet or unknown.
	Arena *Arena
	// Cache is the thread's cache, nil for none yet or unknown.
	Cache *Cache
	// ArenaCertain is set when Arena is what the thread's own variable thread_arena says, nil
	// included; Certain, when Cache is what tcache says as well.
	ArenaCertain, Certain bool
}

// Problem is something in the memory that is not as malloc leaves it, or that is not known.
type Problem struct {
	Kind ProblemKind
	Addr uint64 // where, 0 for nowhere in particular
	Text string // what, in plain words
}

// ProblemKind says what a problem is about.
type ProblemKind string

// The kinds.
const (
	NoArena     ProblemKind = "no-arena"     // malloc's main arena was not found
	BadArena    ProblemKind = "bad-arena"    // an arena is damaged
	BadList     ProblemKind = "bad-list"     // a free list is damaged, or too long to follow
	BadChunk    ProblemKind = "bad-chunk"    // a chunk's size is damaged
	NoMemory    ProblemKind = "no-memory"    // memory of malloc's is not in the core
	NoThread    ProblemKind = "no-thread"    // a thread's variables were not found
	TooMuch     ProblemKind = "too-much"     // something has more parts than is looked at
	Unknown     ProblemKind = "unknown"      // it is not known how this malloc keeps something
	NotAttached ProblemKind = "not-attached" // an arena counts other threads than were found
)

package testcores

import "emurace/loader"

// Kind is what an explanation has to name as the cause.
type Kind string

// The kinds.
const (
	MallocWord    Kind = "malloc-word"        // a word of malloc's in a free block, taken for the program's
	OwnContent    Kind = "freed-content"      // a word of a free block that is as the program left it
	Reused        Kind = "reused-block"       // a word of a block that was freed and is somebody else's
	StackOverflow Kind = "stack-overflow"     // a recursion into the guard page
	NullMember    Kind = "null-plus-offset"   // a member of a structure at NULL
	WildJump      Kind = "wild-jump"          // a call of what is no code
	DoubleFree    Kind = "double-free"        // malloc has noticed it, and aborted
	Deadlock      Kind = "deadlock"           // threads that wait for each other's mutexes
	StuckCond     Kind = "stuck-condition"    // a wait for a condition variable, and nobody to signal it
	Assertion     Kind = "assertion"          // assert
	PureVirtual   Kind = "pure-virtual"       // C++
	Uncaught      Kind = "uncaught-exception" // C++
	Overrun       Kind = "overrun"            // a neighbour's bytes in a block
)

// Value says what a bad value is.
type Value string

// The values.
const (
	NoValue      Value = ""            // there is none
	ChunkSize    Value = "chunk-size"  // the size of a free chunk, in its last word
	BinLink      Value = "bin-link"    // fd or bk of a bin: an address in an arena, or of another free chunk
	PlainNext    Value = "plain-next"  // next of the tcache, as it is (before 2.32)
	SafeLink     Value = "safe-link"   // next of the tcache or fd of a fast bin, mangled with its position (2.32 and newer)
	TcacheKey    Value = "tcache-key"  // what marks a block as one of the tcache: a random word from 2.34 on
	TcacheAddr   Value = "tcache-addr" // the same before: the address of the thread's tcache
	StalePointer Value = "own-pointer" // a pointer of the program's own
	Text         Value = "text"        // eight characters
	Null         Value = "null"        // NULL, and what is at an offset from there
	Garbage      Value = "garbage"     // a number of the program's own
	GuardPage    Value = "guard-page"  // an address in the guard of a thread's stack
)

// Truth is what is so, and what an explanation must not contradict. Threads are named by the
// function that they were started with, "main" for the process's first.
type Truth struct {
	Kind   Kind
	Signal int    // that the process died of; 0 for one that nobody has ended
	Thread string // that died, or that waits where nobody has died
	// Stack are functions on that thread's stack, innermost first, without what glibc puts before the
	// names of its own copies (getenv for __GI_getenv). There are others between
	// them, and before the first one: those in which libc raises a signal, and the wrappers of
	// an instruction set's in place of strlen. "" stands for an address that is in no function.
	Stack []string
	Value Value
	// Bits is the value itself where that is the same in each run; 0 where not, and where it is 0.
	Bits uint64
	// Text is what the value says as characters, or what the process has printed, without what
	// comes before it, as a program's name.
	Text string
	// Size is of the block that the value was in, as it was asked for; 0 where there is none.
	Size uint64
	// Offset is of the value's word in that block, or of a member of NULL's.
	Offset uint64
	// Global is the variable that the stale pointer is in, or a lock; "" for none.
	Global string
	// Culprit is the thread that freed, wrote or holds what it should not, "" for nobody. Whether a core
	// tells it is another question: CulpritSeen says that its stack, its arena or its tcache does.
	Culprit     string
	CulpritSeen bool
	// Cycle are the threads of a deadlock: each waits for the next one, and the last for the first. Which
	// of them is told first has no meaning.
	Cycle []string
	// Type is the type of an exception, or of the object that has no function.
	Type string
}

// Cause is a way to fail that is known.
type Cause struct {
	Name string
	// File is of testdata/diagnose: a scenario (.star) or a program (.c, .cc).
	File     string
	Settings []string // of the scenario: KEY=VALUE
	Flags    []string // of the compiler
	Suites   []string // of Debian, on which the truth is the truth
	Truth    Truth
}

// IsProgram tells whether it is a program's, which [Cause.Native] and [Cause.Qemu] can run too.
func (c *Cause) IsProgram() bool { return !isScenario(c.File) }

// Arches are those on which each cause is the same.
var Arches = []loader.Arch{loader.ARM64, loader.AMD64}

// Find is the cause of a name, nil for none.
func Find(name string) *Cause {
	for i := range Causes {
		if Causes[i].Name == name {
			return &Causes[i]
		}
	}
	return nil
}

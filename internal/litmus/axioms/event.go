package axioms

// kind is what an event is.
type kind uint8

const (
	read kind = iota
	write
	fenceFull  // dmb sy, mfence
	fenceLoad  // dmb ld
	fenceStore // dmb st
	fenceDSBST // dsb st
	fenceISB
)

// event is an access of a thread to a location, or a barrier.
type event struct {
	kind  kind
	at    string // the location
	size  int    // in bytes
	value uint64

	acquire, acquirePC, release bool
	noReturn                    bool // a read whose value goes to no register
	// of is of a write that makes an atomic read-modify-write with a read: 1 + the number of that in
	// the thread's events. single: both are one instruction.
	of     int
	single bool

	// On which of the thread's reads it depends, as bits by their numbers among its events: by its address, the
	// value that it writes, and branches before it. Picks are dependencies only by what a conditional
	// select was decided by.
	addr, data, ctrl             uint64
	addrPick, dataPick, ctrlPick uint64
}

func (e *event) access() bool { return e.kind <= write }

// trace is a run of one thread with some choice of what its reads read.
type trace struct {
	events []event
	ends   map[string]uint64 // registers, at the end
}

// maxEvents is how many a thread may have, and how many accesses a test: they are bits of a word.
const maxEvents = 64

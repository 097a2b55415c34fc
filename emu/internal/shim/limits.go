package shim

// #include "shim.h"
import "C"

// Limit is something of which a guest may take only so much.
type Limit int

// The limits. The log's is that of its entries, and of the changes of the page table that
// can be undone.
const (
	NoLimit     Limit = C.EM_LIMIT_NONE
	MemoryLimit Limit = C.EM_LIMIT_MEMORY
	LogLimit    Limit = C.EM_LIMIT_LOG
)

// LimitError is the error of what the kernel does for a guest that takes too much. It is
// done in part; what there is of it can be undone like anything else.
type LimitError struct{ Limit Limit }

// Error says which limit it is.
func (e *LimitError) Error() string {
	if e.Limit == LogLimit {
		return "the access log is full"
	}
	return "the guest touches more memory than it may"
}

// DefaultMemory is what a guest may take of the host's memory, in bytes.
const DefaultMemory = C.EM_MEMORY

// SetMemoryLimit says what the guest may take of the host's memory, in bytes. A page counts
// from when it is first touched, and one that is first touched after the first mark counts
// four times, for what is kept of its bytes. Rewinding takes that back.
func (e *Engine) SetMemoryLimit(bytes uint64) { C.em_limit_memory(e.c, C.uint64_t(bytes)) }

// memoryTaken is how much of that has been taken, in bytes.
func (e *Engine) memoryTaken() uint64 { return uint64(e.c.memory.counted) * PageSize }

package linux

import "slices"

// State is everything that a system call can change, apart from memory. Who runs
// threads or shows them may read it; what a handler of a system call sees and changes of
// it goes through an access.
type State struct {
	Layout
	Brk      uint64
	VMAs     []VMA  // ascending, not overlapping
	Tasks    []Task // of all threads that there are and were
	living   int    // how many of them there are
	FDs      []FD
	Shared   int // how many open files have had more than one descriptor
	NextTID  int
	Waiters  []Waiter // blocked threads, in the order they came
	Advanced uint64   // nanoseconds the clock has been moved on; see Kernel.Advance
	Random   uint64   // how many blocks of random bytes were handed out
	out      *printed
	Handlers map[int]Handler
	Pending  uint64 // signals that the process was sent while all threads blocked them
	Exited   bool
	files    overlay
	objects  pmap[uint64, *object] // pipes and what else threads wait for
	made     uint64                // the number of the last one of them
	infos    []info                // of what is pending for the process
	alarm    timer                 // of setitimer
	bound    pmap[string, uint64]  // the addresses of sockets, and whose they are
}

func (s *State) clone() *State {
	c := *s
	c.VMAs = slices.Clone(s.VMAs)
	c.Tasks = slices.Clone(s.Tasks)
	c.FDs = slices.Clone(s.FDs)
	c.Waiters = slices.Clone(s.Waiters)
	if s.Handlers != nil {
		c.Handlers = make(map[int]Handler, len(s.Handlers))
		for sig, h := range s.Handlers {
			c.Handlers[sig] = h
		}
	}
	return &c
}

// State is the present state, for reading.
func (k *Kernel) State() *State { return k.s }

// Snapshot returns the present state, which no longer changes.
func (k *Kernel) Snapshot() *State {
	k.shared = true
	return k.s
}

// Restore goes back to a snapshot.
func (k *Kernel) Restore(s *State) {
	k.s = s
	k.shared = true
}

// mut is the state for writing.
func (k *Kernel) mut() *State {
	if k.shared {
		k.s = k.s.clone()
		k.shared = false
	}
	return k.s
}

// access is the way of one system call to the kernel's state. To get at the state it
// has to say which object it is after, and that is noted in the call's result: so what a
// call depends on is complete without a list of it anywhere. The types that are made of
// it, one for each part of the state, are all that handlers have.
type access struct {
	k *Kernel
	r *Result
}

// reads notes that the call looks at an object, and returns the state for that. It is
// good until the next writes.
func (a access) reads(class ObjectClass, id uint64) *State {
	a.r.uses(class, id, false)
	return a.k.s
}

// writes notes that the call changes an object, and returns the state for that.
func (a access) writes(class ObjectClass, id uint64) *State {
	a.r.uses(class, id, true)
	return a.k.mut()
}

// own is the calling thread's part of the state. What nobody else can see of it, which
// is all but TID, Status and what is in signals.go, needs no note.
func (a access) own() *Task { return &a.k.s.Tasks[a.r.thread] }

// changeOwn is own for writing.
func (a access) changeOwn() *Task { return &a.k.mut().Tasks[a.r.thread] }

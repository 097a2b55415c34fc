package oracle

import (
	"emurace/emu"
	"emurace/loader"
)

// run is one finished run, in the order in which it happened.
type run struct {
	arch    loader.Arch
	threads int
	log     []emu.LogEntry
	calls   []emu.CallEvent // of the allocating functions
	wakes   []wake
	fences  []fence
	pointer []uint64 // the threads' thread pointers
	numbers []uint64 // and their numbers, as gettid tells them
	ends    []uint64 // the steps of their last instructions, 0 of those that are there still
	order   func(pc uint64) ordering
	text    func(pc uint64) bool // whether the code is one of the string functions
	libc    func(pc uint64) bool // whether it is a libc's, or of its dynamic linker
	own     func(pc uint64) bool // whether it is the allocator's
	early   func(p uint64) bool  // whether a block may have been there from before calls were traced
}

// meet takes in the threads that there are more of than before. One that the race makes is
// there when its first slice begins, and may be gone behind that.
func (r *run) meet(m *emu.Process) {
	name := "tpidr_el0"
	if r.arch == loader.AMD64 {
		name = "fs_base"
	}
	for ; r.threads < m.Made(); r.threads++ {
		pointer, _ := m.Register(r.threads, name) // of a thread that is gone, none
		number, _ := m.TID(r.threads)
		r.pointer, r.numbers, r.ends = append(r.pointer, pointer), append(r.numbers, uint64(number)), append(r.ends, 0)
	}
}

// leaves tells whether an entry is what the kernel writes for a thread at its end: a word
// by which others know that it has ended, and with that all that it has done.
func (r *run) leaves(e *emu.LogEntry) bool {
	return e.Kind == emu.LogKernel && int(e.Thread) < len(r.ends) && r.ends[e.Thread] == e.Step
}

// wake is a futex wake, or that a thread is made.
type wake struct {
	step     uint64 // of the system call
	from, to int    // threads of the machine
}

// moment is the number of instructions that had completed when the event took
// place.
func moment(c *emu.CallEvent) uint64 {
	if c.Returned {
		return c.ReturnStep
	}
	return c.Step - 1
}

// walker goes through a run. It keeps track of which threads are inside the
// allocator.
type walker struct {
	*run
	inside []bool
	depth  []int // of each thread inside, that of the call that has led there

	call, wake, fence int // how many of each are done with
}

func newWalker(r *run) *walker {
	return &walker{run: r, inside: make([]bool, r.threads), depth: make([]int, r.threads)}
}

// visitor is told what happens, in order.
type visitor interface {
	// access is an access of code that is not the allocator's, the entry number i.
	access(i int, a *emu.LogEntry)
	// called is a call of the allocator's that returns, or for one that never
	// does, or that frees, its beginning.
	called(c *emu.CallEvent)
	woke(w wake)
	fenced(f fence)
}

// walk goes through all of the run.
func (w *walker) walk(v visitor) {
	for i := range w.log {
		a := &w.log[i]
		w.before(a.Step, v)
		if !w.inside[a.Thread] && !(w.own != nil && w.own(a.PC)) {
			v.access(i, a)
		}
	}
	w.before(^uint64(0), v)
}

// before handles calls, wakes and fences up to the instruction of a step, in order.
// Calls and wakes of one moment touch different things, so their order does not
// matter.
func (w *walker) before(step uint64, v visitor) {
	for {
		call, wake, fence := ^uint64(0), ^uint64(0), ^uint64(0)
		if w.call < len(w.calls) {
			call = moment(&w.calls[w.call])
		}
		if w.wake < len(w.wakes) {
			wake = w.wakes[w.wake].step
		}
		if w.fence < len(w.fences) {
			fence = w.fences[w.fence].step
		}
		switch at := min(call, wake, fence); {
		case at >= step || at == ^uint64(0):
			return
		case at == call:
			c := &w.calls[w.call]
			w.call++
			w.follow(c)
			if c.Depth == 0 {
				v.called(c)
			}
		case at == wake:
			w.wake++
			v.woke(w.wakes[w.wake-1])
		default:
			w.fence++
			if f := w.fences[w.fence-1]; !w.inside[f.thread] {
				v.fenced(f)
			}
		}
	}
}

// follow notes where a call leads into the allocator or out of it.
func (w *walker) follow(c *emu.CallEvent) {
	t := c.Thread
	switch {
	case !c.Returned && (!w.inside[t] || c.Depth <= w.depth[t]):
		w.inside[t], w.depth[t] = true, c.Depth
	case c.Returned && c.Depth <= w.depth[t]:
		w.inside[t] = false
	}
}

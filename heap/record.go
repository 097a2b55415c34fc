package heap

import (
	"encoding/binary"
	"errors"
	"slices"

	"emurace/emu"
	"emurace/symbolize"
)

// Recorder makes the blocks of a run of calls as they happen, on one machine.
type Recorder struct {
	m      *emu.Process
	glibc  bool
	blocks []*Block
	calls  []*Call
	live   map[uint64]*Block // by address
	open   []openHeapCall    // calls in progress, of all threads, inner ones later
	stacks map[string][]uint64
	places map[uint64]symbolize.Location // on stacks, of code that was not there at the beginning
	booted []string                      // paths of the modules
}

// openHeapCall is a call in progress.
type openHeapCall struct {
	call  *Call
	takes *Block // that the call frees or resizes, nil for none
}

// NewRecorder turns on the trace of a machine's allocating functions.
func NewRecorder(m *emu.Process) (*Recorder, error) {
	r := &Recorder{m: m, live: map[uint64]*Block{}, stacks: map[string][]uint64{}, places: map[uint64]symbolize.Location{}}
	return r, r.begin()
}

func (r *Recorder) begin() error {
	names := slices.DeleteFunc(Functions(), func(name string) bool {
		_, gives := allocates(name, [6]uint64{})
		return !gives && !Releases(name)
	})
	// First the calls' names, so that those of an allocator are known to note.
	if err := errors.Join(symbolize.NameCalls(r.m), r.m.TraceCalls(names, r.note)); err != nil {
		return err
	}
	for _, mod := range r.m.Modules() {
		r.booted = append(r.booted, mod.Path)
	}
	libc, ok := r.m.Libc()
	if !ok {
		return nil
	}
	// Chunks are read only of the malloc that is known to have them: one that
	// another library brings may keep its books elsewhere.
	if _, err := r.m.Lookup("gnu_get_libc_version"); err == nil {
		malloc, err := r.m.Lookup("malloc")
		r.glibc = err == nil && malloc >= libc.Lo && malloc < libc.Hi
	}
	return nil
}

// Snapshot is the Recorder's lists at one moment.
type Snapshot struct {
	blocks []Block
	calls  []Call
}

// Snapshot is the blocks so far; no call may be in progress.
func (r *Recorder) Snapshot() Snapshot {
	var s Snapshot
	for _, b := range r.blocks {
		s.blocks = append(s.blocks, *b)
	}
	for _, c := range r.calls {
		s.calls = append(s.calls, *c)
	}
	return s
}

// Restore goes back to a moment when no call was in progress. Nothing of the
// lists is shared with those before.
func (r *Recorder) Restore(s Snapshot) {
	r.blocks, r.calls, r.open, r.live = nil, nil, nil, map[uint64]*Block{}
	byStep := map[uint64]*Call{} // one call begins with one instruction
	for _, c := range s.calls {
		r.calls = append(r.calls, &c)
		byStep[c.Step] = &c
	}
	for _, b := range s.blocks {
		if b.Allocated != nil {
			b.Allocated = byStep[b.Allocated.Step]
		}
		if b.Freed != nil {
			b.Freed = byStep[b.Freed.Step]
		}
		r.blocks = append(r.blocks, &b)
		if b.Freed == nil {
			r.live[b.Addr] = &b
		}
	}
}

// note is what the trace calls.
func (r *Recorder) note(e emu.CallEvent) {
	if e.Returned {
		r.leave(e)
		return
	}
	r.enter(e)
}

// enter begins a call. What it takes is no longer the caller's from here on:
// another thread may be handed the block before the call returns.
func (r *Recorder) enter(e emu.CallEvent) {
	r.abandon(e)
	th := r.m.Threads()[e.Thread]
	c := &Call{
		Thread: th.Name, Func: e.Func, Args: e.Args, Call: doing(r.m, e.Thread), Step: e.Step,
		Machine: e.Thread, stack: r.intern(symbolize.Stack(r.m, e.Thread)),
	}
	r.calls = append(r.calls, c)
	o := openHeapCall{call: c}
	if p := e.Args[0]; Releases(e.Func) && p != 0 {
		b := r.live[p]
		if b == nil && !r.known(p) {
			// It was there before the trace began.
			b = &Block{Addr: p, ChunkSize: r.chunkSize(p)}
			r.blocks = append(r.blocks, b)
		}
		if b != nil {
			b.Freed = c
			delete(r.live, p)
			o.takes = b
		}
	}
	r.open = append(r.open, o)
}

// doing is the call that a thread is in: the one that it was given, and with a program the one
// that its stack shows.
func doing(m *emu.Process, thread int) string {
	if call := m.Threads()[thread].Call; call != "" || !m.RunsProgram() {
		return call
	}
	return symbolize.Doing(m, thread)
}

// known tells whether a block at the address has been seen.
func (r *Recorder) known(p uint64) bool {
	return slices.ContainsFunc(r.blocks, func(b *Block) bool { return b.Addr == p })
}

// abandon ends the calls that the thread has left without a return: those that
// the new one would be nested in, if it were not less deep.
func (r *Recorder) abandon(e emu.CallEvent) {
	depth := 0
	r.open = slices.DeleteFunc(r.open, func(o openHeapCall) bool {
		if o.call.Machine != e.Thread {
			return false
		}
		depth++
		if depth <= e.Depth {
			return false
		}
		o.call.Done = e.Step - 1
		return true
	})
}

// leave ends a call.
func (r *Recorder) leave(e emu.CallEvent) {
	i := slices.IndexFunc(r.open, func(o openHeapCall) bool { return o.call.Machine == e.Thread && o.call.Step == e.Step })
	if i < 0 {
		return // it began before the trace did
	}
	o := r.open[i]
	r.open = slices.Delete(r.open, i, i+1)
	c := o.call
	c.Done, c.Result = e.ReturnStep, e.Result
	n, gives := allocates(c.Func, c.Args)
	if !gives {
		return
	}
	p := blockOf(r.m, c.Func, c.Args, c.Result)
	if p == 0 {
		// Of size 0 it was freed; otherwise there is no memory and the caller
		// keeps what it had.
		if o.takes != nil && n != 0 {
			o.takes.Freed = nil
			r.live[o.takes.Addr] = o.takes
		}
		return
	}
	if b := r.live[p]; b != nil && b.Allocated != nil && b.Allocated.Machine == c.Machine && b.Allocated.Step >= c.Step {
		b.Allocated, b.Size = c, n // handed out by a call that this one made
		return
	}
	b := &Block{Addr: p, Size: n, ChunkSize: r.chunkSize(p), Allocated: c}
	r.blocks = append(r.blocks, b)
	r.live[p] = b
}

// chunkSize reads the size of a block's chunk, 0 when there is nothing that can
// be one.
func (r *Recorder) chunkSize(p uint64) uint64 {
	size, ok := r.m.Read64(p - ChunkHeader/2)
	if !r.glibc || !ok || size&^chunkFlags < minChunk {
		return 0
	}
	return size &^ chunkFlags
}

// intern keeps one copy of equal stacks: a program allocates at few places.
func (r *Recorder) intern(stack []uint64) []uint64 {
	var key []byte
	for _, pc := range stack {
		key = binary.LittleEndian.AppendUint64(key, pc)
	}
	if known, ok := r.stacks[string(key)]; ok {
		return known
	}
	r.stacks[string(key)] = stack
	for i, pc := range stack {
		// A library that is loaded later may be gone when the stack is shown.
		if mod, ok := r.m.Module(pc); ok && !slices.Contains(r.booted, mod.Path) {
			r.places[pc] = symbolize.Locate(r.m, pc, i > 0)
		}
	}
	return stack
}

// History is the blocks of the run so far, of a libc of that version. It is valid as long
// as the machine, also when the recorder has gone on from another snapshot.
func (r *Recorder) History(libc string) *History {
	return &History{m: r.m, blocks: r.blocks, calls: r.calls, places: r.places, glibc: r.glibc, minor: minorVersion(libc)}
}

package replay

import (
	"emurace/heap"
	"emurace/internal/words"
	"emurace/symbolize"
)

// AllocationReport is a block of malloc's in the result object.
type AllocationReport struct {
	Address     string      `json:"address"`
	Size        string      `json:"size,omitempty"`       // bytes asked for; absent for a block older than the scenario
	ChunkSize   string      `json:"chunk_size,omitempty"` // bytes that glibc reserved, its header included
	Offset      int64       `json:"offset"`               // of the bytes that were loaded, from Address
	AllocatedBy *HeapReport `json:"allocated_by,omitempty"`
	FreedBy     *HeapReport `json:"freed_by,omitempty"` // absent while it is in use
	BeingFreed  bool        `json:"being_freed,omitempty"`
	// Reused is the block that the bytes had been handed out for again.
	Reused *AllocationReport `json:"reused,omitempty"`
}

// HeapReport is a call that allocated or freed.
type HeapReport struct {
	Thread    string            `json:"thread"`
	Function  string            `json:"function"`       // of the malloc family
	Call      string            `json:"call"`           // that the scenario made
	Step      uint64            `json:"step,omitempty"` // absent before the race
	Backtrace []symbolize.Frame `json:"backtrace"`
}

// MeaningReport tells more of a value than its kind.
type MeaningReport struct {
	Chunk     string `json:"chunk,omitempty"`      // where the chunk starts
	ChunkSize string `json:"chunk_size,omitempty"` // and its size
	Target    string `json:"target,omitempty"`     // where a link or pointer leads, "0x0" at a list's end
	Mangled   bool   `json:"mangled,omitempty"`    // the link is mangled with its own address
}

// CorrectReport is what bytes held while their block was in use.
type CorrectReport struct {
	Value  string `json:"value"`
	String string `json:"string,omitempty"` // that the value points to
}

// WaitReport is a thread that waits, and what for.
type WaitReport struct {
	Thread   string            `json:"thread"`
	WaitsFor string            `json:"waits_for,omitempty"` // address of the futex word
	Place    string            `json:"place,omitempty"`     // static data that it is in
	For      string            `json:"for,omitempty"`       // what else it waits for, in words
	What     string            `json:"what,omitempty"`
	HeldBy   string            `json:"held_by,omitempty"`
	TakenBy  *symbolize.Report `json:"taken_by,omitempty"` // the instruction that took it, if that was in the race
	Since    uint64            `json:"since,omitempty"`    // the instruction with which the wait began
	Object   string            `json:"object,omitempty"`   // address of the condition variable or semaphore
	Signals  []SignalReport    `json:"signals,omitempty"`  // what became of the calls that were to wake it
	Earlier  int               `json:"earlier_signals,omitempty"`
}

func (w *Wait) report() WaitReport {
	if w.For != "" {
		return WaitReport{Thread: w.Thread, For: w.For}
	}
	r := WaitReport{
		Thread: w.Thread, WaitsFor: words.Hex(w.Address), Place: w.Place, What: w.What, HeldBy: w.HeldBy, TakenBy: w.Taken.Report(),
		Since: w.Since, Earlier: w.Earlier,
	}
	if w.Object != 0 {
		r.Object = words.Hex(w.Object)
	}
	for i := range w.Signals {
		r.Signals = append(r.Signals, w.Signals[i].report())
	}
	return r
}

// reportHeap puts what AddHeap has found into the cause.
func (x *Explanation) reportHeap(c *Cause) {
	m := x.Meaning
	c.Kind = m.Kind
	c.Allocation = x.Allocation.report()
	if x.Correct != nil {
		c.Correct = &CorrectReport{Value: words.Hex(x.Correct.Value), String: x.Correct.Text}
	}
	r := MeaningReport{Mangled: m.Mangled}
	switch m.Kind {
	case heap.MallocLink, heap.StalePointer:
		r.Target = words.Hex(m.Target)
	case heap.MallocSize, heap.MallocKey:
	default:
		return
	}
	if m.ChunkSize != 0 {
		r.Chunk, r.ChunkSize = words.Hex(m.Chunk), words.Hex(m.ChunkSize)
	}
	c.Meaning = &r
}

func (a *Allocation) report() *AllocationReport {
	if a == nil {
		return nil
	}
	r := &AllocationReport{
		Address: words.Hex(a.Addr), Offset: a.Offset, AllocatedBy: a.AllocatedBy.report(), FreedBy: a.FreedBy.report(),
		BeingFreed: a.BeingFreed, Reused: a.Reused.report(),
	}
	if a.Block.Allocated != nil {
		r.Size = words.Hex(a.Size)
	}
	if a.ChunkSize != 0 {
		r.ChunkSize = words.Hex(a.ChunkSize)
	}
	return r
}

func (c *HeapAct) report() *HeapReport {
	if c == nil {
		return nil
	}
	return &HeapReport{Thread: c.Thread, Function: c.Func, Call: c.Call, Step: c.Step, Backtrace: symbolize.Frames(c.Backtrace)}
}

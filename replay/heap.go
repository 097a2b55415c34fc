package replay

import (
	"fmt"

	"emurace/emu"
	"emurace/heap"
	"emurace/scenario"
)

// Starter makes a new session of a plan, with [scenario.StartWith].
type Starter func(prepare func(*emu.Process) error) (*scenario.Session, error)

// HeapTracer repeats runs on a session of its own with the calls of the
// allocating functions traced.
type HeapTracer struct {
	s     *scenario.Session
	rec   *heap.Recorder
	setup heap.Snapshot
}

// NewHeapTracer makes a session and traces its setup.
func NewHeapTracer(start Starter) (*HeapTracer, error) {
	t := &HeapTracer{}
	var err error
	t.s, err = start(func(m *emu.Process) (err error) {
		t.rec, err = heap.NewRecorder(m)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.setup = t.rec.Snapshot()
	return t, nil
}

// Close frees the session.
func (t *HeapTracer) Close() { t.s.Close() }

// Run repeats a run, from the start of the race to where the schedule leads. The schedule
// has indices of the threads made too, which the process makes; see
// scenario.Session.SetMade. The result is valid until Close.
func (t *HeapTracer) Run(made []string, schedule scenario.Schedule) (*heap.History, error) {
	if err := t.s.SetMade(made); err != nil {
		return nil, err
	}
	if err := t.s.Restart(); err != nil {
		return nil, err
	}
	t.rec.Restore(t.setup)
	if err := t.s.Play(schedule); err != nil {
		return nil, fmt.Errorf("trace malloc: %w", err)
	}
	h := t.rec.History(t.s.Libc().Version)
	t.rec.Restore(t.setup) // the next run gets lists of its own
	return h, nil
}

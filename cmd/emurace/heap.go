package main

import (
	"emurace/emu"
	"emurace/heap"
	"emurace/replay"
	"emurace/scenario"
)

// heaps completes explanations with what malloc did in their runs. It makes the
// session for that when it is needed first.
type heaps struct {
	sys    *emu.System
	recipe replay.Recipe
	tracer *replay.HeapTracer
}

// explain explains a run, with its heap where a value of memory was to blame.
func (p *heaps) explain(h *replay.History, schedule scenario.Schedule) (*replay.Explanation, error) {
	x, err := replay.Explain(h)
	if err != nil || x.Load == nil {
		return x, err
	}
	heap, err := p.run(h.Session().Made(), schedule)
	if err != nil {
		return nil, err
	}
	return x, x.AddHeap(h, heap)
}

// run repeats a run with its heap traced. The result is valid until close.
func (p *heaps) run(made []string, schedule scenario.Schedule) (*heap.History, error) {
	if p.tracer == nil {
		var err error
		if p.tracer, err = replay.NewHeapTracer(func(prepare func(*emu.Process) error) (*scenario.Session, error) {
			return startWith(p.sys, p.recipe, prepare)
		}); err != nil {
			return nil, err
		}
	}
	return p.tracer.Run(made, schedule)
}

func (p *heaps) close() {
	if p.tracer != nil {
		p.tracer.Close()
	}
}

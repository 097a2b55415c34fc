package emu

import (
	"slices"
	"testing"
)

// What a trace counts at a call makes an event of the call's first instruction,
// and of the first one behind the call, or, where the thread is idle then, of
// the call's last one.
func TestCountWrite(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		place := p.bytes(make([]byte, 64))
		text := p.str("some text that is copied")
		p.call(0, "malloc", 24) // makes the heap, with system calls
		var last CallEvent
		p.traced([]string{"malloc"}, func(e CallEvent) {
			last = e
			p.CountWrite(e.Thread, place+4, 40)
			p.CountRead(e.Thread, place+9)
		})
		p.WantEvents(true)
		p.shared(map[uint64]uint8{place + 8: 0b11, place + 16: 0x80, place + 24: 1, place + 48: 1})
		want := []Counted{{place + 8, 2, true}, {place + 23, 2, true}, {place + 9, 1, false}}
		for name, arg := range map[string]uint64{"malloc": 24, "strdup": text} {
			p.begin(0, name, arg)
			for _, returned := range []bool{false, true} {
				before := p.Steps()
				stop := p.run(0, BootInstructions)
				at := last.Step
				if returned {
					at = last.ReturnStep + 1
				}
				idle := returned && name == "malloc"
				if idle {
					at = last.ReturnStep
				}
				if last.Returned != returned || !stop.Event || !slices.Equal(stop.Counted, want) || (stop.Kind == Returned) != idle || p.Steps() != at || stop.Ran != at-before {
					t.Errorf("%s, returned %v: stop %+v at %d, want an event at %d", name, returned, stop, p.Steps(), at)
				}
			}
			if !p.Idle(0) {
				stop := p.run(0, BootInstructions)
				if stop.Kind != Returned || stop.Event || stop.Counted != nil {
					t.Errorf("%s ends with %+v", name, stop)
				}
			}
		}
	})
}

// A budget ends before the event when it has no room for it.
func TestCountWriteBudget(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		place := p.bytes(make([]byte, 8))
		counts := 0
		p.traced([]string{"malloc"}, func(e CallEvent) {
			counts++
			p.CountWrite(e.Thread, place, 8)
		})
		p.WantEvents(true)
		p.shared(map[uint64]uint8{place: 1})
		p.begin(0, "strdup", p.str("x"))
		for counts == 0 {
			before := counts
			stop := p.run(0, 1)
			if stop.Ran != 1 || stop.Event != (counts > before) {
				t.Fatalf("%d calls are known after %+v", counts, stop)
			}
		}
	})
}

// Without events wanted, counting does nothing.
func TestCountWithoutEvents(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		counts := 0
		p.traced([]string{"malloc"}, func(e CallEvent) {
			counts++
			p.CountWrite(e.Thread, 4096, 1<<40)
			p.CountRead(e.Thread, 4096)
		})
		p.begin(0, "malloc", 24)
		stop := p.run(0, BootInstructions)
		if counts != 2 || stop.Kind != Returned || stop.Event || stop.Counted != nil || len(p.SharedBytes()) != 0 {
			t.Errorf("%d calls, %+v", counts, stop)
		}
	})
}

func (p *process) traced(names []string, f func(CallEvent)) {
	p.t.Helper()
	if err := p.TraceCalls(names, f); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) shared(bytes map[uint64]uint8) {
	p.t.Helper()
	if err := p.AddShared(bytes); err != nil {
		p.t.Fatal(err)
	}
}

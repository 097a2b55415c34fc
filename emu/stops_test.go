package emu

import "testing"

// A thread comes to the first instruction of malloc, once for each call, also
// where a trace has a breakpoint there, and stays until it is run without stops.
func TestStopAt(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		malloc, err := p.Lookup("malloc")
		must(t, err)
		p.call(0, "malloc", 1) // the first one of 2.31 jumps back to its start
		l := p.trace("malloc")
		strdup, err := p.Lookup("strdup")
		must(t, err)
		must(t, p.StopAt(malloc))
		text := p.str("text")
		mark, err := p.Mark()
		must(t, err)
		defer mark.Drop()
		for range 2 {
			must(t, p.Begin(0, strdup, "strdup", text))
			for range 2 {
				s, err := p.Run(0, 1<<20)
				must(t, err)
				if pc, err := p.PC(0); s.Kind != AtStop || err != nil || pc != malloc {
					t.Fatalf("%v at %#x, want a stop at %#x", s, pc, malloc)
				}
			}
			if len(l.events) != 0 {
				t.Errorf("the trace tells of %s before it begins", l.take())
			}
			must(t, p.WithoutStops(func() error {
				s, err := p.Run(0, 1)
				if s.Kind != Budget || s.Ran != 1 {
					t.Errorf("one instruction on: %v", s)
				}
				return err
			}))
			if s, err := p.Run(0, 1<<20); err != nil || s.Kind != Returned {
				t.Errorf("from there on: %v, %v", s, err)
			}
			if got := l.take(); got != ">malloc <malloc" {
				t.Errorf("the trace tells of %s", got)
			}
			must(t, mark.Rewind())
		}
		must(t, p.StopAt())
		p.call(0, "strdup", text)
		if err := p.StopAt(^uint64(0)); err == nil {
			t.Error("a stop where no instruction can be")
		}
	})
}

// A run stops behind the instruction that touches the bytes in the way that is
// asked for, and behind the system call that does.
func TestStopAfter(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		word, err := p.Alloc(1024)
		must(t, err)
		mark, err := p.Mark() // it also begins the log
		must(t, err)
		defer mark.Drop()
		fn := func(name string) uint64 {
			addr, err := p.Lookup(name)
			must(t, err)
			return addr
		}
		for _, c := range []struct {
			fn            string
			args          []uint64
			reads, writes bool
			want          bool
		}{
			{"strlen", []uint64{word}, true, false, true},
			{"strlen", []uint64{word}, false, true, false},
			{"strlen", []uint64{word}, true, true, true},
			{"uname", []uint64{word}, false, true, true}, // written by the kernel
			{"uname", []uint64{word}, true, false, false},
			{"uname", []uint64{word + 8}, false, true, false}, // behind the bytes
		} {
			must(t, mark.Rewind())
			p.StopAfter(word, 8, c.reads, c.writes)
			must(t, p.Begin(0, fn(c.fn), c.fn, c.args...))
			s, err := p.Run(0, 1<<20)
			must(t, err)
			log := p.Log().List()
			last := log[len(log)-1]
			overlaps := false
			for _, a := range log {
				overlaps = overlaps || a.Step == last.Step && a.Addr < word+8 && word < a.Addr+uint64(a.Size)
			}
			if s.Watched != c.want || c.want && last.Step != p.Steps() || c.want != (s.Kind == Budget) {
				t.Errorf("%+v: %v, watched %v, last access %+v", c, s, s.Watched, last)
			}
			if c.fn == "strlen" && c.want && !overlaps {
				t.Errorf("%+v: the last access is %+v", c, last)
			}
		}
		p.StopAfter(0, 0, true, true)
		must(t, mark.Rewind())
		p.call(0, "uname", word)
	})
}

// A gate is asked each time that a thread is about to run its instruction, and stops the run
// where it says so; it goes before a stop at the same place, and a run that it lets pass is the
// same as without it.
func TestGateAt(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		malloc, err := p.Lookup("malloc")
		must(t, err)
		strdup, err := p.Lookup("strdup")
		must(t, err)
		text := p.str("some text")
		must(t, p.Begin(0, strdup, "strdup", text))
		mark, err := p.Mark()
		must(t, err)
		whole, err := p.Run(0, 1<<20)
		must(t, err)
		digest, err := p.Digest(0)
		must(t, err)
		asked, closes := 0, true
		must(t, p.GateAt(func(thread int) bool {
			if pc, err := p.PC(thread); thread != 0 || err != nil || pc != malloc {
				t.Errorf("asked of thread %d at %#x", thread, pc)
			}
			asked++
			return closes
		}, malloc))
		must(t, p.StopAt(malloc))
		for range 2 {
			must(t, mark.Rewind())
			asked, closes = 0, true
			first, err := p.Run(0, 1<<20)
			must(t, err)
			again, err := p.Run(0, 1<<20)
			must(t, err)
			if first.Kind != AtGate || first.Ran == 0 || again.Kind != AtGate || again.Ran != 0 || asked != 2 {
				t.Errorf("closed: %v, %v, asked %d times", first, again, asked)
			}
			closes = false
			if s, err := p.Run(0, 1<<20); err != nil || s.Kind != AtStop || s.Ran != 0 {
				t.Errorf("open: %v, %v", s, err)
			}
			rest := Stop{}
			must(t, p.WithoutStops(func() error {
				rest, err = p.Run(0, 1<<20)
				return err
			}))
			if now, err := p.Digest(0); err != nil || now != digest || first.Ran+rest.Ran != whole.Ran || rest.Kind != whole.Kind {
				t.Errorf("from there on: %v, digest %s, not %s", rest, now, digest)
			}
		}
		must(t, p.StopAt())
		must(t, p.GateAt(nil))
		must(t, mark.Rewind())
		if s, err := p.Run(0, 1<<20); err != nil || s.Kind != whole.Kind || s.Ran != whole.Ran {
			t.Errorf("without it: %v, %v", s, err)
		}
		if err := p.GateAt(nil, ^uint64(0)); err == nil {
			t.Error("a gate where no instruction can be")
		}
	})
}

// An IFUNC is resolved also while every thread is in a call, and nothing is left
// of it.
func TestResolveBusy(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		want, err := p.Lookup("memcpy")
		must(t, err)
		text := p.str("some text")
		strdup, err := p.Lookup("strdup")
		must(t, err)
		must(t, p.Begin(0, strdup, "strdup", text))
		if _, err := p.Run(0, 5); err != nil {
			t.Fatal(err)
		}
		before, err := p.Digest(0)
		must(t, err)
		got, err := p.Lookup("memcpy")
		if err != nil || got != want {
			t.Errorf("memcpy at %#x, %v, want %#x", got, err, want)
		}
		if after, err := p.Digest(0); err != nil || after != before {
			t.Errorf("something is left of the resolver: %v", err)
		}
		if s, err := p.Run(0, 1<<20); err != nil || s.Kind != Returned {
			t.Errorf("the call goes on: %v, %v", s, err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

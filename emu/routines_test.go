package emu

import (
	"fmt"
	"testing"

	"emurace/disasm"
	"emurace/emu/internal/shim"
	"emurace/loader"
)

// TestRoutines: what each of the program's own functions does to a word and what it
// returns, and that its name leads to it and back.
func TestRoutines(t *testing.T) {
	const word = 0x8182838485868788
	eachSystem(t, func(t *testing.T, p *process) {
		at := p.bytes(make([]byte, 16))
		for _, c := range []struct {
			name   string
			args   []uint64
			result uint64
			after  uint64
		}{
			{"load8", nil, 0x88, word},
			{"load16", nil, 0x8788, word},
			{"load32", nil, 0x85868788, word},
			{"load64", nil, word, word},
			{"store8", []uint64{0xff01}, 0, 0x8182838485868701},
			{"store16", []uint64{0xff0102}, 0, 0x8182838485860102},
			{"store32", []uint64{0xff01020304}, 0, 0x8182838401020304},
			{"store64", []uint64{0x0102030405060708}, 0, 0x0102030405060708},
			{"add64", []uint64{^uint64(0)}, word, word - 1},
			{"cas64", []uint64{word, 5}, word, 5},
			{"cas64", []uint64{word + 1, 5}, word, word},
			{"nothing", []uint64{1, 2, 3, 4}, 0, word},
		} {
			name := RoutinePrefix + c.name
			if err := p.Write(0, at, le.AppendUint64(le.AppendUint64(nil, word), word)); err != nil {
				t.Fatal(err)
			}
			if got := p.call(0, name, append([]uint64{at}, c.args...)...); got != c.result {
				t.Errorf("%s%#x returned %#x, want %#x", name, c.args, got, c.result)
			}
			if got := p.word(at); got != c.after {
				t.Errorf("%s%#x leaves %#x, want %#x", name, c.args, got, c.after)
			}
			if got := p.word(at + 8); got != word {
				t.Errorf("%s%#x leaves %#x in the next word", name, c.args, got)
			}
			if got, off, ok := p.Symbol(p.fn(name)); got != name || off != 0 || !ok {
				t.Errorf("the symbol of %s is %q+%d, %v", name, got, off, ok)
			}
		}
		for _, name := range []string{"emurace.", "emurace.load128", "load64", "emurace"} {
			if a, err := p.Lookup(name); err == nil {
				t.Errorf("%q is at %#x", name, a)
			}
		}
		for _, trap := range []uint64{p.entry, p.ret, p.start} {
			if name, _, ok := p.Symbol(trap); ok {
				t.Errorf("the trap at %#x is called %s", trap, name)
			}
		}
	})
}

// TestRoutineInstructions: the code is what the comments say, one access to memory
// at most, of the width that the name has.
func TestRoutineInstructions(t *testing.T) {
	for _, arch := range tested() {
		for _, r := range routines {
			code, accesses := r.code(arch), 0
			for at := 0; at < len(code); {
				in, err := disasm.Decode(arch, code[at:], uint64(at), nil)
				if err != nil {
					t.Fatalf("%v %s: %v", arch, r.name, err)
				}
				last := at+in.Len == len(code)
				if in.Ret != last {
					t.Errorf("%v %s: %s at %d of %d", arch, r.name, in.Text, at, len(code))
				}
				for _, op := range in.Mem {
					if !in.Ret { // which pops, on amd64
						accesses++
						if want := fmt.Sprint(8 * op.Size); r.name != "nothing" && r.name[len(r.name)-len(want):] != want {
							t.Errorf("%v %s: %s accesses %d bits", arch, r.name, in.Text, 8*op.Size)
						}
					}
				}
				at += in.Len
			}
			if want := 1; accesses != want && (r.name != "nothing" || accesses != 0) {
				t.Errorf("%v %s: %d accesses", arch, r.name, accesses)
			}
		}
	}
}

// TestRoutinesAreEvents: two threads' accesses are in the log, with the thread that
// made them, and stop a run that wants events.
func TestRoutinesAreEvents(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		other := p.spawn("other")
		at := p.bytes(make([]byte, 8))
		load, store := p.fn("emurace.load64"), p.fn("emurace.store64")
		if err := p.AddShared(map[uint64]uint8{at: 0xff}); err != nil {
			t.Fatal(err)
		}
		p.WantEvents(true)
		p.mark()
		from := p.LogLen()
		for _, c := range []struct {
			thread int
			fn     uint64
			args   []uint64
			kind   shim.AccessKind
		}{{other, store, []uint64{at, 7}, LogWrite}, {0, load, []uint64{at}, LogRead}} {
			if err := p.Begin(c.thread, c.fn, "emurace", c.args...); err != nil {
				t.Fatal(err)
			}
			begin := p.LogLen()
			if s := p.run(c.thread, 100); s.Kind != Budget || !s.Event || s.Ran != 1 {
				t.Errorf("thread %d: %v, event %v", c.thread, s, s.Event)
			}
			log := p.Log().From(begin).List()
			if len(log) != 1 || log[0].Addr != at || log[0].PC != c.fn || int(log[0].Thread) != c.thread || log[0].Size != 8 || log[0].Kind != c.kind {
				t.Errorf("thread %d: log %+v", c.thread, log)
			}
			if got := p.finish(c.thread); c.fn == load && got != 7 {
				t.Errorf("load: %d", got)
			}
		}
		if p.LogLen() == from {
			t.Error("the log is empty")
		}
	})
}

// TestRoutineFaults: where nothing is mapped, the instruction faults with the
// address that the call was given.
func TestRoutineFaults(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		start := p.mark()
		for name, access := range map[string]Access{"emurace.load8": AccessRead, "emurace.store64": AccessWrite, "emurace.cas64": AccessWrite} {
			for _, addr := range []uint64{0, 0x220, ^uint64(7)} {
				p.begin(0, name, addr, 1)
				s := p.run(0, 100)
				if s.Kind != Ended || s.End.Kind != EndFault || s.End.Addr != addr || s.End.Access != access && name != "emurace.cas64" {
					t.Fatalf("%s(%#x): %v", name, addr, s)
				}
				if in, off, ok := p.Symbol(s.End.PC); in != name || off != s.Ran*3 && p.Arch() == loader.AMD64 || off != s.Ran*4 && p.Arch() == loader.ARM64 || !ok {
					t.Errorf("%s(%#x) faults in %s+%d after %d instructions", name, addr, in, off, s.Ran)
				}
				p.rewind(start)
			}
		}
	})
}

// TestTraceRoutine: calls of the routines, by the guest too, can be traced.
func TestTraceRoutine(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		l := p.trace("emurace.nothing", "pthread_once")
		nothing := p.fn("emurace.nothing")
		p.call(0, "pthread_once", p.bytes(make([]byte, 8)), nothing)
		if got := l.take(); got != ">pthread_once .>emurace.nothing .<emurace.nothing <pthread_once" {
			t.Error(got)
		}
	})
}

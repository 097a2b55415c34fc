package shim

import (
	"encoding/binary"
	"slices"
	"testing"

	"emurace/loader"
)

// Instructions of arm64. Memory is at x0, and at x7 a line further; what a store
// exclusive stores is in x3, how it went in w4.
const (
	ldxrb   = 0x085f7c02 // ldxrb w2, [x0]
	stxrb   = 0x08047c03 // stxrb w4, w3, [x0]
	ldxrh   = 0x485f7c02
	stxrh   = 0x48047c03
	ldxrW   = 0x885f7c02 // ldxr w2, [x0]
	stxrW   = 0x88047c03
	ldxr    = 0xc85f7c02 // ldxr x2, [x0]
	stxr    = 0xc8047c03
	ldaxrW  = 0x885ffc02
	stlxrW  = 0x8804fc03
	ldxp    = 0xc87f1402 // ldxp x2, x5, [x0]
	stxp    = 0xc8240c03 // stxp w4, x3, x3, [x0]
	ldaxpW  = 0x887f9402 // ldaxp w2, w5, [x0]
	stlxpW  = 0x88248c03
	str     = 0xf9000001 // str x1, [x0]
	strb    = 0x39000001
	cas     = 0xc8a17c06 // cas x1, x6, [x0]
	swp     = 0xf8218006 // swp x1, x6, [x0]
	ldadd   = 0xf8210006 // ldadd x1, x6, [x0]
	casp    = 0x48267c08 // casp x6, x7, x8, x9, [x0]
	nopA64  = 0xd503201f
	clrex   = 0xd5033f5f
	svc     = 0xd4000001
	udf     = 0x00000000
	mvnX8   = 0xaa2203e8 // mvn x8, x2
	strX8   = 0xf9000008 // str x8, [x0]
	ldrX8   = 0xf9400128 // ldr x8, [x9]
	stxrFar = 0xc8047ce3 // stxr w4, x3, [x7]
)

// duel is two threads on the same memory, all of it zero: the first runs the
// code, the second has one instruction that it can run again and again.
type duel struct {
	*Engine
	t *testing.T
}

const otherCode = 0x800

func newDuel(t *testing.T, other uint32, code ...uint32) *duel {
	t.Helper()
	e := newEngine(t, loader.ARM64, words(code...), 0, true)
	must(t, e.Store(0, codeAt+otherCode, words(other)))
	must(t, e.SetPages(0x40000, PageSize, Read|Exec|Mapped))
	must(t, e.Store(0, 0x40000, words(0xc85f7c3f)))
	must(t, e.FindMonitor(0x40000))
	for i := range 2 {
		must(t, e.AddThread(i, -1))
		set(t, e, i, "addr", dataAt+64)
		set(t, e, i, "x7", dataAt+128)
	}
	set(t, e, 0, "pc", codeAt)
	set(t, e, 0, "x3", 7)
	must(t, e.SetLogging(true))
	return &duel{e, t}
}

// other lets the second thread run its instruction.
func (d *duel) other() {
	d.t.Helper()
	set(d.t, d.Engine, 1, "pc", codeAt+otherCode)
	if s := run(d.t, d.Engine, 1, 1); s.Ran != 1 {
		d.t.Fatalf("the other thread: %+v", s)
	}
}

// storeExclusive runs the first thread over n instructions, the last of them a
// store exclusive, and returns whether that failed, what it read and what it
// changed.
func (d *duel) storeExclusive(n uint64) (failed bool, read, changed []extent) {
	d.t.Helper()
	set(d.t, d.Engine, 0, "x4", 99)
	if s := run(d.t, d.Engine, 0, n); s.Ran != n {
		d.t.Fatalf("up to the store exclusive: %+v", s)
	}
	v := get(d.t, d.Engine, 0, "x4")
	if v > 1 {
		d.t.Fatalf("the store exclusive gave %d", v)
	}
	log := d.Log().List()
	for len(log) > 0 && log[0].Step != d.Steps() {
		log = log[1:]
	}
	stores := slices.DeleteFunc(slices.Clone(log), func(a Access) bool { return a.Old == a.Value })
	return v == 1, merged(log, AccessRead), merged(stores, AccessWrite)
}

// A store exclusive fails when another thread has written to the bytes that it
// writes and that the load exclusive has read, be it the same value, and only
// then. Either way it reads those bytes, so that its place among the stores of
// others is known.
func TestMonitorWatchesBytes(t *testing.T) {
	cases := []struct {
		name        string
		load, store uint32
		size        int // of the store
		other       uint32
		at          int               // of what the other thread does
		regs        map[string]uint64 // of the other thread
		fails       bool
	}{
		{"the same value", ldxr, stxr, 8, str, 0, nil, true},
		{"another value", ldxr, stxr, 8, str, 0, map[string]uint64{"x1": 5}, true},
		{"the last byte", ldxrW, stxrW, 4, strb, 3, nil, true},
		{"the next byte", ldxrW, stxrW, 4, strb, 4, map[string]uint64{"x1": 5}, false},
		{"the byte before", ldxrW, stxrW, 4, strb, -1, map[string]uint64{"x1": 5}, false},
		{"a store that reaches in", ldaxrW, stlxrW, 4, str, -7, nil, true},
		{"a store that ends before", ldaxrW, stlxrW, 4, str, -8, map[string]uint64{"x1": ^uint64(0)}, false},
		{"a byte", ldxrb, stxrb, 1, strb, 0, nil, true},
		{"the next byte of a byte", ldxrb, stxrb, 1, strb, 1, nil, false},
		{"a half word", ldxrh, stxrh, 2, strb, 1, nil, true},
		{"the next byte of a half word", ldxrh, stxrh, 2, strb, 2, nil, false},
		{"the last byte of a pair", ldxp, stxp, 16, strb, 15, nil, true},
		{"the next byte of a pair", ldxp, stxp, 16, strb, 16, nil, false},
		{"the last byte of a pair of words", ldaxpW, stlxpW, 8, strb, 7, nil, true},
		{"the next byte of a pair of words", ldaxpW, stlxpW, 8, strb, 8, nil, false},
		// Atomic instructions: one that puts back what it has read only read.
		{"cas that stores", ldxr, stxr, 8, cas, 0, map[string]uint64{"x6": 5}, true},
		{"cas that finds another value", ldxr, stxr, 8, cas, 0, map[string]uint64{"x1": 1, "x6": 5}, false},
		{"swp", ldxr, stxr, 8, swp, 0, map[string]uint64{"x1": 5}, true},
		{"swp of the same value", ldxr, stxr, 8, swp, 0, nil, false},
		{"ldadd of nothing", ldxr, stxr, 8, ldadd, 0, nil, false},
		{"casp that changes the upper half", ldxr, stxr, 8, casp, 0, map[string]uint64{"x6": 0, "x7": 0, "x9": 5}, false},
		{"casp that changes the upper half of a pair", ldxp, stxp, 16, casp, 0, map[string]uint64{"x6": 0, "x7": 0, "x9": 5}, true},
		// The architecture leaves open what a store of another size does.
		{"the upper half, stored is the lower", ldxr, stxrW, 4, strb, 4, nil, false},
		{"the lower half, stored is the lower", ldxr, stxrW, 4, strb, 3, nil, true},
		{"the upper half, loaded was the lower", ldxrW, stxr, 8, strb, 4, nil, false},
		{"the lower half, loaded was the lower", ldxrW, stxr, 8, strb, 3, nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := newDuel(t, c.other, c.load, c.store)
			set(t, d.Engine, 1, "addr", uint64(dataAt+64+c.at))
			for name, v := range c.regs {
				set(t, d.Engine, 1, name, v)
			}
			run(t, d.Engine, 0, 1)
			if at, armed := d.monitor(0); !armed || at != dataAt+64 {
				t.Fatalf("armed %v at %#x", armed, at)
			}
			d.other()
			failed, read, changed := d.storeExclusive(1)
			want := []extent{{64, c.size}}
			if failed != c.fails || !slices.Equal(read, want) {
				t.Errorf("failed %v, read %v, want %v and %v", failed, read, c.fails, want)
			}
			if failed {
				want = nil
			}
			if !slices.Equal(changed, want) {
				t.Errorf("changed %v, want %v", changed, want)
			}
			if _, armed := d.monitor(0); armed {
				t.Error("armed behind the store exclusive")
			}
		})
	}
}

// What a thread does between its load exclusive, the other's store and its own
// store exclusive.
func TestMonitorOfASequence(t *testing.T) {
	none, word := []extent(nil), []extent{{64, 8}}
	cases := []struct {
		name   string
		before []uint32 // the store of the other thread
		after  []uint32 // it, up to the store exclusive
		stop   StopReason
		fails  bool
		read   []extent
	}{
		{"loads and stores elsewhere", []uint32{ldxr}, []uint32{nopA64, ldrX8, stxr}, 0, true, word},
		{"armed anew", []uint32{ldxr}, []uint32{ldxr, stxr}, 0, false, word},
		{"armed anew, smaller", []uint32{ldxr}, []uint32{ldxrW, nopA64, stxr}, 0, false, word},
		{"armed before, smaller", []uint32{ldxrb, nopA64, ldxr}, []uint32{stxr}, 0, true, word},
		{"opened before", []uint32{ldxr, clrex}, []uint32{stxr}, 0, true, none},
		{"opened after", []uint32{ldxr}, []uint32{clrex, stxr}, 0, true, none},
		{"never armed", []uint32{nopA64}, []uint32{stxr}, 0, true, none},
		{"used up before", []uint32{ldxr, stxr}, []uint32{stxr}, 0, true, none},
		{"used up after", []uint32{ldxr}, []uint32{stxr, stxr}, 0, true, none},
		{"another address", []uint32{ldxr}, []uint32{stxrFar}, 0, true, none},
		// Its own store puts there what is not what was there.
		{"a store of its own", []uint32{ldxr, mvnX8}, []uint32{strX8, stxr}, 0, true, word},
		{"a system call", []uint32{ldxr, svc}, []uint32{stxr}, StopSyscall, true, none},
		{"an unknown instruction", []uint32{ldxr, udf}, []uint32{stxr}, StopIllegal, true, none},
	}
	for _, c := range cases {
		for _, slice := range []bool{false, true} {
			d := newDuel(t, str, append(slices.Clone(c.before), c.after...)...)
			set(t, d.Engine, 0, "x9", dataAt+256)
			s := run(t, d.Engine, 0, uint64(len(c.before)))
			if c.stop != 0 && s.Reason != c.stop {
				t.Fatalf("%s: %+v", c.name, s)
			}
			set(t, d.Engine, 0, "pc", uint64(codeAt+4*len(c.before)))
			d.other()
			n := uint64(len(c.after))
			if !slice { // instruction by instruction, with the other thread loaded in between
				for ; n > 1; n-- {
					run(t, d.Engine, 0, 1)
					_, err := d.ReadRegs(1)
					must(t, err)
				}
			}
			failed, read, _ := d.storeExclusive(n)
			if failed != c.fails || !slices.Equal(read, c.read) {
				t.Errorf("%s, at once %v: failed %v, read %v, want %v and %v", c.name, slice, failed, read, c.fails, c.read)
			}
		}
	}
}

// A fault opens the monitor too, and a store by the kernel on behalf of another
// thread counts as that thread's, even when this one has not left the processor.
func TestMonitorAndTheKernel(t *testing.T) {
	d := newDuel(t, nopA64, ldxr, ldrX8, stxr)
	set(t, d.Engine, 0, "x9", 0x220)
	if s := run(t, d.Engine, 0, 3); s.Reason != StopFault || s.Ran != 1 {
		t.Fatalf("%+v", s)
	}
	set(t, d.Engine, 0, "pc", codeAt+8)
	if failed, read, _ := d.storeExclusive(1); !failed || read != nil {
		t.Errorf("behind a fault: failed %v, read %v", failed, read)
	}
	for _, c := range []struct {
		thread, at int
		fails      bool
	}{{1, 0, true}, {1, 8, false}, {0, 0, false}} {
		d := newDuel(t, nopA64, ldxr, stxr)
		run(t, d.Engine, 0, 1)
		must(t, d.Store(c.thread, uint64(dataAt+64+c.at), make([]byte, 8)))
		if failed, _, _ := d.storeExclusive(1); failed != c.fails {
			t.Errorf("the kernel stores for thread %d at %d: failed %v", c.thread, c.at, failed)
		}
	}
}

// A new thread has its parent's registers, but not its monitor.
func TestMonitorOfANewThread(t *testing.T) {
	d := newDuel(t, nopA64, ldxr, stxr)
	run(t, d.Engine, 0, 1)
	must(t, d.AddThread(2, 0))
	if _, armed := d.monitor(2); armed {
		t.Error("a new thread's monitor is armed")
	}
	n := d.LogLen()
	if s := run(t, d.Engine, 2, 1); s.Ran != 1 || get(t, d.Engine, 2, "x4") != 1 || d.LogLen() != n {
		t.Errorf("a new thread's store exclusive succeeds or accesses memory: %+v", d.Log().From(n).List())
	}
	if failed, _, _ := d.storeExclusive(1); failed {
		t.Error("the parent's store exclusive fails")
	}
}

// Without a log nobody knows what the other thread has stored.
func TestMonitorWithoutALog(t *testing.T) {
	d := newDuel(t, nopA64, ldxr, stxr)
	must(t, d.SetLogging(false))
	run(t, d.Engine, 0, 1)
	d.other()
	run(t, d.Engine, 0, 1)
	if get(t, d.Engine, 0, "x4") != 1 {
		t.Error("the store exclusive succeeds")
	}
	// With one that began too late, nobody knows how much was loaded.
	for _, c := range []struct {
		at    uint64
		fails bool
	}{{15, true}, {16, false}} {
		d := newDuel(t, strb, ldxp, stxp)
		must(t, d.SetLogging(false))
		run(t, d.Engine, 0, 1)
		must(t, d.SetLogging(true))
		run(t, d.Engine, 0, 0)
		set(t, d.Engine, 1, "addr", dataAt+64+c.at)
		d.other()
		if failed, _, _ := d.storeExclusive(1); failed != c.fails {
			t.Errorf("a store %d bytes behind a load that is not in the log: failed %v", c.at, failed)
		}
	}
}

// Going back and taking another way: what the monitor has lost is part of the
// moment, and finding out what a store exclusive would do changes nothing.
func TestMonitorRewinds(t *testing.T) {
	d := newDuel(t, str, ldxr, nopA64, stxr)
	var marks []*Mark
	mark := func() {
		m, err := d.Mark()
		must(t, err)
		marks = append(marks, m)
	}
	mark() // 0: nothing has run
	run(t, d.Engine, 0, 1)
	mark() // 1: armed
	run(t, d.Engine, 0, 1)
	d.other()
	mark() // 2: lost
	if failed, _, _ := d.storeExclusive(1); !failed {
		t.Fatal("the store exclusive succeeds")
	}
	for i, c := range []struct {
		mark  int
		n     uint64
		fails bool
	}{{2, 1, true}, {2, 1, true}, {1, 2, false}, {0, 3, false}} {
		must(t, marks[c.mark].Rewind())
		if failed, read, _ := d.storeExclusive(c.n); failed != c.fails || len(read) != 1 {
			t.Errorf("try %d from mark %d: failed %v, read %v", i, c.mark, failed, read)
		}
	}
	// From before the store on, the same again.
	must(t, marks[1].Rewind())
	d.other()
	if _, armed := d.monitor(0); armed {
		t.Error("armed after the store")
	}
	if failed, _, _ := d.storeExclusive(2); !failed {
		t.Error("the store exclusive succeeds")
	}
	for _, m := range marks {
		m.Drop()
	}
}

// Where a run stops does not depend on what a store exclusive finds: neither at
// a breakpoint nor by the budget, and it is an event either way.
func TestMonitorStops(t *testing.T) {
	for _, other := range []uint32{str, nopA64} {
		d := newDuel(t, other, ldxr, nopA64, stxr, nopA64)
		d.SetSharing(true)
		for i := range 2 {
			must(t, d.Store(i, dataAt+64, make([]byte, 8)))
		}
		must(t, d.SetBreak(codeAt+8))
		steps := []struct {
			stepOn bool
			budget uint64
			reason StopReason
			ran    uint64
		}{
			{false, 5, StopBreak, 1},
			{false, 5, StopBreak, 0},
			{true, 5, StopEvent, 1},
			{false, 1, StopBudget, 1},
		}
		run(t, d.Engine, 0, 1)
		d.other()
		for i, c := range steps {
			if c.stepOn {
				d.StepOn()
			}
			if s := run(t, d.Engine, 0, c.budget); s.Reason != c.reason || s.Ran != c.ran {
				t.Errorf("%#x, stop %d: %+v, want %+v", other, i, s, c)
			}
		}
		if v := get(t, d.Engine, 0, "x4"); (v == 1) != (other == str) {
			t.Errorf("%#x: the store exclusive gave %d", other, v)
		}
	}
}

// The top byte of an address does not count.
func TestMonitorOfATaggedAddress(t *testing.T) {
	for _, other := range []uint32{str, nopA64} {
		d := newDuel(t, other, ldxr, stxr)
		set(t, d.Engine, 0, "addr", 0x5a<<56|dataAt+64)
		run(t, d.Engine, 0, 1)
		d.other()
		if failed, read, _ := d.storeExclusive(1); failed != (other == str) || !slices.Equal(read, []extent{{64, 8}}) {
			t.Errorf("%#x: failed %v, read %v", other, failed, read)
		}
		want := uint64(7)
		if other == str {
			want = 0
		}
		if got := binary.LittleEndian.Uint64(d.View(dataAt+64, 8)); got != want {
			t.Errorf("%#x: memory holds %d", other, got)
		}
	}
}

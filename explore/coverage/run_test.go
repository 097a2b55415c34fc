package coverage

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/emu"
	"emurace/scenario"
)

// event is one of a thread's, with an access by an instruction.
func event(thread int, pc, addr, size uint64, write bool) scenario.Event {
	return scenario.Event{Thread: thread, Ran: 1, PC: pc, Accesses: []scenario.Access{{Addr: addr, Size: size, Write: write}}}
}

func read(thread int, pc, addr, size uint64) scenario.Event {
	return event(thread, pc, addr, size, false)
}

func write(thread int, pc, addr, size uint64) scenario.Event {
	return event(thread, pc, addr, size, true)
}

// atomic is an instruction that reads and writes.
func atomic(thread int, pc, addr uint64) scenario.Event {
	return scenario.Event{Thread: thread, Ran: 1, PC: pc, Accesses: []scenario.Access{{Addr: addr, Size: 4, Write: true}, {Addr: addr, Size: 4}}}
}

// shown is what a run of the events shows.
func shown(events []scenario.Event) *Shown {
	r := NewRun()
	for i := range events {
		r.Add(&events[i])
	}
	return r.Shown()
}

// texts are the orders of a run as "1w 2r": instruction 1 writes, then 2 reads; of an instruction
// that meets itself, by which order of the threads.
func texts(s *Shown) []string {
	var list []string
	for _, o := range s.orders {
		first, then := o.A, o.B
		if o.dir == 1 {
			first, then = o.B, o.A
		}
		text := fmt.Sprintf("%s %s", siteText(first), siteText(then))
		if first == then {
			text += []string{" up", " down"}[o.dir]
		}
		list = append(list, text)
	}
	return list
}

func siteText(s Site) string {
	if s.Write {
		return fmt.Sprintf("%dw", s.PC)
	}
	return fmt.Sprintf("%dr", s.PC)
}

// Of two accesses, it is seen in which order they came, if nothing is written in between.
func TestConflicts(t *testing.T) {
	object := func(thread int, pc uint64, write bool) scenario.Event {
		return scenario.Event{Thread: thread, Ran: 1, PC: pc, Objects: []emu.Object{{Class: emu.ObjectFutex, ID: 8, Write: write}}}
	}
	for _, c := range []struct {
		name   string
		events []scenario.Event
		want   []string
	}{
		{"two reads", []scenario.Event{read(0, 1, 8, 4), read(1, 2, 8, 4)}, nil},
		{"one thread", []scenario.Event{write(0, 1, 8, 4), read(0, 2, 8, 4)}, nil},
		{"a write and a read", []scenario.Event{write(0, 1, 8, 4), read(1, 2, 8, 4)}, []string{"1w 2r"}},
		{"the other way round", []scenario.Event{read(1, 2, 8, 4), write(0, 1, 8, 4)}, []string{"2r 1w"}},
		{"other bytes", []scenario.Event{write(0, 1, 8, 4), read(1, 2, 12, 4)}, nil},
		{"a write in between", []scenario.Event{write(0, 1, 8, 4), write(0, 3, 8, 4), read(1, 2, 8, 4)}, []string{"3w 2r"}},
		{"one of some bytes", []scenario.Event{write(0, 1, 8, 8), write(0, 3, 8, 4), read(1, 2, 8, 8)}, []string{"1w 2r", "3w 2r"}},
		{"one of all bytes, by halves", []scenario.Event{write(0, 1, 8, 8), write(0, 3, 8, 4), write(0, 4, 12, 4), read(1, 2, 8, 8)}, []string{"3w 2r", "4w 2r"}},
		{"across words", []scenario.Event{write(0, 1, 14, 4), read(1, 2, 12, 4), read(1, 3, 16, 1)}, []string{"1w 2r", "1w 3r"}},
		{"reads of several", []scenario.Event{read(0, 1, 8, 4), read(1, 2, 8, 4), read(2, 1, 8, 4), write(3, 3, 8, 4)}, []string{"1r 3w", "2r 3w"}},
		{"again and again", []scenario.Event{read(0, 1, 8, 4), read(0, 1, 8, 4), write(1, 3, 8, 4), read(0, 1, 8, 4)}, []string{"1r 3w", "3w 1r"}},
		{"by halves, of one instruction", []scenario.Event{write(1, 3, 8, 4), read(0, 1, 8, 4), read(0, 1, 12, 4), write(1, 4, 12, 4)}, []string{"3w 1r", "1r 4w"}},
		{"one instruction", []scenario.Event{write(0, 1, 8, 4), write(1, 1, 8, 4), write(0, 1, 8, 4)}, []string{"1w 1w up", "1w 1w down"}},
		{"atomic", []scenario.Event{write(0, 1, 8, 4), atomic(1, 2, 8), atomic(0, 3, 8), read(1, 4, 8, 4)}, []string{"1w 2w", "2w 3w", "3w 4r"}},
		{"an object", []scenario.Event{object(0, 1, true), object(1, 2, false), object(0, 3, true)}, []string{"1w 2r", "2r 3w"}},
		{"an object without a place", []scenario.Event{object(0, 0, true), object(1, 2, false)}, nil},
	} {
		if got := texts(shown(c.events)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// drawEvents is a run of a few threads with accesses to a few bytes and objects.
func drawEvents(t *rapid.T) []scenario.Event {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) scenario.Event {
		e := scenario.Event{Thread: rapid.IntRange(0, 2).Draw(t, "thread"), Ran: 1 + rapid.Uint64Range(0, 2).Draw(t, "ran"), PC: 4 * rapid.Uint64Range(1, 5).Draw(t, "pc")}
		for range rapid.IntRange(0, 2).Draw(t, "accesses") {
			e.Accesses = append(e.Accesses, scenario.Access{Addr: rapid.Uint64Range(4, 12).Draw(t, "at"), Size: rapid.Uint64Range(1, 9).Draw(t, "size"), Write: rapid.Bool().Draw(t, "write")})
		}
		if rapid.IntRange(0, 3).Draw(t, "object") == 0 {
			e.Objects = append(e.Objects, emu.Object{Class: emu.ObjectFutex, ID: 1, Write: rapid.Bool().Draw(t, "changed")})
		}
		return e
	}), 0, 12).Draw(t, "events")
}

// Two runs of the same events are of one class when what depends on each other is in the same
// order, and only then; see scenario.Event.Dependent. Runs of one class show the same orders.
func TestClasses(t *testing.T) {
	same := 0
	rapid.Check(t, func(t *rapid.T) {
		events := drawEvents(t)
		// Another run: the events are put in another order, in which those of a thread stay.
		other := slices.Clone(events)
		for range rapid.IntRange(0, 12).Draw(t, "swaps") {
			if len(other) < 2 {
				break
			}
			i := rapid.IntRange(0, len(other)-2).Draw(t, "at")
			if other[i].Thread != other[i+1].Thread {
				other[i], other[i+1] = other[i+1], other[i]
			}
		}
		want := slices.Equal(dependences(events), dependences(other))
		a, b := shown(events), shown(other)
		if (a.class == b.class) != want {
			t.Fatalf("the same dependences: %v, the same class: %v", want, a.class == b.class)
		}
		if want {
			same++
			if one, two := texts(a), texts(b); !slices.Equal(sorted(one), sorted(two)) {
				t.Fatalf("one class shows %q and %q", one, two)
			}
		}
	})
	if same == 0 {
		t.Error("no two runs were of one class")
	}
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// dependences lists which events of different threads that depend on each other come in which
// order, by their numbers in their threads.
func dependences(events []scenario.Event) []string {
	var list []string
	number := map[int]int{}
	names := make([]string, len(events))
	for i := range events {
		e := &events[i]
		number[e.Thread]++
		names[i] = fmt.Sprintf("%d.%d", e.Thread, number[e.Thread])
		for k := range i {
			if e.Thread != events[k].Thread && e.Dependent(&events[k]) {
				list = append(list, names[k]+" "+names[i])
			}
		}
	}
	return sorted(list)
}

// A run that ends earlier is of another class, also where nothing conflicts.
func TestClassOfShorter(t *testing.T) {
	events := []scenario.Event{write(0, 1, 8, 4), write(1, 2, 16, 4)}
	if shown(events).class == shown(events[:1]).class {
		t.Error("one event less is the same")
	}
}

// Used again, a run shows what a new one does, also after one with very many words.
func TestReset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := NewRun()
		for range 3 {
			r.Reset()
			events := drawEvents(t)
			for i := range events {
				r.Add(&events[i])
			}
			want := shown(events)
			if got := r.Shown(); got.class != want.class || !slices.Equal(got.orders, want.orders) {
				t.Fatalf("%q, want %q", texts(got), texts(want))
			}
			large := write(0, 1, 1<<20, rapid.SampledFrom([]uint64{8, 16 * maxKept}).Draw(t, "large"))
			r.Add(&large)
		}
	})
}

// What is kept of a run is bounded, and it is said when that was not enough.
func TestRunBounds(t *testing.T) {
	many := func(n uint64, of func(i uint64) scenario.Event) []scenario.Event {
		var list []scenario.Event
		for i := range n {
			list = append(list, of(i))
		}
		return list
	}
	for _, c := range []struct {
		name   string
		events []scenario.Event
		cut    bool
	}{
		{"few words", []scenario.Event{write(0, 1, 0, 8*maxWords)}, false},
		{"many words", []scenario.Event{write(0, 1, 0, 8*maxWords+8)}, true},
		{"the whole memory", []scenario.Event{write(0, 1, 8, 1<<63), write(0, 1, 8, 1<<63)}, true},
		{"one instruction reads", many(10*maxMarks, func(uint64) scenario.Event { return read(0, 1, 8, 8) }), false},
		{"some instructions read", many(maxMarks, func(i uint64) scenario.Event { return read(0, i, 8, 8) }), false},
		{"many instructions read", many(maxMarks+1, func(i uint64) scenario.Event { return read(0, i, 8, 8) }), true},
		{"many orders", many(maxRunOrders+1, func(i uint64) scenario.Event { return write(int(i%2), i, 8, 8) }), false},
		{"more orders", many(maxRunOrders+3, func(i uint64) scenario.Event { return write(int(i%2), i, 8, 8) }), true},
	} {
		s := shown(c.events)
		if s.cut != c.cut || len(s.orders) > maxRunOrders {
			t.Errorf("%s: %d orders, cut off: %v", c.name, len(s.orders), s.cut)
		}
	}
}

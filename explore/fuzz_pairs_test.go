package explore

import (
	"slices"
	"testing"

	"emurace/scenario"
)

// A read sees, of each of its bytes, the write that came last.
func TestReads(t *testing.T) {
	at := func(pc, addr, size uint64, write bool) scenario.Event {
		return scenario.Event{PC: pc, Accesses: []scenario.Access{{Addr: addr, Size: size, Write: write}}}
	}
	type seen struct{ writer, reader uint64 } // instructions
	for _, c := range []struct {
		name   string
		events []scenario.Event
		want   []seen
	}{
		{"nothing was written", []scenario.Event{at(1, 8, 8, false), at(2, 12, 4, false)}, []seen{{0, 1}, {0, 2}}},
		{"the last write", []scenario.Event{at(1, 8, 4, true), at(2, 8, 4, true), at(3, 8, 4, false)}, []seen{{2, 3}}},
		{"elsewhere", []scenario.Event{at(1, 8, 4, true), at(3, 12, 4, false)}, []seen{{0, 3}}},
		{"halves", []scenario.Event{at(1, 8, 4, true), at(2, 12, 4, true), at(3, 8, 8, false)}, []seen{{1, 3}, {2, 3}}},
		{"in the middle", []scenario.Event{at(1, 8, 8, true), at(2, 10, 2, true), at(3, 8, 8, false)}, []seen{{1, 3}, {2, 3}}},
		{"across words", []scenario.Event{at(1, 14, 4, true), at(3, 12, 8, false), at(4, 16, 1, false)}, []seen{{0, 3}, {1, 3}, {1, 4}}},
		{"again and again", []scenario.Event{at(1, 8, 4, true), at(3, 8, 4, false), at(3, 8, 4, false), at(1, 8, 4, true), at(3, 8, 4, false)}, []seen{{1, 3}}},
		{"another time", []scenario.Event{at(3, 8, 4, false), at(1, 8, 4, true), at(3, 8, 4, false)}, []seen{{0, 3}, {1, 3}}},
		{"read and written at once", []scenario.Event{
			{PC: 5, Accesses: []scenario.Access{{Addr: 8, Size: 4}, {Addr: 8, Size: 4, Write: true}}},
			{PC: 5, Accesses: []scenario.Access{{Addr: 8, Size: 4, Write: true}, {Addr: 8, Size: 4}}},
			at(6, 8, 4, false),
		}, []seen{{0, 5}, {5, 5}, {5, 6}}},
	} {
		r := newReads()
		for i := range c.events {
			r.add(&c.events[i])
		}
		var got []seen
		for _, p := range r.pairs {
			got = append(got, seen{p.Write.PC, p.Read.PC})
			if (p.Write == spot{}) != (p.Write.PC == 0) {
				t.Errorf("%s: %+v", c.name, p)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// The signature is one of the set, and pairs that differ in anything have
// different numbers.
func TestCombined(t *testing.T) {
	base := pair{Write: spot{1, 2, 3}, Read: spot{4, 5, 6}}
	seen := map[uint64]pair{}
	for field := range 6 {
		for n := range uint64(2000) {
			p := base
			*[]*uint64{&p.Write.PC, &p.Write.Addr, &p.Write.Size, &p.Read.PC, &p.Read.Addr, &p.Read.Size}[field] += n
			if o, ok := seen[p.hash()]; ok && o != p {
				t.Fatalf("%+v and %+v have the same number", o, p)
			}
			seen[p.hash()] = p
		}
	}
	signature := func(pairs ...pair) uint64 {
		r := newReads()
		for _, p := range pairs {
			r.show(p)
		}
		return r.combined
	}
	a, b, c := base, pair{Read: base.Read}, pair{Write: base.Read, Read: base.Write}
	if signature(a, b, c) != signature(c, a, b, a) || signature(a, b) == signature(a, c) || signature(a) == signature(a, b) {
		t.Error("the signature is not one of the set")
	}
}

package execution

import (
	"fmt"
	"strings"

	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/symbolize"
)

// tell says of an oddity why no order of the instructions has that, and what must have been
// otherwise.
func (r *run) tell(w way) (text []string) {
	if w == nil {
		return nil
	}
	var clauses []string
	for _, a := range w[1:] {
		switch a.Kind {
		case Program:
			clauses = append(clauses, fmt.Sprintf("in %s's program instruction %d comes before instruction %d", r.thread(a.From), r.events[a.From].Number(), r.events[a.To].Number()))
		case ReadsFrom:
			clauses = append(clauses, fmt.Sprintf("%s has seen what %s had written", r.access(a.To, false), r.access(a.From, true)))
		case Coherence:
			clauses = append(clauses, fmt.Sprintf("%s overwrote what %s had written", r.access(a.To, true), r.access(a.From, true)))
		case FromRead:
			clauses = append(clauses, fmt.Sprintf("%s has not seen what %s wrote", r.access(a.From, false), r.access(a.To, true)))
		}
	}
	text = append(text, "But "+strings.Join(clauses, "; ")+". With one instruction after the other all of that cannot be.")
	var otherwise, kept []string
	for i, a := range w {
		before, behind := w[(i+len(w)-1)%len(w)], w[(i+1)%len(w)]
		switch {
		case a.Kind == Program && a.Kept != "":
			kept = append(kept, fmt.Sprintf("%s keeps instructions %d and %d of %s in their order", a.Kept, r.events[a.From].Number(), r.events[a.To].Number(), r.thread(a.From)))
		case a.Kind == Program:
			otherwise = append(otherwise, r.swapped(a, before.Kind != ReadsFrom, behind.Kind != FromRead))
		case behind.Kind != Program && len(r.events[a.To].Parts) > 1 && !r.line.Session().Process().Indivisible(r.events[a.To].PC):
			otherwise = append(otherwise, fmt.Sprintf("the accesses of %s's instruction %d were not made at one time", r.thread(a.To), r.events[a.To].Number()))
		}
	}
	if len(kept) > 0 {
		text = append(text, words.Capital(strings.Join(kept, ", and "))+".")
	}
	switch len(otherwise) {
	case 0:
		return text
	case 1:
		return append(text, "So "+otherwise[0]+".")
	}
	return append(text, "So at least one of these was so: "+strings.Join(otherwise, "; or ")+".")
}

// saw says what a read has seen, and what it has not, or which write came before which.
func (r *run) saw(s oddity) string {
	e := &r.events[s.event]
	u := s.later[len(s.later)-1]
	p, q := overlap(e, &r.events[u], s.kind == Coherence)
	if s.kind == Coherence {
		return fmt.Sprintf("%s of %s comes before %s of %s in the order of those bytes' writes: memory holds the later one's.",
			words.Capital(r.access(s.event, true)), words.Hex(p.Value), r.access(u, true), words.Hex(q.Value))
	}
	from := "which was there before the race"
	for _, a := range r.arrows {
		if a.Kind == ReadsFrom && a.To == s.event && a.From != Before {
			from = fmt.Sprintf("which %s had written", r.access(a.From, true))
			if p.Old {
				from = "of which a part was there before the race"
			}
		}
	}
	return fmt.Sprintf("%s saw %s, %s, and not the %s that %s wrote.",
		words.Capital(r.access(s.event, false)), words.Hex(p.Value), from, words.Hex(q.Value), r.access(u, true))
}

// overlap is a read of one event, or a write, and a write of another one that have a byte in common.
func overlap(a, b *Event, write bool) (p, q Part) {
	for _, p = range a.Parts {
		for _, q = range b.Parts {
			if p.Write == write && q.Write && p.Addr < q.Addr+uint64(q.Size) && q.Addr < p.Addr+uint64(p.Size) {
				return p, q
			}
		}
	}
	return p, q
}

// swapped says what it means that two instructions were not kept in their order.
func (r *run) swapped(a Arrow, fromWrite, toWrite bool) string {
	first, second := "its "+r.bare(a.From, fromWrite), r.access(a.To, toWrite)
	done := func(write bool) string {
		if write {
			return "was seen by others"
		}
		return "was satisfied"
	}
	if fromWrite == toWrite {
		return fmt.Sprintf("%s %s before %s", second, done(toWrite), first)
	}
	return fmt.Sprintf("%s %s before %s %s", second, done(toWrite), first, done(fromWrite))
}

// access is an event's read or write in words.
func (r *run) access(i int, write bool) string { return r.thread(i) + "'s " + r.bare(i, write) }

// bare is access without whose it is.
func (r *run) bare(i int, write bool) string {
	e := &r.events[i]
	verb := "read"
	if write {
		verb = "write"
	}
	for _, p := range e.Parts {
		if p.Write == write {
			place := printable.Line(symbolize.Member(r.line.Session().Process(), p.Addr))
			if place == "" {
				place = words.Hex(p.Addr)
			}
			return fmt.Sprintf("%s of %s (instruction %d)", verb, place, e.Number())
		}
	}
	return fmt.Sprintf("instruction %d", e.Number())
}

func (r *run) thread(i int) string {
	return printable.Line(r.line.Session().Names()[r.events[i].Thread])
}

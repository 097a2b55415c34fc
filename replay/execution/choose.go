package execution

import (
	"slices"

	"emurace/internal/printable"
	"emurace/symbolize"
)

// choose makes the graph of the events that matter.
func (r *run) choose(focus []uint64) (*Graph, error) {
	if !slices.ContainsFunc(r.arrows, r.external) {
		return nil, nil
	}
	g := &Graph{Threads: r.line.Session().Names()}
	wanted := map[int]bool{}
	var orders []Arrow // of programs, that matter
	if len(r.odd) > 0 {
		links, keep := r.links(), r.keeper()
		var told []way
		for _, s := range r.odd[:min(len(r.odd), mostOdd)] {
			w := r.cycle(links, s)
			wanted[s.event] = true
			for _, u := range s.later {
				wanted[u] = true
			}
			for _, a := range r.arrows {
				if a.Kind == ReadsFrom && s.kind == FromRead && a.To == s.event && a.From != Before {
					wanted[a.From] = true
				}
			}
			for i := range w {
				wanted[w[i].From], wanted[w[i].To] = true, true
			}
			r.keepAll(keep, w)
			for _, a := range w {
				if a.Kind == Program && !slices.Contains(orders, a) {
					orders = append(orders, a)
				}
			}
			g.Says = append(g.Says, r.saw(s))
			if !slices.ContainsFunc(told, func(o way) bool { return w.like(o, s.event) }) {
				told = append(told, w)
				g.Says = append(g.Says, r.tell(w)...)
			}
		}
	}
	for _, n := range focus {
		if i, ok := r.number[n]; ok && len(r.odd) == 0 {
			wanted[i] = true
		}
	}
	if len(wanted) == 0 {
		wanted[len(r.events)-1] = true
	}
	r.widen(wanted)
	r.show(g, wanted, orders)
	return g, nil
}

// keepAll writes down, of the orders of programs in a cycle, what keeps them.
func (r *run) keepAll(k *keeper, w way) {
	for i := range w {
		a := &w[i]
		if a.Kind != Program {
			continue
		}
		before, behind := w[(i+len(w)-1)%len(w)], w[(i+1)%len(w)]
		a.Kept = k.kept(a.From, a.To, before.Kind != ReadsFrom, behind.Kind != FromRead)
	}
}

// widen adds what is nearest to the wanted events: first whom they have to do with in other threads, and then what is
// beside them in their programs, as long as there is room.
func (r *run) widen(wanted map[int]bool) {
	room := func() bool { return len(wanted) < mostShown }
	if len(r.events) <= mostWhole {
		for i := range r.events {
			wanted[i] = true
		}
		return
	}
	core := sorted(wanted)
	for _, a := range r.arrows {
		if r.external(a) && (slices.Contains(core, a.To) || slices.Contains(core, a.From)) && a.Kind == ReadsFrom && room() {
			wanted[a.From], wanted[a.To] = true, true
		}
	}
	before := make([]int, len(r.events))
	for i := range before {
		before[i] = -1
	}
	for i, n := range r.next {
		if n >= 0 {
			before[n] = i
		}
	}
	const near = 2
	front, back := slices.Clone(core), slices.Clone(core)
	for range near {
		for i := range core {
			if front[i] >= 0 {
				front[i] = before[front[i]]
			}
			if back[i] >= 0 {
				back[i] = r.next[back[i]]
			}
			for _, e := range []int{front[i], back[i]} {
				if e >= 0 && room() {
					wanted[e] = true
				}
			}
		}
	}
}

func sorted(set map[int]bool) (list []int) {
	for i := range set {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// show fills in the events, which then have numbers of their own, and the arrows between them.
func (r *run) show(g *Graph, wanted map[int]bool, orders []Arrow) {
	number := map[int]int{Before: Before}
	p := r.line.Session().Process()
	for _, i := range sorted(wanted) {
		e := r.events[i]
		number[i] = len(g.Events)
		e.Where = printable.Line(symbolize.Locate(p, e.PC, false).String())
		e.Text = printable.Line(symbolize.Disassemble(p, e.PC).Text)
		for k := range e.Parts {
			e.Parts[k].Place = printable.Line(symbolize.Member(p, e.Parts[k].Addr))
		}
		g.Events = append(g.Events, e)
	}
	g.Left = len(r.events) - len(g.Events)
	for _, a := range slices.Concat(r.arrows, orders) {
		from, ok := number[a.From]
		to, both := number[a.To]
		switch {
		case !ok || !both:
			continue
		case a.From == Before && !r.events[a.To].Stale:
			continue // of most reads that is of no interest
		case a.From != Before && a.Kind != Program && !r.external(a):
			continue
		}
		a.From, a.To = from, to
		g.Arrows = append(g.Arrows, a)
	}
	slices.SortStableFunc(g.Arrows, func(a, b Arrow) int {
		if a.To != b.To {
			return a.To - b.To
		}
		return a.From - b.From
	})
}

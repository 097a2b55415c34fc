package execution

import "slices"

// way is arrows from event to event, each from where the one before has led.
type way []Arrow

// links are what leads from one event to others, to be followed.
func (r *run) links() [][]Arrow {
	out := make([][]Arrow, len(r.events))
	for i, n := range r.next {
		if n >= 0 {
			out[i] = append(out[i], Arrow{Kind: Program, From: i, To: n})
		}
	}
	for _, a := range r.arrows {
		if r.external(a) {
			out[a.From] = append(out[a.From], a)
		}
	}
	return out
}

// external tells whether an arrow goes from one thread to another.
func (r *run) external(a Arrow) bool {
	return a.From != Before && r.events[a.From].Thread != r.events[a.To].Thread
}

// back is a way from one event to another with as few arrows between threads as there can be; nil for none.
func (r *run) back(links [][]Arrow, from, to int) way {
	by := make([]Arrow, len(r.events))
	far := make([]int, len(r.events)) // 1 + how many arrows between threads lead there; 0: not been there
	far[from] = 1
	now, later := []int{from}, []int(nil)
	for len(now) > 0 {
		// Along a program costs nothing: first all that is as near.
		for k := 0; k < len(now); k++ {
			i := now[k]
			for _, a := range links[i] {
				d := far[i]
				if a.Kind != Program {
					d++
				}
				if far[a.To] != 0 && far[a.To] <= d {
					continue
				}
				far[a.To], by[a.To] = d, a
				if a.Kind == Program {
					now = append(now, a.To)
				} else {
					later = append(later, a.To)
				}
			}
		}
		if far[to] != 0 && to != from {
			break
		}
		now, later = later, nil
	}
	if far[to] == 0 || to == from {
		return nil
	}
	var w way
	for at := to; at != from; at = by[at].From {
		w = append(w, by[at])
	}
	slices.Reverse(w)
	return w.short()
}

// short has one arrow for several along a program.
func (w way) short() (out way) {
	for _, a := range w {
		if k := len(out) - 1; k >= 0 && a.Kind == Program && out[k].Kind == Program {
			out[k].To = a.To
			continue
		}
		out = append(out, a)
	}
	return out
}

// like tells whether two ways go around in the same circle, but for one event.
func (w way) like(o way, event int) bool {
	return len(w) == len(o) && !slices.ContainsFunc(w, func(a Arrow) bool {
		return a.From != event && a.To != event && !slices.Contains(o, a)
	})
}

// cycle is what an oddity has against it: that it comes before a later write, and the way from there to it.
func (r *run) cycle(links [][]Arrow, s oddity) way {
	var best way
	for _, w := range s.later {
		first := Arrow{Kind: s.kind, From: s.event, To: w}
		if way := r.back(links, w, s.event); way != nil && r.external(first) && (best == nil || len(way)+1 < len(best)) {
			best = append([]Arrow{first}, way...)
		}
	}
	return best
}

package replay

import (
	"fmt"
	"strings"

	"emurace/internal/words"
)

// deadlock says who waits for whom, in a few words. Where a thread waits for something
// that none of those has which wait as well, such as a semaphore that another one was to
// post before it ended, nobody is left to wake it.
func (x *Explanation) deadlock() string {
	held := map[string]bool{} // the thread waits for one that waits
	for _, w := range x.Waits {
		for _, o := range x.Waits {
			held[w.Thread] = held[w.Thread] || w.HeldBy == o.Thread
		}
	}
	var waiting, forNobody []string
	for _, t := range x.Threads {
		if t.Status != "waiting" {
			continue
		}
		waiting = append(waiting, t.Name)
		if !held[t.Name] {
			forNobody = append(forNobody, t.Name)
		}
	}
	switch n := len(forNobody) - 1; {
	case n > 0:
		return fmt.Sprintf("deadlock: %s and %s wait, and nobody is left to wake them", strings.Join(forNobody[:n], ", "), forNobody[n])
	case n == 0:
		return "deadlock: " + forNobody[0] + " waits, and nobody is left to wake it"
	case len(waiting) == 1:
		return "deadlock: " + waiting[0] + " waits for itself"
	}
	text := "deadlock: " + x.round()
	if n := len(waiting) - x.Cycle; n > 0 {
		text += fmt.Sprintf(", and %s for these", wait(n))
	}
	return text
}

// wait is so many more threads that wait.
func wait(n int) string {
	if n == 1 {
		return "one more thread waits"
	}
	return fmt.Sprintf("%d more threads wait", n)
}

// round says of the threads that wait in a ring what each of them waits for.
func (x *Explanation) round() string {
	ring := x.Waits[:x.Cycle]
	var names, each []string
	alike := true
	for i := range ring {
		names = append(names, ring[i].Thread)
		each = append(each, fmt.Sprintf("%s waits for %s", ring[i].Thread, ring[i].need(ring[i].HeldBy)))
		alike = alike && ring[i].What == ring[0].What
	}
	last := len(ring) - 1
	switch {
	case last < 0: // nobody is known to wait for whom
		return "every thread that is left waits for another"
	case last == 0:
		return each[0]
	case alike && last == 1:
		return fmt.Sprintf("%s and %s each wait for %s", names[0], names[1], ring[0].need("the other"))
	case last < 3 && !alike:
		return strings.Join(each, ", ")
	case !alike:
		return fmt.Sprintf("%s and %s each wait for the next, and the last for the first", strings.Join(names[:last], ", "), names[last])
	}
	return fmt.Sprintf("%s and %s each wait for %s, and the last for the first", strings.Join(names[:last], ", "), names[last], ring[0].need("the next"))
}

// ring draws who waits for whom: main --> b (held by worker) --> a (held by main).
func (x *Explanation) ring() string {
	text := x.Waits[0].Thread
	for _, w := range x.Waits[:x.Cycle] {
		what := w.Place
		if what == "" {
			what = words.Hex(w.Address)
		}
		switch w.What {
		case "thread":
			text += " --> the end of " + w.HeldBy
		case "once":
			text += fmt.Sprintf(" --> %s (run by %s)", what, w.HeldBy)
		default:
			text += fmt.Sprintf(" --> %s (held by %s)", what, w.HeldBy)
		}
	}
	return text + ": a ring."
}

// need is what a thread waits for, of who has to let it go.
func (w *Wait) need(holder string) string {
	switch w.What {
	case "":
		return holder
	case "thread":
		return "the end of " + holder
	case "once":
		return fmt.Sprintf("a once whose routine %s runs", holder)
	}
	return fmt.Sprintf("a %s that %s holds", w.What, holder)
}

// waits says who waits for whom.
func (x *Explanation) waits() []Fact {
	var list []Fact
	told := map[uint64]bool{} // what became of the signals on an object, which several may wait for
	for _, w := range x.Waits {
		f := Fact{Kind: FactTaken, Thread: -1}
		if t := w.Taken; t != nil {
			f = x.fact(FactTaken, t)
			f.Title = fmt.Sprintf("%s takes the %s that %s will wait for", w.HeldBy, w.What, w.Thread)
			f.Long = []string{fmt.Sprintf("%s takes the %s at %s, in %s: %s.", words.Capital(w.HeldBy), w.What, addressOf(w.Address, w.Place), written(t), place(t))}
		}
		f.Addr, f.Short = w.Address, []Text{w.tell()}
		if w.HeldBy == "" && w.Since > 0 {
			x.begins(&w, &f)
		}
		list = append(list, f)
		if !told[w.Object] {
			list = append(list, x.signals(&w)...)
		}
		told[w.Object] = w.Object != 0
	}
	if x.Cycle == 0 {
		return list
	}
	cycle := say("Each waits for the next: ")
	for _, w := range x.Waits[:x.Cycle] {
		cycle = say("%s%s, ", cycle, name(w.Thread))
	}
	return append(list, Fact{Kind: factCycle, Thread: -1, Short: []Text{say("%s%s.", cycle, name(x.Waits[0].Thread))}})
}

func (w *Wait) tell() Text {
	if w.For != "" {
		return say("%s waits: %s.", name(w.Thread), w.For)
	}
	t := say("%s waits for %s", name(w.Thread), number(addressOf(w.Address, w.Place)))
	switch {
	case w.What == "thread":
		return say("%s waits for the end of %s: for %s, which %s clears when it ends.", name(w.Thread), name(w.HeldBy), number(addressOf(w.Address, w.Place)), name(w.HeldBy))
	case w.HeldBy == "" && w.What == "":
		return say("%s, and nobody is left to change it.", t)
	case w.HeldBy == "":
		t = say("%s, of a %s%s: nobody is left to %s.", t, w.What, w.count, w.left)
		if w.Since > 0 {
			t = say("%s It waits since instruction %s.", t, words.Grouped(w.Since))
		}
		return t
	case w.What == "once":
		return say("%s, of a once whose routine %s runs.", t, name(w.HeldBy))
	}
	self := ""
	if w.HeldBy == w.Thread {
		self = " itself"
	}
	t = say("%s, a %s that %s%s holds", t, w.What, name(w.HeldBy), self)
	if w.Taken == nil {
		return say("%s since before the race.", t)
	}
	return say("%s: taken at %s in %s.", t, name(w.Taken.Location.String()), written(w.Taken))
}

package execution

import (
	"fmt"
	"slices"
	"strings"

	"emurace/internal/words"
)

// what says what an event's accesses are, and what it has read and written.
func (e *Event) what() string { return e.accesses("R", "W") }

func (e *Event) accesses(read, write string) string {
	const most = 2
	var list []string
	for i, p := range e.Parts {
		if i == most {
			list = append(list, fmt.Sprintf("%d more", len(e.Parts)-most))
			break
		}
		place := p.Place
		if place == "" {
			place = words.Hex(p.Addr)
		}
		verb := read
		if p.Write {
			verb = write
		}
		list = append(list, fmt.Sprintf("%s %s = %s", verb, place, words.Hex(p.Value)))
	}
	return strings.Join(list, ", ")
}

// meaning says what a kind of arrow is.
func (k Kind) meaning() string {
	switch k {
	case ReadsFrom:
		return "reads from: the read has seen what the write wrote"
	case Coherence:
		return "coherence: the write at its end overwrote the other one"
	case FromRead:
		return "from-read: the read has seen what the write overwrote"
	case Program:
		return "program order; free where nothing is known to keep it"
	}
	return string(k)
}

// order is what is said of a program's order.
func (a *Arrow) order() string {
	if a.Kept != "" {
		return "kept by " + a.Kept
	}
	return "free: a barrier would keep it"
}

// Words are the arrows in lines, for who cannot see a picture.
func (g *Graph) Words() (list []string) {
	for i := range g.Arrows {
		a := &g.Arrows[i]
		from := "what was before the race"
		if a.From != Before {
			from = fmt.Sprint(g.Events[a.From].Number())
		}
		line := fmt.Sprintf("%s  %s → %d", a.Kind, from, g.Events[a.To].Number())
		if a.Kind == Program {
			line += "  " + a.order()
		}
		list = append(list, line)
	}
	return list
}

// LeftOut says how many events are not shown, "" where all are.
func (g *Graph) LeftOut() string {
	if g.Left == 0 {
		return ""
	}
	are := "are"
	if g.Left == 1 {
		are = "is"
	}
	return fmt.Sprintf("Of %s that access bytes which threads share, %s %s left out.",
		words.Count(uint64(g.Left+len(g.Events)), "instruction"), words.Grouped(uint64(g.Left)), are)
}

// Lines are the graph for a terminal, in lines of at most so many columns, as far as the texts are short: the events
// in the order of the run, each under its thread, and the arrows below.
func (g *Graph) Lines(columns int) (list []string) {
	const number, least = 7, 18
	shown := g.columns()
	width := max((columns-number)/max(len(shown), 1), least)
	head := strings.Repeat(" ", number)
	for _, t := range shown {
		head += fit(g.Threads[t], width)
	}
	list = append(list, strings.TrimRight(head, " "))
	for i := range g.Events {
		e := &g.Events[i]
		pad := strings.Repeat(" ", width*slices.Index(shown, e.Thread))
		mark := e.mark()
		if mark != "" {
			mark = "  " + mark
		}
		list = append(list, fmt.Sprintf("%*s %s%s%s", number-1, words.Grouped(e.Number()), pad, e.what(), mark),
			strings.Repeat(" ", number)+pad+"  "+e.Where+"  "+e.Text)
	}
	list = append(list, "")
	list = append(list, g.Words()...)
	list = append(list, "")
	for _, k := range g.kinds() {
		list = append(list, fmt.Sprintf("%s  %s", k, k.meaning()))
	}
	if text := g.LeftOut(); text != "" {
		list = append(list, text)
	}
	return list
}

// columns are the threads that have events, in their order.
func (g *Graph) columns() (list []int) {
	for t := range g.Threads {
		if slices.ContainsFunc(g.Events, func(e Event) bool { return e.Thread == t }) {
			list = append(list, t)
		}
	}
	return list
}

// kinds are those of the arrows that there are.
func (g *Graph) kinds() (list []Kind) {
	for _, k := range []Kind{ReadsFrom, Coherence, FromRead, Program} {
		if slices.ContainsFunc(g.Arrows, func(a Arrow) bool { return a.Kind == k }) {
			list = append(list, k)
		}
	}
	return list
}

// fit is a text in a column.
func fit(text string, width int) string {
	if r := []rune(text); len(r) >= width {
		return string(r[:width-2]) + "… "
	}
	return text + strings.Repeat(" ", width-len([]rune(text)))
}

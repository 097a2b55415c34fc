package execution

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"emurace/internal/printable"
	"emurace/internal/words"
)

// Sizes of the picture, in its own units, of which a letter is some seven wide.
const (
	boxWide, boxHigh = 300, 46
	gapWide          = 150 // between columns
	marginWide       = 170 // beside the columns, for orders of programs
	rowHigh          = 66
	topHigh          = 64
	legendHigh       = 20
	textMost         = 40 // letters of a line in a box
)

// drawing is a picture that is being made.
type drawing struct {
	strings.Builder
	g     *Graph
	shown []int
	used  map[[2]int]int // arrows at a side of an event's box
	said  string         // the last label of a program's order
}

func (d *drawing) put(format string, args ...any) { d.WriteString(fmt.Sprintf(format, args...) + "\n") }

// SVG is the graph as a picture, to be put into a page of HTML: a column for each thread, the first instruction on top.
// Colours come from the page's style, by the classes rf, co, fr and po. The id is the start of its elements' ids.
func (g *Graph) SVG(id string) string {
	d := &drawing{g: g, shown: g.columns(), used: map[[2]int]int{}}
	n := len(d.shown)
	wide := 2*marginWide + n*boxWide + (n-1)*gapWide
	foot := topHigh + len(g.Events)*rowHigh
	high := foot + legendHigh*len(g.kinds()) + 8
	d.put(`<svg class="execution" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="%s-title" aria-describedby="%s-desc">`, wide, high, wide, high, id, id)
	d.put(`<title id="%s-title">Who has seen what: the accesses to shared memory</title>`, id)
	d.put(`<desc id="%s-desc">%s</desc>`, id, escape(g.described()))
	for i, t := range d.shown {
		x := d.left(i)
		d.put(`<text class="who thread-%d" x="%d" y="20">%s</text>`, t, x, escape(short(g.Threads[t])))
		if first, last := d.ends(t); first >= 0 {
			d.put(`<path class="line" d="M%d %dV%d"/>`, x+boxWide/2, d.middle(first), d.middle(last))
		}
	}
	for i := range g.Events {
		d.box(i)
	}
	for i := range g.Arrows {
		d.arrow(&g.Arrows[i])
	}
	for i, k := range g.kinds() {
		y := foot + legendHigh*i + legendHigh/2
		d.put(`<path class="arrow %s" d="M%d %dH%d"/>`, k, marginWide, y, marginWide+40)
		d.head(k, marginWide+40, y, 1)
		d.put(`<text x="%d" y="%d"><tspan class="%s">%s</tspan> %s</text>`, marginWide+52, y+4, k, k, escape(k.meaning()))
	}
	d.put(`</svg>`)
	return d.String()
}

// described is the picture in words.
func (g *Graph) described() string {
	var list []string
	for i := range g.Events {
		e := &g.Events[i]
		list = append(list, fmt.Sprintf("Instruction %d, %s: %s at %s.", e.Number(), g.Threads[e.Thread], e.accesses("reads", "writes"), e.Where))
	}
	for _, w := range g.Words() {
		list = append(list, strings.Join(strings.Fields(w), " ")+".")
	}
	return strings.Join(append(list, g.Says...), " ")
}

func (d *drawing) left(column int) int { return marginWide + column*(boxWide+gapWide) }

func (d *drawing) middle(event int) int { return topHigh + event*rowHigh }

func (d *drawing) column(event int) int { return slices.Index(d.shown, d.g.Events[event].Thread) }

// ends are a thread's first and last events.
func (d *drawing) ends(thread int) (first, last int) {
	first = -1
	for i := range d.g.Events {
		if d.g.Events[i].Thread == thread {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	return first, last
}

// box draws an event.
func (d *drawing) box(i int) {
	e := &d.g.Events[i]
	x, y := d.left(d.column(i)), d.middle(i)
	class := "event"
	if e.mark() != "" {
		class += " stale"
	}
	d.put(`<g class="%s"><title>%s</title>`, class, escape(fmt.Sprintf("instruction %d: %s, %s at %s", e.Number(), e.what(), e.Text, e.Where)))
	d.put(`<rect class="thread-%d" x="%d" y="%d" width="%d" height="%d" rx="5"/>`, e.Thread, x, y-boxHigh/2, boxWide, boxHigh)
	what := fmt.Sprintf("%s  %s", words.Grouped(e.Number()), e.what())
	if mark := e.mark(); mark != "" {
		what = cutTo(what, textMost-2-len(mark)) + "  " + mark
	}
	d.put(`<text class="what" x="%d" y="%d">%s</text>`, x+10, y-5, escape(short(what)))
	d.put(`<text class="where" x="%d" y="%d">%s</text></g>`, x+10, y+13, escape(short(e.Where+"  "+e.Text)))
}

// side is where an arrow meets a box: the next free place at its left side, -1, or right side, 1.
func (d *drawing) side(event, side int) (x, y int) {
	k := d.used[[2]int{event, side}]
	d.used[[2]int{event, side}]++
	offset := []int{0, -14, 14, -7, 7}[min(k, 4)]
	x = d.left(d.column(event))
	if side > 0 {
		x += boxWide
	}
	return x, d.middle(event) + offset
}

// arrow draws a relation.
func (d *drawing) arrow(a *Arrow) {
	switch {
	case a.From == Before:
		x, y := d.side(a.To, -1)
		d.put(`<path class="arrow rf" d="M%d %dH%d"/>`, x-40, y, x)
		d.head(a.Kind, x, y, 1)
		d.put(`<text class="label rf" text-anchor="end" x="%d" y="%d">before the race</text>`, x-44, y+4)
	case a.Kind == Program:
		d.program(a)
	default:
		to := 1
		if d.column(a.From) < d.column(a.To) {
			to = -1
		}
		x1, y1 := d.side(a.From, -to)
		x2, y2 := d.side(a.To, to)
		bend := to * gapWide / 2
		d.put(`<path class="arrow %s" d="M%d %dC%d %d %d %d %d %d"/>`, a.Kind, x1, y1, x1-bend, y1, x2+bend, y2, x2, y2)
		d.head(a.Kind, x2, y2, -to)
		d.put(`<text class="label %s" text-anchor="middle" x="%d" y="%d">%s</text>`, a.Kind, x2+to*22, y2-3, a.Kind)
	}
}

// program draws an order of a program, outside of its column where there is room.
func (d *drawing) program(a *Arrow) {
	side := -1
	if c := d.column(a.From); c > 0 && c == len(d.shown)-1 {
		side = 1
	}
	x1, y1 := d.side(a.From, side)
	x2, y2 := d.side(a.To, side)
	class, lines := "po", []string{"free: a barrier", "would keep it"}
	if a.Kept != "" {
		class, lines = "po kept", []string{"kept by", strings.TrimPrefix(strings.TrimPrefix(a.Kept, "a "), "an ")}
	}
	bend := side * 46
	d.put(`<path class="arrow %s" d="M%d %dC%d %d %d %d %d %d"/>`, class, x1, y1, x1+bend, y1, x2+bend, y2, x2, y2)
	d.head(a.Kind, x2, y2, -side)
	anchor, x := "end", x1-40
	if side > 0 {
		anchor, x = "start", x1+40
	}
	said := fmt.Sprint(a.From, lines)
	if d.said == said {
		return // the same is beside it
	}
	d.said = said
	for i, text := range lines {
		d.put(`<text class="label %s" text-anchor="%s" x="%d" y="%d">%s</text>`, class, anchor, x, (y1+y2)/2+14*i-3, escape(text))
	}
}

// head is an arrow's, pointing to the right, 1, or to the left, -1.
func (d *drawing) head(k Kind, x, y, to int) {
	d.put(`<path class="head %s" d="M%d %dL%d %dL%d %dZ"/>`, k, x, y, x-9*to, y-5, x-9*to, y+5)
}

func short(text string) string { return cutTo(text, textMost) }

func cutTo(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// escape makes text of a guest's or a trace's one that is only shown.
func escape(text string) string { return html.EscapeString(printable.Line(text)) }

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/oracle"
	"emurace/replay"
	"emurace/symbolize"
)

// Bounds of what is printed of problems; --json has all.
const (
	mostGroups = 16
	mostPairs  = 4 // of accesses that race for one object
)

// problemGroup is a problem, or the data races for one object.
type problemGroup struct {
	object string // of data races: static data, a block, or an address
	list   []problem
}

// groupProblems puts the data races for one object together, where the first of them stands.
func groupProblems(list []problem) []problemGroup {
	var groups []problemGroup
	for _, x := range list {
		object := ""
		if x.report != nil && x.Outcome.Kind == oracle.DataRace {
			object = racedFor(x.report)
		}
		i := slices.IndexFunc(groups, func(g problemGroup) bool { return object != "" && g.object == object })
		if i < 0 {
			groups = append(groups, problemGroup{object: object, list: []problem{x}})
		} else {
			groups[i].list = append(groups[i].list, x)
		}
	}
	return groups
}

// racedFor is the object that two accesses race for: a block of malloc's, static data by its symbol,
// or else the eight bytes that hold the first of them.
func racedFor(r *oracle.Report) string {
	if b := r.Block; b != nil {
		text := fmt.Sprintf("a block of %s at %s", words.Count(b.Size, "byte"), b.Address)
		if b.Allocated != nil {
			text += fmt.Sprintf(", allocated by %s in %s", b.Allocated.Thread, b.Allocated.Call)
		}
		return text
	}
	for _, a := range r.Accesses {
		if a.Place != "" {
			return a.Place[:cmp.Or(max(0, strings.IndexAny(a.Place, "+[")), len(a.Place))]
		}
	}
	return words.Hex(number(r.Accesses[0].Address) &^ 7)
}

// printProblems lists what inspections found.
func (o *outcome) printProblems(p *replay.Printer) {
	for i, g := range groupProblems(o.problems) {
		if i == mostGroups {
			p.Printf("%s   %s more problems; --json lists them\n", p.Head("and"), words.Grouped(uint64(len(o.problems)-i)))
			return
		}
		x := g.list[0]
		if x.Hole && i == 0 && len(o.result.Findings) == 0 {
			o.printHole(p)
		}
		if g.object == "" {
			p.Printf("%s  %s, in %s\n", p.Head("problem"), p.Bad(x.head()), plural(x.Count, "schedule", "schedules"))
			o.printProblem(p, &x)
			continue
		}
		g.printRaces(p)
	}
}

// printRaces tells of the data races for one object.
func (g *problemGroup) printRaces(p *replay.Printer) {
	least, most := g.list[0].Count, uint64(0)
	for _, x := range g.list {
		least, most = min(least, x.Count), max(most, x.Count)
	}
	in, two := "in "+plural(most, "schedule", "schedules"), "the two"
	if least < most {
		in = "in up to " + plural(most, "schedule", "schedules")
	}
	if n := len(g.list); n > 1 {
		in, two = fmt.Sprintf("by %d pairs of instructions, %s", n, in), "the two of a pair"
	}
	p.Printf("%s  %s, %s\n", p.Head("problem"), p.Bad(fmt.Sprintf("%s on %s", oracle.DataRace, g.object)), in)
	p.Printf("    nothing orders %s, so that either may come first\n", two)
	for i, x := range g.list {
		if i == mostPairs {
			p.Printf("    and %s; --json lists them\n", plural(uint64(len(g.list)-i), "more pair", "more pairs"))
			break
		}
		if i > 0 {
			p.Printf("    %s\n", p.Faint("and"))
		}
		printAccesses(p, x.report)
	}
	if b := g.list[0].report.Block; b != nil {
		printCalls(p, b)
	}
}

// printProblem tells of a problem that stands alone.
func (o *outcome) printProblem(p *replay.Printer, x *problem) {
	if x.report == nil {
		return
	}
	printAccesses(p, x.report)
	b := x.report.Block
	if b == nil && x.Outcome.Kind == oracle.InvalidFree {
		p.Printf("    no block is there\n")
	}
	if b == nil {
		return
	}
	where := ""
	if x.Outcome.Kind == oracle.InvalidFree {
		where = fmt.Sprintf(", %s before that", words.Count(uint64(max(b.Offset, 0)), "byte"))
	}
	p.Printf("    the block: %s at %s%s\n", words.Count(b.Size, "byte"), b.Address, where)
	if len(b.PointedBy) > 0 {
		p.Printf("      pointed to by %s\n", strings.Join(b.PointedBy, " and "))
	}
	printCalls(p, b)
}

// printAccesses tells of the accesses of a problem, with how their threads had come there.
func printAccesses(p *replay.Printer, r *oracle.Report) {
	for _, a := range r.Accesses {
		at := a.Address
		if a.Place != "" {
			at += " (" + a.Place + ")"
		}
		what := fmt.Sprintf("%ss %s: %s", a.Access, at, a.Instruction)
		if a.Access == "free" {
			what = fmt.Sprintf("frees %s with %s", at, a.Function)
		}
		in := a.Call
		if a.Script != "" && strings.HasPrefix(a.Function, emu.RoutinePrefix) { // else the function says more
			in += " at " + a.Script
		}
		p.Printf("    %s %s in %s\n      %s\n", p.Name(a.Thread), what, in, p.Faint(way(a.Backtrace)))
	}
}

// printCalls tells who allocated a block and who freed it.
func printCalls(p *replay.Printer, b *oracle.Block) {
	for _, c := range []struct {
		verb string
		call *oracle.Call
	}{{"allocated", b.Allocated}, {"freed", b.Freed}} {
		if c.call != nil {
			p.Printf("      %s by %s in %s\n        %s\n", c.verb, p.Name(c.call.Thread), c.call.Call, p.Faint(way(c.call.Backtrace)))
		}
	}
}

// way writes a backtrace in one line, innermost first.
func way(list []symbolize.Frame) string {
	var parts []string
	for _, f := range list {
		if f.Function == "" {
			parts = append(parts, f.PC)
			continue
		}
		parts = append(parts, fmt.Sprintf("%s+%#x", f.Function, f.Offset))
	}
	return strings.Join(parts, " < ")
}

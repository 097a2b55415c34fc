package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"emurace/internal/words"
	"emurace/replay"
)

// printTable writes several searches as a table, a line each.
func printTable(p *replay.Printer, list []*outcome) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	// A strings.Builder takes everything.
	modelled, memory := list[0].memory != "", ""
	if modelled {
		memory = "MEMORY\t"
	}
	_, _ = fmt.Fprintln(w, "LIBC\tSYSROOT\tARCH\t"+memory+"VERDICT\tSCHEDULES\tFAILING\tCAUSE")
	for _, o := range list {
		verdict := string(o.result.Verdict)
		if o.interrupted {
			verdict += ", interrupted"
		}
		libc := o.libc.String()
		if !o.raced.Load() {
			libc = "-"
		}
		if modelled {
			memory = modelTitle(o.memory) + "\t"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%v\t"+memory+"%s\t%s\t%s\t%s\n", libc, o.recipe.Source, o.recipe.Arch, verdict,
			words.Grouped(o.result.Schedules), words.Grouped(o.result.Failing), o.causeText())
	}
	_ = w.Flush()
	p.Printf("%s", text.String())
	printComparison(p, list)
	for _, o := range list {
		if o.trace != "" {
			p.Printf("%s  %s\n", p.Head("next"), traceCommand("replay", o.trace))
		}
	}
	return p.Err()
}

// causeText is the first finding in a few words.
func (o *outcome) causeText() string {
	if o.first == nil && len(o.problems) > 0 {
		return o.problems[0].head()
	}
	if o.first == nil {
		return doubtsText(o.result.Doubts)
	}
	s := o.first.Headline()
	if o.first.Register != "" {
		s += fmt.Sprintf(": %s = %#x", o.first.Register, o.first.Value)
	}
	if w := o.first.Writer; w != nil {
		s += fmt.Sprintf(", written by %s in %s", w.Thread, w.Location.Function)
	}
	return s
}

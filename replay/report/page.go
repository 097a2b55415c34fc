package report

import (
	"encoding/json"
	"fmt"
	"html/template"
	"strings"

	"emurace/heap"
	"emurace/internal/shell"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/replay/execution"
	"emurace/replay/lesson"
	"emurace/replay/timeline"
	"emurace/scenario"
	"emurace/symbolize"
)

// Input is what a page is made of.
type Input struct {
	Trace       *replay.Trace
	File        string // what the trace's file is called, for the command that runs it again
	Scenario    *scenario.Scenario
	Line        *timeline.Timeline
	Explanation *replay.Explanation
	Lesson      *lesson.Lesson // nil for a run that did not fail
	Backwards   *lesson.Lesson // it from the crash backwards, nil where that is told in the same cards
	Heap        *heap.History  // nil when there is none
	Version     string         // of emurace
	Engine      string         // of Unicorn
}

// Page is what the template shows.
type Page struct {
	Title   string
	Summary []string // the cause
	Instant *Instant // the instruction that failed
	Partial string   // what of the run is not in the page; "" when all of it is

	Threads    []Thread
	Moments    []Moment
	Backwards  []Moment
	Asides     []scenario.Note
	Execution  *Execution // nil where threads have told each other nothing
	Detail     string     // the explanation as emurace replay prints it
	Last       []Line     // the last instructions
	LastOf     string     // of how many
	Commands   []Command
	Facts      []Fact
	Modules    []replay.File
	Assumption []string

	Data template.JS // the Run
}

// Execution is who has seen what of shared memory.
type Execution struct {
	Picture template.HTML
	Says    []string
	Words   []string // the arrows, without the picture
	Left    string   // what is left out
	Odd     bool     // a read has seen an older value
}

// tellExecution is the picture of an execution, nil where there is none.
func tellExecution(g *execution.Graph) *Execution {
	if g == nil {
		return nil
	}
	// All text in it is escaped.
	return &Execution{Picture: template.HTML(g.SVG("execution")), Says: g.Says, Words: g.Words(), Left: g.LeftOut(), Odd: g.Odd()}
}

// Instant is the instruction that failed, and why.
type Instant struct {
	Thread, Where, Source, Text, Why string
}

// Thread is one that raced.
type Thread struct {
	Index              int
	Name, Status, Call string
	Backtrace          []Frame
}

// Frame is a line of a backtrace.
type Frame struct{ Where, Source string }

// Moment is a card of the lesson's.
type Moment struct {
	ID        string // of its element
	Number    int
	At        uint64
	When      string
	Thread    string
	Index     int // the thread's
	Title     string
	Text      []string
	Ask       []string // commands of gdb
	Code      []string // lines of the scenario's script
	Asides    []scenario.Note
	Picture   string // the picture's title
	Rows      []Row
	Explained bool // there is a picture
}

// Row is a word of memory before and after a moment.
type Row struct {
	Gap                    int
	Label, Addr            string
	Was, Is                string // values; Was is empty when it is the same
	Meant, Means           string
	Focus, Changed, Before bool // Before: it changed in the time since the moment before
}

// Line is an instruction of the run.
type Line struct {
	Number              uint64 // of the instruction in the race, from 1
	Thread              string
	Index               int
	Where, Text, Access string
	Switch, Fault       bool
}

// Command is one to type, and what for.
type Command struct{ What, Line string }

// Fact is something about the run.
type Fact struct{ Name, Value string }

// lastLines is how many instructions the page shows without its script.
const lastLines = 40

// New makes the page of a run. The timeline is left at the end of the run.
func New(in Input) (*Page, error) {
	run, err := Record(in.Line, in.Explanation, in.Lesson, in.Heap)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return newPage(in, run)
}

func newPage(in Input, run *Run) (*Page, error) {
	x := in.Explanation
	p := &Page{Title: words.Capital(x.Headline()), Summary: x.Summary(), Partial: partial(run)}
	if l := in.Lesson; l != nil {
		p.Title, p.Asides, p.Execution = l.Title, l.Asides, tellExecution(l.Execution)
		for i, m := range l.Moments {
			p.Moments = append(p.Moments, tellMoment("moment", i+1, m, run))
		}
	}
	if l := in.Backwards; l != nil {
		for i, m := range l.Moments {
			p.Backwards = append(p.Backwards, tellMoment("back", i+1, m, run))
		}
	}
	p.Instant = instant(x)
	for i, t := range x.Threads {
		if t.Status == "absent" {
			continue
		}
		view := Thread{Index: i, Name: symbolize.Title(t.Name, t.Called), Status: t.Status, Call: t.Call}
		for _, f := range t.Backtrace {
			view.Backtrace = append(view.Backtrace, Frame{f.String(), f.Source()})
		}
		p.Threads = append(p.Threads, view)
	}
	p.Detail = strings.TrimRight(x.String(), "\n")
	p.last(run)
	p.facts(in)
	data, err := json.Marshal(run) // which escapes <, > and & too
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	p.Data = template.JS(data)
	return p, nil
}

// partial says what is left out of a run.
func partial(r *Run) string {
	kept := uint64(0)
	for _, w := range r.Windows {
		kept += uint64(len(w.Places))
	}
	if kept == r.Length {
		return ""
	}
	which := "the last ones"
	if len(r.Marks) > 0 {
		which = "those around the cards of the lesson, and the last ones"
	}
	return fmt.Sprintf("The run has %s. This page has %s of them: %s. emurace step goes through all of them.",
		words.Count(r.Length, "instruction"), words.Grouped(kept), which)
}

// instant says what the failing instruction was about to do.
func instant(x *replay.Explanation) *Instant {
	if x.At == nil {
		return nil
	}
	l := x.At.Location
	return &Instant{Thread: x.At.Thread, Where: l.String(), Source: l.Source(), Text: x.At.Instruction, Why: x.Fault()}
}

func tellMoment(kind string, number int, m lesson.Moment, run *Run) Moment {
	v := Moment{ID: fmt.Sprintf("%s-%d", kind, number), Ask: m.Ask, Code: m.Code, Number: number, At: m.At, When: m.When(run.Length), Index: m.Thread, Title: m.Title, Text: m.Long, Asides: m.Notes}
	if m.Thread >= 0 {
		v.Thread = run.Threads[m.Thread]
	}
	if m.Is == nil {
		return v
	}
	v.Explained, v.Picture = true, m.Is.Title
	for i, is := range m.Is.Rows {
		v.Rows = append(v.Rows, tellRow(m.Was.Rows[i], is))
	}
	return v
}

func tellRow(was, is lesson.Row) Row {
	if is.Gap > 0 {
		return Row{Gap: is.Gap}
	}
	r := Row{Label: is.Label, Addr: fmt.Sprintf("%#x", is.Addr), Is: word64(is), Means: is.Text, Focus: is.Focus}
	if was.Value != is.Value || was.Mapped != is.Mapped {
		r.Was, r.Meant, r.Changed = word64(was), was.Text, true
	} else {
		r.Before = was.Changed
	}
	return r
}

func word64(r lesson.Row) string {
	if !r.Mapped {
		return "not mapped"
	}
	return fmt.Sprintf("%#x", r.Value)
}

// last lists the last instructions.
func (p *Page) last(run *Run) {
	w := run.Windows[len(run.Windows)-1]
	n := len(w.Places)
	first := n - min(n, lastLines)
	p.LastOf = words.Count(uint64(n-first), "instruction") + " of " + words.Grouped(run.Length)
	accesses := groups(w.Accesses, 5)
	before := -1
	for i := first; i < n; i++ {
		place, thread := run.Places[w.Places[i]], w.threadOf(i)
		p.Last = append(p.Last, Line{
			Number: w.From + uint64(i) + 1, Thread: run.Threads[thread], Index: thread, Where: place.Where, Text: place.Text,
			Access: run.accesses(accesses[i]), Switch: thread != before,
		})
		before = thread
	}
	if run.Fault >= 0 && w.Next[run.Fault] >= 0 {
		place := run.Places[w.Next[run.Fault]]
		p.Last = append(p.Last, Line{
			Number: run.Length + 1, Thread: run.Threads[run.Fault], Index: run.Fault, Where: place.Where, Text: place.Text,
			Access: "faults", Switch: run.Fault != before, Fault: true,
		})
	}
}

// threadOf is the thread of an instruction of the window.
func (w *Window) threadOf(i int) int {
	for k := 0; k < len(w.Slices); k += 2 {
		if i -= w.Slices[k+1]; i < 0 {
			return w.Slices[k]
		}
	}
	return -1
}

// groups takes a flat list of a Window apart: for each instruction its groups of
// numbers.
func groups(flat []int, size int) [][][]int {
	var out [][][]int
	for i := 0; i < len(flat); {
		n := flat[i]
		i++
		var list [][]int
		for range n {
			list = append(list, flat[i:i+size])
			i += size
		}
		out = append(out, list)
	}
	return out
}

// accesses writes what an instruction did to memory.
func (r *Run) accesses(list [][]int) string {
	const most = 3
	var parts []string
	for i, a := range list {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		text := fmt.Sprintf("[0x%s] → 0x%s", r.Values[a[1]], r.Values[a[3]])
		if a[0] != kindRead {
			text = fmt.Sprintf("[0x%s] ← 0x%s", r.Values[a[1]], r.Values[a[3]])
			if a[3] != a[4] {
				text += fmt.Sprintf(" (was 0x%s)", r.Values[a[4]])
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// facts say how the run is made again, and what it was made of.
func (p *Page) facts(in Input) {
	t, x := in.Trace, in.Explanation
	p.Commands = []Command{
		{"Run this very schedule again, and dump its end", shell.Line("emurace", "replay", in.File)},
		{"Walk through it in a terminal", shell.Line("emurace", "step", in.File)},
		{"Debug it with gdb, backwards too", shell.Line("emurace", "gdb", "--launch", in.File)},
		{"Search for it anew", shell.Line("emurace", "explore", in.File)},
	}
	fact := func(name, value string) {
		if value != "" {
			p.Facts = append(p.Facts, Fact{name, value})
		}
	}
	fact("Scenario", t.Scenario+": "+in.Scenario.Summary)
	fact("Settings", strings.Join(t.Settings, ", "))
	fact("Processor", t.Arch)
	libc := "of " + t.Libc.Source
	if name := t.Libc.String(); name != "" {
		libc = name + " " + libc
	}
	fact("C library", libc)
	fact("Its build-id", t.Libc.BuildID)
	fact("Schedule", x.Switching())
	fact("Length", words.Count(t.Steps, "instruction"))
	fact("Outcome", t.Outcome.String())
	fact("Seed", fmt.Sprint(t.Seed))
	fact("Digest", t.Digest)
	fact("Made by", fmt.Sprintf("emurace %s with Unicorn %s, trace format %d", in.Version, in.Engine, t.Format))
	p.Modules = t.Modules
	order := "One thread ran at a time, one instruction after the other, and every write was seen by all threads at once: sequential consistency. A real processor can do this too, and more besides."
	if p.Execution != nil && p.Execution.Odd {
		order = "The processor may let a thread read what another one has overwritten already, as the memory model allows that was asked for. In this run it did; whether a processor at hand does is not known."
	}
	p.Assumption = []string{
		order,
		"The code is the real C library's, unchanged, in an emulated processor. Clock, random numbers, addresses and files are fixed, so that the run is the same each time; on a real machine the addresses are others.",
	}
}

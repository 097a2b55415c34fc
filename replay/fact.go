package replay

import (
	"fmt"
	"slices"
	"strings"

	"emurace/heap"
	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Fact is one thing that an explanation says, with its place in the run and its wording.
// A view picks facts, orders them and styles them, and has no words for them of its own.
type Fact struct {
	Kind FactKind
	// At counts the instructions of the race that had completed before what the fact is
	// about, After those behind it. A fact without a title is at no moment.
	At, After uint64
	Thread    int // index of the racing thread; -1 for none
	// Addr is the memory that the fact is about, where it is about any, and Place what that
	// is called.
	Addr  uint64
	Place string

	Title string
	// Short is what is said in an explanation of a few lines, empty for what only those
	// have to be told who want to know all of it.
	Short []Text
	Long  []string        // paragraphs for who has not seen such a failure before
	Notes []scenario.Note // beside them
	Ask   []string        // commands of gdb that show the same, for some
	// Written are the lines of a script, as FILE:LINE, whose calls the fact is about.
	Written []string

	section string // heading of Short, "" for none
}

// FactKind says what a fact is about. Of facts about the same moment the lower one is to be
// told first.
type FactKind uint8

// The kinds, first those that are at a moment.
const (
	FactAllocated FactKind = iota + 1 // the block is handed out
	FactFound                         // the thread that dies learns where the block is
	FactFreeing                       // the call begins that gives the block back
	FactCopied                        // what is in the block is copied elsewhere, to Addr
	FactWritten                       // the fatal value is written
	FactMoved                         // the place where the block was found names another one
	FactUnmapped                      // the page of the address is taken away
	FactLoaded                        // the fatal value is loaded
	FactSeen                          // a thread reads a value that a check finds fault with
	FactStale                         // a thread reads what memory does not hold any more
	FactTaken                         // a thread takes what another one waits for at the end
	FactPrinted                       // a thread prints what a check finds fault with
	FactFreed                         // a block is freed that is used later, or freed again
	FactMisused                       // an access that is a problem, or a part of one
	FactWaits                         // a thread begins to wait for what nobody is left to do
	FactSignalled                     // a call is to wake who waits for that
	FactEnd                           // the end
	factPrinted                       // how much the process had printed before
	factProblem                       // what is wrong with a run that need not have failed of it
	factSaid                          // what the process printed last
	factCalled                        // what the program calls its threads
	factWaiting                       // where a thread waits at the end
	factOrigin                        // where a value is from that was not loaded
	factMeaning                       // what the fatal value is to malloc
	factWord                          // what the word was to the block
	factReused                        // whose the block's bytes were by then
	factCycle                         // which threads wait for each other
	factSeen                          // what a check found
	factTime                          // when time passed
	factRaces                         // what had to come first

	// What Backwards tells.
	FactCore      // who died
	FactStack     // where
	FactRegister  // of which value
	FactPlace     // where the block is found at the end: at Addr
	FactElsewhere // that the value was loaded from another block
	FactAlike     // in which words the two are alike
	FactWho       // who has written the value
	FactSequence  // what came before what
)

// The sections of a short explanation.
const (
	sectionWhy     = "why"
	sectionProblem = "problem"
	sectionMemory  = "what was seen out of order"
	sectionTime    = "when time passed"
	sectionRaces   = "what had to come first"
)

// Facts is all that the explanation says, as a short one has it: what happened, then why,
// from the end back to the cause.
func (x *Explanation) Facts() []Fact {
	list := slices.Concat([]Fact{x.end()}, x.said(), x.called())
	for i, t := range x.Threads {
		if t.Status == "waiting" {
			list = append(list, Fact{Kind: factWaiting, Thread: i, Short: []Text{say("%s waits in %s: %s", name(t.Name), t.written(), symbolize.Chain(t.Backtrace))}})
		}
	}
	list = append(list, x.goesRound()...)
	why := len(list)
	for _, facts := range [][]Fact{x.waits(), x.prints(), x.lookWrites(), x.seen(), x.origin(), x.load(), x.block(), x.unmapped()} {
		list = append(list, facts...)
	}
	for i := range list[why:] {
		list[why+i].section = sectionWhy
	}
	return slices.Concat(list, x.staleReads(), x.problems(), x.time(), x.sections(), x.races())
}

// Fact is the fact of a kind, false when there is none.
func (x *Explanation) Fact(kind FactKind) (Fact, bool) {
	for _, f := range x.Facts() {
		if f.Kind == kind {
			return f, true
		}
	}
	return Fact{}, false
}

// Tell writes the explanation in short: the failing instruction, and why.
func (x *Explanation) Tell(p *Printer) {
	section := ""
	for _, f := range x.Facts() {
		for _, line := range f.Short {
			if f.section != section {
				section = f.section
				p.Printf("%s\n", p.Head(section))
			}
			p.Printf("    %s\n", p.Text(line))
		}
	}
}

// String is what Tell writes, without colours.
func (x *Explanation) String() string {
	var text strings.Builder
	x.Tell(NewPrinter(&text, false))
	return text.String()
}

// Summary is the cause in as few sentences as it takes, for who has not seen such a failure
// before.
func (x *Explanation) Summary() []string {
	list := x.cause()
	if text := x.order(); text != "" {
		list = append(list, text)
	}
	return list
}

// cause is Summary without what had to come first.
func (x *Explanation) cause() []string {
	list := []string{words.Capital(x.Headline()) + "."}
	for _, f := range x.said() {
		text := words.Capital(f.Short[0].String())
		if !strings.HasSuffix(text, ".") {
			text += "."
		}
		list = append(list, text)
	}
	for _, f := range x.time() {
		list = append(list, f.Long...)
	}
	if x.Load == nil {
		return list
	}
	list = append(list, fmt.Sprintf("%s takes %s for an address, but nothing can be read there.", words.Capital(x.At.Thread), words.Hex(x.Value)))
	if x.Writer != nil {
		part := ""
		if !x.Sources.whole() || x.Value != number64(x.loaded) {
			part = "a part of "
		}
		list = append(list, fmt.Sprintf("%s had put %sthat value where %s read it, at %s.", words.Capital(x.Sources.Writers[0].who()), part, x.At.Thread, addressOf(x.LoadAddr, x.LoadPlace)))
	}
	if m := x.Meaning; m.Kind == heap.MallocSize && m.Foot {
		list = append(list, fmt.Sprintf("%s was never meant as an address. It is a length: malloc notes in the last word of a piece of memory that is given back how many bytes it has, here %d.",
			words.Hex(m.ChunkSize), m.ChunkSize))
	}
	if b := x.Allocation; b != nil && b.FreedBy != nil {
		list = append(list, fmt.Sprintf("The memory belonged to a block that %s was giving back to malloc, while %s was still using it.", b.FreedBy.Thread, x.At.Thread))
	}
	return list
}

// fact is one about an instruction.
func (x *Explanation) fact(kind FactKind, a *symbolize.Act) Fact {
	f := Fact{Kind: kind, At: before(a.Step), After: a.Step, Thread: x.thread(a.Thread)}
	if a.Script != "" {
		f.Written = []string{a.Script}
	}
	return f
}

// before is the moment before an instruction by its number: those count from 1, and 0 is
// before the race.
func before(step uint64) uint64 { return max(step, 1) - 1 }

// thread is the index of a racing thread by its name, -1 for none.
func (x *Explanation) thread(name string) int {
	for i, t := range x.Threads {
		if t.Name == name {
			return i
		}
	}
	return -1
}

// Bounds of what is told of a message.
const (
	mostSaidLines = 20
	mostSaidBytes = 2000
)

// said is what the process printed last, or a check said.
func (x *Explanation) said() []Fact {
	message := strings.TrimSpace(x.Message)
	if message == "" {
		return nil
	}
	f := Fact{Kind: factSaid, Thread: -1}
	told := message
	if len(told) > mostSaidBytes {
		told = strings.ToValidUTF8(told[:mostSaidBytes], "")
	}
	all := strings.Split(told, "\n")
	if len(all) > mostSaidLines {
		all = all[:mostSaidLines]
		told = strings.Join(all, "\n")
	}
	for i, line := range all {
		if i == 0 {
			f.Short = append(f.Short, say("it said: %s", line))
		} else {
			f.Short = append(f.Short, say("         %s", line))
		}
	}
	if more := len(message) - len(told); more > 0 {
		f.Short = append(f.Short, say("         ... and %s more", words.Count(uint64(more), "byte")))
	}
	return []Fact{f}
}

// called is what the program calls its threads.
func (x *Explanation) called() []Fact {
	const most = 8
	var text Text
	n := 0
	for _, t := range x.Threads {
		if t.Called == "" {
			continue
		}
		n++
		switch {
		case n > most:
		case n == 1:
			text = say("%s is called %q", name(t.Name), t.Called)
		default:
			text = say("%s, %s %q", text, name(t.Name), t.Called)
		}
	}
	switch {
	case n == 0:
		return nil
	case n > most:
		text = say("%s, and %d more have names", text, n-most)
	}
	return []Fact{{Kind: factCalled, Thread: -1, Short: []Text{text}}}
}

// time says when time passed.
func (x *Explanation) time() []Fact {
	if len(x.Ticks) == 0 {
		return nil
	}
	const most, first = 6, 3
	f := Fact{Kind: factTime, Thread: -1, section: sectionTime}
	for i, t := range x.Ticks {
		if i == most {
			f.Short = append(f.Short, say("and %d times more", len(x.Ticks)-most))
			break
		}
		f.Short = append(f.Short, say("%s: %s, after %s", name(scenario.ClockName), t.Text, words.Count(t.Step, "instruction")))
		if i < first {
			f.Long = append(f.Long, fmt.Sprintf("After %s %s.", words.Count(t.Step, "instruction"), t.Text))
		}
	}
	return []Fact{f}
}

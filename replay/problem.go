package replay

import (
	"cmp"
	"fmt"
	"strings"

	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Problem is something wrong with a run, which need not have failed of it.
type Problem struct {
	Kind     scenario.Kind
	Race     bool            // two accesses that nothing orders
	Accesses []ProblemAccess // one, or both of a race in the order of the run; never none
	Block    *ProblemBlock   // the block that it is about, nil for none
}

// ProblemAccess is an access to memory, or a call that frees it.
type ProblemAccess struct {
	symbolize.Report
	Access string // read, write or free
	Addr   uint64
	Place  string // what Addr is called, "" for nothing
}

// ProblemBlock is a block of malloc's.
type ProblemBlock struct {
	Addr, Size       uint64
	Allocated, Freed *ProblemCall // nil for not known
}

// ProblemCall is a call that allocated or freed a block.
type ProblemCall struct {
	Thread, Function, Call string
	Step                   uint64 // its first instruction, 0 for before the race
	Backtrace              []symbolize.Frame
}

// headline says in a few words what is wrong.
func (p *Problem) headline() string {
	a := &p.Accesses[0]
	switch {
	case p.Race && len(p.Accesses) > 1:
		return fmt.Sprintf("%s and %s use the same memory, and nothing orders the two: a data race", a.Thread, p.Accesses[1].Thread)
	case p.Block != nil && p.Block.Freed != nil && a.Access == "free":
		return fmt.Sprintf("%s frees a block that %s has freed: a double free", a.Thread, p.Block.Freed.Thread)
	case p.Block != nil && p.Block.Freed != nil:
		return fmt.Sprintf("%s uses a block that %s has freed: a use after free", a.Thread, p.Block.Freed.Thread)
	case a.Access == "free":
		return a.Thread + " frees what is no block of malloc's"
	}
	return a.Thread + " uses memory of malloc's that is in no block"
}

// mostProblems bounds the problems that are told of.
const mostProblems = 4

// problems say what is wrong with the run.
func (x *Explanation) problems() (list []Fact) {
	for i := range x.Problems[:min(len(x.Problems), mostProblems)] {
		p := &x.Problems[i]
		list = append(list, Fact{Kind: factProblem, Thread: -1, Short: []Text{say("%s", p.headline())}})
		if b := p.Block; b != nil {
			list = append(list, x.blockOf(b)...)
		}
		for k := range p.Accesses {
			list = append(list, x.misused(p, &p.Accesses[k]))
		}
	}
	if more := len(x.Problems) - mostProblems; more > 0 {
		list = append(list, Fact{Kind: factProblem, Thread: -1, Short: []Text{say("and %s more", words.Count(uint64(more), "problem"))}})
	}
	for i := range list {
		list[i].section = sectionProblem
	}
	return list
}

// misused is an access of a problem.
func (x *Explanation) misused(p *Problem, a *ProblemAccess) Fact {
	f := Fact{Kind: FactMisused, At: before(a.Step), After: a.Step, Thread: x.thread(a.Thread), Addr: a.Addr}
	does := map[string]string{"read": "reads", "write": "writes to", "free": "frees"}[a.Access]
	f.Title = fmt.Sprintf("%s %s %s", a.Thread, does, cmp.Or(a.Place, words.Hex(a.Addr)))
	in := a.Call
	if a.Script != "" {
		in += " at " + a.Script
	}
	text := say("%s %s %s at instruction %s, in its call of %s", name(a.Thread), does, number(addressOf(a.Addr, a.Place)), words.Grouped(a.Step), in)
	f.Short = []Text{say("  %s:", text), say("    %s  %s", name(fmt.Sprintf("%s+%#x", a.Function, a.Offset)), a.Instruction)}
	f.Long = []string{words.Capital(text.String()) + ".", words.Capital(p.headline()) + "."}
	if p.Race {
		f.Long[1] = "Nothing orders this and the other thread's access: either may come first."
	}
	return f
}

// blockOf is who allocated a block and who freed it.
func (x *Explanation) blockOf(b *ProblemBlock) (list []Fact) {
	list = append(list, Fact{Kind: factProblem, Thread: -1, Short: []Text{say("  the block: %s at %s", words.Count(b.Size, "byte"), number(words.Hex(b.Addr)))}})
	for i, c := range []*ProblemCall{b.Allocated, b.Freed} {
		if c == nil {
			continue
		}
		did, kind := "allocated", FactAllocated
		if i == 1 {
			did, kind = "freed", FactFreed
		}
		when := "before the race"
		if c.Step > 0 {
			when = "at instruction " + words.Grouped(c.Step)
		}
		f := Fact{Kind: factProblem, Thread: -1, Short: []Text{say("    %s by %s %s, in its call of %s", did, name(c.Thread), when, c.Call)}}
		if c.Step > 0 {
			f.Kind, f.At, f.After, f.Thread, f.Addr = kind, before(c.Step), c.Step, x.thread(c.Thread), b.Addr
			f.Title = fmt.Sprintf("The block is %s by %s", did, c.Thread)
			f.Long = []string{words.Capital(strings.TrimSpace(fmt.Sprintf("the block of %s at %s is %s by %s, in its call of %s.", words.Count(b.Size, "byte"), words.Hex(b.Addr), did, c.Thread, c.Call)))}
		}
		list = append(list, f)
	}
	return list
}

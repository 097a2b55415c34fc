package replay

import (
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Headline says in a few words what happened: "main dies in getenv".
func (x *Explanation) Headline() string {
	switch {
	case x.Outcome.Kind == scenario.Deadlock:
		return x.deadlock()
	case x.Outcome.Kind == scenario.Livelock:
		if x.Round {
			return "those that are left go round for ever: a livelock"
		}
		return "no end is reached within the instruction limit, though every thread has its turns: a livelock"
	case x.Outcome.Kind == scenario.OK && len(x.Problems) > 0:
		return x.Problems[0].headline()
	case x.Outcome.Kind == scenario.OK:
		return "nothing failed"
	case x.Outcome.Kind == scenario.Check && x.Outcome.Thread >= 0:
		return x.Names[x.Outcome.Thread] + " finds a fault"
	case x.Outcome.Kind == scenario.Check:
		return "a check fails"
	case x.At == nil:
		return x.Outcome.String()
	}
	where := "in " + x.At.Location.Function
	if x.At.Location.Function == "" {
		where = "at " + x.At.Location.String()
	}
	if x.Outcome.Limited() {
		return fmt.Sprintf("%s comes to %v %s", x.At.Thread, x.Outcome.End.Limit, where)
	}
	signal := emu.SignalName(x.Outcome.End.Siginfo(x.arch).Number)
	switch x.Outcome.Kind {
	case scenario.Abort:
		return fmt.Sprintf("%s aborts %s, with %s%s", x.At.Thread, where, signal, x.expected())
	case scenario.Exit:
		return fmt.Sprintf("%s exits with status %d%s", x.At.Thread, x.Outcome.End.Code, x.expected())
	case scenario.Signal:
		return fmt.Sprintf("%s dies of %s %s%s", x.At.Thread, signal, where, x.expected())
	default: // of a fault, which nobody expects
		return fmt.Sprintf("%s dies of %s %s", x.At.Thread, signal, where)
	}
}

// expected is what there is to add of a process that ended as it may.
func (x *Explanation) expected() string {
	if x.Outcome.Expected {
		return ", as the scenario expects"
	}
	return ""
}

// end is the failing instruction, or what else the run ends with.
func (x *Explanation) end() Fact {
	f := Fact{Kind: FactEnd, At: x.Steps, After: x.Steps, Thread: x.Outcome.Thread, Title: "The end"}
	if x.At != nil {
		f.Short = append([]Text{say("%s  %s      %s", name(x.At.Location.String()), head(x.At.Instruction), x.fault())}, x.where()...)
		if x.At.Script != "" {
			f.Written = []string{x.At.Script}
		}
	}
	switch x.Outcome.Kind {
	case scenario.Segv:
		end := x.Outcome.End
		f.Title = "The fault"
		text := fmt.Sprintf("%s runs %s: it wants to %s at %s, and %s%s. The kernel ends the process with SIGSEGV, a segmentation fault.",
			words.Capital(x.At.Thread), place(x.At), end.Access, addressOf(end.Addr, x.FaultPlace), refusal(end), mapped(end))
		if x.Load != nil && x.Register != "" && end.Addr == x.Value && len(x.hops) == 1 {
			text += fmt.Sprintf(" The address is what it has just loaded into %s.", x.Register)
		}
		if x.At.Call != "" {
			text += fmt.Sprintf(" It is in its call of %s.", written(x.At))
		}
		f.Long = append(f.Long, text)
		if p := x.use.found; p != nil && x.use.moved == nil && x.Allocation.FreedBy != nil {
			f.Long = append(f.Long, fmt.Sprintf("In %s there is still the address of the old block: %s has not come to change it.", p.place, x.Allocation.FreedBy.Thread))
		}
	case scenario.Deadlock:
		for i := range x.Threads {
			if t := &x.Threads[i]; t.Status == "waiting" {
				f.Long = append(f.Long, fmt.Sprintf("%s waits in %s.", words.Capital(t.Name), t.written()))
				if t.Script != "" && !slices.Contains(f.Written, t.Script) {
					f.Written = append(f.Written, t.Script)
				}
			}
		}
		for _, w := range x.Waits {
			f.Long = append(f.Long, words.Capital(w.tell().String()))
		}
		if x.Cycle > 1 {
			f.Long = append(f.Long, x.ring())
		}
		f.Long = append(f.Long, "Nobody can go on.")
	default:
		f.Long = []string{words.Capital(x.Headline()) + "."}
		if x.At != nil && x.At.Call != "" {
			f.Long = append(f.Long, fmt.Sprintf("It is in its call of %s: %s.", written(x.At), symbolize.Chain(x.At.Backtrace)))
		}
		for _, r := range x.goesRound() {
			for _, line := range r.Short {
				f.Long = append(f.Long, words.Capital(strings.TrimSpace(line.String()))+".")
			}
		}
		for _, s := range x.said() {
			f.Long = append(f.Long, words.Capital(s.Short[0].String()))
		}
		f.Long = append(f.Long, x.found()...)
	}
	return f
}

// place is an instruction with where it is.
func place(a *symbolize.Act) string {
	return fmt.Sprintf("%s (%s)%s", a.Location, a.Instruction, strings.TrimPrefix(script(a).String(), " "))
}

// refusal is why an access faulted.
func refusal(end *emu.End) string {
	if end.Mapped {
		return fmt.Sprintf("its page forbids to %s", end.Access)
	}
	return "nothing is mapped there"
}

// mapped says what it means that nothing is mapped somewhere, for who has not met the word.
func mapped(end *emu.End) string {
	if end.Mapped {
		return ""
	}
	return ": the process has no memory at that address"
}

// Fault says what was wrong with the instruction that failed, for a run that has one: "x19 =
// 0x220, and nothing is mapped there".
func (x *Explanation) Fault() string { return x.fault().String() }

func (x *Explanation) fault() Text {
	end := x.Outcome.End
	switch {
	case end.Kind != emu.EndFault:
		return say("%s", end)
	case x.Register == "":
		return say("address %s, and %s", number(addressOf(end.Addr, x.FaultPlace)), refusal(end))
	case end.Addr != x.Value:
		return say("%s = %s gives address %s, and %s", x.Register, number(addressOf(x.Value, x.ValuePlace)), addressOf(end.Addr, x.FaultPlace), refusal(end))
	}
	return say("%s = %s, and %s", x.Register, number(addressOf(x.Value, x.ValuePlace)), refusal(end))
}

// origin says where the value of the register is from, where that is no memory.
func (x *Explanation) origin() []Fact {
	if x.Register == "" || x.Load != nil {
		return nil
	}
	thread, text := name(x.At.Thread), Text(nil)
	if len(x.hops) == 0 {
		text = say("%s has had that value in %s %s.", thread, x.Register, strings.TrimSuffix(x.since, ","))
	} else {
		switch last := x.hops[len(x.hops)-1]; last.Kind {
		case hopCopy:
			text = say("%s copied it at %#x (%s), and has had it %s.", thread, last.PC, last.Inst.Text, strings.TrimSuffix(x.since, ","))
		case hopConst:
			text = say("%s set it at %#x (%s).", thread, last.PC, last.Inst.Text)
		case hopKernel:
			text = say("%s got it from the kernel, in %s at %#x (%s).", thread, last.Reg, last.PC, last.Inst.Text)
		case hopSignal:
			text = say("The kernel had put it into %s of %s, as a handler of a signal began.", last.Reg, thread)
		case hopUnknown:
			text = say("How %s came by that value is not known.", thread)
		default:
			text = say("%s computed it at %#x (%s).", thread, last.PC, last.Inst.Text)
		}
	}
	return []Fact{{Kind: factOrigin, Thread: x.Outcome.Thread, Short: []Text{text}}}
}

// load says where the value was loaded from, and who had written it.
func (x *Explanation) load() []Fact {
	if x.Register == "" || x.Load == nil {
		return nil
	}
	return append([]Fact{x.loadFact()}, x.written()...)
}

// loadFact says where the value was loaded from.
func (x *Explanation) loadFact() Fact {
	load := x.fact(FactLoaded, x.Load)
	load.Addr = x.LoadAddr
	way := ""
	if n := len(x.hops) - 1; n > 0 {
		way = fmt.Sprintf(", through %s,", words.Count(uint64(n), "copy"))
	}
	value := words.Hex(number64(x.loaded))
	load.Title = fmt.Sprintf("%s loads %s", x.Load.Thread, value)
	load.Short = []Text{say("%s loaded %s%s at %s (%s) from %s, in its call of %s.",
		name(x.Load.Thread), x.Register, way, name(x.Load.Location.String()), x.Load.Instruction, number(addressOf(x.LoadAddr, x.LoadPlace)), x.Load.Call)}
	load.Long = []string{fmt.Sprintf("%s runs %s and gets %s from %s into %s.",
		words.Capital(x.Load.Thread), place(x.Load), value, addressOf(x.LoadAddr, x.LoadPlace), x.hops[len(x.hops)-1].Reg)}
	if way != "" && x.hops[len(x.hops)-1].Reg != x.Register {
		load.Long[0] += fmt.Sprintf(" From there it comes into %s.", x.Register)
	}
	load.Long = append(load.Long, x.word().Long...)
	if strings.HasSuffix(x.Load.Instruction, "]!") {
		load.Notes = append(load.Notes, scenario.Note{
			Title: "The exclamation mark",
			Text: []string{fmt.Sprintf("%s does two things. It adds the number to the register in the brackets, and then loads from that address: "+
				"the ! says that the register keeps the sum. It is the whole step to the next word of an array in one instruction, called pre-indexed addressing.", x.Load.Instruction)},
		})
	}
	return load
}

// written says who wrote the value, and what it is.
func (x *Explanation) written() []Fact {
	short := x.Sources.tell()
	if len(x.Sources.Writers) == 0 {
		return []Fact{{Kind: FactWritten, Thread: -1, Short: short}}
	}
	var list []Fact
	for i := range x.Sources.Writers {
		w := &x.Sources.Writers[i]
		f := x.fact(FactWritten, &w.Act)
		f.Addr, f.Title, f.Long = w.Addr, w.title(), []string{w.long() + "."}
		list = append(list, f)
	}
	f := &list[0]
	f.Short = short
	f.Long = append(f.Long, x.meaning().Long...)
	if text := x.use.overwrittenText(); text != "" {
		f.Long = append(f.Long, text)
	}
	if x.Correct != nil {
		f.Long = append(f.Long, fmt.Sprintf("Until the block was given up, this word held %s.", x.Correct))
	}
	f.Notes = x.lastWord()
	return list
}

// lines are an instruction and how the thread had come there, below the sentence that they
// belong to.
func lines(a *symbolize.Act) []Text {
	list := []Text{say("  %s  %s%s", name(a.Location.String()), a.Instruction, script(a))}
	if chain := symbolize.Chain(a.Backtrace); chain != a.Location.String() {
		list = append(list, say("  %s", chain))
	}
	return list
}

// unmapped says who took the page away.
func (x *Explanation) unmapped() []Fact {
	u, end := x.Unmapped, x.Outcome.End
	if u == nil {
		return nil
	}
	f := x.fact(FactUnmapped, u)
	f.Title = "The page is taken away"
	what, did := "That address was mapped until", "takes the page of "+words.Hex(end.Addr)+" away from the process"
	if end.Mapped {
		what, did = "Its page allowed that until", "has the page of "+words.Hex(end.Addr)+" forbid such an access"
	}
	f.Short = append([]Text{say("%s %s made a system call, in its call of %s:", what, name(u.Thread), u.Call)}, lines(u)...)
	f.Long = []string{fmt.Sprintf("%s calls the kernel in %s: it %s. That is in its call of %s. Whoever uses an address there, as long as nothing new is mapped at it, dies of it.",
		words.Capital(u.Thread), u.Location, did, u.Call)}
	return []Fact{f}
}

// races are pairs of instructions whose order the failure needs.
func (x *Explanation) races() []Fact {
	if len(x.Races) == 0 {
		return nil
	}
	f := Fact{Kind: factRaces, Thread: -1, section: sectionRaces}
	const most = 6
	for i, r := range x.Races {
		if i == most {
			f.Short = append(f.Short, say("and %d more pairs", len(x.Races)-most))
			break
		}
		second := r.Second.tell()
		if r.Second.Step > x.Steps && r.Second.Thread != scenario.ClockName {
			second = say("the failure of %s", name(r.Second.Thread))
		}
		f.Short = append(f.Short, r.First.tell(), say("  before %s", second))
	}
	if x.Together && len(x.Races) > 1 {
		all := fmt.Sprintf("not one of them alone: with all %d", len(x.Races))
		if len(x.Races) == 2 {
			all = "neither of them alone: with both"
		}
		f.Short = append(f.Short, say("%s the other way round the run passes", all))
	}
	return []Fact{f}
}

func (t *Touch) tell() Text {
	if t.Thread == scenario.ClockName {
		return say("%s: %s", name(t.Thread), t.Instruction)
	}
	return say("%s at %s%s (%s)%s%s", name(t.Thread), name(t.Location.String()), t.Part, t.Instruction, script(&t.Act), faint(accesses(t.Accesses, t.place)))
}

// Switching writes the schedule in a line: "main 412 instructions, worker
// 1,203, main".
func (x *Explanation) Switching() string {
	const most = 12
	if len(x.Schedule) == 0 {
		return "the race was over before an instruction of it ran"
	}
	var parts []string
	for i, sl := range x.Schedule {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more slices", len(x.Schedule)-most))
			break
		}
		part := x.Names[sl.Thread]
		switch {
		case sl.N == 0:
		case i == 0:
			part += " " + words.Count(sl.N, "instruction")
		default:
			part += " " + words.Grouped(sl.N)
		}
		if sl.Half {
			_, rest := halves(x.arch)
			part += " but for the last one's " + rest
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

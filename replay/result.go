package replay

import (
	"emurace/emu"
	"emurace/explore/target"
	"emurace/heap"
	"emurace/internal/words"
	"emurace/scenario"
	"emurace/symbolize"
)

// Finding is a failure as the result object has it. Its fields only grow;
// addresses and values are hexadecimal strings, and what is not known is left
// out.
type Finding struct {
	Kind         scenario.Kind     `json:"kind"`
	Thread       string            `json:"thread,omitempty"`
	Function     string            `json:"function,omitempty"`
	Offset       *uint64           `json:"offset,omitempty"`
	Source       string            `json:"source,omitempty"`
	Instruction  string            `json:"instruction,omitempty"`
	PC           string            `json:"pc,omitempty"`
	Register     string            `json:"register,omitempty"`
	Value        string            `json:"value,omitempty"`
	ValuePlace   string            `json:"value_place,omitempty"` // static data that Value is in, taken for an address
	FaultAddress string            `json:"fault_address,omitempty"`
	FaultPlace   string            `json:"fault_place,omitempty"` // static data that FaultAddress is in
	Access       string            `json:"access,omitempty"`
	Signal       int               `json:"signal,omitempty"`
	Code         *int              `json:"code,omitempty"`
	Message      string            `json:"message,omitempty"`
	Backtrace    []symbolize.Frame `json:"backtrace,omitempty"`
	// End is all of that by which another search can look for the same end.
	End *target.End `json:"end,omitempty"`
	// EndGrade is how near it comes to the end that its search has looked for.
	EndGrade string `json:"end_grade,omitempty"`
	Cause    *Cause `json:"cause,omitempty"`
	// UnmappedBy is the system call of the race that took the page of the fault's
	// address away, or its rights.
	UnmappedBy *symbolize.Report `json:"unmapped_by,omitempty"`
	// Cycle are, for a deadlock, threads each of which waits for the next one,
	// and the last for the first; Waits are all that wait, those first.
	Cycle   []WaitReport   `json:"cycle,omitempty"`
	Waits   []WaitReport   `json:"waits,omitempty"`
	Threads []ThreadReport `json:"threads,omitempty"`
	// Prints are, for a check of what a program has printed, the latest parts of that.
	Prints []PrintReport `json:"printed,omitempty"`
	// Rounds are, for a livelock, what the threads that go on go round.
	Rounds []RoundReport `json:"rounds,omitempty"`
	// Looks are the values that a failing check looked at, or that a thread had read whose
	// results it looked at.
	Looks []LookReport `json:"looks,omitempty"`
	// Ticks are where the schedule moved the clock on.
	Ticks []Tick `json:"ticks,omitempty"`
	// Races are pairs of accesses, the first one first; with the second one
	// first the run passes.
	Races [][2]AccessReport `json:"races,omitempty"`
	// Sections are pairs of critical sections, the first one first; with the second one first, as a
	// whole, the run passes.
	Sections [][2]SectionReport `json:"sections,omitempty"`
	// Together tells of Races that no single one was found to decide, but all of them do.
	Together    bool     `json:"together,omitempty"`
	Minimal     bool     `json:"minimal,omitempty"` // nothing more could be left out of the schedule
	Switches    int      `json:"switches"`
	Schedule    []string `json:"schedule,omitempty"`
	Preemptions *int     `json:"preemptions,omitempty"`
	Fewest      string   `json:"fewest,omitempty"` // all with fewer preemptions were run: none fails in "any" way, or none in the "same"
	Count       uint64   `json:"count,omitempty"`  // schedules that fail in this way
	Hole        bool     `json:"hole,omitempty"`   // a search had missed it, and the check after it has not
	Trace       string   `json:"trace,omitempty"`  // path of the trace file
}

// Cause is where the fatal value came from.
type Cause struct {
	Kind       heap.MeaningKind  `json:"kind,omitempty"`  // what the value is; absent when the heap was not looked at
	Address    string            `json:"address"`         // that the value was loaded from
	Place      string            `json:"place,omitempty"` // static data that Address is in
	LoadedBy   *symbolize.Report `json:"loaded_by"`
	WrittenBy  *symbolize.Report `json:"written_by,omitempty"` // absent when older than the race
	Written    string            `json:"written,omitempty"`    // what that instruction stored
	Writers    []WroteReport     `json:"writers,omitempty"`    // all that wrote the bytes last, the latest first
	Older      int               `json:"older,omitempty"`      // bytes that are older than the race
	Unknown    int               `json:"unknown,omitempty"`    // bytes of which it is not known who has written them
	Meaning    *MeaningReport    `json:"meaning,omitempty"`    // more about the kind
	Allocation *AllocationReport `json:"allocation,omitempty"` // absent when the bytes were in no known block
	Correct    *CorrectReport    `json:"correct,omitempty"`    // what the bytes held before the block was freed
}

// ThreadReport is what a thread was doing at the end.
type ThreadReport struct {
	Name      string            `json:"name"`
	Called    string            `json:"called,omitempty"` // by the program, at the end
	Status    string            `json:"status"`
	Call      string            `json:"call"`
	Backtrace []symbolize.Frame `json:"backtrace,omitempty"`
}

// Finding is the explanation as an object.
func (x *Explanation) Finding() Finding {
	f := Finding{
		Kind: x.Outcome.Kind, Message: x.Message, Switches: x.Schedule.Switches(), Schedule: x.Schedule.Texts(x.Names),
	}
	for _, t := range x.Threads {
		if t.Status == "absent" {
			continue
		}
		f.Threads = append(f.Threads, ThreadReport{Name: t.Name, Called: t.Called, Status: t.Status, Call: t.Call, Backtrace: symbolize.Frames(t.Backtrace)})
	}
	if x.Outcome.Failed() {
		end := x.End()
		f.End = &end
	}
	f.Ticks = x.Ticks
	for _, r := range x.Races {
		f.Races = append(f.Races, [2]AccessReport{r.First.report(), r.Second.report()})
	}
	for i := range x.Sections {
		f.Sections = append(f.Sections, [2]SectionReport{x.Sections[i][0].report(), x.Sections[i][1].report()})
	}
	f.Together = x.Together && len(x.Races) > 1
	for i := range x.Looks {
		f.Looks = append(f.Looks, x.Looks[i].report())
	}
	for i := range x.Prints {
		f.Prints = append(f.Prints, x.Prints[i].report())
	}
	for i := range x.Rounds {
		f.Rounds = append(f.Rounds, x.Rounds[i].report())
	}
	for _, w := range x.Waits {
		f.Waits = append(f.Waits, w.report())
	}
	f.Cycle = f.Waits[:x.Cycle:x.Cycle]
	if x.At == nil {
		return f
	}
	l := x.At.Location
	f.Thread, f.Function, f.Offset, f.Source = x.At.Thread, l.Function, &l.Offset, l.Source()
	f.Instruction, f.PC, f.Backtrace = x.At.Instruction, words.Hex(l.PC), symbolize.Frames(x.At.Backtrace)
	switch end := x.Outcome.End; end.Kind {
	case emu.EndFault:
		f.FaultAddress, f.FaultPlace, f.Access = words.Hex(end.Addr), x.FaultPlace, end.Access.String()
		f.UnmappedBy = x.Unmapped.Report()
	case emu.EndSignal:
		f.Signal = end.Signal
	case emu.EndExit:
		f.Code = &end.Code
	case emu.EndIllegal, emu.EndException, emu.EndLimit: // the kind of the failure says it
	}
	if x.Register == "" {
		return f
	}
	f.Register, f.Value, f.ValuePlace = x.Register, words.Hex(x.Value), x.ValuePlace
	if x.Load != nil {
		f.Cause = &Cause{Address: words.Hex(x.LoadAddr), Place: x.LoadPlace, LoadedBy: x.Load.Report(), WrittenBy: x.Writer.Report(),
			Writers: x.Sources.report(), Older: x.Sources.Older, Unknown: x.Sources.Unknown}
		if x.Writer != nil {
			f.Cause.Written = words.Hex(x.Written)
		}
		x.reportHeap(f.Cause)
	}
	return f
}

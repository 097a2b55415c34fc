package replay

import (
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/symbolize"
)

// Difference is where a thread goes another way in one run than in another of the
// same scenario, or reads another value. What a thread does depends on nothing but
// what it reads, so the first difference of a thread is a read, unless its calls
// were other ones.
type Difference struct {
	Thread int
	// Same is how many instructions the thread does in both runs alike, from the
	// start of the race.
	Same        uint64
	Left, Right Side
}

// Side is one run's side of a difference.
type Side struct {
	Event *Event // the thread's first instruction that differs; nil: it has none any more
	// Read is the access that got another value, nil when it is not that; Writer
	// is who had written those bytes last, nil for nobody since the race began.
	Read   *emu.LogEntry
	Writer *symbolize.Act
	How    How // in which way it had
}

// Diff compares two runs thread by thread and returns where each thread first
// differs, in the order of the threads. Threads that do the same in both are left
// out. The sessions are left at the end of their runs.
func Diff(left, right *History) ([]Difference, error) {
	if !slices.Equal(left.s.Names(), right.s.Names()) {
		return nil, fmt.Errorf("compare: the threads are %s there and %s here", strings.Join(right.s.Names(), ", "), strings.Join(left.s.Names(), ", "))
	}
	var list []Difference
	for thread := range left.byThread {
		a, b := left.byThread[thread], right.byThread[thread]
		same := 0
		for same < len(a) && same < len(b) && left.alike(left.events[a[same]], right, right.events[b[same]]) {
			same++
		}
		if same == len(a) && same == len(b) {
			continue
		}
		d := Difference{Thread: thread, Same: uint64(same)}
		var err error
		if d.Left, err = left.side(thread, same, right); err != nil {
			return nil, err
		}
		if d.Right, err = right.side(thread, same, left); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// alike tells whether two instructions of two runs are the same and did the same.
func (h *History) alike(e Event, other *History, o Event) bool {
	return e.PC == o.PC && slices.EqualFunc(h.Accesses(e.Step), other.Accesses(o.Step), func(a, b emu.LogEntry) bool {
		return a.Addr == b.Addr && a.Size == b.Size && a.Kind == b.Kind && a.Value == b.Value
	})
}

// side describes a thread's instruction number n in a run, as compared with the
// same one of the other run.
func (h *History) side(thread, n int, other *History) (Side, error) {
	list := h.byThread[thread]
	if n >= len(list) {
		return Side{}, nil
	}
	s := Side{Event: &h.events[list[n]]}
	if n >= len(other.byThread[thread]) {
		return s, nil
	}
	theirs := other.Accesses(other.events[other.byThread[thread][n]].Step)
	for i, a := range h.Accesses(s.Event.Step) {
		if i >= len(theirs) || a.Kind != emu.LogRead || a.Addr != theirs[i].Addr || a.Value == theirs[i].Value {
			continue
		}
		s.Read = &a
		w, ok := h.lastWriter(a.Addr, uint64(a.Size), a.Step)
		if !ok {
			break
		}
		if err := h.describe(&w); err != nil {
			return s, err
		}
		s.Writer, s.How = &w.Act, w.How
		return s, h.SeekEnd()
	}
	return s, nil
}

// Columns of a comparison.
const (
	columnWidth = 62
	contextRows = 6 // before and after the difference
)

// TellDiff writes the differences, both runs side by side.
func TellDiff(p *Printer, left, right *History, list []Difference) {
	if len(list) == 0 {
		p.Printf("every thread does the same in both runs\n")
		return
	}
	for _, d := range list {
		p.Printf("%s  the first %s are the same in both runs\n", p.Head(left.s.Names()[d.Thread]), words.Count(d.Same, "instruction"))
		from := d.Same - min(d.Same, contextRows)
		for n := from; n <= d.Same+contextRows; n++ {
			a, b := left.column(d.Thread, n), right.column(d.Thread, n)
			if a == "" && b == "" {
				break
			}
			mark := "  "
			if n == d.Same {
				mark = p.Bad("=>")
			}
			p.Printf(" %s %s %s %s\n", mark, pad(a, columnWidth), p.Faint("|"), b)
		}
		left.tellSide(p, "this run", d.Left)
		right.tellSide(p, "the other", d.Right)
	}
}

// column is a thread's instruction number n in a line.
func (h *History) column(thread int, n uint64) string {
	list := h.byThread[thread]
	if n >= uint64(len(list)) {
		return ""
	}
	e := h.events[list[n]]
	line := fmt.Sprintf("%7d %s  %s%s", e.Step-h.s.Base(), h.Locate(e.PC), h.Inst(e.PC).Text, accesses(h.Accesses(e.Step), noPlace))
	if runes := []rune(line); len(runes) > columnWidth {
		return string(runes[:columnWidth-1]) + "~"
	}
	return line
}

// noPlace is where there is no room for names.
func noPlace(uint64) string { return "" }

func (h *History) tellSide(p *Printer, run string, s Side) {
	switch {
	case s.Event == nil:
		p.Printf("    in %s the thread runs no further\n", run)
	case s.Read == nil:
		p.Printf("    in %s it runs on at %s\n", run, p.Name(h.Locate(s.Event.PC).String()))
	case s.Writer == nil:
		p.Printf("    in %s it reads %s at %s, which nobody has written since the race began\n", run, p.Number(words.Hex(s.Read.Value)), addressOf(s.Read.Addr, h.place(s.Read.Addr)))
	default:
		p.Printf("    in %s it reads %s at %s, %s %s at %s (%s), in %s\n", run, p.Number(words.Hex(s.Read.Value)), addressOf(s.Read.Addr, h.place(s.Read.Addr)),
			s.How.by(), p.Name(s.Writer.Thread), p.Name(s.Writer.Location.String()), s.Writer.Instruction, s.Writer.Call)
	}
}

// DifferenceReport is a difference as an object.
type DifferenceReport struct {
	Event  string     `json:"event"` // difference
	Thread string     `json:"thread"`
	Same   uint64     `json:"same"`
	Left   SideReport `json:"this"`
	Right  SideReport `json:"other"`
}

// SideReport is one run's side as an object. What there is not is left out.
type SideReport struct {
	Instruction *InstructionReport `json:"instruction,omitempty"`
	Address     string             `json:"address,omitempty"` // of a read that got another value
	Place       string             `json:"place,omitempty"`   // static data that Address is in
	Value       string             `json:"value,omitempty"`
	WrittenBy   *symbolize.Report  `json:"written_by,omitempty"`
	How         How                `json:"how,omitempty"` // in which way that was written
}

func (h *History) reportSide(s Side) SideReport {
	if s.Event == nil {
		return SideReport{}
	}
	in := h.Report(*s.Event)
	r := SideReport{Instruction: &in, WrittenBy: s.Writer.Report(), How: s.How}
	if s.Read != nil {
		r.Address, r.Place, r.Value = words.Hex(s.Read.Addr), h.place(s.Read.Addr), words.Hex(s.Read.Value)
	}
	return r
}

// ReportDiff is a difference between two runs as an object.
func ReportDiff(left, right *History, d Difference) DifferenceReport {
	return DifferenceReport{
		Event: "difference", Thread: left.s.Names()[d.Thread], Same: d.Same,
		Left: left.reportSide(d.Left), Right: right.reportSide(d.Right),
	}
}

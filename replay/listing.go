package replay

import (
	"fmt"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/scenario"
)

// Window chooses instructions of a run.
type Window struct {
	From, To uint64 // numbers since the race began, from 1; both inclusive
	Thread   int    // index of the racing thread; -1 for all
}

// In lists the instructions of a window, in their order.
func (h *History) In(w Window) []Event {
	var list []Event
	for _, e := range h.events {
		if n := e.Step - h.s.Base(); n >= w.From && n <= w.To && (w.Thread < 0 || e.Thread == w.Thread) {
			list = append(list, e)
		}
	}
	return list
}

// Touching keeps those of the instructions that read or write any of the bytes
// [addr, addr+size).
func (h *History) Touching(list []Event, addr, size uint64) []Event {
	var kept []Event
	for _, e := range list {
		for _, a := range h.Accesses(e.Step) {
			if a.Addr < addr+size && addr < a.Addr+uint64(a.Size) {
				kept = append(kept, e)
				break
			}
		}
	}
	return kept
}

// List writes instructions with what each read and wrote, a heading wherever the
// thread is another.
func (h *History) List(p *Printer, list []Event) {
	thread := -1
	for _, e := range list {
		if e.Thread != thread {
			thread = e.Thread
			p.Printf("  %s\n", p.Name(h.s.Names()[thread]))
		}
		where := h.Locate(e.PC).String()
		line := fmt.Sprintf("    %8d  %-24s %-36s", e.Step-h.s.Base(), where, h.Inst(e.PC).Text)
		if done := accesses(h.Accesses(e.Step), h.place); done != "" {
			line += p.Faint(done)
		}
		p.Printf("%s\n", strings.TrimRight(line, " "))
	}
}

// InstructionReport is an instruction of a listing as an object.
type InstructionReport struct {
	Event       string         `json:"event"` // instruction
	Step        uint64         `json:"step"`
	Thread      string         `json:"thread"`
	PC          string         `json:"pc"`
	Function    string         `json:"function,omitempty"`
	Offset      uint64         `json:"offset"`
	Source      string         `json:"source,omitempty"`
	Instruction string         `json:"instruction"`
	Accesses    []MemoryReport `json:"accesses,omitempty"`
}

// Report is an instruction as an object.
func (h *History) Report(e Event) InstructionReport {
	l := h.Locate(e.PC)
	return InstructionReport{
		Event: "instruction", Step: e.Step - h.s.Base(), Thread: h.s.Names()[e.Thread], PC: words.Hex(e.PC),
		Function: l.Function, Offset: l.Offset, Source: l.Source(), Instruction: h.Inst(e.PC).Text,
		Accesses: memoryReports(h.Accesses(e.Step), h.place),
	}
}

func memoryReports(list []emu.LogEntry, place func(addr uint64) string) []MemoryReport {
	var out []MemoryReport
	for _, a := range list {
		m := MemoryReport{Kind: "read", Address: words.Hex(a.Addr), Place: place(a.Addr), Size: a.Size, Value: words.Hex(a.Value)}
		if a.Kind != emu.LogRead {
			m.Kind, m.Before = "write", words.Hex(a.Old)
		}
		out = append(out, m)
	}
	return out
}

// fails tells whether the run ends with an instruction that could not complete.
func (x *Explanation) fails() bool { return x.At != nil && x.Outcome.Kind == scenario.Segv }

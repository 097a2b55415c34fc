package symbolize

import (
	"fmt"
	"strconv"

	"emurace/emu"
)

// Act is an instruction that a thread ran, or failed to run, with how it came
// there.
type Act struct {
	Thread      string
	Step        uint64 // number of the instruction since the race began, from 1
	Location    Location
	Instruction string
	Call        string     // the call that the thread was in
	Script      string     // where a scenario's script has that call, as FILE:LINE; "" for nowhere
	Backtrace   []Location // innermost first, Location itself included
}

// ActOf describes what a thread of the machine is about to do: the instruction that it is
// before, as number step since the race began.
func ActOf(m *emu.Process, thread int, step uint64) (*Act, error) {
	pc, err := m.PC(thread)
	if err != nil {
		return nil, err
	}
	return &Act{
		Thread: m.Threads()[thread].Name, Step: step, Location: Locate(m, pc, false), Instruction: Disassemble(m, pc).Text,
		Call: Doing(m, thread), Backtrace: Backtrace(m, thread),
	}, nil
}

// Title is how a thread is shown: by its name, which is that of who has made it and when, and
// by what the program calls it, where it does: main.1 "worker".
func Title(name, called string) string {
	if called == "" {
		return name
	}
	return name + " " + strconv.Quote(called)
}

// Report is an instruction that a thread ran.
type Report struct {
	Thread      string  `json:"thread"`
	Function    string  `json:"function,omitempty"`
	Offset      uint64  `json:"offset"`
	Source      string  `json:"source,omitempty"`
	Instruction string  `json:"instruction"`
	Step        uint64  `json:"step"` // its number since the race began
	Call        string  `json:"call"`
	Script      string  `json:"script,omitempty"` // FILE:LINE where a scenario's script has that call
	Backtrace   []Frame `json:"backtrace"`
}

// Frame is one line of a backtrace.
type Frame struct {
	PC       string `json:"pc"`
	Function string `json:"function,omitempty"`
	Offset   uint64 `json:"offset"`
	Module   string `json:"module,omitempty"`
	Source   string `json:"source,omitempty"`
}

// Frames is a backtrace as objects.
func Frames(list []Location) []Frame {
	out := make([]Frame, len(list))
	for i, l := range list {
		out[i] = Frame{PC: fmt.Sprintf("%#x", l.PC), Function: l.Function, Offset: l.Offset, Module: l.Module, Source: l.Source()}
	}
	return out
}

// Report is the instruction as an object, nil for none.
func (a *Act) Report() *Report {
	if a == nil {
		return nil
	}
	return &Report{
		Thread: a.Thread, Function: a.Location.Function, Offset: a.Location.Offset, Source: a.Location.Source(),
		Instruction: a.Instruction, Step: a.Step, Call: a.Call, Script: a.Script, Backtrace: Frames(a.Backtrace),
	}
}

package main

import (
	"emurace/diagnose"
	"emurace/diagnose/process"
	"emurace/emu"
	"emurace/explore/target"
	"emurace/internal/words"
)

// diagnosisObject is what diagnose --json prints.
type diagnosisObject struct {
	Event      string            `json:"event"`
	Schema     int               `json:"schema"`
	Core       string            `json:"core"`
	Size       uint64            `json:"size"`
	Compressed string            `json:"compressed,omitempty"`
	Missing    uint64            `json:"missing,omitempty"`
	Arch       string            `json:"arch"`
	Program    string            `json:"program,omitempty"`
	Glibc      string            `json:"glibc,omitempty"`
	Signal     *diagnosisSignal  `json:"signal,omitempty"`
	Fault      *diagnosisFault   `json:"fault,omitempty"`
	Modules    []diagnosisModule `json:"modules"`
	Threads    []diagnosisThread `json:"threads"`
	Facts      []diagnose.Fact   `json:"facts"`
	Gaps       []string          `json:"gaps,omitempty"`
	End        *target.End       `json:"end,omitempty"` // for explore --end
	Scenario   string            `json:"scenario,omitempty"`
}

type diagnosisSignal struct {
	Number  int    `json:"number"`
	Name    string `json:"name"`
	Code    int    `json:"code"`
	Address string `json:"address,omitempty"`
}

type diagnosisFault struct {
	Function    string `json:"function,omitempty"`
	Offset      uint64 `json:"offset"`
	Instruction string `json:"instruction,omitempty"`
	Address     string `json:"address,omitempty"`
	Register    string `json:"register,omitempty"`
	Value       string `json:"value,omitempty"`
	Write       bool   `json:"write"`
	// Leads are what the registers near the instruction lead to.
	Leads []diagnosisLead `json:"leads,omitempty"`
}

type diagnosisLead struct {
	Register string `json:"register"`
	Value    string `json:"value"`
	Text     string `json:"text"`
}

type diagnosisModule struct {
	Path    string          `json:"path,omitempty"`
	Soname  string          `json:"soname,omitempty"`
	BuildID string          `json:"build_id,omitempty"`
	Lo      string          `json:"lo"`
	Hi      string          `json:"hi"`
	Base    string          `json:"base"`
	Origin  string          `json:"origin"`
	Source  string          `json:"source,omitempty"`
	File    string          `json:"file,omitempty"`
	Debug   bool            `json:"debug"`
	Others  []process.Other `json:"others,omitempty"`
	Problem string          `json:"problem,omitempty"`
	Bring   string          `json:"bring,omitempty"`
}

type diagnosisThread struct {
	ID        uint32            `json:"id"`
	Name      string            `json:"name"`
	Registers map[string]string `json:"registers"`
	Frames    []diagnosisFrame  `json:"frames"`
	End       string            `json:"end"`
}

type diagnosisFrame struct {
	PC       string `json:"pc"`
	Function string `json:"function,omitempty"`
	Offset   uint64 `json:"offset"`
	Module   string `json:"module,omitempty"`
	Source   string `json:"source,omitempty"`
	How      string `json:"how"`
	Doubtful bool   `json:"doubtful,omitempty"`
}

// object is all of it as an object.
func (d diagnosis) object() diagnosisObject {
	c := d.Process.Core
	o := diagnosisObject{Event: "diagnosis", Schema: 1, Core: d.core, Size: c.Size, Compressed: c.Compressed, Missing: c.Missing, Arch: c.Arch.String(),
		Facts: d.Facts, Gaps: d.Gaps, End: d.End(), Scenario: d.scenario}
	if m := d.Process.Main(); m != nil {
		o.Program = d.path(m.Path)
	}
	o.Glibc, _ = d.Process.Glibc()
	if s := c.Signal; s.Number != 0 {
		o.Signal = &diagnosisSignal{Number: s.Number, Name: emu.SignalName(s.Number), Code: s.Code}
		if s.Full && !s.Sent() {
			o.Signal.Address = words.Hex(s.Addr)
		}
	}
	if f := d.Fault; f != nil {
		o.Fault = &diagnosisFault{Function: f.At.Function, Offset: f.At.Offset, Instruction: f.Instruction.Text, Register: f.Register, Write: f.Write}
		if f.Known {
			o.Fault.Address = words.Hex(f.Address)
		}
		if f.Register != "" {
			o.Fault.Value = words.Hex(f.Value)
		}
	}
	if o.Fault != nil {
		for _, l := range d.Leads(instructionsBefore, instructionsBehind) {
			o.Fault.Leads = append(o.Fault.Leads, diagnosisLead{l.Register, words.Hex(l.Value), l.Text})
		}
	}
	for _, m := range d.Process.List() {
		e := diagnosisModule{Path: d.path(m.Path), Soname: m.Soname, BuildID: m.BuildID, Lo: words.Hex(m.Lo), Hi: words.Hex(m.Hi), Base: words.Hex(m.Base),
			Origin: m.Origin.String(), Source: d.path(m.Source), File: d.path(m.File), Debug: m.Debug, Others: d.others(m), Problem: d.text(m.Problem)}
		if m.Origin == process.NoFile && m.Path != "[vdso]" {
			e.Bring = d.bring(m)
		}
		o.Modules = append(o.Modules, e)
	}
	for _, t := range d.Process.Threads {
		o.Threads = append(o.Threads, d.threadObject(t))
	}
	return o
}

func (d diagnosis) threadObject(t *process.Thread) diagnosisThread {
	frames, end := t.Frames()
	e := diagnosisThread{ID: t.TID, Name: d.Title(t), Registers: map[string]string{}, End: end.String(), Frames: []diagnosisFrame{}}
	for _, name := range registerNames(t) {
		e.Registers[name] = words.Hex(t.Registers[name])
	}
	for _, f := range frames {
		e.Frames = append(e.Frames, diagnosisFrame{PC: words.Hex(f.PC), Function: f.At.Function, Offset: f.At.Offset, Module: f.At.Module,
			Source: f.At.Source(), How: f.How.String(), Doubtful: f.Doubtful()})
	}
	return e
}

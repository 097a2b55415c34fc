package main

import (
	"fmt"
	"path"
	"strings"

	"emurace/diagnose"
	"emurace/diagnose/process"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/sysroot"
	"emurace/unwind"
)

// diagnosis is what is shown of a core.
type diagnosis struct {
	*diagnose.Diagnosis
	core     string
	private  bool
	scenario string          // the text of the scenario that was drafted, "" for none
	file     string          // that it was written to
	why      error           // why there is none
	builds   []sysroot.Build // packages of which modules without a file are
}

// Parts of the page.
const (
	instructionsBefore = 6
	instructionsBehind = 3
	mostFrames         = 40
	mostStacks         = 24
)

// tell writes the page.
func (d diagnosis) tell(p *replay.Printer) {
	d.tellCore(p)
	d.tellModules(p)
	p.Printf("\n%s    %s\n", p.Head(d.headline()), d.firstFact().Text)
	d.tellCode(p)
	d.tellRegisters(p)
	d.tellFacts(p)
	d.tellThreads(p)
	d.tellGaps(p)
	d.tellNext(p)
}

// headline is FAILED for a process that has died.
func (d diagnosis) headline() string {
	if d.Alive() {
		return "alive "
	}
	return "FAILED"
}

func (d diagnosis) firstFact() diagnose.Fact {
	f, _ := d.Has(diagnose.Death)
	return f
}

// tellCore names the core and its process.
func (d diagnosis) tellCore(p *replay.Printer) {
	c := d.Process.Core
	parts := []string{c.Arch.String()}
	if m := d.Process.Libc(); m != nil {
		version, known := d.Process.Glibc()
		switch {
		case known && m.Source != "":
			parts = append(parts, fmt.Sprintf("glibc %s (%s)", version, m.Source))
		case known:
			parts = append(parts, "glibc "+version)
		}
	}
	parts = append(parts, words.Count(uint64(len(c.Threads)), "thread"), words.Grouped(c.Size)+" bytes")
	if c.Compressed != "" {
		parts = append(parts, "from "+c.Compressed)
	}
	p.Printf("core      %s: %s\n", p.Name(d.core), strings.Join(parts, ", "))
	if m := d.Process.Main(); m != nil {
		p.Printf("program   %s\n", d.path(m.Path))
	} else if c.Name != "" {
		p.Printf("program   %s\n", c.Name)
	}
}

// path is a file's path as it is told: without the folders that may be a user's.
func (d diagnosis) path(name string) string {
	if !d.private || !strings.Contains(name, "/") || strings.HasPrefix(name, "/lib") || strings.HasPrefix(name, "/usr/") || name == "" {
		return name
	}
	return path.Base(name)
}

// others are files that are not a module's, as they are told.
func (d diagnosis) others(m *process.Module) (list []process.Other) {
	for _, o := range m.Others {
		list = append(list, process.Other{Source: d.path(o.Source), File: d.path(o.File), BuildID: o.BuildID})
	}
	return list
}

// text is what may name a file, "" where that may be a user's.
func (d diagnosis) text(s string) string {
	if d.private && s != "" {
		return "its file could not be read"
	}
	return s
}

// tellModules counts the modules, and names each without its file.
func (d diagnosis) tellModules(p *replay.Printer) {
	found := 0
	var lines []string
	for _, m := range d.Process.List() {
		text := d.moduleText(m)
		if m.Origin != process.NoFile || m.Path == "[vdso]" {
			found++
		}
		if text != "" {
			lines = append(lines, text)
		}
	}
	p.Printf("modules   %d, and the files of %d\n", len(d.Process.List()), found)
	for _, text := range lines {
		p.Printf("          %s\n", text)
	}
}

// moduleText says what is wanting of a module's file, "" for nothing.
func (d diagnosis) moduleText(m *process.Module) string {
	name := p0(d.path(m.Path), m.Name(), fmt.Sprintf("the image at %#x", m.Lo))
	switch m.Origin {
	case process.NoFile:
		if m.Path == "[vdso]" {
			return ""
		}
		text := name + ": no file"
		if m.BuildID != "" {
			text += " with build-id " + m.BuildID
		}
		for _, o := range m.Others {
			text += fmt.Sprintf("; %s has %s", d.path(o.Source), p0(o.BuildID, "none"))
		}
		return text + "; " + d.bring(m)
	case process.ByName:
		return fmt.Sprintf("%s: %s, by its name: the core has no build-id to compare", name, d.path(m.File))
	case process.ByWords:
		return fmt.Sprintf("%s: of %s, by the words that the dynamic linker has relocated: the core has no build-id to compare", name, m.Source)
	case process.FromCore:
		if m.Path == "[vdso]" {
			return ""
		}
		if m == d.Process.Main() && m.BuildID == "" {
			return ""
		}
		return name + ": from the core itself, with the names that it exports; " + d.bring(m)
	case process.SameBuildID:
		if m.Problem != "" {
			return name + ": " + d.text(m.Problem)
		}
	}
	return ""
}

// bring is how a file that is missing can be had.
func (d diagnosis) bring(m *process.Module) string {
	for _, b := range d.builds {
		if b.ID == m.BuildID {
			return fmt.Sprintf("apt's lists have that build: %s %s, %s; %s", b.Package, b.Version, b.Arch, pullOf(b))
		}
	}
	switch {
	case m == d.Process.Main():
		return "emurace diagnose --program FILE " + d.core
	case strings.Contains(m.Path, "/lib"):
		return "emurace diagnose --sysroot DIR " + d.core + ", with a folder that has the process's " + d.path(path.Dir(m.Path))
	}
	return "emurace diagnose --sysroot DIR " + d.core + ", with a folder that has it"
}

// pullOf is the command that brings a package's files, of the suite that has that version.
func pullOf(b sysroot.Build) string {
	name := strings.TrimSuffix(strings.TrimSuffix(b.Package, "-dbgsym"), "-dbg")
	if name == "libc6" {
		return "emurace sysroot pull debian:SUITE --arch " + b.Arch
	}
	return "emurace sysroot pull debian:SUITE " + name + " --arch " + b.Arch
}

// p0 is the first text that is not empty.
func p0(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// tellCode shows the instructions around the one that failed.
func (d diagnosis) tellCode(p *replay.Printer) {
	if d.Alive() || d.Fault == nil && d.Process.Core.Signal.Number == 6 {
		return
	}
	list, current := d.Around(instructionsBefore, instructionsBehind)
	if list[current].Undecoded && strings.HasPrefix(list[current].Text, "(") {
		return // which the first sentence says
	}
	p.Printf("\n")
	for i, in := range list {
		mark := "  "
		if i == current {
			mark = "=>"
		}
		name, off, ok := d.Process.Symbol(in.Addr)
		place := fmt.Sprintf("%#x", in.Addr)
		if ok {
			place += fmt.Sprintf(" <%s+%#x>", name, off)
		}
		p.Printf("  %s %-40s %s\n", mark, place, in.Text)
	}
}

// tellRegisters shows the registers of who died.
func (d diagnosis) tellRegisters(p *replay.Printer) {
	if d.Alive() {
		return
	}
	p.Printf("\n")
	line := ""
	for _, name := range registerNames(d.Dead) {
		line += fmt.Sprintf("  %-4s %#-18x", name, d.Dead.Registers[name])
		if strings.Count(line, "0x") == 4 {
			p.Printf("%s\n", strings.TrimRight(line, " "))
			line = ""
		}
	}
	if line != "" {
		p.Printf("%s\n", strings.TrimRight(line, " "))
	}
	for i, l := range d.Leads(instructionsBefore, instructionsBehind) {
		if i == 0 {
			p.Printf("\n")
		}
		p.Printf("  %-4s %s\n", l.Register, l.Text)
	}
}

// registerNames are a thread's general registers in the order of their numbers.
func registerNames(t *process.Thread) (list []string) {
	order := []string{"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip"}
	for i := range 31 {
		order = append(order, fmt.Sprintf("x%d", i))
	}
	for _, name := range append(order, "sp", "pc") {
		if _, ok := t.Registers[name]; ok {
			list = append(list, name)
		}
	}
	return list
}

// tellFacts says why, each sentence with what it stands on.
func (d diagnosis) tellFacts(p *replay.Printer) {
	p.Printf("\n%s\n", p.Head("why"))
	for _, f := range d.Facts {
		if f.Kind == diagnose.Death {
			for _, e := range f.Evidence {
				p.Printf("            %s\n", p.Faint(e))
			}
			continue
		}
		sure := "likely "
		if f.Certain {
			sure = "certain"
		}
		p.Printf("  %s   %s\n", sure, f.Text)
		for _, e := range f.Evidence {
			p.Printf("            %s\n", p.Faint(e))
		}
	}
}

// tellThreads shows the stacks; threads with the same one share it.
func (d diagnosis) tellThreads(p *replay.Printer) {
	p.Printf("\n%s\n", p.Head("threads"))
	type group struct {
		threads []*process.Thread
		key     string
	}
	var groups []*group
	byKey := map[string]*group{}
	for _, t := range d.Process.Threads {
		frames, _ := t.Frames()
		var key strings.Builder
		for _, f := range frames {
			fmt.Fprintf(&key, "%x ", f.PC)
		}
		g := byKey[key.String()]
		if g == nil {
			g = &group{key: key.String()}
			byKey[g.key] = g
			groups = append(groups, g)
		}
		g.threads = append(g.threads, t)
	}
	for i, g := range groups {
		if i == mostStacks {
			p.Printf("  ... and %s more; --json has all\n", words.Count(uint64(len(groups)-i), "stack"))
			return
		}
		d.tellStack(p, g.threads)
	}
}

// tellStack shows the stack of threads that have the same one.
func (d diagnosis) tellStack(p *replay.Printer, threads []*process.Thread) {
	var names []string
	for i, t := range threads {
		if i == 4 {
			names = append(names, fmt.Sprintf("and %d more", len(threads)-i))
			break
		}
		names = append(names, d.Title(t))
	}
	p.Printf("  %s\n", p.Name(strings.Join(names, ", ")))
	frames, end := threads[0].Frames()
	for i, f := range frames {
		if i == mostFrames {
			p.Printf("    ... and %s more\n", words.Count(uint64(len(frames)-i), "frame"))
			break
		}
		text := f.At.String()
		if f.At.Function != "" {
			text = fmt.Sprintf("%s+%#x", diagnose.Demangled(f.At.Function), f.At.Offset)
		}
		if s := f.At.Source(); s != "" {
			text += "  " + p.Faint(s)
		} else if f.At.Module != "" && f.At.Function != "" {
			text += "  " + p.Faint(f.At.Module)
		}
		if f.Doubtful() {
			text += "  " + p.Faint("(by the "+f.How.String()+")")
		}
		p.Printf("    #%-2d %#x %s\n", i, f.PC, text)
	}
	if doubt := stackEnd(end); doubt != "" {
		p.Printf("    %s\n", p.Faint(doubt))
	}
}

// stackEnd says why a stack ends where it should not.
func stackEnd(end unwind.End) string {
	switch end.Reason {
	case unwind.Outermost, unwind.NoModule:
		return ""
	case unwind.TooDeep:
		return "there may be more"
	default:
	}
	return "the stack cannot be followed further: " + end.String()
}

// tellGaps says what could not be told.
func (d diagnosis) tellGaps(p *replay.Printer) {
	if len(d.Gaps) == 0 {
		return
	}
	p.Printf("\n%s\n", p.Head("not known"))
	for _, g := range d.Gaps {
		p.Printf("  %s\n", g)
	}
}

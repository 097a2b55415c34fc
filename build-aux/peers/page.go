package main

import (
	"fmt"
	"strings"
	"time"

	"emurace/build-aux/measured"
	"emurace/internal/words"
)

// cell is a result as a table has it: what was found, and what was reported of the twin.
func (r *result) cell(t *tool) string {
	if r.Cannot != "" {
		return "not run"
	}
	unit := t.unit
	if unit == "" {
		unit = "run"
	}
	text := "nothing"
	if r.First.found() {
		text = "**" + r.First.String() + "**"
	}
	text += fmt.Sprintf("<br>%s, %s", words.Count(uint64(r.Runs), unit), measured.Seconds(r.Wall))
	if r.Twin.Reported > 0 {
		text += fmt.Sprintf("<br>twin: %s, %s of %s", r.Twin.Kinds, words.Grouped(uint64(r.Twin.Reported)), words.Count(uint64(r.Twin.Runs), unit))
	}
	return text
}

// page is docs/peers.md.
func (c *comparison) page() string {
	var b strings.Builder
	b.WriteString(`# Beside other tools

The programs of ` + "`testdata/programs`" + ` are classic concurrency bugs, each with a twin in which the
bug is repaired. This page says what emurace finds of them, and what one finds without it: by
running the program again and again, with the race detectors that come with a Linux, and in a user
emulator, whose threads the host schedules. What emurace finds with other settings, and on arm64, is
in [programs.md](programs.md). ` + "`make peers`" + ` measures and writes it anew; it installs what it needs,
and takes some twenty minutes. ` + "`make peers TOOLS=emurace`" + ` measures one column alone.

`)
	for _, s := range c.kept.Sessions {
		var names []string
		for _, t := range c.tools {
			if _, ok := s.Tools[t.name]; ok {
				names = append(names, t.name)
			}
		}
		fmt.Fprintf(&b, "Measured on %v, %s at a time, in %.0f minutes: %s.\n", s.Machine, words.Count(uint64(s.Jobs), "program"), s.Took.Minutes(), strings.Join(names, ", "))
	}
	b.WriteString("\n")
	c.totals(&b)
	c.table(&b)
	c.settings(&b)
	c.reading(&b)
	return b.String()
}

// totals sums up each tool.
func (c *comparison) totals(b *strings.Builder) {
	b.WriteString("## In short\n\n| | finds | and is quiet on the twin | reports on twins | longest until found |\n| --- | --- | --- | --- | --- |\n")
	for _, t := range c.tools {
		ran, found, quiet, loud := 0, 0, 0, 0
		var longest time.Duration
		for _, p := range c.programs {
			r := c.of(p, t)
			if r.Cannot != "" {
				continue
			}
			ran++
			if r.Twin.Reported > 0 {
				loud++
			}
			if r.First.found() {
				found++
				longest = max(longest, r.Wall)
				if r.Twin.Reported == 0 {
					quiet++
				}
			}
		}
		fmt.Fprintf(b, "| %s | %d of %d | %d | %d of %d | %s |\n", t.name, found, ran, quiet, loud, ran, measured.Seconds(longest))
	}
	b.WriteString(`
A tool that reports the same of a program and of its repair has not told them apart: the third
column counts what is left.

`)
}

// table has a row for each program.
func (c *comparison) table(b *strings.Builder) {
	b.WriteString("## Program by program\n\nIn bold what is found, below it after how many runs and what time; below that, if there are any,\nthe false reports: what is reported of the twin, and in how many runs of it.\n\n| program |")
	for _, t := range c.tools {
		b.WriteString(" " + t.name + " |")
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(c.tools)) + "\n")
	for _, p := range c.programs {
		fmt.Fprintf(b, "| `%s`<br>%s |", p.File, p.Title)
		for _, t := range c.tools {
			r := c.of(p, t)
			b.WriteString(" " + r.cell(t) + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, p := range c.programs {
		for _, t := range c.tools {
			if why := c.of(p, t).Cannot; why != "" {
				fmt.Fprintf(b, "- `%s` was not run with %s: %s.\n", p.File, t.name, why)
			}
		}
	}
}

// settings says how each tool was run, and why so.
func (c *comparison) settings(b *strings.Builder) {
	b.WriteString("\n## How each was run\n\nWith the settings that its manual recommends for what is looked for. Sections are those of the\nValgrind User Manual for Helgrind and DRD.\n\n| tool | version | setting | why |\n| --- | --- | --- | --- |\n")
	for _, t := range c.tools {
		name, version := t.name, c.kept.version(t.name)
		for _, s := range t.settings {
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, version, s.flag, s.why)
			name, version = "", ""
		}
	}
	fmt.Fprintf(b, `
The version of the program by itself and of ThreadSanitizer is gcc's. A program runs until the
first finding. By itself it runs at most %s times, with a tool for at most %s.
A run that is not over after %s counts as one that hangs, and its time counts; emurace knows when
all threads wait. The twin runs %s by itself and %s with each tool, and in %s of
emurace's. A time is that of the whole command: emurace's has cut the schedule down, explained it and
written the trace by then.

`, words.Grouped(mostRuns), measured.Seconds(budget), measured.Seconds(hangs), words.Count(twinRunsAlone, "time"), words.Count(twinRuns, "time"), words.Count(twinSchedules, "schedule"))
}

// reading says what the figures do not.
func (c *comparison) reading(b *strings.Builder) {
	b.WriteString(`## How to read it

- A finding is a run that fails, by an abort, a crash, an exit code or a hang, or any report at
  all: whether a report is about the bug is not looked at. What is said of the twin shows how
  much that is worth.
- Runs by themselves and in qemu depend on how the host schedules threads, on its load and on
  luck: a program that fails once in some thousand runs is found in one measurement and not in
  the next. The detectors report most of what they report in any schedule.
- A race detector looks for data races and for locks in two orders. A bug without these, in which
  each access has its lock or is atomic, is none to it unless the run fails.
- emurace interleaves instructions. What a compiler has made one instruction of can be one step to
  it, and a bug in between is then none: see [Limits](../README.md#limits).
- The programs are small, and the same that emurace is tested with. They say which kinds of bugs
  a tool can see, and not how it fares with a large program, where the detectors are at home.
`)
}

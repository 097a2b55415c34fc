package main

import (
	"fmt"
	"io"
	"os"

	"emurace/diagnose/draft"
	"emurace/internal/files"
	"emurace/internal/shell"
	"emurace/replay"
)

// draft writes the scenario of a core to a file, if one is named.
func (d *diagnosis) draft(file string) error {
	d.scenario, d.why = draft.Scenario(d.Diagnosis, draft.Options{Core: d.core, Private: d.private})
	if file == "" {
		return nil
	}
	if d.why != nil {
		return environmentError(fmt.Errorf("--scenario %s: %w", file, d.why), "leave --scenario out to see what the core tells; a program's own code is searched with emurace explore -- PROGRAM")
	}
	d.file = file
	if err := files.Save(file, func(f *os.File) error {
		_, err := io.WriteString(f, d.scenario)
		return err
	}); err != nil {
		return environmentError(fmt.Errorf("--scenario %s: %w", file, err), "name another file")
	}
	return nil
}

// system is how the process's C library is named for a search, "" for the usual one.
func (d *diagnosis) system() string {
	m := d.Process.Libc()
	switch {
	case m == nil || m.Source == "" || m.Source == "debian:bookworm":
		return ""
	case m.Source == "--program" || m.Source == "beside the core":
		return ""
	}
	return m.Source
}

// explore are the words of the command that searches a scenario.
func (d *diagnosis) explore(file string) []string {
	return append([]string{"emurace", "explore", file}, d.flags()...)
}

// flags say on which system is searched.
func (d *diagnosis) flags() (args []string) {
	if arch := d.Process.Core.Arch.String(); arch != "arm64" {
		args = append(args, "--arch", arch)
	}
	if s := d.system(); s != "" {
		args = append(args, "--sysroot", s)
	}
	return args
}

// tellNext says what to do next.
func (d diagnosis) tellNext(p *replay.Printer) {
	switch {
	case d.file != "":
		p.Printf("\nnext      %s\n", shell.Line(d.explore(d.file)...))
	case d.scenario != "":
		p.Printf("\nnext      %s\n", shell.Line("emurace", "diagnose", "--search", d.core))
	}
}

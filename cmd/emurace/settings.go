package main

import (
	"fmt"
	"strings"

	"emurace/emu"
	"emurace/replay"
	"emurace/scenario"
)

// settings are what of a process is not as it usually is.
type settings struct {
	changed  []string // the scenario's parameters that are not its own, as NAME=VALUE
	tunables []string // of glibc, likewise
	// idle are changed parameters, and tunables, that change nothing with this libc, and what that
	// lacks for it.
	idle []string
}

// unusual finds them out on a session of the process.
func unusual(s *scenario.Session, r replay.Recipe) settings {
	x := settings{changed: changed(r.Scenario, r.Values), tunables: emu.Tunables(s.Plan().Env)}
	unknown := func(what, tunable string) {
		if !s.Process().KnowsTunable(tunable) {
			x.idle = append(x.idle, fmt.Sprintf("%s changes nothing: %s has no tunable %s", what, s.Libc(), tunable))
		}
	}
	for _, p := range r.Scenario.Params {
		if v := r.Values[p.Name]; p.Tunable != "" && v != p.Default {
			unknown(p.Name+"="+v, p.Tunable)
		}
	}
	for _, t := range x.tunables {
		name, _, _ := strings.Cut(t, "=")
		unknown(t, name)
	}
	return x
}

// print writes them below a headline, nothing where all is as usual.
func (x *settings) print(p *replay.Printer) {
	if len(x.changed) > 0 {
		p.Printf("%s  %s\n", p.Head("settings"), strings.Join(x.changed, ", "))
	}
	if len(x.tunables) > 0 {
		p.Printf("%s  %s\n", p.Head("tunables"), strings.Join(x.tunables, ", "))
	}
	for _, text := range x.idle {
		p.Printf("note: %s\n", text)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"emurace/internal/programs"
)

// explores is the tool's own command, with further flags.
func explores(more ...string) command {
	return func(_ programs.Program, file string) ([]string, []string) {
		return append(append([]string{binary(), "explore", "--json"}, more...), "--", file), []string{"HOME=."}
	}
}

// binary is emurace as make build has made it: what runs a program does so in a folder of its
// own.
func binary() string {
	name, err := filepath.Abs(filepath.Join("bin", "emurace"))
	if err != nil {
		return "emurace"
	}
	if _, err := exec.LookPath(name); err != nil {
		return "emurace"
	}
	return name
}

// explored reads the object that emurace prints, which is of many runs of the program.
func explored(e ended) (finding, error) {
	var object struct {
		Event     string `json:"event"`
		Verdict   string `json:"verdict"`
		Schedules int    `json:"schedules"`
		Findings  []struct {
			Kind string `json:"kind"`
			Code int    `json:"code"`
		} `json:"findings"`
	}
	for line := range strings.Lines(e.said) {
		if strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				return finding{}, fmt.Errorf("emurace: %w", err)
			}
		}
	}
	if object.Event != "result" || object.Schedules <= 0 || e.late || e.signal != 0 || e.code > 1 || (e.code == 1) != (len(object.Findings) > 0) {
		return finding{}, fmt.Errorf("emurace: exit code %d, signal %d, and no result: %s", e.code, e.signal, e.said)
	}
	f := finding{runs: object.Schedules}
	if len(object.Findings) == 0 {
		return f, nil
	}
	switch kind := object.Findings[0].Kind; kind {
	case "abort":
		f.Fails = programs.Abort
	case "segv", "illegal", "signal":
		f.Fails = programs.Crash
	case "deadlock", "livelock":
		f.Fails = programs.Deadlock
	case "exit":
		f.Fails, f.Code = programs.ExitCode, object.Findings[0].Code
	default:
		f.add(kind)
	}
	return f, nil
}

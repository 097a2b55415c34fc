package main

import (
	"fmt"
	"strings"

	"emurace/internal/manual"
)

// The exit codes. They are a contract.
const (
	exitOK          = 0
	exitFound       = 1
	exitUsage       = 2
	exitEnvironment = 3
	exitDiverged    = 4
	exitNoProof     = 5
	exitInterrupted = 130
)

// exits is what the exit codes mean, for the help, the manual and README.
var exits = []manual.Exit{
	{Code: exitOK, Meaning: "nothing failed, or the replay matched"},
	{Code: exitFound, Meaning: "a failing schedule was found, or a test differs from what is expected"},
	{Code: exitUsage, Meaning: "wrong usage, or a script is wrong"},
	{Code: exitEnvironment, Meaning: "the environment: no sysroot, an unreadable file; or the engine has died"},
	{Code: exitDiverged, Meaning: "a replay diverged"},
	{Code: exitNoProof, Meaning: "nothing failed, and there is no proof where --require-proof asks for one; or a test is undecided"},
	{Code: exitInterrupted, Meaning: "interrupted; explore shows the result so far, test those that are done"},
}

// exitLines is the list for a help text, a line each.
func exitLines() string {
	var b strings.Builder
	for _, e := range exits {
		fmt.Fprintf(&b, "\n  %-4d %s", e.Code, e.Meaning)
	}
	return b.String()
}

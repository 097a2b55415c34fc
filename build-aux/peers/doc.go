// Command peers runs emurace, and what one would pick instead, on the programs of
// testdata/programs and their repaired twins: the program itself, again and again, race
// detectors, and a user emulator. It writes docs/peers.md: who finds which bug, how soon, and
// who reports where there is none.
//
// make peers installs the tools and runs it. It takes some twenty minutes on two processors. What
// was measured is in measured.json beside it, from which the page is made: a tool can be measured
// anew alone.
//
// Another tool is one more entry of tools, in tools.go.
package main

// Package programs lists the programs of testdata/programs: classic concurrency bugs, each in
// a file of its own whose head comment says what it shows and how it fails. Tests, and what
// compares emurace with other tools, take them from here.
package programs

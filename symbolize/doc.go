// Package symbolize says what an address of a process is to a person: its function, source
// line and instruction, and how a thread came there.
package symbolize

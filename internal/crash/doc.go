// Package crash is a page of memory that a process and the one that looks after it share,
// for the case that the first dies: it holds which emulated thread runs on which engine,
// what the emulated processes are made of, and, written by a handler of fatal signals,
// how the process died. See crash.c of emu/internal/shim for the handler, which knows the
// layout.
//
// What a Death says is written by a process that a guest may have taken over. It is as
// untrusted as a file: Death checks sizes, and whoever shows its names must take care of
// the terminal.
package crash

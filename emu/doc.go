// Package emu is the emulated process: memory, threads and kernel state of
// one real program with its real C library, run instruction by instruction.
package emu

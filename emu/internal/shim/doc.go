// Package shim is the C side of the emulated machine and the sole user of the
// Unicorn bindings.
//
// An [Engine] holds guest memory, the page table, the registers of every
// thread, the log of every memory access and what is needed to undo it all.
// The instruction budget, the log and the page table walk are C, because a Go
// callback per instruction costs five times what the instruction does; Go is
// entered again only for a system call, a fault, a trap or a spent budget.
//
// The engine knows nothing of Linux or ELF: it maps pages, runs a thread for
// n instructions and goes back to marks.
package shim

// Package linux is the Linux personality of the emulated process: what its
// system calls do to memory, files, threads and signals.
//
// It runs against the small interfaces [Memory] and [Threads], knows no
// emulator, and takes nothing from the host but the files of the sysroot, read
// only: the clock counts instructions, random bytes come from a seed. All
// that a system call can change is in [State], which is copied when a marked
// moment must be kept. Calls reach it through accessors that note what they read
// and change, so that it is known which calls depend on each other.
package linux

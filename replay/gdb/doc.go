// Package gdb lets gdb look at a recorded run and go through it, forwards and
// backwards: a server of gdb's remote serial protocol (gdb manual, appendix E).
//
// A [Server] shows one [timeline.Timeline]. Nothing of the guest is ever changed:
// breakpoints and watchpoints are looked for in the timeline's record, so memory
// reads are what the program had there, and packets that would write are refused.
// "Running" a thread means to go to another moment of the same run, at which the
// other threads have done what they did. Each client begins at the run's end,
// where a crash shows as one.
//
// A whole program is a file, which gdb gets as it is. The program of a scenario's process is
// made in memory and has no file. gdb gets one all
// the same, with a section, names for its three traps and an unwinding rule that
// ends backtraces there. The libraries are found the way gdb always finds them,
// by ld.so's list in the guest's memory; their files can be read through the
// connection (set sysroot target:) or from the sysroot's folder.
//
// A client is not trusted. What it sends is bounded, a packet that makes no sense
// is answered with an error or, as the protocol wants it, with nothing, and files
// are read inside of the sysroot only.
package gdb

// Package manual makes man pages of a command line: one of the program and one of each
// of its commands, in the macros of man(7), which every man program reads.
package manual

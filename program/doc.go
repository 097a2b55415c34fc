// Package program is whole programs as processes: which file a command line names, whether it
// can be run and on what, and running it to its end, one thread after the other.
package program

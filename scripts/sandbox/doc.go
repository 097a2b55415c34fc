// Package sandbox runs Starlark scripts that nobody has looked at.
//
// A script gets what its host gives it and nothing else: no file, no network, no
// clock. It cannot hang the program or take all of its memory. Steps of the
// interpreter are counted, and the count is the same on every machine; what one
// step may build is bounded before it is built, see guard.go; and what is left,
// such as comparing lists that hold each other a million times, a watchdog cuts
// off by the clock, see watch.go.
//
// The dialect is Starlark as its specification has it
// (https://github.com/bazelbuild/starlark/blob/master/spec.md), with sets, while
// loops, control flow outside of functions and global variables that may be set
// again. Functions cannot call themselves.
package sandbox

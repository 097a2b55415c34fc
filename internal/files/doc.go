// Package files reads files that may be anybody's, and writes those that are to be whole or
// not there.
//
// What is read has a size that is known before, and is a regular file: to open a pipe can
// take for ever, and a device has no end. What is written takes its name in one step, from a
// file beside it; where a process was killed before that, the next one that writes there
// removes what is left.
package files

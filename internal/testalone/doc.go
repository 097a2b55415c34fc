// Package testalone runs a test in a process of its own, for tests that change what belongs
// to a whole process, such as its limits. Go's tool writes what a test opens to a file of
// its own, in the test's process, which must not meet such a limit.
package testalone

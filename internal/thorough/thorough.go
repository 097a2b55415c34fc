package thorough

import (
	"fmt"
	"os"
	"testing"
)

// Variable is the environment variable that has tests run all of their cases, if it is not
// empty. It is no flag, since a flag would have to be known to the tests of every package.
const Variable = "TEST_THOROUGH"

// On tells whether tests are to run all of their cases. With -short they never do.
func On() bool { return os.Getenv(Variable) != "" && !testing.Short() }

// Of is how many, or which, of something a test runs: what is usual, or all.
func Of[T any](usual, all T) T {
	if On() {
		return all
	}
	return usual
}

// first tells whether an architecture, a loader.Arch, is the one whose turn comes first.
func first(arch fmt.Stringer) bool { return arch.String() == "arm64" }

// Turn tells whether the i-th case of a table runs on an architecture. Where what is tested
// does not depend on the architecture, cases usually take turns: the even ones run on arm64,
// the others on amd64. With all cases, and with -short, which has a single architecture, each
// runs on every one.
func Turn(i int, arch fmt.Stringer) bool {
	return On() || testing.Short() || (i%2 == 0) == first(arch)
}

// Seeds are those, from start on, that a random test runs on an architecture, of count that
// it has: usually the first half of them on arm64 and the other on amd64; else all.
func Seeds(start, count uint64, arch fmt.Stringer) (from, n uint64) {
	half := (count + 1) / 2
	switch {
	case On() || testing.Short():
		return start, count
	case first(arch):
		return start, half
	}
	return start + half, count - half
}

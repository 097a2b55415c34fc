// Package testseed gives random tests their seeds, and tells how to repeat one
// that has failed.
package testseed

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"emurace/internal/thorough"
)

var given = flag.Uint64("seed", 0, "seed of the random tests; 0 is a usual one, or one drawn anew")

// Of is the seed of a test: what -seed says, else the usual one, else, where that
// is 0, a number below 2^32 that is drawn anew each time. When the test fails, it
// logs the command that runs it again with the same seed.
func Of(t testing.TB, usual uint64) uint64 {
	t.Helper()
	seed := *given
	if seed == 0 {
		seed = usual
	}
	if seed == 0 {
		seed = 1 + rand.Uint64N(1<<32-1)
	}
	again := command(t.Name(), caller(), seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with: %s", again)
		}
	})
	return seed
}

// command runs one test of a package with a seed. Of a name that is a path, each
// part is matched alone.
func command(test, pkg string, seed uint64) string {
	all := ""
	if thorough.On() {
		all = thorough.Variable + "=1 "
	}
	return all + "go test " + pkg + " -run '^" + strings.ReplaceAll(test, "/", "$/^") + "$' -seed " + strconv.FormatUint(seed, 10)
}

// caller is the import path of the package that calls Of; that of an external
// test is the path of what it tests.
func caller() string {
	pc, _, _, _ := runtime.Caller(2)
	name := runtime.FuncForPC(pc).Name() // import path, a dot and the function
	slash := strings.LastIndexByte(name, '/') + 1
	dot := slash + strings.IndexByte(name[slash:], '.')
	return strings.TrimSuffix(name[:dot], "_test")
}

package testrace

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Must ends the test when there is an error. A test of pgregory.net/rapid, which
// is not a testing.TB, may use it too.
func Must(t interface {
	Helper()
	Fatal(args ...any)
}, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Randomness is seeded by EMURACE_TEST_SEED, or by 1. When the test fails it
// tells the command that repeats it.
func Randomness(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv("EMURACE_TEST_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		Must(t, err)
	}
	pc, _, _, _ := runtime.Caller(1)
	pkg := packageOf(runtime.FuncForPC(pc).Name())
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("repeat with: EMURACE_TEST_SEED=%d go test -run '^%s$' %s", seed, t.Name(), pkg)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// packageOf is the package of a function, by the name that the runtime gives it:
// what comes before the first dot behind the last slash.
func packageOf(function string) string {
	slash := strings.LastIndex(function, "/") + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + name
}

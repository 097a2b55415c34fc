package testrace

import (
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/loader"
)

// Arches are the guest architectures that tests run on: that of the article and,
// without -short, the other one.
func Arches() []loader.Arch {
	if testing.Short() {
		return []loader.Arch{loader.ARM64}
	}
	return []loader.Arch{loader.ARM64, loader.AMD64}
}

// EachArch runs a test for each of Arches.
func EachArch(t *testing.T, test func(t *testing.T, arch loader.Arch)) {
	t.Helper()
	for _, arch := range Arches() {
		t.Run(arch.String(), func(t *testing.T) { test(t, arch) })
	}
}

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

// System is Debian bookworm's libc. It is opened once for all tests and stays open,
// since reading and parsing it takes as long as a boot.
func System(t testing.TB, arch loader.Arch) *emu.System {
	t.Helper()
	dir := testroot.Dir(t, "debian:bookworm", arch.String())
	open, _ := systems.LoadOrStore(arch, sync.OnceValues(func() (*emu.System, error) { return emu.OpenSystem(dir, arch) }))
	sys, err := open.(func() (*emu.System, error))()
	Must(t, err)
	return sys
}

// systems has a func() (*emu.System, error) for each architecture.
var systems sync.Map

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

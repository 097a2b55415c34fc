package testsystem

import (
	"strings"
	"sync"
	"testing"

	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/internal/thorough"
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

// Each runs a test on Debian bookworm's glibc for each of Arches.
func Each(t *testing.T, test func(t *testing.T, sys *emu.System)) {
	t.Helper()
	EachArch(t, func(t *testing.T, arch loader.Arch) { test(t, Of(t, "bookworm", arch)) })
}

// EachSuite runs a test on the glibc of each suite of Debian's, from one to the next on the
// other one of Arches, or on both if all cases are wanted; with -short only on the first
// suite's.
func EachSuite(t *testing.T, suites []string, test func(t *testing.T, suite string, sys *emu.System)) {
	t.Helper()
	if testing.Short() {
		suites = suites[:1]
	}
	for i, suite := range suites {
		for _, arch := range Arches() {
			if !thorough.Turn(i, arch) {
				continue
			}
			t.Run(suite+"/"+arch.String(), func(t *testing.T) { test(t, suite, Of(t, suite, arch)) })
		}
	}
}

// Of is the C library of a suite of Debian's: "bookworm" is its glibc, "bookworm/musl" its
// musl. It stays open.
func Of(t testing.TB, suite string, arch loader.Arch) *emu.System {
	t.Helper()
	dir := testroot.Dir(t, "debian:"+suite, arch.String())
	libc := loader.Glibc
	if strings.HasSuffix(suite, "/musl") {
		libc = loader.Musl
	}
	// Glibc and musl of a suite are in one folder.
	open, _ := systems.LoadOrStore(suite+"/"+arch.String(), sync.OnceValues(func() (*emu.System, error) { return emu.OpenLibc(dir, arch, libc) }))
	sys, err := open.(func() (*emu.System, error))()
	if err != nil {
		t.Fatal(err)
	}
	return sys
}

// systems has a func() (*emu.System, error) for each suite and architecture.
var systems sync.Map

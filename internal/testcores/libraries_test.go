package testcores

import (
	"os"
	"path/filepath"
	"testing"

	"emurace/loader"
)

// TestBare: each suite's folder is enough to run on, and has no debug files; two of them are of
// different builds.
func TestBare(t *testing.T) {
	ids := map[string]string{}
	for _, suite := range everyLibc {
		for _, arch := range Arches {
			dir := Bare(t, suite, arch)
			b, err := os.ReadFile(filepath.Join(dir, "lib", arch.Triplet(), "libc.so.6"))
			if err != nil {
				t.Fatal(err)
			}
			im, err := loader.Parse("libc.so.6", b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, arch.Interp())); err != nil || im.Arch != arch {
				t.Errorf("%s: for %v: %v", suite, im.Arch, err)
			}
			if other, twice := ids[im.BuildID]; twice {
				t.Errorf("%s has the build of %s", suite, other)
			}
			ids[im.BuildID] = suite
			if _, err := os.Stat(filepath.Join(dir, "usr")); err == nil {
				t.Errorf("%s: there is more than libraries", suite)
			}
		}
	}
}

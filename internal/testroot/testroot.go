package testroot

import (
	"sync"
	"testing"

	"emurace/sysroot"
)

// caches are those that were opened, by their paths: what tests have been given is theirs to the
// end of the process, whatever is pulled meanwhile.
var caches sync.Map

// Cache returns the cache that the sysroots of tests are in: the user's own.
func Cache(t testing.TB) *sysroot.Cache {
	t.Helper()
	cache, err := sysroot.Open("")
	if err != nil {
		t.Fatal(err)
	}
	kept, _ := caches.LoadOrStore(cache.Path(), cache)
	return kept.(*sysroot.Cache)
}

// Dir returns the folder of the sysroot that spec ("debian:bookworm", "debian:bookworm/musl", "host" or
// a folder) and arch ("arm64" or "amd64") name. It fails the test when the
// sysroot is not there.
func Dir(t testing.TB, spec, arch string) string {
	t.Helper()
	s, err := sysroot.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := Cache(t).Dir(s, arch)
	if err != nil {
		t.Fatalf("%v; run: make setup", err)
	}
	return dir
}

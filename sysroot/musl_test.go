package sysroot

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// Musl comes into the folder of its suite, by either way of asking for it, and is then
// an entry of its own, with the same folder.
func TestPullMusl(t *testing.T) {
	for _, suite := range []string{"bookworm", "trixie"} {
		if testing.Short() && suite != "bookworm" {
			continue
		}
		m, c := newMirror(t, suite), openTemp(t)
		spec := Spec{Kind: Debian, Suite: suite, Libc: Musl}
		hint := "emurace sysroot pull debian:" + suite + "/musl --arch " + runtime.GOARCH
		missing := func(when string) {
			t.Helper()
			_, err := c.Dir(spec, runtime.GOARCH)
			var known *Error
			if !errors.As(err, &known) || !errors.Is(err, errMissing) || known.Hint() != hint || !strings.Contains(err.Error(), "not pulled yet") {
				t.Errorf("%s, %s: %v", suite, when, err)
			}
		}
		missing("an empty cache")
		if _, err := c.Pull(t.Context(), m.request()); err != nil {
			t.Fatal(err)
		}
		missing("glibc alone")

		req := m.request()
		req.Libc = Musl
		e, err := c.Pull(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if e.Spec != spec || e.LibcName != "musl" || e.Libc != "1.2.3" || e.BuildID == "" || packageNames(e) != "libc6 libc6-dbg musl" {
			t.Errorf("%s: %+v", suite, e)
		}
		dir, err := c.Dir(spec, runtime.GOARCH)
		if glibc, err2 := c.Dir(Spec{Kind: Debian, Suite: suite}, runtime.GOARCH); err != nil || err2 != nil || dir != glibc || dir != e.Path {
			t.Errorf("%s: %q and %q, %v, %v", suite, dir, glibc, err, err2)
		}
		entries, err := c.List()
		if err != nil || len(entries) != len(suites)*len(arches)+1 {
			t.Fatalf("%s: %d entries, %v", suite, len(entries), err)
		}
		i := slices.IndexFunc(entries, func(e Entry) bool { return e.Spec == spec })
		if i < 1 || entries[i-1].Spec.Suite != suite || entries[i-1].LibcName != "glibc" || entries[i].LibcName != "musl" {
			t.Errorf("%s: the entry of musl is number %d", suite, i)
		}
		// As a package of its name it is the same, and there is nothing left to fetch.
		if err := os.RemoveAll(m.dir); err != nil {
			t.Fatal(err)
		}
		again, err := c.Pull(t.Context(), m.request("musl"))
		if err != nil || again.LibcName != "glibc" || again.Path != e.Path {
			t.Errorf("%s, once more: %+v, %v", suite, again, err)
		}

		// A folder that lost it says so.
		if err := os.Remove(filepath.Join(dir, "lib", abis[runtime.GOARCH].musl)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Dir(spec, runtime.GOARCH); !errors.Is(err, errMissing) || !strings.Contains(err.Error(), "holds no ld-musl") {
			t.Errorf("%s, removed: %v", suite, err)
		}
	}
}

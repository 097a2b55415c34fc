package testroot

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"emurace/sysroot"
)

// TestDir: what make setup promises is there, for every suite and architecture.
func TestDir(t *testing.T) {
	for _, suite := range sysroot.Suites() {
		for _, arch := range sysroot.Arches() {
			dir := Dir(t, "debian:"+suite, arch)
			debug, err := filepath.Glob(filepath.Join(dir, "usr/lib/debug/.build-id/*/*.debug"))
			if err != nil || len(debug) == 0 {
				t.Errorf("%s: %d debug files, %v", dir, len(debug), err)
			}
		}
	}
}

// TestMusl: so is musl, in the folder of its suite.
func TestMusl(t *testing.T) {
	for _, arch := range sysroot.Arches() {
		if dir := Dir(t, "debian:bookworm/musl", arch); dir != Dir(t, "debian:bookworm", arch) {
			t.Errorf("musl for %s is in %s", arch, dir)
		}
	}
}

// recorder takes the place of a test that is to fail.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// TestMissing: a test without its sysroot fails, and says what to do.
func TestMissing(t *testing.T) {
	t.Setenv("EMURACE_CACHE", t.TempDir())
	for spec, want := range map[string]string{
		"debian:bookworm":                 "sysroot debian:bookworm for arm64: not pulled yet; run: make setup",
		"debian:potato":                   "no such Debian suite",
		filepath.Join(os.TempDir(), "no"): "no such file or directory; run: make setup",
	} {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Dir(r, spec, "arm64")
		}()
		<-done
		if !strings.Contains(r.failure, want) {
			t.Errorf("%s: failed with %q, want %q", spec, r.failure, want)
		}
	}
}

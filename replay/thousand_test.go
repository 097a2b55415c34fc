package replay

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/scenario"
)

// TestThousandReplays: 1,000 replays of one trace, every twentieth on a machine
// that was booted for it, and 1,000 equal digests.
func TestThousandReplays(t *testing.T) {
	replays, boots := 1000, 50
	if testing.Short() {
		replays, boots = 50, 3
	}
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		trace := f.record(t)
		schedule, err := scenario.ParseSchedule(trace.Schedule, f.Names())
		must(t, err)
		s := f.Session
		digests := map[string]int{}
		booted := 0
		for i := range replays {
			if i*boots/replays >= booted {
				booted++
				if s != f.Session {
					s.Close()
				}
				s, err = startRace(system(t, "bookworm", arch), f.recipe)
				must(t, err)
			}
			must(t, trace.checkLibraries(s))
			_, digest, err := run(s, schedule)
			must(t, err)
			digests[digest]++
		}
		s.Close()
		if len(digests) != 1 || digests[trace.Digest] != replays || booted != boots {
			t.Errorf("%d replays, %d from boot: %d different digests, %d times that of the trace",
				replays, booted, len(digests), digests[trace.Digest])
		}
	})
}

// matches boots a machine from an opened sysroot and verifies a trace on it.
func matches(sys *emu.System, r Recipe, trace *Trace) (bool, string, error) {
	s, err := startRace(sys, r)
	if err != nil {
		return false, "", err
	}
	defer s.Close()
	v, err := Verify(s, trace)
	if err != nil {
		return false, "", err
	}
	return v.Match, v.Difference, nil
}

// TestSurroundings: neither the folder nor the user's environment nor where the
// libc lies has any part in a run.
func TestSurroundings(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		f := findRace(t, "bookworm", arch)
		trace := f.record(t)
		dir := testroot.Dir(t, "debian:bookworm", arch.String())
		again := func(t *testing.T, dir string) {
			t.Helper()
			sys, err := emu.OpenSystem(dir, arch)
			must(t, err)
			match, difference, err := matches(sys, f.recipe, trace)
			must(t, err)
			if !match {
				t.Error(difference)
			}
			must(t, sys.Close())
		}
		t.Run("folder", func(t *testing.T) {
			t.Chdir(t.TempDir())
			again(t, dir)
		})
		t.Run("environment", func(t *testing.T) {
			for _, v := range []struct{ name, value string }{
				{"TZ", "Asia/Tokyo"}, {"LANG", "tr_TR.UTF-8"}, {"LC_ALL", "C"}, {"HOME", "/nowhere"}, {"PATH", ""},
				{"LANGUAGE", "de"}, {"SSL_CERT_FILE", "/tmp/x"}, {"GLIBC_TUNABLES", "glibc.malloc.check=3"}, {"LD_PRELOAD", "libm.so.6"},
				{"EMURACE_MANY", strings.Repeat("x", 1<<16)},
			} {
				t.Setenv(v.name, v.value)
			}
			again(t, dir)
		})
		t.Run("copies of the sysroot", func(t *testing.T) {
			for _, name := range []string{"a", "another folder/with a longer name"} {
				to := filepath.Join(t.TempDir(), name)
				copyLibraries(t, dir, to)
				again(t, to)
			}
		})
	})
}

// copyLibraries copies a sysroot without its debug files, which have no part in
// a run, and without the rest that no run opens.
func copyLibraries(t *testing.T, from, to string) {
	t.Helper()
	must(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir() && (d.Name() == "debug" || d.Name() == "share" || d.Name() == "gconv"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, info.Mode().Perm())
	}))
}

// TestSideBySide: machines that run at the same time do not disturb each other.
func TestSideBySide(t *testing.T) {
	var wg sync.WaitGroup
	for _, arch := range arches() {
		f := findRace(t, "bookworm", arch)
		trace := f.record(t)
		for range 4 {
			wg.Go(func() {
				for range 2 {
					match, difference, err := matches(system(t, "bookworm", arch), f.recipe, trace)
					if err != nil || !match {
						t.Errorf("%v: %v, %v", arch, difference, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

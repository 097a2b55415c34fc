package linux

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"emurace/loader"
)

// FuzzPaths: whatever links say and whatever is asked for, a path leads to a node that is
// there, under a path that leads to it again without a link; what is made at a path is found
// there; and nothing of the files below has changed.
func FuzzPaths(f *testing.F) {
	f.Add("/tmp/a/b", "../b", "/a", "x")
	f.Add("/etc/../tmp/l/../motd", "/etc", "l", "m/")
	f.Add("/dev/fd/0", "/proc/self/fd/3", "/proc/self/exe", "./")
	f.Add("a//b/./..", "", "/tmp/a/../..", strings.Repeat("n/", 300))
	f.Fuzz(func(t *testing.T, p, a, b, c string) {
		k := wide(t, loader.ARM64)
		k.Exe = "/bin/prog"
		put := func(s string) (uint64, bool) {
			if len(s) >= pathMax || strings.Contains(s, "\x00") {
				return 0, false
			}
			return k.str(s), true
		}
		k.calls(call{"mkdirat", []any{cwd, "/tmp/d", 0o755}, 0}, call{"openat", []any{cwd, "/tmp/d", 0}, 3})
		for name, target := range map[string]string{"/tmp/a": a, "/tmp/d/b": b, "/etc/c": c} {
			if at, ok := put(target); ok && target != "" {
				k.calls(call{"symlinkat", []any{at, cwd, name}, 0})
			}
		}
		at, ok := put(p)
		if !ok {
			return
		}
		r := &Result{}
		for _, h := range []how{follow, noFollow, lastName} {
			found, errno := k.lookUp(r, atFdcwd, p, h)
			if errno != 0 || !found.there {
				continue
			}
			if found.node.kind == nodeLink && h == follow || k.shown(r, found)[0] != '/' || path.Clean(k.shown(r, found)) != k.shown(r, found) {
				t.Fatalf("%q leads to %+v", p, found)
			}
			if found.node.kind != nodeDir {
				continue
			}
			at, errno := k.tree(r).path(found.node.id)
			if again, wrong := k.lookUp(r, atFdcwd, at, noFollow); errno != 0 || wrong != 0 || again.node.id != found.node.id || k.shown(r, again) != at {
				t.Fatalf("%q leads to %+v, and that is at %q, which leads to %+v, %d", p, found, at, again, wrong)
			}
		}
		fd := k.do("openat", cwd, at, oCreat|oRdwr, 0o644)
		if fd >= 0 {
			n := k.do("write", uint64(fd), at, 1)
			again := k.do("openat", cwd, at, 0)
			if kind := k.State().FDs[fd].Kind; again < 0 || kind == fdFile && (n != 1 || k.State().FDs[again].Node != k.State().FDs[fd].Node) {
				t.Fatalf("%q: made as %d, written %d, found as %d", p, fd, n, again)
			}
		}
		if v := k.do("mkdirat", cwd, at, 0o755); v == 0 && k.do("unlinkat", cwd, at, atRemove) != 0 && !strings.HasSuffix(p, "..") {
			t.Fatalf("%q: made, and cannot be taken away", p)
		}
		for name, file := range files {
			if file.link == "" && !file.dir && string(must(files.File(name))) != file.data {
				t.Fatalf("%s has changed", name)
			}
		}
	})
}

func must(b []byte, _ error) []byte { return b }

// TestLongWalks: the longest walks that links allow, and the deepest folders, end soon.
func TestLongWalks(t *testing.T) {
	k := wide(t, loader.ARM64)
	k.calls(call{"chdir", []any{"/tmp"}, 0}, call{"mkdirat", []any{cwd, "d", 0o755}, 0})
	around := strings.Repeat("d/../", 800)
	for i := range maxLinks {
		k.calls(call{"symlinkat", []any{around + fmt.Sprintf("L%d", i+1), cwd, fmt.Sprintf("L%d", i)}, 0})
	}
	buf := k.room(256)
	begin := processorTime(t)
	k.calls(call{"newfstatat", []any{cwd, around + "L0", buf, 0}, errno(ENOENT)}, call{"openat", []any{cwd, "L0", 0}, errno(ENOENT)})
	k.calls(call{"chdir", []any{"d"}, 0})
	for range 1499 {
		k.calls(call{"mkdirat", []any{cwd, "d", 0o755}, 0}, call{"chdir", []any{"d"}, 0})
	}
	k.calls(call{"getcwd", []any{area + page, page}, 5 + 2*1500}, call{"newfstatat", []any{cwd, strings.Repeat("../", 1300), buf, 0}, 0})
	// It takes a tenth of that; the time of the thread does not depend on what else runs.
	if d := processorTime(t) - begin; d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

// processorTime is what the calling thread, which the test keeps from here on, has used of a
// processor.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	runtime.LockOSThread()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

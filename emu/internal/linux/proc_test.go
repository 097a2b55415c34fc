package linux

import (
	"fmt"
	"strings"
	"testing"
)

// TestReports: files of /proc and /sys can be read, all of them, listed and looked at; nothing can
// be made beside them, and a plain kernel has none.
func TestReports(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		k.Exe, k.Argv, k.Env = "/bin/prog", []string{"prog", "-x"}, []string{"A=1"}
		k.spawn(1)
		buf := k.room(4096)
		read := func(path string) string {
			t.Helper()
			fd := k.do("openat", cwd, k.str(path), 0)
			if fd < 0 {
				t.Fatalf("%s: %d", path, fd)
			}
			n := k.do("read", uint64(fd), buf, 4096)
			k.do("close", uint64(fd))
			return string(k.mem.View(buf, 4096)[:max(n, 0)])
		}
		for p := range reports {
			if text := read(p); text == "" {
				t.Errorf("%s is empty", p)
			}
			k.next = buf + 4096
		}
		one := fmt.Sprintf("%s/%d/", taskFolder, FirstTID+1)
		for path, want := range map[string]string{
			"/proc/self/cmdline": "prog\x00-x\x00", "/proc/1000/environ": "A=1\x00", "/proc/self/comm": "prog\n", one + "comm": "prog\n",
			"/sys/devices/system/cpu/online": "0-1\n",
		} {
			if got := read(path); got != want {
				t.Errorf("%s: %q, want %q", path, got, want)
			}
		}
		fd := uint64(k.do("openat", cwd, k.str(one+"comm"), oRdwr))
		if n := k.do("write", fd, k.str("a name of many letters"), 22); n != 22 || k.Comm(1) != "a name of many " || k.Comm(0) != "prog" {
			t.Errorf("%d, %q, %q", n, k.Comm(1), k.Comm(0))
		}
		for _, c := range []struct{ path, part string }{
			{"/proc/self/status", "Threads:\t2\n"}, {one + "status", fmt.Sprintf("Pid:\t%d\n", FirstTID+1)}, {one + "stat", "(a name of many )"},
			{"/proc/self/maps", fmt.Sprintf("%08x-%08x rw-p 00000000 00:00 0", area, area+areaSize)},
		} {
			if got := read(c.path); !strings.Contains(got, c.part) {
				t.Errorf("%s: %q is not in\n%s", c.path, c.part, got)
			}
		}
		if n := len(strings.Fields(read("/proc/self/stat"))); n != 52 {
			t.Errorf("stat has %d fields", n)
		}
		for path, want := range map[string]int64{one + "maps2": errno(ENOENT), taskFolder + "/999": errno(ENOENT), taskFolder + "/01001": errno(ENOENT)} {
			if got := k.do("openat", cwd, k.str(path), 0); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
		k.calls(call{"openat", []any{cwd, "/proc/self/maps", 1}, errno(EACCES)}, call{"mkdirat", []any{cwd, "/sys/new", 0o755}, errno(EACCES)})
		if got := fmt.Sprint(k.list(k.do("openat", cwd, k.str(taskFolder), 0), 512)); got != fmt.Sprintf("[./4 ../4 %d/4 %d/4]", FirstTID, FirstTID+1) {
			t.Error(got)
		}
		k.Plain = true
		k.calls(call{"openat", []any{cwd, "/proc/self/maps", 0}, errno(ENOENT)}, call{"openat", []any{cwd, "/sys", 0}, errno(ENOENT)})
	})
}

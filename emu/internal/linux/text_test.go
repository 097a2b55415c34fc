package linux

import (
	"strings"
	"testing"

	"emurace/loader"
)

// TestText: a call is shown as strace does it. What cannot be read of memory, or is not a
// flag that has a name, is shown as a number.
func TestText(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		const wild = 0x50
		path, long := k.str("/etc/passwd"), k.str(strings.Repeat("x", 100))
		text := k.put([]byte("two\nlines\x00\xff"))
		end := uint64(area + areaSize - 4) // a text that runs into where nothing is mapped
		copy(k.mem.View(end, 4), "last")
		directory := uint64(0o200000)
		if k.Arch == loader.ARM64 {
			directory = 0o40000
		}
		minus := func(n int64) uint64 { return uint64(-n) }
		for _, c := range []struct {
			name string
			args []uint64
			want string
		}{
			{"openat", []uint64{minus(100), path, 0o2000000, 0o644}, `openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC)`},
			{"openat", []uint64{5, path, 0o101, 0o644}, `openat(5, "/etc/passwd", O_WRONLY|O_CREAT, 0644)`},
			{"openat", []uint64{5, wild, directory | 0o4002, 0}, `openat(5, 0x50, O_RDWR|O_NONBLOCK|O_DIRECTORY)`},
			{"openat", []uint64{5, 0, 1 << 40, 0}, `openat(5, NULL, O_RDONLY|0x10000000000)`},
			{"openat", []uint64{5, long, 0, 0}, `openat(5, "` + strings.Repeat("x", 64) + `"..., O_RDONLY)`},
			{"openat", []uint64{5, end, 0, 0}, `openat(5, "last"..., O_RDONLY)`},
			{"write", []uint64{1, text, 11}, `write(1, "two\nlines\x00\xff", 11)`},
			{"write", []uint64{2, text, 3}, `write(2, "two", 3)`},
			{"write", []uint64{2, long, 80}, `write(2, "` + strings.Repeat("x", 64) + `"..., 80)`},
			{"write", []uint64{2, text, 0}, `write(2, "", 0)`},
			{"mmap", []uint64{0, 8192, 3, 0x22, minus(1), 0}, `mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x0)`},
			{"mmap", []uint64{0x1000, 1, 0, 0, 3, 0x2000}, `mmap(0x1000, 1, PROT_NONE, 0, 3, 0x2000)`},
			{"mprotect", []uint64{0x1000, 4096, 12}, `mprotect(0x1000, 4096, PROT_EXEC|0x8)`},
			{"futex", []uint64{0x1000, 128, 2, 0, 0, 0}, `futex(0x1000, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0)`},
			{"futex", []uint64{0x1000, 1, 1, 0, 0, 0}, `futex(0x1000, FUTEX_WAKE, 1, NULL, NULL, 0)`},
			{"futex", []uint64{0x1000, 128 | 256 | 9, 0, 0x2000, 0, minus(1)}, `futex(0x1000, FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME, 0, 0x2000, NULL, -1)`},
			{"futex", []uint64{0x1000, 77, 0, 0, 0, 0}, `futex(0x1000, 0x4d, 0, NULL, NULL, 0)`},
			{"tgkill", []uint64{1000, 1001, 6}, `tgkill(1000, 1001, SIGABRT)`},
			{"tgkill", []uint64{1000, 1001, 99}, `tgkill(1000, 1001, 99)`},
			{"lseek", []uint64{3, minus(1), 2}, `lseek(3, -1, SEEK_END)`},
			{"madvise", []uint64{0x1000, 4096, 4}, `madvise(0x1000, 4096, MADV_DONTNEED)`},
			{"clock_gettime", []uint64{1, 0x1000}, `clock_gettime(CLOCK_MONOTONIC, 0x1000)`},
			{"clock_gettime", []uint64{minus(6), 0x1000}, `clock_gettime(0xfffffffffffffffa, 0x1000)`},
			{"rt_sigprocmask", []uint64{2, 0x1000, 0, 8}, `rt_sigprocmask(SIG_SETMASK, 0x1000, NULL, 8)`},
			{"getpid", nil, `getpid()`},
			{"exit_group", []uint64{3}, `exit_group(3)`},
		} {
			call := Call{Number: k.numbers[c.name]}
			copy(call.Args[:], c.args)
			if got := k.Text(call); got != c.want {
				t.Errorf("%s", got)
				t.Errorf("%s is wanted", c.want)
			}
		}
		if got, want := k.Text(Call{Number: 9999, Args: [6]uint64{1, 2}}), "syscall_0x270f(0x1, 0x2, 0x0, 0x0, 0x0, 0x0)"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if uses := len(k.mem.uses); k.Text(Call{Number: k.numbers["openat"], Args: [6]uint64{0, path}}) == "" || len(k.mem.uses) != uses {
			t.Error("to show a call is a use of memory")
		}
	})
}

func TestResultText(t *testing.T) {
	for want, r := range map[string]Result{
		"= 0":      {},
		"= 3":      {Name: "openat", Value: 3},
		"= 0x7000": {Name: "mmap", Value: 0x7000},
		"= -1 ENOENT (no such file or directory)":        {Name: "openat", Value: negated(ENOENT)},
		"= -1 EAGAIN (resource temporarily unavailable)": {Name: "futex", Value: negated(EAGAIN)},
		"= -1 ENOMEM (cannot allocate memory)":           {Name: "mmap", Value: negated(ENOMEM)},
		"= -3999":                                        {Name: "openat", Value: uint64(1<<64 - 3999)},
		"= -4096":                                        {Name: "lseek", Value: uint64(1<<64 - 4096)},
		"<unfinished ...>":                               {Effect: Blocks},
		"= ?":                                            {Effect: Exits},
		"= ? killed by SIGABRT":                          {Effect: Dies, Signal: 6},
		"= ? over a limit":                               {Effect: Exceeds},
	} {
		if got := r.Text(); got != want {
			t.Errorf("%+v: %s, want %s", r, got, want)
		}
	}
}

// Every system call that is served says what its arguments are, in letters that there are.
func TestArguments(t *testing.T) {
	for _, c := range calls {
		kinds, ok := arguments[c.name]
		if !ok {
			t.Errorf("%s says nothing of its arguments", c.name)
		}
		if strings.Trim(kinds, "duxopsDbOPMAFCWSH") != "" || len(kinds) > 6 {
			t.Errorf("%s: %q", c.name, kinds)
		}
	}
}

// FuzzText: whatever a guest asks with, it is shown in a line of some length.
func FuzzText(f *testing.F) {
	f.Add(uint64(56), uint64(0), uint64(area), uint64(1), uint64(1<<63), uint64(0), uint64(0))
	k := newFixture(f, loader.ARM64)
	copy(k.mem.View(area, areaSize), strings.Repeat("\x1b\xff\n%s", areaSize/5))
	f.Fuzz(func(t *testing.T, n, a, b, c, d, e, g uint64) {
		if got := k.Text(Call{Number: n, Args: [6]uint64{a, b, c, d, e, g}}); len(got) > 1000 || strings.ContainsAny(got, "\n\x1b") {
			t.Errorf("%q", got)
		}
	})
}

package linux

import (
	"bytes"
	"slices"
	"testing"
)

func TestSmallCalls(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		buf := k.room(512)
		for _, c := range []struct {
			name string
			args []uint64
			want int64
		}{
			{"getpid", nil, FirstTID},
			{"gettid", nil, FirstTID},
			{"getppid", nil, 1},
			{"getuid", nil, UserID},
			{"geteuid", nil, UserID},
			{"getgid", nil, UserID},
			{"getegid", nil, UserID},
			{"sched_yield", nil, 0},
			{"set_tid_address", []uint64{buf}, FirstTID},
			{"set_robust_list", []uint64{buf, 24}, 0},
			{"prctl", []uint64{15, buf}, 0},
			{"rseq", []uint64{buf, 32, 0, 0}, errno(ENOSYS)},
			{"membarrier", nil, errno(ENOSYS)},
			{"uname", []uint64{buf}, 0},
			{"uname", []uint64{unmapped}, errno(EFAULT)},
			{"sysinfo", []uint64{buf}, 0},
			{"sysinfo", []uint64{minus1}, errno(EFAULT)},
			{"sched_getaffinity", []uint64{0, 128, buf}, 8},
			{"sched_getaffinity", []uint64{0, 4, buf}, errno(EINVAL)},
			{"sched_getaffinity", []uint64{0, 128, unmapped}, errno(EFAULT)},
			{"prlimit64", []uint64{0, 3, 0, buf}, 0},
			{"prlimit64", []uint64{0, 3, buf, 0}, errno(EPERM)},
			{"prlimit64", []uint64{0, 16, 0, buf}, errno(EINVAL)},
			{"prlimit64", []uint64{0, 3, 0, unmapped}, errno(EFAULT)},
			{"getrlimit", []uint64{7, 0}, 0},
			{"clock_gettime", []uint64{0, buf}, 0},
			{"clock_gettime", []uint64{99, buf}, errno(EINVAL)},
			{"clock_gettime", []uint64{1, unmapped}, errno(EFAULT)},
			{"clock_getres", []uint64{1, 0}, 0},
			{"clock_getres", []uint64{1, buf}, 0},
			{"clock_getres", []uint64{1 << 40, buf}, errno(EINVAL)},
			{"gettimeofday", []uint64{0, 0}, 0},
			{"gettimeofday", []uint64{buf, 0}, 0},
			{"gettimeofday", []uint64{unmapped, 0}, errno(EFAULT)},
			{"nanosleep", []uint64{unmapped, 0}, errno(EFAULT)},
			{"clock_nanosleep", []uint64{99, 1, buf, 0}, errno(EINVAL)},
			{"getrandom", []uint64{unmapped, 8, 0}, errno(EFAULT)},
			{"getrandom", []uint64{buf, 0, 0}, 0},
			{"getrandom", []uint64{buf, minus1, 0}, 256},
			{"getrandom", []uint64{buf, 33, 0}, 33},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s%x: %d, want %d", c.name, c.args, got, c.want)
			}
		}
		if k.has("arch_prctl") {
			if got := k.do("arch_prctl", 0x1002, 0x1234); got != 0 || k.threads.tls[0] != 0x1234 {
				t.Errorf("ARCH_SET_FS: %d, %#x", got, k.threads.tls[0])
			}
			if got := k.do("arch_prctl", 0x3001, 0); got != errno(EINVAL) {
				t.Errorf("ARCH_CET_STATUS: %d", got)
			}
			if got := k.do("time", buf); got < bootTime/second || k.word(buf) != uint64(got) {
				t.Errorf("time: %d", got)
			}
		}
	})
}

func TestUname(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		buf := k.room(400)
		k.do("uname", buf)
		machine := k.mem.View(buf+4*65, 65)
		want := map[string]string{"arm64": "aarch64", "amd64": "x86_64"}[k.Arch.String()]
		if got := string(machine[:bytes.IndexByte(machine, 0)]); got != want {
			t.Errorf("machine %q", got)
		}
		if got := string(k.mem.View(buf, 6)); got != "Linux\x00" {
			t.Errorf("system %q", got)
		}
	})
}

// TestClockCountsInstructions: time is what ran and what was slept, nothing else.
func TestClockCountsInstructions(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		buf := k.room(16)
		now := func(clock uint64) uint64 {
			k.do("clock_gettime", clock, buf)
			return k.word(buf)*second + k.word(buf+8)
		}
		start, wall := now(1), now(0)
		if wall-start != bootTime {
			t.Errorf("the wall clock is %d ns ahead", wall-start)
		}
		if again := now(1); again != start {
			t.Errorf("%d ns passed by themselves", again-start)
		}
		k.mem.steps += 12345
		if d := now(1) - start; d != 12345 {
			t.Errorf("12345 instructions took %d ns", d)
		}
		k.at(0, "nanosleep", k.put(twoWords(2, 5)), 0)
		k.advance()
		if d := now(1) - start; d != 12345+2*second+5 {
			t.Errorf("after sleeping: %d ns", d)
		}
		// Until a moment that is past already, and one to come.
		if got := k.do("clock_nanosleep", 1, 1, k.put(twoWords(0, 1)), 0); got != 0 {
			t.Errorf("a sleep until a moment that is past: %d", got)
		}
		k.at(0, "clock_nanosleep", 1, 1, k.put(twoWords(start/second+10, 0)), 0)
		k.advance()
		if got := now(1); got != (start/second+10)*second {
			t.Errorf("woke at %d", got)
		}
	})
}

func TestRandomFollowsSeed(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		draw := func(k *fixture) []byte {
			buf := k.room(100)
			k.do("getrandom", buf, 100, 0)
			return bytes.Clone(k.mem.View(buf, 100))
		}
		other, third := newFixture(t, k.Arch), newFixture(t, k.Arch)
		third.Seed = 2
		a, b, c, d := draw(k), draw(k), draw(other), draw(third)
		if bytes.Equal(a, b) || !bytes.Equal(a, c) || bytes.Equal(a, d) || bytes.Equal(a[:50], a[50:]) {
			t.Errorf("drew\n%x\n%x\n%x\n%x", a, b, c, d)
		}
	})
}

func TestSignals(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.spawn(1)
		ignore, handler := k.put(slices.Concat(twoWords(1, 0), twoWords(0, 0))), k.put(slices.Concat(twoWords(0x4444, 4), twoWords(5, 6)))
		old, set := k.room(32), k.put(twoWords(0b1010, 0))
		for _, c := range []struct {
			name string
			args []uint64
			want int64
		}{
			{"rt_sigaction", []uint64{15, ignore, 0, 8}, 0},
			{"rt_sigaction", []uint64{10, handler, 0, 8}, 0},
			{"rt_sigaction", []uint64{10, 0, old, 8}, 0},
			{"rt_sigaction", []uint64{0, 0, old, 8}, errno(EINVAL)},
			{"rt_sigaction", []uint64{65, 0, old, 8}, errno(EINVAL)},
			{"rt_sigaction", []uint64{9, handler, 0, 8}, errno(EINVAL)},
			{"rt_sigaction", []uint64{10, handler, 0, 16}, errno(EINVAL)},
			{"rt_sigaction", []uint64{10, unmapped, 0, 8}, errno(EFAULT)},
			{"rt_sigaction", []uint64{10, 0, unmapped, 8}, errno(EFAULT)},
			{"rt_sigprocmask", []uint64{2, set, 0, 8}, 0},
			{"rt_sigprocmask", []uint64{0, set, 0, 8}, 0},
			{"rt_sigprocmask", []uint64{9, set, 0, 8}, errno(EINVAL)},
			{"rt_sigprocmask", []uint64{0, unmapped, 0, 8}, errno(EFAULT)},
			{"rt_sigprocmask", []uint64{0, set, 0, 4}, errno(EINVAL)},
			{"sigaltstack", []uint64{k.put(append(twoWords(area, 0), twoWords(8192, 0)...)), 0}, 0},
			{"sigaltstack", []uint64{k.put(append(twoWords(area, 0), twoWords(100, 0)...)), 0}, errno(ENOMEM)},
			{"sigaltstack", []uint64{unmapped, 0}, errno(EFAULT)},
			{"kill", []uint64{FirstTID, 0}, 0},
			{"kill", []uint64{77, 6}, errno(ESRCH)},
			{"kill", []uint64{FirstTID, 65}, errno(EINVAL)},
			{"kill", []uint64{FirstTID, 15}, 0}, // ignored, as it was told
			{"kill", []uint64{FirstTID, 17}, 0}, // SIGCHLD, ignored by default
			{"tkill", []uint64{FirstTID + 1, 28}, 0},
			{"tgkill", []uint64{FirstTID, FirstTID + 2, 6}, errno(ESRCH)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s%x: %d, want %d", c.name, c.args, got, c.want)
			}
		}
		if got := k.word(old); got != 0x4444 || k.word(old+24) != 6 {
			t.Errorf("the handler is %#x", got)
		}
		mask := k.room(8)
		k.do("rt_sigprocmask", 1, k.put(twoWords(0b1000, 0)), mask, 8)
		if k.word(mask) != 0b1010 || k.State().Tasks[0].SigMask != 0b0010 || k.State().Tasks[1].SigMask != 0 {
			t.Errorf("masks: was %b, is %b; the other thread's %b", k.word(mask), k.State().Tasks[0].SigMask, k.State().Tasks[1].SigMask)
		}
		s := k.Snapshot()
		for _, c := range []struct {
			name string
			args []uint64
			sig  int
		}{
			{"kill", []uint64{FirstTID, 9}, 9},
			{"tkill", []uint64{FirstTID + 1, 6}, 6},
			{"tgkill", []uint64{FirstTID, FirstTID, 6}, 6},
		} {
			if r := k.at(1, c.name, c.args...); r.Effect != Dies || r.Signal != c.sig || !k.State().Exited {
				t.Errorf("%s%d: %+v", c.name, c.args, r)
			}
			k.Restore(s)
		}
		if r := k.at(1, "exit_group", 0x1ff); r.Effect != Exits || r.Code != 0xff {
			t.Errorf("exit_group: %+v", r)
		}
	})
}

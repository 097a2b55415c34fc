package linux

import "testing"

// TestDup: two numbers of one open file have one offset, and each its own flag of
// being closed by exec; closing one leaves the other.
func TestDup(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		buf := k.room(16)
		a := uint64(k.do("openat", cwd, k.str("/etc/motd"), oCloexec))
		other := uint64(k.do("openat", cwd, k.str("/etc/motd"), 0))
		b := uint64(k.do("dup", a))
		if a != 3 || other != 4 || b != 5 {
			t.Fatalf("descriptors %d, %d, %d", a, other, b)
		}
		before := k.Snapshot()
		for _, c := range []struct {
			name string
			args []uint64
			want int64
		}{
			{"read", []uint64{a, buf, 7}, 7},
			{"lseek", []uint64{b, 0, 1}, 7},
			{"lseek", []uint64{b, 3, 0}, 3},
			{"lseek", []uint64{a, 0, 1}, 3},
			{"lseek", []uint64{other, 0, 1}, 0},
			{"fcntl", []uint64{a, 1}, 1},
			{"fcntl", []uint64{b, 1}, 0},
			{"fcntl", []uint64{b, 2, 1}, 0},
			{"fcntl", []uint64{b, 1}, 1},
			{"fcntl", []uint64{b, 2, 0}, 0},
			{"fcntl", []uint64{b, 1}, 0},
			{"dup", []uint64{a}, errno(EMFILE)}, // the fixture has six
			{"close", []uint64{0}, 0},
			{"fcntl", []uint64{a, fDupfd, 1}, errno(EMFILE)},
			{"close", []uint64{other}, 0},
			{"fcntl", []uint64{1, fDupfdCloexec, 1}, 4},
			{"fcntl", []uint64{4, 1}, 1},
			{"write", []uint64{4, buf, 7}, 7},
			{"dup", []uint64{a}, 0},
			{"fcntl", []uint64{a, fDupfd, 6}, errno(EINVAL)},
			{"fcntl", []uint64{a, fDupfd, minus1}, errno(EINVAL)},
			{"dup3", []uint64{a, 4, oCloexec}, 4},
			{"lseek", []uint64{4, 0, 1}, 3},
			{"fcntl", []uint64{4, 1}, 1},
			{"dup3", []uint64{a, a, 0}, errno(EINVAL)},
			{"dup3", []uint64{a, 4, 1}, errno(EINVAL)},
			{"dup3", []uint64{a, 6, 0}, errno(EBADF)},
			{"dup3", []uint64{a, minus1, 0}, errno(EBADF)},
			{"dup3", []uint64{99, 4, 0}, errno(EBADF)},
			{"close", []uint64{a}, 0},
			{"read", []uint64{b, buf, 4}, 4},
			{"lseek", []uint64{4, 0, 1}, 7},
			{"dup", []uint64{a}, errno(EBADF)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s%d: %d, want %d", c.name, c.args, got, c.want)
			}
		}
		if k.has("dup2") {
			if got := k.do("dup2", b, b); got != int64(b) {
				t.Errorf("dup2 to itself: %d", got)
			}
			if got := k.do("dup2", 99, 99); got != errno(EBADF) {
				t.Errorf("dup2 of nothing: %d", got)
			}
			if got := k.do("dup2", b, 2); got != 2 || k.do("lseek", 2, 0, 1) != 7 {
				t.Errorf("dup2: %d", got)
			}
		}
		// A mark has the offsets of its moment.
		k.Restore(before)
		if got := k.do("lseek", b, 0, 1); got != 0 {
			t.Errorf("after going back, the offset is %d", got)
		}
	})
}

// TestAccounts: what the process has used follows from its steps.
func TestAccounts(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		k.mem.steps = 3*second + 2_345_678
		b := k.room(144)
		if v := k.do("getrusage", 0, b); v != 0 || k.word(b) != 3 || k.word(b+8) != 2345 || k.word(b+16) != 0 {
			t.Errorf("getrusage: %d, %d s %d us", v, k.word(b), k.word(b+8))
		}
		if v := k.do("getrusage", minus1, b); v != 0 || k.word(b) != 0 {
			t.Errorf("getrusage of children: %d, %d s", v, k.word(b))
		}
		if v := k.do("times", b); v != 400 || k.word(b) != 300 || k.word(b+8) != 0 {
			t.Errorf("times: %d, %d", v, k.word(b))
		}
		word := k.put([]byte{1, 1, 1, 1, 1, 1, 1, 1})
		for _, c := range []struct {
			name string
			args []uint64
			want int64
		}{
			{"getrusage", []uint64{2, b}, errno(EINVAL)},
			{"getrusage", []uint64{0, unmapped}, errno(EFAULT)},
			{"times", []uint64{0}, 400},
			{"times", []uint64{unmapped}, errno(EFAULT)},
			{"getcpu", []uint64{word, 0, 0}, 0},
			{"getcpu", []uint64{0, unmapped, 0}, errno(EFAULT)},
			{"sched_getscheduler", []uint64{0}, 0},
			{"sched_getscheduler", []uint64{FirstTID}, 0},
			{"sched_getscheduler", []uint64{FirstTID + 1}, errno(ESRCH)},
			{"sched_getscheduler", []uint64{minus1}, errno(EINVAL)},
			{"sched_getparam", []uint64{0, word + 4}, 0},
			{"sched_getparam", []uint64{7, word + 4}, errno(ESRCH)},
		} {
			if got := k.do(c.name, c.args...); got != c.want {
				t.Errorf("%s%x: %d, want %d", c.name, c.args, got, c.want)
			}
		}
		if got := k.word(word); got != 0 {
			t.Errorf("getcpu and sched_getparam: %#x", got)
		}
	})
}

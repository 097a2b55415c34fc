package linux

import "testing"

// pollfd is a struct pollfd, with something in revents.
func pollfd(fd int64, events uint16) []byte {
	b := le.AppendUint32(nil, uint32(fd))
	return le.AppendUint16(le.AppendUint16(b, events), 0xdead)
}

// TestPoll: what is open is ready for all that is asked, and what is not open says so.
func TestPoll(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		// poll is the call that both architectures have, with a timeout in milliseconds.
		poll := func(addr, n, ms uint64) Result {
			if k.has("poll") {
				return k.at(0, "poll", addr, n, ms)
			}
			if int32(ms) < 0 {
				return k.at(0, "ppoll", addr, n, 0, 0, 0)
			}
			return k.at(0, "ppoll", addr, n, k.put(twoWords(ms/1000, ms%1000*1_000_000)), 0, 0)
		}
		file := k.do("openat", cwd, k.str("/etc/motd"), 0)
		path := k.do("openat", cwd, k.str("/etc/motd"), oPath)
		for _, c := range []struct {
			name   string
			fd     int64
			events uint16
			want   uint16
		}{
			{"standard input", 0, uint16(wayIn), uint16(wayIn)},
			{"standard output", 1, uint16(wayOut) | uint16(wayIn) | 2, uint16(wayOut)},
			{"a file", file, uint16(wayIn) | uint16(wayInNorm) | uint16(wayOutNrm), uint16(wayIn) | uint16(wayInNorm) | uint16(wayOutNrm)},
			{"nothing asked", file, 0, 0},
			{"urgent data", file, 2, 0},
			{"a name only", path, uint16(wayIn), uint16(wayNone)},
			{"not open", 77, 0, uint16(wayNone)},
			{"out of range", 1 << 30, uint16(wayIn), uint16(wayNone)},
			{"passed over", -1, uint16(wayIn), 0},
		} {
			at := k.put(append(pollfd(1, 0), pollfd(c.fd, c.events)...))
			want := uint64(0)
			if c.want != 0 {
				want = 1
			}
			r := poll(at, 2, 0)
			if got := uint16(k.word(at+8) >> 48); r.Value != want || got != c.want || r.Effect != Returns {
				t.Errorf("%s: %d ready, events %#x, want %#x; %+v", c.name, int64(r.Value), got, c.want, r)
			}
			if got := k.word(at); got != 1 {
				t.Errorf("%s: the one beside it is %#x", c.name, got)
			}
		}
		for _, c := range []struct {
			addr, n, ms uint64
			want        int64
		}{
			{0, 0, 0, 0},
			{unmapped, 0, 0, 0},
			{unmapped, 1, 0, errno(EFAULT)},
			{k.room(8), uint64(k.Limits.Files) + 1, 0, errno(EINVAL)},
			{k.put(pollfd(77, 0)), 1, 5000, 1}, // ready: it does not wait
			{k.put(pollfd(77, 0)), 1, minus1, 1},
		} {
			if r := poll(c.addr, c.n, c.ms); int64(r.Value) != c.want || r.Effect != Returns || r.Missing != "" {
				t.Errorf("poll(%#x, %d, %d): %+v, want %d", c.addr, c.n, int64(c.ms), r, c.want)
			}
		}
		if got := k.do("ppoll", 0, 0, unmapped, 0, 0); got != errno(EFAULT) {
			t.Errorf("a timeout that is not there: %d", got)
		}
		if got := k.do("ppoll", 0, 0, k.put(twoWords(0, second)), 0, 0); got != errno(EINVAL) {
			t.Errorf("a timeout that is none: %d", got)
		}
	})
}

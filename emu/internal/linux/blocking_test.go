package linux

import (
	"testing"

	"emurace/loader"
)

// waitFixture is a kernel with three threads, and a buffer.
type waitFixture struct {
	*fixture
	buf uint64
}

func eachWait(t *testing.T, f func(t *testing.T, w *waitFixture)) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) {
			w := &waitFixture{fixture: newLimited(t, arch, Limits{Threads: 4, Output: 100, Files: 32})}
			w.spawn(3)
			w.buf = w.room(40 << 10)
			f(t, w)
		})
	}
}

// blocks makes a call that has to wait, and says for what.
func (w *waitFixture) blocks(thread int, words, name string, args ...uint64) {
	w.t.Helper()
	if r := w.at(thread, name, args...); r.Effect != Blocks {
		w.t.Fatalf("%s%x does not wait: %+v", name, args, r)
	}
	if got := w.WaitsFor(thread); got != words {
		w.t.Errorf("%s waits for %q, not %q", name, got, words)
	}
}

// goesOn checks that a thread has been woken to make its call again, and makes it.
func (w *waitFixture) goesOn(thread int, want int64, name string, args ...uint64) {
	w.t.Helper()
	if w.State().Tasks[thread].Status != Runnable || w.threads.again[thread] == 0 {
		w.t.Fatalf("thread %d still waits", thread)
	}
	w.threads.again[thread] = 0
	if r := w.at(thread, name, args...); r.Effect != Returns || int64(r.Value) != want {
		w.t.Fatalf("%s%x again: %+v, want %d", name, args, r, want)
	}
}

func (w *waitFixture) does(want int64, name string, args ...uint64) {
	w.t.Helper()
	if got := w.do(name, args...); got != want {
		w.t.Fatalf("%s%x: %d, want %d", name, args, got, want)
	}
}

// TestWaitForPipe: who reads an empty pipe waits for a writer or its end, who writes to a full
// one for a reader, from where it was.
func TestWaitForPipe(t *testing.T) {
	eachWait(t, func(t *testing.T, w *waitFixture) {
		w.does(0, "pipe2", w.buf, 0)
		w.blocks(1, "read of a pipe (fd 3) that nobody writes", "read", 3, w.buf, 10)
		w.blocks(2, "read of a pipe (fd 3) that nobody writes", "read", 3, w.buf, 10)
		w.does(4, "write", 4, w.str("four"), 4)
		w.goesOn(2, 4, "read", 3, w.buf, 10)
		// The other one has come too late, and waits once more.
		w.threads.again[1] = 0
		w.blocks(1, "read of a pipe (fd 3) that nobody writes", "read", 3, w.buf, 10)
		w.does(40<<10, "write", 4, w.buf, 40<<10)
		w.goesOn(1, 40<<10, "readv", 3, w.put(twoWords(w.buf, 40<<10)), 1)
		w.does(40<<10, "write", 4, w.buf, 40<<10)
		w.blocks(1, "write to a full pipe (fd 4) that nobody reads", "write", 4, w.buf, 40<<10)
		w.does(4096, "read", 3, w.buf, 4096)
		w.threads.again[1] = 0
		w.blocks(1, "write to a full pipe (fd 4) that nobody reads", "write", 4, w.buf, 40<<10)
		w.does(40<<10, "read", 3, w.buf, 40<<10)
		w.goesOn(1, 40<<10, "write", 4, w.buf, 40<<10)
		w.does(36<<10, "read", 3, w.buf, 40<<10)
		w.blocks(2, "read of a pipe (fd 3) that nobody writes", "read", 3, w.buf, 10)
		w.does(0, "close", 4)
		w.goesOn(2, 0, "read", 3, w.buf, 10)
	})
}

// A write that nobody can read any more ends the process by SIGPIPE, or is EPIPE.
func TestBrokenPipe(t *testing.T) {
	eachWait(t, func(t *testing.T, w *waitFixture) {
		w.does(0, "pipe2", w.buf, 0)
		w.does(0, "close", 3)
		start := w.Snapshot()
		if r := w.at(0, "write", 4, w.buf, 1); r.Effect != Dies || r.Signal != 13 {
			t.Errorf("%+v", r)
		}
		w.Restore(start)
		var h Handler
		h[0] = ignore
		w.does(0, "rt_sigaction", 13, w.put(h[:]), 0, 8)
		w.does(errno(EPIPE), "write", 4, w.buf, 1)
	})
}

// TestWaitWithDeadline: a call that waits has the deadline that it had at first, however often
// it is made again, and looks once more when that has come.
func TestWaitWithDeadline(t *testing.T) {
	eachWait(t, func(t *testing.T, w *waitFixture) {
		w.does(0, "pipe2", w.buf, 0)
		fds := w.put([]byte{3, 0, 0, 0, 1, 0, 0, 0})
		wait := w.put(twoWords(0, 1000))
		w.blocks(1, "poll of fd 3", "ppoll", fds, 1, wait, 0)
		before := w.State().Waiters[0].Deadline
		w.does(1, "write", 4, w.buf, 1)
		w.does(1, "read", 3, w.buf, 1)
		w.mem.steps += 500
		w.blocks(1, "poll of fd 3", "ppoll", fds, 1, wait, 0)
		if after := w.State().Waiters[0].Deadline; after != before {
			t.Errorf("the deadline was %d, and is %d", before, after)
		}
		if _, ok, err := w.Advance(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		w.goesOn(1, 0, "ppoll", fds, 1, wait, 0)
		// What came just before the deadline is seen.
		w.blocks(1, "poll of fd 3", "ppoll", fds, 1, wait, 0)
		if _, _, err := w.Advance(); err != nil {
			t.Fatal(err)
		}
		w.does(1, "write", 4, w.buf, 1)
		w.goesOn(1, 1, "ppoll", fds, 1, wait, 0)
	})
}

// TestWaitForTimer: a timer that is polled ends the wait of who polls it, and counts.
func TestWaitForTimer(t *testing.T) {
	eachWait(t, func(t *testing.T, w *waitFixture) {
		w.does(3, "timerfd_create", 1, 0)
		w.does(0, "timerfd_settime", 3, 0, w.put(append(twoWords(0, 100), twoWords(0, 300)...)), 0)
		w.does(4, "epoll_create1", 0)
		event := make([]byte, 16)
		event[0] = 1
		w.does(0, "epoll_ctl", 4, 1, 3, w.put(event))
		w.blocks(1, "epoll_wait (fd 4)", "epoll_pwait", 4, w.buf, 4, minus1, 0)
		w.blocks(2, "read of a timer (fd 3) that is not set", "read", 3, w.buf, 8)
		if _, ok, err := w.Advance(); !ok || err != nil {
			t.Fatal(ok, err)
		}
		w.goesOn(1, 1, "epoll_pwait", 4, w.buf, 4, minus1, 0)
		w.mem.steps += 200
		w.goesOn(2, 8, "read", 3, w.buf, 8)
		if n := w.word(w.buf); n != 3 {
			t.Errorf("%d expirations", n)
		}
	})
}

// TestEpollEdges: what is told of once is told of again when something comes, or a call says so.
func TestEpollEdges(t *testing.T) {
	eachWait(t, func(t *testing.T, w *waitFixture) {
		w.does(0, "pipe2", w.buf, 0)
		w.does(5, "epoll_create1", 0)
		event := func(ways ways) uint64 {
			b := make([]byte, 16)
			le.PutUint32(b, uint32(ways))
			return w.put(b)
		}
		events := func(want int64) {
			t.Helper()
			w.does(want, "epoll_pwait", 5, w.buf, 4, 0, 0)
		}
		w.does(0, "epoll_ctl", 5, 1, 3, event(wayIn|epollEdge))
		events(0)
		w.does(1, "write", 4, w.buf, 1)
		events(1)
		events(0)
		w.does(1, "write", 4, w.buf, 1)
		events(1)
		w.does(0, "epoll_ctl", 5, 3, 3, event(wayIn|epollOnce))
		events(1)
		w.does(1, "write", 4, w.buf, 1)
		events(0)
		w.does(0, "epoll_ctl", 5, 3, 3, event(wayIn))
		events(1)
		events(1)
		w.does(6, "dup", 3)
		w.does(0, "close", 3)
		events(1) // the file is still open
		w.does(0, "close", 6)
		events(0)
		w.does(3, "epoll_create1", 0)
		w.does(0, "epoll_ctl", 5, 1, 3, event(wayIn))
		w.does(errno(ELOOP), "epoll_ctl", 3, 1, 5, event(wayIn))
		w.does(errno(EINVAL), "epoll_ctl", 5, 1, 5, event(wayIn))
		w.does(errno(EPERM), "epoll_ctl", 5, 1, uint64(w.do("openat", cwd, w.str("/etc/motd"), 0)), event(wayIn))
		w.does(0, "epoll_ctl", 3, 1, 4, event(wayOut))
		events(1) // by the epoll that it looks at
	})
}

// TestConnections: sockets of the process find each other by files, names and ports.
func TestConnections(t *testing.T) {
	eachWait(t, func(t *testing.T, w *waitFixture) {
		inet := []byte{2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		for _, c := range []struct {
			name    string
			family  uint64
			address []byte
		}{{"file", afUnix, []byte("\x01\x00/tmp/socket\x00")}, {"name", afUnix, []byte("\x01\x00\x00name")}, {"port", afInet, inet}} {
			addr, size, room := w.put(c.address), uint64(len(c.address)), w.put([]byte{110, 0, 0, 0})
			w.does(3, "socket", c.family, ofStream, 0)
			w.does(0, "bind", 3, addr, size)
			w.does(4, "socket", c.family, ofStream, 0)
			if c.family == afInet { // it was given a port
				w.does(0, "getsockname", 3, addr, w.put([]byte{16, 0, 0, 0}))
				if b := w.mem.View(addr, 4); b[2] == 0 {
					t.Errorf("port %x", b[2:])
				}
			}
			w.does(errno(ECONNREFUSED), "connect", 4, addr, size)
			w.does(0, "listen", 3, 0)
			w.blocks(1, "accept of a socket (fd 3) that nobody connects to", "accept4", 3, w.buf, room, 0)
			w.does(0, "connect", 4, addr, size)
			w.goesOn(1, 5, "accept4", 3, w.buf, room, 0)
			w.does(6, "socket", c.family, ofStream, 0)
			w.does(0, "connect", 6, addr, size) // which waits to be accepted
			w.does(7, "socket", c.family, ofStream, 0)
			w.blocks(1, "connect of a socket (fd 7) to one that nobody accepts from", "connect", 7, addr, size)
			w.does(8, "accept4", 3, 0, 0, 0)
			w.goesOn(1, 0, "connect", 7, addr, size)
			w.does(errno(EISCONN), "connect", 7, addr, size)
			w.blocks(1, "read of a socket (fd 5) to which nobody sends", "recvfrom", 5, w.buf, 10, 0, 0, 0)
			w.does(5, "sendto", 4, w.str("hello"), 5, 0, 0, 0)
			w.goesOn(1, 5, "recvfrom", 5, w.buf, 10, 0, 0, 0)
			if got := string(w.mem.View(w.buf, 5)); got != "hello" {
				t.Errorf("%q was received", got)
			}
			w.blocks(1, "read of a socket (fd 5) to which nobody sends", "recvfrom", 5, w.buf, 10, msgWaitall, 0, 0)
			w.does(5, "sendto", 4, w.str("hello"), 5, 0, 0, 0)
			w.threads.again[1] = 0
			w.blocks(1, "read of a socket (fd 5) to which nobody sends", "recvfrom", 5, w.buf, 10, msgWaitall, 0, 0)
			w.does(0, "shutdown", 4, 1)
			w.goesOn(1, 5, "recvfrom", 5, w.buf, 10, msgWaitall, 0, 0)
			// One that nobody has accepted ends with who listens.
			w.does(0, "close", 3)
			w.does(errno(ECONNREFUSED), "connect", uint64(w.do("socket", c.family, ofStream, 0)), addr, size)
			w.does(0, "recvfrom", 7, w.buf, 10, 0, 0, 0)
			for fd := range uint64(6) {
				w.do("close", 3+fd)
			}
			for n := range w.State().objects.from(0) {
				t.Errorf("%s: object %d is left", c.name, n)
			}
			if n := w.State().bound.n; n != 0 {
				t.Errorf("%s: %d addresses are left", c.name, n)
			}
		}
	})
}

// TestDatagrams: messages are read whole, with the address of who sent them.
func TestDatagrams(t *testing.T) {
	eachWait(t, func(t *testing.T, w *waitFixture) {
		addr := w.put([]byte{2, 0, 0, 99, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
		w.does(3, "socket", afInet, ofDgram, 0)
		w.does(0, "bind", 3, addr, 16)
		w.does(4, "socket", afInet, ofDgram, 0)
		w.does(5, "sendto", 4, w.str("hello"), 5, 0, addr, 16)
		w.does(0, "connect", 4, addr, 16)
		w.does(2, "write", 4, w.str("ho"), 2)
		from, size := w.room(16), w.put([]byte{16, 0, 0, 0})
		w.does(5, "recvfrom", 3, w.buf, 3, msgTrunc, from, size)
		if b := w.mem.View(from, 8); b[0] != 2 || b[4] != 127 {
			t.Errorf("from %x", b)
		}
		w.does(2, "recvfrom", 3, w.buf, 9, 0, 0, 0)
		w.does(0, "close", 3)
		w.does(2, "write", 4, w.str("ho"), 2)
		w.does(errno(ECONNREFUSED), "write", 4, w.str("ho"), 2)
	})
}

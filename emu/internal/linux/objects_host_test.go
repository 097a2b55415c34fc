package linux

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"emurace/internal/testseed"
	"emurace/loader"
)

// hostObjects are pipes, counters, epolls and sockets of the real kernel, beside the
// fixture's. No call on them waits.
type hostObjects struct {
	*rand.Rand
	f    *fixture
	open []hostObject
	buf  uint64
}

type hostObject struct {
	host  int
	guest uint64
	kind  string
}

func newHostObjects(t *testing.T, arch loader.Arch, seed uint64) *hostObjects {
	t.Helper()
	f := newLimited(t, arch, Limits{Threads: 1, Output: 12, Files: 64})
	h := &hostObjects{Rand: rand.New(rand.NewPCG(seed, 0)), f: f}
	var ignores Handler
	ignores[0] = ignore
	f.do("rt_sigaction", 13, f.put(ignores[:]), 0, 8) // SIGPIPE, as Go's runtime takes it
	h.buf = f.room(32 << 10)
	t.Cleanup(func() {
		for _, o := range h.open {
			_ = unix.Close(o.host)
		}
	})
	return h
}

func (h *hostObjects) add(kind string, host int, guest uint64) {
	h.open = append(h.open, hostObject{host, guest, kind})
}

func (h *hostObjects) any(kinds ...string) (hostObject, bool) {
	var list []hostObject
	for _, o := range h.open {
		if len(kinds) == 0 || slices.Contains(kinds, o.kind) {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return hostObject{}, false
	}
	return list[h.IntN(len(list))], true
}

// make makes a new object on both sides.
func (h *hostObjects) make() (call string, host, guest int64) {
	f := h.f
	two := func(call string, fds [2]int, err error, guest int64, at uint64, kinds [2]string) (string, int64, int64) {
		if err == nil && guest == 0 {
			for i := range fds {
				h.add(kinds[i], fds[i], uint64(f.word32(at+uint64(4*i))))
			}
		}
		return call, came(0, err), guest
	}
	switch h.IntN(6) {
	case 0, 1:
		var fds [2]int
		err := unix.Pipe2(fds[:], unix.O_NONBLOCK|unix.O_CLOEXEC)
		return two("pipe2", fds, err, f.do("pipe2", h.buf, oNonblock), h.buf, [2]string{"in", "out"})
	case 2:
		count, flags := h.IntN(3), h.IntN(2)
		fd, err := unix.Eventfd(uint(count), flags|unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		g := f.do("eventfd2", uint64(count), uint64(flags)|oNonblock)
		if err == nil && g >= 0 {
			h.add("event", fd, uint64(g))
			g = 0
		}
		return fmt.Sprintf("eventfd2(%d, %d)", count, flags), came(0, err), g
	case 3:
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		g := f.do("epoll_create1", 0)
		if err == nil && g >= 0 {
			h.add("epoll", fd, uint64(g))
			g = 0
		}
		return "epoll_create1", came(0, err), g
	default:
		kind := []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET}[h.IntN(3)]
		fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		name := map[int]string{unix.SOCK_STREAM: "stream", unix.SOCK_DGRAM: "dgram", unix.SOCK_SEQPACKET: "packets"}[kind]
		return two("socketpair of "+name, fds, err, f.do("socketpair", afUnix, uint64(kind)|oNonblock, 0, h.buf), h.buf, [2]string{name, name})
	}
}

// step makes one call on both sides, and tells what it was and what came of it.
func (h *hostObjects) step() (call string, host, guest int64) {
	f, what := h.f, h.IntN(20)
	o, ok := h.any()
	switch {
	case !ok || len(h.open) < 4 || what == 0 && len(h.open) < 24:
		return h.make()
	case what == 1:
		host, guest = came(0, unix.Close(o.host)), f.do("close", o.guest)
		h.open = slices.DeleteFunc(h.open, func(p hostObject) bool { return p == o })
		return fmt.Sprintf("close of %s %d", o.kind, o.guest), host, guest
	case what == 2 && len(h.open) < 24:
		fd, err := unix.Dup(o.host)
		g := f.do("dup", o.guest)
		if err == nil && g >= 0 {
			h.add(o.kind, fd, uint64(g))
			g = 0
		}
		return fmt.Sprintf("dup of %s %d", o.kind, o.guest), came(0, err), g
	case what < 6:
		return h.read(o)
	case what < 10:
		return h.write(o)
	case what < 13:
		return h.poll()
	case what < 16:
		return h.control()
	case what < 18:
		return h.wait()
	case what == 18:
		if o, ok = h.any("in", "stream", "dgram"); !ok {
			return "", 0, 0
		}
		n, err := unix.IoctlGetInt(o.host, unix.TIOCINQ)
		guest = f.do("ioctl", o.guest, 0x541b, h.buf)
		if guest == 0 {
			guest = int64(f.word32(h.buf))
		}
		return fmt.Sprintf("FIONREAD of %s %d", o.kind, o.guest), came(n, err), guest
	}
	if o, ok = h.any("stream", "packets"); !ok {
		return "", 0, 0
	}
	how := h.IntN(3)
	return fmt.Sprintf("shutdown of %s %d, %d", o.kind, o.guest, how), came(0, unix.Shutdown(o.host, how)), f.do("shutdown", o.guest, uint64(how))
}

func (h *hostObjects) read(o hostObject) (string, int64, int64) {
	size := []int{0, 1, 8, 100, 4096, 5000, 20000}[h.IntN(7)]
	b := make([]byte, size)
	n, err := unix.Read(o.host, b)
	guest := h.f.do("read", o.guest, h.buf, uint64(size))
	if err == nil && int64(n) == guest && n > 0 && !bytes.Equal(b[:n], h.f.mem.View(h.buf, uint64(n))) {
		guest = -1
	}
	return fmt.Sprintf("read of %s %d, %d bytes", o.kind, o.guest, size), came(n, err), guest
}

func (h *hostObjects) write(o hostObject) (string, int64, int64) {
	size := []int{0, 1, 8, 100, 4096, 5000, 20000}[h.IntN(7)]
	if o.kind == "event" {
		size = min(size, 8) // newer kernels take no more
	}
	if o.kind != "out" {
		size = min(size, 100) // what sockets hold in all is counted otherwise
	}
	if o.kind == "packets" {
		size = max(size, 1) // kernels differ in whether an empty one that nobody has read is an error
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(h.IntN(255) + 1)
	}
	if o.kind == "event" && size == 8 {
		le.PutUint64(b, []uint64{0, 1, 2, maxCount - 1, maxCount, maxCount + 1}[h.IntN(6)])
	}
	if size > 0 {
		copy(h.f.mem.View(h.buf, uint64(size)), b)
	}
	n, err := unix.Write(o.host, b)
	return fmt.Sprintf("write of %s %d, %d bytes", o.kind, o.guest, size), came(n, err), h.f.do("write", o.guest, h.buf, uint64(size))
}

func (h *hostObjects) poll() (string, int64, int64) {
	var list []unix.PollFd
	text, at := "poll", h.buf
	for range h.IntN(4) {
		o, _ := h.any()
		want := int16(h.IntN(8)) | int16(h.IntN(2))*0x2000
		list = append(list, unix.PollFd{Fd: int32(o.host), Events: want})
		le.PutUint32(h.f.mem.View(at, 4), uint32(o.guest))
		le.PutUint32(h.f.mem.View(at+4, 4), uint32(uint16(want)))
		at += 8
		text += fmt.Sprintf(" %s %d %#x", o.kind, o.guest, want)
	}
	n, err := unix.Poll(list, 0)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Poll(list, 0)
	}
	time := h.f.room(0) // where nothing is written any more: no time at all
	guest := h.f.do("ppoll", h.buf, uint64(len(list)), time, 0)
	host := came(n, err)
	for i, p := range list {
		if got := int16(le.Uint16(h.f.mem.View(h.buf+uint64(8*i)+6, 2))); got != p.Revents {
			return fmt.Sprintf("%s: %d has %#x, here %#x", text, i, p.Revents, got), host, guest + 100
		}
	}
	return text, host, guest
}

func (h *hostObjects) control() (string, int64, int64) {
	e, ok := h.any("epoll")
	o, _ := h.any()
	if !ok || o.kind == "epoll" {
		return "", 0, 0 // what is deep is tried elsewhere
	}
	op := h.IntN(3) + 1
	ways := uint32(h.IntN(8)) | uint32(h.IntN(2))*0x2000
	for _, f := range []ways2{{epollOnce, 4}, {epollEdge, 3}} {
		// What is a change of a socket follows from when the kernel frees a buffer, and a
		// write that fails is a change of a pipe.
		if h.IntN(f.n) == 0 && (f.w != epollEdge || o.kind == "event") {
			ways |= uint32(f.w)
		}
	}
	b := h.f.mem.View(h.buf, 16)
	le.PutUint32(b, ways)
	le.PutUint64(b[h.f.eventSize()-8:], o.guest)
	event := unix.EpollEvent{Events: ways, Fd: int32(o.guest)}
	return fmt.Sprintf("epoll_ctl(%d, %d, %s %d, %#x)", e.guest, op, o.kind, o.guest, ways),
		came(0, unix.EpollCtl(e.host, op, o.host, &event)), h.f.do("epoll_ctl", e.guest, uint64(op), o.guest, h.buf)
}

type ways2 struct {
	w ways
	n int
}

func (h *hostObjects) wait() (string, int64, int64) {
	e, ok := h.any("epoll")
	if !ok {
		return "", 0, 0
	}
	events := make([]unix.EpollEvent, 32)
	n, err := unix.EpollWait(e.host, events, 0)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.EpollWait(e.host, events, 0)
	}
	guest := h.f.do("epoll_pwait", e.guest, h.buf, 32, 0, 0)
	var theirs, ours []string
	for _, e := range events[:max(n, 0)] {
		theirs = append(theirs, fmt.Sprintf("%d:%#x", e.Fd, e.Events))
	}
	for i := range uint64(max(guest, 0)) {
		b := h.f.mem.View(h.buf+i*h.f.eventSize(), h.f.eventSize())
		ours = append(ours, fmt.Sprintf("%d:%#x", le.Uint64(b[len(b)-8:]), le.Uint32(b)))
	}
	slices.Sort(theirs)
	slices.Sort(ours)
	if !slices.Equal(theirs, ours) {
		return fmt.Sprintf("epoll_wait of %d: %v, here %v", e.guest, theirs, ours), came(n, err), guest + 100
	}
	return fmt.Sprintf("epoll_wait of %d", e.guest), came(n, err), guest
}

// TestObjectsAsHost: random calls about pipes, counters, epolls and pairs of sockets come to
// what they come to on a real Linux, as long as none waits.
func TestObjectsAsHost(t *testing.T) {
	runs, steps := 300, 300
	if testing.Short() {
		runs = 30
	}
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) {
			seed := testseed.Of(t, 0)
			calls, succeeded := map[string]int{}, map[string]int{}
			for run := range uint64(runs) {
				h := newHostObjects(t, arch, seed+run)
				var history []string
				for range steps {
					call, host, guest := h.step()
					if call == "" {
						continue
					}
					history = append(history, fmt.Sprintf("%s = %d", call, host))
					name, _, _ := strings.Cut(strings.Fields(call)[0], "(")
					if calls[name]++; host >= 0 {
						succeeded[name]++
					}
					if host != guest {
						t.Fatalf("seed %d: after %d calls\n%s\n%d on the host, %d here", seed+run, len(history),
							strings.Join(history[max(0, len(history)-25):], "\n"), host, guest)
					}
					h.f.mem.uses = nil
				}
				for _, o := range h.open {
					if err := unix.Close(o.host); err != nil && !errors.Is(err, unix.EBADF) {
						t.Fatal(err)
					}
				}
				h.open = nil
			}
			for name, n := range calls {
				if succeeded[name] < n/100 {
					t.Errorf("%s: of %d times %d succeeded", name, n, succeeded[name])
				}
			}
		})
	}
}

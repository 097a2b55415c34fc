package linux

import (
	"fmt"
	"slices"
)

// Sockets inside the process: AF_UNIX, and AF_INET and AF_INET6 by the loopback interface.
// There is no other host, and no time on the way: what is sent is there.

// Families, kinds and flags, include/linux/socket.h and include/linux/net.h.
const (
	afUnspec  = 0
	afUnix    = 1
	afInet    = 2
	afInet6   = 10
	ofStream  = 1
	ofDgram   = 2
	ofPackets = 5

	msgPeek     = 0x2
	msgTrunc    = 0x20
	msgDontwait = 0x40
	msgWaitall  = 0x100
	msgNosignal = 0x4000
)

// socket is a socket without what was sent to it, which is an object of its own.
type socket struct {
	family, kind  uint64
	local, remote string // addresses as getsockname and getpeername tell them
	name          string // under which State.bound has it, "" for none
	peer          uint64 // the other end, 0 while there is none
	listens       bool
	backlog       int
	pending       []uint64 // connections that nobody has accepted yet
	connecting    bool     // and it is for another call to tell that it is connected
	failed        Errno    // that the next call tells
	options       []option
}

// option is what setsockopt has set.
type option struct {
	level, name uint64
	value       string
}

func (s *socket) hash(put func(...uint64), text func(string)) {
	put(s.family, s.kind, s.peer, oneIf(s.listens), uint64(s.backlog), uint64(len(s.pending)), oneIf(s.connecting), uint64(s.failed))
	put(s.pending...)
	text(s.local)
	text(s.remote)
	text(s.name)
	for _, o := range s.options {
		put(o.level, o.name)
		text(o.value)
	}
}

// ofMessages tells whether what is sent has bounds.
func (s *socket) ofMessages() bool { return s.kind != ofStream }

// connected tells whether there is another end that all is sent to.
func (s *socket) connected() bool { return s.peer != 0 && s.kind != ofDgram }

// socketOf is the socket that a descriptor is of.
func (k *Kernel) socketOf(r *Result, fd uint64) (file, *socket, Errno) {
	f, ok := k.descriptors(r).get(int(int32(fd)))
	switch {
	case !ok || f.kind == fdPath:
		return f, nil, EBADF
	case f.kind != fdSocket:
		return f, nil, ENOTSOCK
	}
	return f, k.socketAt(r, f.object), 0
}

// socketAt is a socket as it is now.
func (k *Kernel) socketAt(r *Result, id uint64) *socket {
	if s := k.objects(r).get(id).socket; s != nil {
		return s
	}
	return &socket{} // of one that has just been closed
}

// changeSocket changes a socket, of which states share the rest.
func (k *Kernel) changeSocket(r *Result, id uint64, change func(*socket)) {
	k.objects(r).set(id, func(v *object) {
		s := *v.socket
		change(&s)
		v.socket = &s
	})
}

// newSocket makes a socket without a descriptor, and what is sent to it.
func (k *Kernel) newSocket(r *Result, s socket) uint64 {
	o := k.objects(r)
	id := o.add(object{kind: fdSocket, socket: &s})
	o.put(id+inbox, object{kind: fdSocket})
	return id
}

func (k *Kernel) socketFD(id, flags uint64) FD {
	return FD{Kind: fdSocket, Flags: oRdwr | flags, Object: id, Path: fmt.Sprintf("socket:[%d]", inodeOf(id))}
}

// socketKind is a socket as socket and socketpair are asked for one.
func (k *Kernel) socketKind(c *Call, r *Result) (s socket, flags uint64, errno Errno) {
	const kinds, tcp, udp = 0xf, 6, 17
	s.family, s.kind, flags = c.Args[0], c.Args[1]&kinds, c.Args[1]&^kinds
	protocol := c.Args[2]
	switch {
	case flags&^(oNonblock|oCloexec) != 0:
		return s, 0, EINVAL
	case s.family == afUnix && protocol > 1:
		return s, 0, EPROTONOSUPPORT
	case s.family == afUnix && (s.kind == ofStream || s.kind == ofDgram || s.kind == ofPackets):
	case s.family != afUnix && s.family != afInet && s.family != afInet6:
		return s, 0, EAFNOSUPPORT
	case s.kind == 3:
		return s, 0, EPERM // SOCK_RAW
	case s.family == afUnix || s.kind != ofStream && s.kind != ofDgram:
		return s, 0, ESOCKTNOSUPPORT
	case protocol != 0 && protocol != map[uint64]uint64{ofStream: tcp, ofDgram: udp}[s.kind]:
		r.Missing = fmt.Sprintf("a socket of protocol %d", protocol)
		return s, 0, EPROTONOSUPPORT
	}
	s.local = unnamed(s.family)
	return s, flags, 0
}

// sysSocket: a plain kernel has none, as none had when its traces were made.
func sysSocket(k *Kernel, c *Call, r *Result) (uint64, error) {
	if k.Plain {
		return fail(EAFNOSUPPORT)
	}
	s, flags, errno := k.socketKind(c, r)
	if errno != 0 {
		return fail(errno)
	}
	if _, ok := k.descriptors(r).lowest(0); !ok {
		return fail(EMFILE)
	}
	return k.install(r, k.socketFD(k.newSocket(r, s), flags))
}

func sysSocketpair(k *Kernel, c *Call, r *Result) (uint64, error) {
	s, flags, errno := k.socketKind(c, r)
	switch {
	case errno != 0:
		return fail(errno)
	case s.family != afUnix:
		return fail(EOPNOTSUPP)
	}
	ends, errno := k.twoNumbers(r)
	if errno != 0 {
		return fail(errno)
	}
	if v, err := k.put(r, c.Args[3], le.AppendUint32(le.AppendUint32(nil, uint32(ends[0])), uint32(ends[1]))); err != nil || v != 0 {
		return v, err
	}
	s.remote = s.local
	one, two := k.newSocket(r, s), k.newSocket(r, s)
	k.changeSocket(r, one, func(s *socket) { s.peer = two })
	k.changeSocket(r, two, func(s *socket) { s.peer = one })
	k.descriptors(r).set(ends[0], k.socketFD(one, flags))
	k.descriptors(r).set(ends[1], k.socketFD(two, flags))
	return 0, nil
}

// closeSocket ends a socket that no descriptor is of any more.
func (k *Kernel) closeSocket(r *Result, id uint64) error {
	o, s := k.objects(r), k.socketAt(r, id)
	if s.name != "" {
		o.setName(s.name, 0)
	}
	for _, p := range s.pending {
		if err := k.closeSocket(r, p); err != nil {
			return err
		}
	}
	unread := len(o.get(id+inbox).parts) > 0
	o.remove(id)
	if err := k.waiters(r).stir(id, anyIn|anyOut|always); err != nil {
		return err
	}
	if !s.connected() {
		o.remove(id + inbox)
		return k.waiters(r).stir(id+inbox, anyOut|always)
	}
	if o.get(s.peer).socket == nil { // the other end was closed before
		o.remove(id + inbox)
		o.remove(s.peer + inbox)
		return nil
	}
	if unread {
		k.changeSocket(r, s.peer, func(s *socket) { s.failed = ECONNRESET })
	}
	if err := k.endStream(r, id+inbox, func(v *object) { v.noReader = true }); err != nil {
		return err
	}
	return k.endStream(r, s.peer+inbox, func(v *object) { v.noWriter = true })
}

// endStream ends what was sent to a socket, on one side.
func (k *Kernel) endStream(r *Result, id uint64, change func(*object)) error {
	k.objects(r).set(id, func(v *object) {
		change(v)
		v.changed[2]++
	})
	return k.waiters(r).stir(id, anyIn|anyOut|always|wayEnd)
}

func sysShutdown(k *Kernel, c *Call, r *Result) (uint64, error) {
	const read, write, both = 0, 1, 2
	f, s, errno := k.socketOf(r, c.Args[0])
	how := c.Args[1]
	switch {
	case errno != 0:
		return fail(errno)
	case how > both:
		return fail(EINVAL)
	case s.listens && how != write:
		k.changeSocket(r, f.object, func(s *socket) { s.listens = false })
		return 0, k.waiters(r).stir(f.object, anyIn|anyOut)
	case s.kind == ofDgram:
		r.Missing = "shutdown of a socket of datagrams"
		return fail(ENOTCONN)
	case !s.connected():
		return fail(ENOTCONN)
	}
	if how != write {
		// TCP goes on taking what comes.
		if err := k.endStream(r, f.object+inbox, func(v *object) { v.noReader = true }); err != nil {
			return 0, err
		}
	}
	if how != read {
		return 0, k.endStream(r, s.peer+inbox, func(v *object) { v.noWriter = true })
	}
	return 0, nil
}

// lookAtSocket is lookAt of a socket: unix_poll of net/unix/af_unix.c and tcp_poll of
// net/ipv4/tcp.c.
func (k *Kernel) lookAtSocket(r *Result, g *glance, id uint64, fd int, want ways) (have ways) {
	o, s := k.objects(r), k.socketAt(r, id)
	g.add(id, want, fd)
	have = when(s.failed != 0, wayError|anyIn)
	switch {
	case s.listens:
		return have | when(len(s.pending) > 0, anyIn)
	case s.kind != ofDgram && !s.connected():
		return have | anyOut | wayHangup
	}
	g.add(id+inbox, want&(anyIn|wayEnd|wayHangup), fd)
	in := o.get(id + inbox)
	have |= when(len(in.parts) > 0, anyIn)
	if s.kind == ofDgram {
		if s.peer == 0 {
			return have | anyOut
		}
		g.add(s.peer+inbox, want&anyOut, fd)
		return have | when(o.get(s.peer+inbox).size < socketRoom, anyOut)
	}
	out := o.get(s.peer + inbox)
	g.add(s.peer+inbox, want&(anyOut|wayHangup), fd)
	have |= when(in.noWriter || in.noReader, anyIn|wayEnd)
	have |= when(in.noWriter && out.noWriter, wayHangup)
	have |= when(s.family == afUnix && (in.noWriter || in.noReader) && (out.noWriter || out.noReader), wayHangup)
	return have | when(out.size < socketRoom || out.noReader, anyOut)
}

func sysListen(k *Kernel, c *Call, r *Result) (uint64, error) {
	const most = 4096 // net.core.somaxconn
	f, s, errno := k.socketOf(r, c.Args[0])
	switch {
	case errno != 0:
		return fail(errno)
	case s.kind == ofDgram:
		return fail(EOPNOTSUPP)
	case s.connected(), s.family == afUnix && s.name == "":
		return fail(EINVAL)
	case s.name == "":
		if errno := k.bindAny(r, f.object); errno != 0 {
			return fail(errno)
		}
	}
	backlog := int(int32(c.Args[1]))
	if backlog < 0 || backlog > most {
		backlog = most
	}
	k.changeSocket(r, f.object, func(s *socket) { s.listens, s.backlog = true, backlog })
	return 0, k.waiters(r).stir(f.object, anyOut)
}

func sysAccept(k *Kernel, c *Call, r *Result) (uint64, error) { return k.accept(r, c, 0) }

func sysAccept4(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[3]&^(oNonblock|oCloexec) != 0 {
		return fail(EINVAL)
	}
	return k.accept(r, c, c.Args[3])
}

func (k *Kernel) accept(r *Result, c *Call, flags uint64) (uint64, error) {
	f, s, errno := k.socketOf(r, c.Args[0])
	switch {
	case errno != 0:
		return fail(errno)
	case s.kind == ofDgram:
		return fail(EOPNOTSUPP)
	case !s.listens:
		return fail(EINVAL)
	}
	if _, ok := k.descriptors(r).lowest(0); !ok {
		return fail(EMFILE)
	}
	if len(s.pending) == 0 {
		return k.awaitSocket(r, f, 0, optReceiveTime, []watch{{f.object, anyIn, f.n}}, 0,
			fmt.Sprintf("accept of a socket (fd %d) that nobody connects to", f.n))
	}
	id := s.pending[0]
	if errno := k.tellAddress(r, c.Args[1], c.Args[2], k.socketAt(r, id).remote); errno != 0 {
		return fail(errno)
	}
	k.changeSocket(r, f.object, func(s *socket) { s.pending = slices.Clone(s.pending[1:]) })
	if err := k.waiters(r).stir(f.object, anyOut); err != nil {
		return 0, err
	}
	return k.install(r, k.socketFD(id, flags))
}

// awaitSocket has a call on a socket wait, as long as the socket's option says, or fail.
func (k *Kernel) awaitSocket(r *Result, f file, flags, timeout uint64, on []watch, done uint64, words string) (uint64, error) {
	p := k.patienceOf(r, k.socketTime(r, f.object, timeout))
	if !f.waits() || flags&msgDontwait != 0 || p.refuses {
		return partly(done, EAGAIN)
	}
	k.waiters(r).await(on, p, 0, done, words)
	return 0, nil
}

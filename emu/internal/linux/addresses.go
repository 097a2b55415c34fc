package linux

import (
	"encoding/binary"
	"fmt"
)

// Addresses of sockets: include/uapi/linux/un.h, in.h and in6.h.

// address is an address that a call was given.
type address struct {
	text string // as it is told
	path string // of AF_UNIX, "" for one without a file
	name string // under which State.bound has a socket, "" when that is not known yet
	port uint16
	here bool // it is one of this host's
}

// unnamed is the address of a socket that has none.
func unnamed(family uint64) string {
	b := le.AppendUint16(nil, uint16(family))
	switch family {
	case afInet:
		b = append(b, make([]byte, 14)...)
	case afInet6:
		b = append(b, make([]byte, 26)...)
	}
	return string(b)
}

// portName is what State.bound has a port as.
func portName(s *socket, port uint16) string { return fmt.Sprintf("%d/%d:%d", s.family, s.kind, port) }

// addressOf reads an address for a socket.
func (k *Kernel) addressOf(r *Result, s *socket, addr, size uint64) (address, Errno) {
	const most = 128 // struct sockaddr_storage
	if size > most {
		return address{}, EINVAL
	}
	b, ok := k.read(r, addr, size)
	if !ok {
		return address{}, EFAULT
	}
	return parseAddress(s, b)
}

// parseAddress is what an address of a socket's family says.
func parseAddress(s *socket, b []byte) (a address, errno Errno) {
	const longestUnix = 110
	size := len(b)
	if size < 2 {
		return a, EINVAL
	}
	family := uint64(le.Uint16(b))
	switch s.family {
	case afUnix:
		if family != afUnix || size > longestUnix {
			return a, EINVAL
		}
		return unixAddress(string(b[2:])), 0
	case afInet:
		switch {
		case size < 16:
			return a, EINVAL
		case family != afInet:
			return a, EAFNOSUPPORT
		}
		a.here = b[4] == 127 || le.Uint32(b[4:]) == 0
		b = append(append([]byte(nil), b[:8]...), make([]byte, 8)...)
	default:
		switch {
		case size < 24:
			return a, EINVAL
		case family != afInet6:
			return a, EAFNOSUPPORT
		}
		a.here = le.Uint64(b[8:]) == 0 && (binary.BigEndian.Uint64(b[16:]) <= 1)
		b = append(append([]byte(nil), b...), make([]byte, 28)...)[:28]
	}
	a.port = binary.BigEndian.Uint16(b[2:])
	a.text, a.name = string(b), portName(s, a.port)
	return a, 0
}

// unixAddress is one of what stands in sun_path.
func unixAddress(path string) (a address) {
	a.here = true
	switch {
	case path == "":
		a.text = unnamed(afUnix)
		return a
	case path[0] == 0:
		a.name = "unix:" + path
		a.text = unnamed(afUnix) + path
		return a
	}
	for i := range path {
		if path[i] == 0 {
			path = path[:i]
			break
		}
	}
	a.path, a.text = path, unnamed(afUnix)+path+"\x00"
	return a
}

// tellAddress puts an address where a call is to tell one, cut to the room that there is.
func (k *Kernel) tellAddress(r *Result, addr, sizeAt uint64, text string) Errno {
	if addr == 0 {
		return 0
	}
	b, ok := k.read(r, sizeAt, 4)
	if !ok {
		return EFAULT
	}
	room := int(int32(le.Uint32(b)))
	if room < 0 {
		return EINVAL
	}
	for _, w := range []struct {
		addr uint64
		b    []byte
	}{{addr, []byte(text)[:min(room, len(text))]}, {sizeAt, le.AppendUint32(nil, uint32(len(text)))}} {
		if v, err := k.put(r, w.addr, w.b); err != nil || v != 0 {
			return EFAULT
		}
	}
	return 0
}

func sysBind(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, s, errno := k.socketOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	a, errno := k.addressOf(r, s, c.Args[1], uint64(uint32(c.Args[2])))
	switch {
	case errno != 0:
		return fail(errno)
	case s.name != "":
		return fail(EINVAL)
	case !a.here:
		return fail(EADDRNOTAVAIL)
	case s.family == afUnix && a.name == "" && a.path == "":
		errno = k.bindAny(r, f.object)
	case a.path != "":
		errno = k.bindFile(r, f.object, a)
	case s.family != afUnix && a.port == 0:
		errno = k.bindPort(r, f.object, a.text)
	default:
		errno = k.bindTo(r, f.object, a.name, a.text)
	}
	if errno != 0 {
		return fail(errno)
	}
	return 0, nil
}

// bindTo gives a socket an address that nobody has.
func (k *Kernel) bindTo(r *Result, id uint64, name, text string) Errno {
	if _, taken := k.objects(r).name(name); taken {
		return EADDRINUSE
	}
	k.objects(r).setName(name, id)
	k.changeSocket(r, id, func(s *socket) { s.name, s.local = name, text })
	return 0
}

// bindFile makes a file that stands for the socket.
func (k *Kernel) bindFile(r *Result, id uint64, a address) Errno {
	p, errno := k.lookUp(r, atFdcwd, a.path, lastName|creating)
	t := k.tree(r)
	switch {
	case errno != 0:
		return errno
	case p.there:
		return EADDRINUSE
	}
	if errno := t.canMake(p); errno != 0 {
		return errno
	}
	n := t.add(inode{kind: nodeSocket, mode: 0o777 &^ t.umask(), links: 1})
	t.setEntry(p.dir, p.name, n.id)
	return k.bindTo(r, id, "file:"+n.id, a.text)
}

// bindAny gives a socket an address of its own, which follows from its number: so it does not
// depend on what others have.
func (k *Kernel) bindAny(r *Result, id uint64) Errno {
	s := k.socketAt(r, id)
	if s.family == afUnix {
		path := fmt.Sprintf("\x00%05x", id)
		return k.bindTo(r, id, "unix:"+path, unnamed(afUnix)+path)
	}
	return k.bindPort(r, id, s.local)
}

// bindPort gives a socket a port that is free, of net.ipv4.ip_local_port_range.
func (k *Kernel) bindPort(r *Result, id uint64, text string) Errno {
	const first, count = 32768, 28232
	s := k.socketAt(r, id)
	for n := range uint64(count) {
		port := uint16(first + (id/numbers+n)%count)
		if _, taken := k.objects(r).name(portName(s, port)); taken {
			continue
		}
		b := []byte(text)
		binary.BigEndian.PutUint16(b[2:], port)
		return k.bindTo(r, id, portName(s, port), string(b))
	}
	return EADDRINUSE
}

// socketAtAddress is the socket that has an address.
func (k *Kernel) socketAtAddress(r *Result, s *socket, a address) (uint64, Errno) {
	name := a.name
	switch {
	case !a.here:
		return 0, ENETUNREACH
	case a.path != "":
		p, errno := k.lookUp(r, atFdcwd, a.path, follow)
		switch {
		case errno != 0:
			return 0, errno
		case !p.there:
			return 0, p.missing()
		case p.node.kind != nodeSocket:
			return 0, ECONNREFUSED
		}
		name = "file:" + p.node.id
	case s.family == afUnix && name == "":
		return 0, EINVAL
	}
	id, ok := k.objects(r).name(name)
	if !ok {
		return 0, ECONNREFUSED
	}
	return id, 0
}

func sysConnect(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, s, errno := k.socketOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	if b, ok := k.read(r, c.Args[1], 2); ok && c.Args[2] >= 2 && le.Uint16(b) == afUnspec && s.kind == ofDgram {
		k.changeSocket(r, f.object, func(s *socket) { s.peer, s.remote = 0, "" })
		return 0, nil
	}
	a, errno := k.addressOf(r, s, c.Args[1], uint64(uint32(c.Args[2])))
	switch {
	case errno != 0:
		return fail(errno)
	case s.connecting:
		k.changeSocket(r, f.object, func(s *socket) { s.connecting, s.failed = false, 0 })
		return negated(s.failed), nil
	case s.connected():
		return fail(EISCONN)
	case s.listens:
		return fail(EINVAL)
	}
	id, errno := k.socketAtAddress(r, s, a)
	if s.kind == ofDgram {
		return k.connectDgram(r, f, s, a, id, errno)
	}
	l := &socket{}
	if errno == 0 {
		l = k.socketAt(r, id)
	}
	switch {
	case errno == 0 && l.kind != s.kind:
		return fail(EPROTOTYPE)
	case (errno == 0 && !l.listens || errno == ECONNREFUSED) && s.family != afUnix && !f.waits():
		k.changeSocket(r, f.object, func(s *socket) { s.connecting, s.failed = true, ECONNREFUSED })
		return fail(EINPROGRESS)
	case errno != 0:
		return fail(errno)
	case !l.listens:
		return fail(ECONNREFUSED)
	case len(l.pending) > l.backlog:
		return k.awaitSocket(r, f, 0, optSendTime, []watch{{id, anyOut, f.n}}, 0,
			fmt.Sprintf("connect of a socket (fd %d) to one that nobody accepts from", f.n))
	}
	return k.join(r, f, s, a, id)
}

// join connects a socket to one that listens.
func (k *Kernel) join(r *Result, f file, s *socket, a address, id uint64) (uint64, error) {
	if s.name == "" && s.family != afUnix {
		to := []byte(a.text)
		if err := k.bindPort(r, f.object, string(loopback(to))); err != 0 {
			return fail(err)
		}
		s = k.socketAt(r, f.object)
	}
	l, other := k.socketAt(r, id), f.object+peer
	o := k.objects(r)
	here := l.local
	if s.family != afUnix {
		here = string(loopback([]byte(a.text)))
	}
	o.put(other, object{kind: fdSocket, socket: &socket{family: s.family, kind: s.kind, local: here, remote: s.local, peer: f.object, options: l.options}})
	o.put(other+inbox, object{kind: fdSocket})
	later := s.family != afUnix && !f.waits()
	k.changeSocket(r, f.object, func(s *socket) { s.peer, s.remote, s.connecting = other, here, later })
	k.objects(r).set(f.object, func(v *object) { v.changed[1]++ })
	k.changeSocket(r, id, func(s *socket) { s.pending = append(append([]uint64(nil), s.pending...), other) })
	o.set(id, func(v *object) { v.changed[0]++ })
	if err := k.waiters(r).stir(id, anyIn); err != nil {
		return 0, err
	}
	if err := k.waiters(r).stir(f.object, anyOut); err != nil {
		return 0, err
	}
	if later {
		return fail(EINPROGRESS)
	}
	return 0, nil
}

// loopback puts 127.0.0.1, or ::1, for an address that stands for any.
func loopback(b []byte) []byte {
	switch {
	case len(b) == 16 && le.Uint32(b[4:]) == 0:
		copy(b[4:], []byte{127, 0, 0, 1})
	case len(b) == 28:
		b[23] = 1
	}
	return b
}

// connectDgram says where a socket sends to. By the loopback interface who has the address at
// the time gets it, also where nobody has it now.
func (k *Kernel) connectDgram(r *Result, f file, s *socket, a address, id uint64, errno Errno) (uint64, error) {
	to := string(loopback([]byte(a.text)))
	switch {
	case errno != 0 && (errno != ECONNREFUSED || s.family == afUnix):
		return fail(errno)
	case s.family == afUnix && k.socketAt(r, id).kind != ofDgram:
		return fail(EPROTOTYPE)
	case s.family != afUnix:
		id = 0
	}
	if s.name == "" && s.family != afUnix {
		if errno := k.bindPort(r, f.object, string(loopback([]byte(a.text)))); errno != 0 {
			return fail(errno)
		}
	}
	k.changeSocket(r, f.object, func(s *socket) { s.peer, s.remote = id, to })
	return 0, nil
}

func sysGetsockname(k *Kernel, c *Call, r *Result) (uint64, error) {
	_, s, errno := k.socketOf(r, c.Args[0])
	if errno == 0 {
		errno = k.tellAddress(r, c.Args[1], c.Args[2], s.local)
	}
	return negated(errno), nil
}

func sysGetpeername(k *Kernel, c *Call, r *Result) (uint64, error) {
	_, s, errno := k.socketOf(r, c.Args[0])
	switch {
	case errno != 0:
		return fail(errno)
	case s.peer == 0 && s.remote == "":
		return fail(ENOTCONN)
	}
	return negated(k.tellAddress(r, c.Args[1], c.Args[2], s.remote)), nil
}

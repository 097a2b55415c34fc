package linux

import (
	"fmt"
	"slices"
)

// Sending and receiving by sockets.

// message is what recvmsg and recvfrom tell beside the bytes.
type message struct {
	from string
	cut  bool // more was sent than there was room for
}

// rest are spans without their first bytes.
func rest(list []span, skip uint64) (after []span) {
	for _, s := range list {
		n := min(skip, s.size)
		skip -= n
		if s.size > n {
			after = append(after, span{s.addr + n, s.size - n})
		}
	}
	return after
}

// takeError is the error that waits to be told, once.
func (k *Kernel) takeError(r *Result, f file, s *socket) Errno {
	if s.failed != 0 {
		k.changeSocket(r, f.object, func(s *socket) { s.failed, s.connecting = 0, false })
	}
	return s.failed
}

// receive reads what was sent to a socket.
func (k *Kernel) receive(r *Result, f file, to []span, flags uint64, m *message) (uint64, error) {
	const outOfBand = 1
	o, s := k.objects(r), k.socketAt(r, f.object)
	done := k.waiters(r).done()
	to = rest(to, done)
	in := o.get(f.object + inbox)
	switch {
	case flags&outOfBand != 0:
		return fail(EOPNOTSUPP)
	case s.kind != ofDgram && !s.connected():
		if errno := k.takeError(r, f, s); errno != 0 {
			return fail(errno)
		}
		if s.family == afUnix && s.kind == ofStream {
			return fail(EINVAL)
		}
		return fail(ENOTCONN)
	case s.failed != 0 && (len(in.parts) == 0 || s.ofMessages()):
		return partly(done, k.takeError(r, f, s))
	case len(in.parts) > 0:
	case in.noWriter || in.noReader:
		return done, nil
	case total(to) == 0 && s.kind == ofStream:
		return 0, nil
	default:
		return k.awaitSocket(r, f, flags, optReceiveTime, []watch{{f.object + inbox, anyIn | wayHangup | wayEnd, f.n}}, done,
			fmt.Sprintf("read of a socket (fd %d) to which nobody sends", f.n))
	}
	b, _ := in.take(max(total(to), oneIf(s.ofMessages())))
	part := in.parts[0]
	if s.ofMessages() {
		b = part.data[:min(uint64(len(part.data)), total(to))]
	}
	if m != nil {
		m.from, m.cut = part.from, s.ofMessages() && len(b) < len(part.data)
	}
	n, err := k.scatter(r, to, b)
	if err != nil || n == 0 && len(b) > 0 {
		return negated(EFAULT), err
	}
	if flags&msgPeek != 0 {
		return n, nil
	}
	if err := k.taken(r, f, in, n, s.ofMessages()); err != nil {
		return 0, err
	}
	if s.ofMessages() && flags&msgTrunc != 0 {
		return uint64(len(part.data)), nil
	}
	if left := total(to) - n; s.kind == ofStream && flags&msgWaitall != 0 && left > 0 && !in.noWriter && !in.noReader {
		return k.awaitSocket(r, f, flags, optReceiveTime, []watch{{f.object + inbox, anyIn | wayHangup | wayEnd, f.n}}, done+n,
			fmt.Sprintf("read of a socket (fd %d) to which nobody sends", f.n))
	}
	return done + n, nil
}

// taken takes what was read out of a socket.
func (k *Kernel) taken(r *Result, f file, in *object, n uint64, message bool) error {
	left := in.stream
	if message {
		left.parts = slices.Clone(in.parts[1:])
		left.size -= uint64(len(in.parts[0].data))
	} else {
		_, left = in.take(n)
	}
	freed := len(left.parts) < len(in.parts) // sock_wfree of net/core/sock.c
	k.objects(r).set(f.object+inbox, func(v *object) {
		v.stream = left
		v.changed[1] += oneIf(freed)
	})
	return k.waiters(r).stir(f.object+inbox, anyOut)
}

// maxMessages bounds how many messages wait, as net.unix.max_dgram_qlen and the size of
// what surrounds each do.
const maxMessages = 256

// send sends bytes by a socket, to an address or "" for the other end.
func (k *Kernel) send(r *Result, f file, from []span, flags uint64, to string) (uint64, error) {
	s := k.socketAt(r, f.object)
	target, errno := k.targetOf(r, f, s, to)
	if errno != 0 {
		return k.unsent(r, flags, k.waiters(r).done(), errno)
	}
	o, size, done := k.objects(r), total(from), k.waiters(r).done()
	if target == 0 {
		return size, nil // nobody gets it
	}
	out := o.get(target + inbox)
	switch {
	case s.kind != ofDgram && (out.noReader && s.family == afUnix || out.noWriter || out.noReader && out.noWriter):
		return k.unsent(r, flags, done, EPIPE)
	case size == 0 && !s.ofMessages():
		return 0, nil
	case s.ofMessages() && size > socketRoom:
		return fail(EMSGSIZE)
	}
	room := uint64(socketRoom) - min(out.size, socketRoom)
	full := room == 0 && size > 0 || s.ofMessages() && (len(out.parts) >= maxMessages || size > room && len(out.parts) > 0)
	wait := func(done uint64) (uint64, error) {
		return k.awaitSocket(r, f, flags, optSendTime, []watch{{target + inbox, anyOut | always, f.n}}, done,
			fmt.Sprintf("send of a socket (fd %d) from which nobody reads", f.n))
	}
	if full {
		return wait(done)
	}
	most := size - done
	if !s.ofMessages() {
		most = min(most, room)
	}
	b := k.gather(r, from, done, most)
	if uint64(len(b)) < most && (s.ofMessages() || len(b) == 0) {
		return partly(done, EFAULT)
	}
	o.set(target+inbox, func(v *object) {
		p := part{data: b, message: s.ofMessages()}
		if s.kind == ofDgram {
			p.from = k.socketAt(r, f.object).local
		}
		v.parts = append(slices.Clip(v.parts), p)
		v.size += uint64(len(b))
		v.changed[0]++
	})
	if err := k.waiters(r).stir(target+inbox, anyIn); err != nil {
		return 0, err
	}
	if done += uint64(len(b)); done < size && uint64(len(b)) == most {
		return wait(done)
	}
	return done, nil
}

// unsent is a send that has come to nothing more: by what nobody reads, the thread gets SIGPIPE.
func (k *Kernel) unsent(r *Result, flags, done uint64, errno Errno) (uint64, error) {
	if errno == EPIPE && flags&msgNosignal == 0 {
		return k.broken(r, done)
	}
	return partly(done, errno)
}

// targetOf is the socket that something is sent to.
func (k *Kernel) targetOf(r *Result, f file, s *socket, to string) (uint64, Errno) {
	if out := k.objects(r).get(s.peer + inbox); s.kind == ofStream && s.family == afUnix && s.connected() && (out.noReader || out.noWriter) {
		return 0, EPIPE
	}
	if errno := k.takeError(r, f, s); errno != 0 {
		return 0, errno
	}
	switch {
	case s.kind != ofDgram && to != "" && s.family == afUnix && s.connected():
		return 0, EISCONN
	case s.kind != ofDgram && !s.connected() && s.family != afUnix:
		return 0, EPIPE
	case s.kind != ofDgram && !s.connected():
		return 0, ENOTCONN
	case s.kind != ofDgram:
		return s.peer, 0
	}
	id := s.peer
	told := to == "" && s.family != afUnix // that nobody is there, by the next call
	if told {
		to = s.remote
	}
	if to != "" {
		a, errno := parseAddress(s, []byte(to))
		if errno != 0 {
			return 0, errno
		}
		id, errno = k.socketAtAddress(r, s, a)
		if errno == ECONNREFUSED && s.family != afUnix {
			if told {
				k.changeSocket(r, f.object, func(s *socket) { s.failed = ECONNREFUSED })
			}
			return 0, 0
		}
		if errno != 0 {
			return 0, errno
		}
		if s.name == "" && s.family != afUnix {
			if errno := k.bindPort(r, f.object, string(loopback([]byte(a.text)))); errno != 0 {
				return 0, errno
			}
		}
	}
	switch {
	case to == "" && id == 0 && s.family == afUnix:
		return 0, ENOTCONN
	case id == 0:
		return 0, EDESTADDRREQ
	case k.objects(r).get(id).socket == nil:
		// The other end was closed, and what it had sent goes with it: unix_dgram_disconnected.
		k.changeSocket(r, f.object, func(s *socket) { s.peer, s.remote = 0, "" })
		k.objects(r).set(f.object+inbox, func(v *object) { v.stream = stream{} })
		return 0, ECONNREFUSED
	case k.socketAt(r, id).kind != ofDgram:
		return 0, EPROTOTYPE
	}
	return id, 0
}

func sysSendto(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, _, errno := k.socketOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	to, errno := k.targetText(r, c.Args[4], uint64(uint32(c.Args[5])))
	if errno != 0 {
		return fail(errno)
	}
	return k.send(r, f, []span{{c.Args[1], c.Args[2]}}, c.Args[3], to)
}

func sysRecvfrom(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, _, errno := k.socketOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	var m message
	v, err := k.receive(r, f, []span{{c.Args[1], c.Args[2]}}, c.Args[3], &m)
	if err != nil || int64(v) < 0 || r.Effect != Returns || c.Args[4] == 0 {
		return v, err
	}
	if errno := k.tellAddress(r, c.Args[4], c.Args[5], m.from); errno != 0 {
		return fail(errno)
	}
	return v, nil
}

// header is struct msghdr.
type header struct {
	name, nameSize    uint64
	spans             []span
	control, ctrlSize uint64
}

func (k *Kernel) header(r *Result, addr uint64) (h header, errno Errno) {
	const size = 56
	b, ok := k.read(r, addr, size)
	if !ok {
		return h, EFAULT
	}
	h.name, h.nameSize = le.Uint64(b), uint64(le.Uint32(b[8:]))
	h.control, h.ctrlSize = le.Uint64(b[32:]), le.Uint64(b[40:])
	if le.Uint64(b[24:]) > maxIov {
		return h, EMSGSIZE
	}
	h.spans, errno = k.spans(r, le.Uint64(b[16:]), le.Uint64(b[24:]))
	return h, errno
}

func sysSendmsg(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, _, errno := k.socketOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	h, errno := k.header(r, c.Args[1])
	switch {
	case errno != 0:
		return fail(errno)
	case h.control != 0 && h.ctrlSize > 0:
		r.Missing = "sendmsg with ancillary data"
		return fail(EINVAL)
	}
	to, errno := k.targetText(r, h.name, h.nameSize)
	if errno != 0 {
		return fail(errno)
	}
	return k.send(r, f, h.spans, c.Args[2], to)
}

// sysSendmmsg sends several messages, of which only the first may wait.
func sysSendmmsg(k *Kernel, c *Call, r *Result) (uint64, error) {
	const size = 64 // struct mmsghdr
	one := *c
	one.Args[2] = c.Args[3]
	for n := range min(c.Args[2]&0xffffffff, maxIov) {
		one.Args[1] = c.Args[1] + n*size
		v, err := sysSendmsg(k, &one, r)
		if err != nil || r.Effect != Returns || int64(v) < 0 {
			if n > 0 && err == nil && r.Effect == Returns {
				return n, nil
			}
			return v, err
		}
		if v, err := k.put(r, one.Args[1]+size-8, le.AppendUint32(nil, uint32(v))); err != nil || v != 0 {
			return v, err
		}
		one.Args[2] |= msgDontwait
	}
	return min(c.Args[2]&0xffffffff, maxIov), nil
}

func sysRecvmsg(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, _, errno := k.socketOf(r, c.Args[0])
	if errno != 0 {
		return fail(errno)
	}
	h, errno := k.header(r, c.Args[1])
	if errno != 0 {
		return fail(errno)
	}
	var m message
	n, err := k.receive(r, f, h.spans, c.Args[2], &m)
	if err != nil || int64(n) < 0 || r.Effect != Returns {
		return n, err
	}
	if h.name != 0 {
		if v, err := k.put(r, h.name, []byte(m.from)[:min(uint64(len(m.from)), h.nameSize)]); err != nil || v != 0 {
			return v, err
		}
	}
	type word struct {
		at uint64
		b  []byte
	}
	for _, w := range []word{{8, le.AppendUint32(nil, uint32(len(m.from)))}, {40, make([]byte, 8)}, {48, le.AppendUint32(nil, uint32(oneIf(m.cut)*msgTrunc))}} {
		if v, err := k.put(r, c.Args[1]+w.at, w.b); err != nil || v != 0 {
			return v, err
		}
	}
	return n, nil
}

// unread is FIONREAD: how much there is to read, of messages in the first one.
func (k *Kernel) unread(r *Result, f file, addr uint64) (uint64, error) {
	in := k.objects(r).get(f.object + inbox)
	n := in.size
	if len(in.parts) > 0 && k.socketAt(r, f.object).kind == ofDgram {
		n = uint64(len(in.parts[0].data))
	}
	return k.put(r, addr, le.AppendUint32(nil, uint32(n)))
}

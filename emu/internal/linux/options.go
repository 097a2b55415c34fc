package linux

import "slices"

// Options of sockets, include/uapi/asm-generic/socket.h. Most change nothing here; what was
// set is what is told.
const (
	levelSocket    = 1
	levelIP        = 0
	levelTCP       = 6
	levelIPv6      = 41
	optType        = 3
	optError       = 4
	optSendBuffer  = 7
	optRecvBuffer  = 8
	optCredentials = 17
	optReceiveTime = 20
	optSendTime    = 21
	optListens     = 30
	optProtocol    = 38
	optDomain      = 39
	optMost        = 80
)

func sysSetsockopt(k *Kernel, c *Call, r *Result) (uint64, error) {
	const longest = 64
	f, _, errno := k.socketOf(r, c.Args[0])
	level, name, size := c.Args[1], c.Args[2], uint64(uint32(c.Args[4]))
	switch {
	case errno != 0:
		return fail(errno)
	case !optionKnown(level, name):
		return fail(ENOPROTOOPT)
	case level == levelSocket && (name == optType || name == optError || name == optListens || name == optProtocol || name == optDomain || name == optCredentials):
		return fail(ENOPROTOOPT)
	case level == levelSocket && size < 4 || int32(size) < 0:
		return fail(EINVAL)
	}
	b, ok := k.read(r, c.Args[3], min(size, longest))
	switch {
	case !ok:
		return fail(EFAULT)
	case level == levelSocket && (name == optReceiveTime || name == optSendTime) && size < 16:
		return fail(EINVAL)
	}
	value := string(b)
	if level == levelSocket && (name == optSendBuffer || name == optRecvBuffer) {
		value = string(le.AppendUint32(nil, 2*min(le.Uint32(b), socketRoom))) // sock_setsockopt doubles it
	}
	k.changeSocket(r, f.object, func(s *socket) {
		s.options = slices.DeleteFunc(slices.Clone(s.options), func(o option) bool { return o.level == level && o.name == name })
		s.options = append(s.options, option{level, name, value})
	})
	return 0, nil
}

// optionKnown tells whether there is such an option.
func optionKnown(level, name uint64) bool {
	switch level {
	case levelSocket, levelIP, levelTCP, levelIPv6:
		return name < optMost
	}
	return false
}

func (s *socket) option(level, name uint64) (string, bool) {
	for _, o := range s.options {
		if o.level == level && o.name == name {
			return o.value, true
		}
	}
	return "", false
}

func sysGetsockopt(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, s, errno := k.socketOf(r, c.Args[0])
	level, name := c.Args[1], c.Args[2]
	if errno != 0 {
		return fail(errno)
	}
	b, ok := k.read(r, c.Args[4], 4)
	switch {
	case !ok:
		return fail(EFAULT)
	case int32(le.Uint32(b)) < 0:
		return fail(EINVAL)
	case !optionKnown(level, name):
		return fail(ENOPROTOOPT)
	}
	room := le.Uint32(b)
	value, set := s.option(level, name)
	if !set {
		value = string(le.AppendUint32(nil, 0))
	}
	if level == levelSocket {
		number := func(v uint64) { value = string(le.AppendUint32(nil, uint32(v))) }
		switch name {
		case optType:
			number(s.kind)
		case optDomain:
			number(s.family)
		case optProtocol:
			number(map[uint64]uint64{ofStream: levelTCP, ofDgram: 17}[s.kind] * oneIf(s.family != afUnix))
		case optListens:
			number(oneIf(s.listens))
		case optError:
			number(uint64(k.takeError(r, f, s)))
		case optCredentials:
			value = string(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, FirstTID), UserID), UserID))
		case optSendBuffer, optRecvBuffer:
			if !set {
				number(socketRoom)
			}
		case optReceiveTime, optSendTime:
			if !set {
				value = string(make([]byte, 16))
			}
		}
	}
	value = value[:min(uint32(len(value)), room)]
	if v, err := k.put(r, c.Args[3], []byte(value)); err != nil || v != 0 {
		return v, err
	}
	return k.put(r, c.Args[4], le.AppendUint32(nil, uint32(len(value))))
}

// socketTime is how long a call on a socket waits, by one of the two options for that.
func (k *Kernel) socketTime(r *Result, id, name uint64) uint64 {
	v, ok := k.socketAt(r, id).option(levelSocket, name)
	if !ok || len(v) < 16 {
		return endless
	}
	const longest = 1 << 32
	sec, usec := min(le.Uint64([]byte(v)), longest), le.Uint64([]byte(v[8:]))%1_000_000
	if sec == 0 && usec == 0 {
		return endless
	}
	return sec*second + usec*1000
}

// targetText reads the address that something is to be sent to, "" for none.
func (k *Kernel) targetText(r *Result, addr, size uint64) (string, Errno) {
	if addr == 0 || size == 0 {
		return "", 0
	}
	if size > 128 {
		return "", EINVAL
	}
	b, ok := k.read(r, addr, size)
	if !ok {
		return "", EFAULT
	}
	return string(b), 0
}

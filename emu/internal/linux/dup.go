package linux

// Commands of fcntl that make descriptors, include/uapi/linux/fcntl.h.
const (
	fDupfd        = 0
	fDupfdCloexec = 1030
)

// seek moves the offset of a descriptor and of those that share its file.
func (k *Kernel) seek(n int, to int64) {
	s := k.mut()
	for i := range s.FDs {
		if i == n || s.FDs[n].Shared != 0 && s.FDs[i].Shared == s.FDs[n].Shared {
			s.FDs[i].Offset = to
		}
	}
}

// share is a descriptor to be given another number as well: from then on the two
// have one offset.
func (k *Kernel) share(n int) FD {
	s := k.mut()
	if s.FDs[n].Shared == 0 {
		s.Shared++
		s.FDs[n].Shared = s.Shared
	}
	f := s.FDs[n]
	f.Flags &^= oCloexec // is the descriptor's, not the file's
	return f
}

func sysDup(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.dup(r, c.Args[0], 0, 0)
}

// dup gives a descriptor the lowest free number from least on too.
func (k *Kernel) dup(r *Result, fd, least, flags uint64) (uint64, error) {
	n := int(int32(fd))
	if _, ok := k.fd(r, n); !ok {
		return fail(EBADF)
	}
	if least >= uint64(k.Limits.Files) {
		return fail(EINVAL)
	}
	at := int(least)
	for ; at < len(k.s.FDs) && k.s.FDs[at].Kind != fdClosed; at++ {
	}
	if at >= k.Limits.Files {
		r.uses(ObjectFiles, 0, false)
		return fail(EMFILE)
	}
	return k.place(r, n, at, flags)
}

// place puts a copy of descriptor n at a number below the limit.
func (k *Kernel) place(r *Result, n, at int, flags uint64) (uint64, error) {
	r.uses(ObjectFiles, descriptor(n), true) // who reads of it moves another offset now
	r.setsFD(at)
	f := k.share(n)
	f.Flags |= flags
	s := k.mut()
	for len(s.FDs) <= at {
		s.FDs = append(s.FDs, FD{})
	}
	s.FDs[at] = f
	return uint64(at), nil
}

func sysDup2(k *Kernel, c *Call, r *Result) (uint64, error) {
	if n := int(int32(c.Args[0])); n == int(int32(c.Args[1])) {
		if _, ok := k.fd(r, n); !ok {
			return fail(EBADF)
		}
		return uint64(n), nil
	}
	return k.dupTo(r, c.Args[0], c.Args[1], 0)
}

func sysDup3(k *Kernel, c *Call, r *Result) (uint64, error) {
	if int32(c.Args[0]) == int32(c.Args[1]) || c.Args[2]&^oCloexec != 0 {
		return fail(EINVAL)
	}
	return k.dupTo(r, c.Args[0], c.Args[1], c.Args[2])
}

func (k *Kernel) dupTo(r *Result, from, to, flags uint64) (uint64, error) {
	n, at := int(int32(from)), int(int32(to))
	if _, ok := k.fd(r, n); !ok || at < 0 || at >= k.Limits.Files {
		return fail(EBADF)
	}
	return k.place(r, n, at, flags)
}

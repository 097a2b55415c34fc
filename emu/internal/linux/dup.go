package linux

// Commands of fcntl that make descriptors, include/uapi/linux/fcntl.h.
const (
	fDupfd        = 0
	fDupfdCloexec = 1030
)

func sysDup(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.dup(r, c.Args[0], 0, 0)
}

// dup gives a descriptor the lowest free number from least on too.
func (k *Kernel) dup(r *Result, fd, least, flags uint64) (uint64, error) {
	d := k.descriptors(r)
	f, ok := d.get(int(int32(fd)))
	if !ok {
		return fail(EBADF)
	}
	if least >= uint64(k.Limits.Files) {
		return fail(EINVAL)
	}
	at, ok := d.lowest(int(least))
	if !ok {
		return fail(EMFILE)
	}
	f.copyTo(at, flags)
	return uint64(at), nil
}

func sysDup2(k *Kernel, c *Call, r *Result) (uint64, error) {
	if n := int(int32(c.Args[0])); n == int(int32(c.Args[1])) {
		if _, ok := k.descriptors(r).get(n); !ok {
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
	d, at := k.descriptors(r), int(int32(to))
	f, ok := d.get(int(int32(from)))
	if !ok || !d.in(at) {
		return fail(EBADF)
	}
	f.copyTo(at, flags)
	return uint64(at), nil
}

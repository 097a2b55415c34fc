package linux

// Extended attributes: there are none, and none can be made, as on a tmpfs (xattr(7)).

// xattr looks for what a call is about, by path or by descriptor, and fails with errno.
func xattr(open bool, h how, errno Errno) func(*Kernel, *Call, *Result) (uint64, error) {
	return func(k *Kernel, c *Call, r *Result) (uint64, error) {
		var e Errno
		if open {
			_, e = k.openFile(r, int(int32(c.Args[0])))
		} else {
			_, e = k.existing(r, atFdcwd, c.Args[0], h)
		}
		switch {
		case e != 0:
			return fail(e)
		case errno != 0:
			return fail(errno)
		}
		return 0, nil
	}
}

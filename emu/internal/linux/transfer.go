package linux

import "emurace/loader"

// Reading and writing of what is open.

const (
	// maxTransfer is MAX_RW_COUNT of include/linux/fs.h: what one call moves at most.
	maxTransfer = 0x7ffff000
	// maxFileSize is s_maxbytes: where no file goes on. Holes take no room.
	maxFileSize = 1 << 40
	// atATime is how much of what does not lie in one piece is put into memory at once.
	atATime = 1 << 20
)

func sysRead(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.readNext(r, int(int32(c.Args[0])), []span{{c.Args[1], c.Args[2]}})
}

func sysReadv(k *Kernel, c *Call, r *Result) (uint64, error) {
	spans, errno := k.spans(r, c.Args[1], c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	return k.readNext(r, int(int32(c.Args[0])), spans)
}

func sysPread(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.readFrom(r, int(int32(c.Args[0])), []span{{c.Args[1], c.Args[2]}}, int64(c.Args[3]))
}

func sysPreadv(k *Kernel, c *Call, r *Result) (uint64, error) {
	spans, errno := k.spans(r, c.Args[1], c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	return k.readFrom(r, int(int32(c.Args[0])), spans, int64(c.Args[3]))
}

// span is a range of guest memory.
type span struct{ addr, size uint64 }

// maxIov is UIO_MAXIOV of include/uapi/linux/uio.h.
const maxIov = 1024

// spans reads an array of struct iovec.
func (k *Kernel) spans(r *Result, addr, count uint64) ([]span, Errno) {
	if count > maxIov {
		return nil, EINVAL
	}
	list := make([]span, 0, count)
	for i := range count {
		iov, ok := k.read(r, addr+16*i, 16)
		if !ok {
			return nil, EFAULT
		}
		list = append(list, span{le.Uint64(iov), le.Uint64(iov[8:])})
	}
	return list, 0
}

// hasOffset tells whether where a file is read and written follows from its offset.
func (f file) hasOffset() bool { return f.kind == fdFile || f.kind == fdInput }

// readNext reads from where the file is, and moves that on.
func (k *Kernel) readNext(r *Result, fd int, to []span) (uint64, error) {
	f, ok := k.descriptors(r).get(fd)
	if !ok {
		return fail(EBADF)
	}
	if f.kind.waitable() {
		return k.readObject(r, f, to)
	}
	at := int64(0)
	if f.kind == fdFile || f.kind == fdInput && len(k.Input) > 0 {
		at = f.offset()
	}
	v, err := k.readSpans(r, f, to, at)
	if err == nil && int64(v) > 0 && f.hasOffset() {
		f.seek(at + int64(v))
	}
	return v, err
}

func (k *Kernel) readFrom(r *Result, fd int, to []span, at int64) (uint64, error) {
	f, ok := k.descriptors(r).get(fd)
	switch {
	case !ok:
		return fail(EBADF)
	case at < 0:
		return fail(EINVAL)
	case f.kind == fdInput && len(k.Input) > 0 || f.kind.waitable():
		return fail(ESPIPE)
	}
	return k.readSpans(r, f, to, at)
}

func (k *Kernel) readSpans(r *Result, f file, to []span, at int64) (uint64, error) {
	return eachSpan(to, at, func(addr, size uint64, at int64) (uint64, error) { return k.readAt(r, f, addr, size, at) })
}

// eachSpan moves bytes between a file, from at on, and spans of memory, up to the first that
// cannot be moved whole. When some were moved, what kept the others from it is not told.
func eachSpan(list []span, at int64, move func(addr, size uint64, at int64) (uint64, error)) (uint64, error) {
	total := uint64(0)
	for _, s := range list {
		size := min(s.size, maxTransfer-total)
		v, err := move(s.addr, size, at+int64(total))
		if err != nil || int64(v) < 0 {
			if total > 0 && err == nil {
				break
			}
			return v, err
		}
		if total += v; v < size {
			break
		}
	}
	return total, nil
}

func (k *Kernel) readAt(r *Result, f file, addr, size uint64, at int64) (uint64, error) {
	if f.kind != fdInput && f.kind != fdDir && !f.readable() {
		return fail(EBADF)
	}
	switch f.kind {
	case fdInput:
		rest := k.Input[min(at, int64(len(k.Input))):]
		if len(rest) == 0 {
			return 0, nil
		}
		return k.give(r, addr, rest[:min(uint64(len(rest)), size)])
	case fdDir:
		if f.flags&oPath != 0 {
			return fail(EBADF)
		}
		return fail(EISDIR)
	case fdNull:
		return 0, nil
	case fdZero, fdFull:
		return k.giveFrom(r, addr, size, func([]byte, uint64) {})
	case fdRandom:
		return k.giveRandom(r, addr, size)
	case fdFile:
		return k.readFile(r, f, addr, size, at)
	case fdClosed, fdOutput, fdError, fdPath, fdPipeIn, fdPipeOut, fdEvent, fdTimer, fdEpoll, fdSocket, fdComm:
	}
	return fail(EBADF)
}

func (k *Kernel) readFile(r *Result, f file, addr, size uint64, at int64) (uint64, error) {
	i := k.tree(r).content(f.node)
	base, errno := k.base(i)
	if errno != 0 {
		return fail(errno)
	}
	if at >= i.size || size == 0 {
		return 0, nil
	}
	size = min(size, uint64(i.size-at))
	m := k.mappings(r)
	shared := m.sharing(f.node, sharesWrites)
	if i.pages.n == 0 && len(shared) == 0 && i.base != "" && at+int64(size) <= min(i.shows, int64(len(base))) {
		return k.give(r, addr, base[at:at+int64(size)])
	}
	return k.giveFrom(r, addr, size, func(b []byte, off uint64) {
		from := at + int64(off)
		i.read(b, from, base)
		m.overlay(shared, b, from)
	})
}

// give puts bytes into memory, and returns how many they are.
func (k *Kernel) give(r *Result, addr uint64, b []byte) (uint64, error) {
	if v, err := k.put(r, addr, b); err != nil || v != 0 {
		return v, err
	}
	return uint64(len(b)), nil
}

// giveFrom is give of what fill puts into a buffer of zeros, a part after the other.
func (k *Kernel) giveFrom(r *Result, addr, size uint64, fill func(b []byte, off uint64)) (uint64, error) {
	if !k.allows(r, addr, size, loader.ProtWrite) {
		return fail(EFAULT)
	}
	buf := make([]byte, min(size, atATime))
	for off := uint64(0); off < size; off += atATime {
		b := buf[:min(size-off, atATime)]
		clear(b)
		fill(b, off)
		if v, err := k.put(r, addr+off, b); err != nil || v != 0 {
			return v, err
		}
	}
	return size, nil
}

// giveRandom hands out at most as many bytes as getrandom does.
func (k *Kernel) giveRandom(r *Result, addr, size uint64) (uint64, error) {
	if size = min(size, 256); !k.allows(r, addr, size, loader.ProtWrite) {
		return fail(EFAULT)
	}
	return k.give(r, addr, k.randomBytes(r, size))
}

func sysWrite(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.writeNext(r, int(int32(c.Args[0])), []span{{c.Args[1], c.Args[2]}})
}

func sysWritev(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[2] > maxIov {
		return fail(EINVAL)
	}
	if f, ok := k.descriptors(r).get(int(int32(c.Args[0]))); ok && f.kind.waitable() {
		from, errno := k.spans(r, c.Args[1], c.Args[2])
		if errno != 0 {
			return fail(errno)
		}
		return k.writeObject(r, f, from)
	}
	// Each part is written before the next one is looked at: what comes out must not depend
	// on what lies behind a part that cannot be written.
	total := uint64(0)
	for i := range c.Args[2] {
		iov, ok := k.read(r, c.Args[1]+16*i, 16)
		if !ok {
			return fail(EFAULT)
		}
		v, err := k.writeNext(r, int(int32(c.Args[0])), []span{{le.Uint64(iov), le.Uint64(iov[8:])}})
		if err != nil || int64(v) < 0 {
			if total > 0 && err == nil {
				break // as far as it went
			}
			return v, err
		}
		if total += v; v < le.Uint64(iov[8:]) {
			break
		}
	}
	return total, nil
}

func sysPwrite(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.writeFrom(r, int(int32(c.Args[0])), []span{{c.Args[1], c.Args[2]}}, int64(c.Args[3]))
}

func sysPwritev(k *Kernel, c *Call, r *Result) (uint64, error) {
	spans, errno := k.spans(r, c.Args[1], c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	return k.writeFrom(r, int(int32(c.Args[0])), spans, int64(c.Args[3]))
}

// writeNext writes where the file is, and moves that on.
func (k *Kernel) writeNext(r *Result, fd int, from []span) (uint64, error) {
	f, ok := k.descriptors(r).get(fd)
	if !ok {
		return fail(EBADF)
	}
	if f.kind.waitable() {
		return k.writeObject(r, f, from)
	}
	if f.kind != fdFile || !f.writable() {
		return k.writeSpans(r, f, from, 0)
	}
	at := f.offset()
	if f.flags&oAppend != 0 {
		at = k.tree(r).content(f.node).size
	}
	v, err := k.writeSpans(r, f, from, at)
	if err == nil && int64(v) > 0 {
		f.seek(at + int64(v))
	}
	return v, err
}

func (k *Kernel) writeFrom(r *Result, fd int, from []span, at int64) (uint64, error) {
	f, ok := k.descriptors(r).get(fd)
	switch {
	case !ok:
		return fail(EBADF)
	case at < 0:
		return fail(EINVAL)
	case f.kind == fdOutput || f.kind == fdError || f.kind == fdInput || f.kind.waitable():
		return fail(ESPIPE)
	case f.kind == fdFile && f.writable() && f.flags&oAppend != 0:
		at = k.tree(r).content(f.node).size // as pwrite(2) has it under BUGS
	}
	return k.writeSpans(r, f, from, at)
}

func (k *Kernel) writeSpans(r *Result, f file, from []span, at int64) (uint64, error) {
	return eachSpan(from, at, func(addr, size uint64, at int64) (uint64, error) { return k.writeAt(r, f, addr, size, at) })
}

func (k *Kernel) writeAt(r *Result, f file, addr, size uint64, at int64) (uint64, error) {
	switch {
	case f.kind == fdComm:
		return k.writeComm(r, f, addr, size)
	case f.kind == fdOutput || f.kind == fdError:
		return k.writeOut(r, f, addr, size)
	case f.kind != fdFile && !f.kind.device() || !f.writable():
		return fail(EBADF)
	case f.kind == fdFull && size > 0:
		return fail(ENOSPC) // write_full of drivers/char/mem.c
	case f.kind.device():
		return size, nil // unread, as write_null of drivers/char/mem.c has it
	case size == 0:
		return 0, nil
	case at >= maxFileSize:
		return fail(EFBIG)
	}
	size = min(size, uint64(maxFileSize-at))
	if size > MaxFilePages*loader.PageSize {
		r.exceeds(FileLimit)
		return 0, nil
	}
	b, ok := k.read(r, addr, size)
	if !ok {
		return fail(EFAULT)
	}
	if errno := k.store(r, f.node, b, at); errno != 0 {
		return fail(errno)
	}
	return size, k.mappings(r).spread(f.node, b, at)
}

// store puts bytes into a file.
func (k *Kernel) store(r *Result, id string, b []byte, at int64) Errno {
	t := k.tree(r)
	base, errno := k.base(t.content(id))
	if errno == 0 {
		t.setContent(id, func(i *inode) { i.write(b, at, base) })
	}
	return errno
}

// writeOut keeps what is written to standard output and error, up to the
// limit; what is beyond is accepted and forgotten, as a terminal would.
func (k *Kernel) writeOut(r *Result, f file, addr, size uint64) (uint64, error) {
	out, fd := k.output(r), 1
	if f.kind == fdError {
		fd = 2
	}
	if k.Print != nil {
		passed := out.pass(fd, addr, size)
		if passed == 0 && size > 0 {
			return fail(EFAULT)
		}
		return passed, nil
	}
	b, ok := k.readUpTo(r, addr, size, out.room())
	if !ok {
		return fail(EFAULT)
	}
	if size > 0 {
		out.add(fd, b, size)
	}
	return size, nil
}

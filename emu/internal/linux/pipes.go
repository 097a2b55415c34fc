package linux

import "fmt"

// Pipes, fs/pipe.c.

func sysPipe(k *Kernel, c *Call, r *Result) (uint64, error) { return k.pipe(r, c.Args[0], 0) }

func sysPipe2(k *Kernel, c *Call, r *Result) (uint64, error) { return k.pipe(r, c.Args[0], c.Args[1]) }

func (k *Kernel) pipe(r *Result, addr, flags uint64) (uint64, error) {
	const packets = 0o40000 // O_DIRECT, amd64's
	if flags&^(oNonblock|oCloexec) != 0 {
		if flags&^(oNonblock|oCloexec|packets|k.directFlag()) == 0 {
			r.Missing = "a pipe of packets"
		}
		return fail(EINVAL)
	}
	ends, errno := k.twoNumbers(r)
	if errno != 0 {
		return fail(errno)
	}
	if v, err := k.put(r, addr, le.AppendUint32(le.AppendUint32(nil, uint32(ends[0])), uint32(ends[1]))); err != nil || v != 0 {
		return v, err
	}
	id := k.objects(r).add(object{kind: fdPipeIn})
	k.descriptors(r).set(ends[0], FD{Kind: fdPipeIn, Flags: oRdonly | flags, Object: id, Path: fmt.Sprintf("pipe:[%d]", inodeOf(id))})
	k.descriptors(r).set(ends[1], FD{Kind: fdPipeOut, Flags: oWronly | flags, Object: id, Path: fmt.Sprintf("pipe:[%d]", inodeOf(id))})
	return 0, nil
}

// directFlag is O_DIRECT.
func (k *Kernel) directFlag() uint64 { return 0o200000 | 0o40000&^k.directoryFlag() }

// inodeOf is the number that a pipe or socket has as a file.
func inodeOf(id uint64) uint64 { return 10_000 + id }

// twoNumbers are the descriptors that come next.
func (k *Kernel) twoNumbers(r *Result) (two [2]int, errno Errno) {
	d := k.descriptors(r)
	least := 0
	for i := range two {
		n, ok := d.lowest(least)
		if !ok {
			return two, EMFILE
		}
		two[i], least = n, n+1
	}
	return two, 0
}

// readObject reads from what has no offset.
func (k *Kernel) readObject(r *Result, f file, to []span) (uint64, error) {
	switch f.kind {
	case fdPipeIn:
		return k.readPipe(r, f, to)
	case fdEvent:
		return k.readEvent(r, f, to)
	case fdTimer:
		return k.readTimer(r, f, to)
	case fdSocket:
		if total(to) == 0 {
			return 0, nil // sock_read_iter of net/socket.c
		}
		return k.receive(r, f, to, 0, nil)
	case fdEpoll:
		return fail(EINVAL)
	case fdClosed, fdInput, fdOutput, fdError, fdFile, fdDir, fdNull, fdZero, fdFull, fdRandom, fdPath, fdPipeOut, fdComm:
	}
	return fail(EBADF)
}

// writeObject is readObject for writing.
func (k *Kernel) writeObject(r *Result, f file, from []span) (uint64, error) {
	switch f.kind {
	case fdPipeOut:
		return k.writePipe(r, f, from)
	case fdEvent:
		return k.writeEvent(r, f, from)
	case fdSocket:
		return k.send(r, f, from, 0, "")
	case fdEpoll, fdTimer:
		return fail(EINVAL)
	case fdClosed, fdInput, fdOutput, fdError, fdFile, fdDir, fdNull, fdZero, fdFull, fdRandom, fdPath, fdPipeIn, fdComm:
	}
	return fail(EBADF)
}

// total is how many bytes spans are, as far as one call moves them.
func total(list []span) (size uint64) {
	for _, s := range list {
		size += min(s.size, maxTransfer-size)
	}
	return size
}

// scatter puts bytes into spans, as far as memory can be written: how many that were.
func (k *Kernel) scatter(r *Result, to []span, b []byte) (n uint64, err error) {
	for _, s := range to {
		part := b[n:min(uint64(len(b)), n+s.size)]
		ok, err := k.write(r, s.addr, part)
		if err != nil || !ok {
			return n, err
		}
		n += uint64(len(part))
	}
	return n, nil
}

// gather takes bytes out of spans, behind the first skip of them and at most so many, as far
// as memory can be read.
func (k *Kernel) gather(r *Result, from []span, skip, most uint64) (b []byte) {
	for _, s := range from {
		if skip >= s.size {
			skip -= s.size
			continue
		}
		n := min(s.size-skip, most-uint64(len(b)))
		if n == 0 {
			continue
		}
		part, ok := k.read(r, s.addr+skip, n)
		if !ok {
			return b
		}
		b, skip = append(b, part...), 0
	}
	return b
}

func (f file) waits() bool { return f.flags&oNonblock == 0 }

func (k *Kernel) readPipe(r *Result, f file, to []span) (uint64, error) {
	o, want := k.objects(r), total(to)
	v := o.get(f.object)
	switch {
	case want == 0:
		return 0, nil
	case v.size == 0 && v.noWriter:
		return 0, nil
	case v.size == 0 && !f.waits():
		return fail(EAGAIN)
	case v.size == 0:
		k.waiters(r).await([]watch{{f.object, anyIn | wayHangup, f.n}}, forever, 0, 0,
			fmt.Sprintf("read of a pipe (fd %d) that nobody writes", f.n))
		return 0, nil
	}
	b, _ := v.take(want)
	n, err := k.scatter(r, to, b)
	if err != nil || n == 0 {
		return negated(EFAULT), err
	}
	full := len(v.parts) == pipePages
	_, rest := v.take(n)
	freed := full && len(rest.parts) < pipePages
	o.set(f.object, func(v *object) {
		v.stream = rest
		v.changed[1] += oneIf(freed)
	})
	if freed {
		err = k.waiters(r).stir(f.object, anyOut)
	}
	return n, err
}

func (k *Kernel) writePipe(r *Result, f file, from []span) (uint64, error) {
	o, size, done := k.objects(r), total(from), k.waiters(r).done()
	if size == 0 {
		return 0, nil
	}
	v := o.get(f.object)
	if v.noReader {
		return k.broken(r, done)
	}
	left := size - done
	b := k.gather(r, from, done, min(left, (pipePages+1)*blockSize))
	if len(b) == 0 {
		return partly(done, EFAULT)
	}
	if uint64(len(b)) < left && len(b) < (pipePages+1)*blockSize {
		left, size = uint64(len(b)), done+uint64(len(b)) // up to where memory ends
	}
	after, did := v.pipeWith(b, int(left%blockSize))
	if did > 0 {
		o.set(f.object, func(v *object) {
			v.stream = after
			v.changed[0]++
		})
		if err := k.waiters(r).stir(f.object, anyIn); err != nil {
			return 0, err
		}
	}
	done += uint64(did)
	switch {
	case done == size:
		return done, nil
	case !f.waits():
		return partly(done, EAGAIN)
	}
	k.waiters(r).await([]watch{{f.object, anyOut | wayError, f.n}}, forever, 0, done,
		fmt.Sprintf("write to a full pipe (fd %d) that nobody reads", f.n))
	return 0, nil
}

// partly is what was done, or the error when that is nothing.
func partly(done uint64, errno Errno) (uint64, error) {
	if done > 0 {
		return done, nil
	}
	return fail(errno)
}

// broken is a write that nobody can read any more: the thread gets SIGPIPE.
func (k *Kernel) broken(r *Result, done uint64) (uint64, error) {
	const sigpipe = 13
	if v, err := k.kill(k.tasks(r).self(), sentBy(sigpipe, codeUser), r, false); err != nil || v != 0 {
		return v, err
	}
	return partly(done, EPIPE)
}

package linux

import (
	"fmt"
	"strings"
)

// Waiting for several descriptors at once: poll and select, fs/select.c.

// glance is what a call sees that looks at descriptors: what can be done with them, and what
// may change that.
type glance struct {
	on     []watch
	sooner uint64 // when a timer is due, 0 for none
}

// look tells in which of the wanted ways a descriptor can be used without waiting, and adds
// what may change that.
func (k *Kernel) look(r *Result, g *glance, f file, want ways) ways {
	return k.lookAt(r, g, f.kind, f.object, f.n, want|always) & (want | always | wayNone)
}

func (g *glance) add(id uint64, how ways, fd int) {
	if how != 0 {
		g.on = append(g.on, watch{id, how, fd})
	}
}

func (k *Kernel) lookAt(r *Result, g *glance, kind fdKind, id uint64, fd int, want ways) (have ways) {
	switch kind {
	case fdPipeIn:
		g.add(id, want&(anyIn|wayHangup), fd)
		v := k.objects(r).get(id)
		return when(v.size > 0, anyIn) | when(v.noWriter, wayHangup)
	case fdPipeOut:
		g.add(id, want&(anyOut|wayError), fd)
		v := k.objects(r).get(id)
		return when(len(v.parts) < pipePages, anyOut) | when(v.noReader, wayError)
	case fdEvent:
		g.add(id, want&(wayIn|wayOut), fd)
		v := k.objects(r).get(id)
		return when(v.count > 0, wayIn) | when(v.count < maxCount, wayOut)
	case fdTimer:
		g.add(id, want&wayIn, fd)
		t := k.objects(r).get(id).timer
		if t.due == 0 || want&wayIn == 0 {
			return 0
		}
		n, _ := t.expired(k.clock(r).now())
		if n == 0 && (g.sooner == 0 || t.due < g.sooner) {
			g.sooner = t.due
		}
		return when(n > 0, wayIn)
	case fdEpoll:
		g.add(id, want&anyIn, fd)
		return when(len(k.happened(r, g, id, 1)) > 0, anyIn)
	case fdSocket:
		return k.lookAtSocket(r, g, id, fd, want)
	case fdInput:
		return anyIn
	case fdOutput, fdError:
		return anyOut
	case fdPath:
		return wayNone
	case fdClosed, fdComm, fdFile, fdDir, fdNull, fdZero, fdFull, fdRandom:
	}
	return anyIn | anyOut
}

func when(yes bool, w ways) ways {
	if yes {
		return w
	}
	return 0
}

// blocks has a call wait that has found nothing; false when it is not to wait any longer.
func (k *Kernel) blocks(r *Result, g glance, p patience, words string) bool {
	if !p.refuses {
		k.waiters(r).await(g.on, p, g.sooner, 0, words)
	}
	return !p.refuses
}

// descriptorsText names the descriptors that a call waits for.
func descriptorsText(call string, on []watch) string {
	var list []string
	for _, o := range on {
		if fd := fmt.Sprint(o.FD); o.FD >= 0 && len(list) < 8 && (len(list) == 0 || list[len(list)-1] != fd) {
			list = append(list, fd)
		}
	}
	if len(list) == 0 {
		return call + " of no descriptor: a signal, and nothing else"
	}
	return call + " of fd " + strings.Join(list, ", ")
}

// millis is a timeout of poll in milliseconds, negative for none.
func (k *Kernel) millis(r *Result, v uint64) patience {
	if ms := int32(v); ms >= 0 {
		return k.patienceOf(r, uint64(ms)*1_000_000)
	}
	return k.patienceOf(r, endless)
}

// endless stands for no timeout in patienceOf.
const endless = ^uint64(0)

// timeout is one in a struct timespec, or none.
func (k *Kernel) timeout(r *Result, addr uint64) (patience, Errno) {
	if addr == 0 {
		return k.patienceOf(r, endless), 0
	}
	ns, errno := k.timespec(r, addr)
	return k.patienceOf(r, ns), errno
}

func sysPoll(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.poll(r, c.Args[0], c.Args[1], k.millis(r, c.Args[2]))
}

func sysPpoll(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.timeout(r, c.Args[2])
	if errno != 0 {
		return fail(errno)
	}
	return k.withMask(r, c.Args[3], c.Args[4], p, func(p patience) (uint64, error) { return k.poll(r, c.Args[0], c.Args[1], p) })
}

// poll looks at an array of struct pollfd.
func (k *Kernel) poll(r *Result, addr, count uint64, p patience) (uint64, error) {
	const size = 8
	if count = uint64(uint32(count)); count > uint64(k.Limits.Files) {
		return fail(EINVAL)
	}
	b, ok := k.read(r, addr, size*count)
	if !ok && count > 0 {
		return fail(EFAULT)
	}
	list := append([]byte(nil), b...)
	var g glance
	found := uint64(0)
	for at := 0; at < len(list); at += size {
		fd, have := int(int32(le.Uint32(list[at:]))), ways(0)
		if fd >= 0 {
			have = wayNone
			if f, ok := k.descriptors(r).get(fd); ok {
				have = k.look(r, &g, f, ways(le.Uint16(list[at+4:])))
			}
		}
		found += oneIf(have != 0)
		le.PutUint16(list[at+6:], uint16(have))
	}
	if found == 0 && k.blocks(r, g, p, descriptorsText("poll", g.on)) {
		return 0, nil
	}
	// Only the results are written, as others may look at the rest.
	for at := 0; at < len(list); at += size {
		if v, err := k.put(r, addr+uint64(at)+6, list[at+6:at+8]); err != nil || v != 0 {
			return v, err
		}
	}
	return found, nil
}

// What select asks of a descriptor by each of its three sets.
var selectWays = [3]ways{anyIn | 0x80 | wayHangup | wayError, anyOut | 0x200 | wayError, wayPri}

func sysSelect(k *Kernel, c *Call, r *Result) (uint64, error) {
	p := k.patienceOf(r, endless)
	if c.Args[4] != 0 {
		b, ok := k.read(r, c.Args[4], 16)
		if !ok {
			return fail(EFAULT)
		}
		sec, usec := int64(le.Uint64(b)), int64(le.Uint64(b[8:]))
		if sec < 0 || usec < 0 {
			return fail(EINVAL)
		}
		const longest = 1 << 32
		p = k.patienceOf(r, uint64(min(sec+usec/1_000_000, longest))*second+uint64(usec%1_000_000)*1000)
	}
	return k.selects(r, c, p)
}

func sysPselect6(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.timeout(r, c.Args[4])
	if errno != 0 {
		return fail(errno)
	}
	set, size := uint64(0), uint64(0) // the sixth argument is the address of two
	if c.Args[5] != 0 {
		b, ok := k.read(r, c.Args[5], 16)
		if !ok {
			return fail(EFAULT)
		}
		set, size = le.Uint64(b), le.Uint64(b[8:])
	}
	return k.withMask(r, set, size, p, func(p patience) (uint64, error) { return k.selects(r, c, p) })
}

func (k *Kernel) selects(r *Result, c *Call, p patience) (uint64, error) {
	n := int(int32(c.Args[0]))
	if n < 0 {
		return fail(EINVAL)
	}
	n = min(n, k.Limits.Files)
	size := uint64(n+63) / 64 * 8
	var asked, told [3][]byte
	for i := range asked {
		if addr := c.Args[1+i]; addr != 0 && size > 0 {
			b, ok := k.read(r, addr, size)
			if !ok {
				return fail(EFAULT)
			}
			asked[i], told[i] = append([]byte(nil), b...), make([]byte, size)
		}
	}
	var g glance
	found := uint64(0)
	for fd := range n {
		in := func(set []byte) bool { return set != nil && set[fd/8]>>(fd%8)&1 != 0 }
		want := ways(0)
		for i := range asked {
			want |= when(in(asked[i]), selectWays[i])
		}
		if want == 0 {
			continue
		}
		f, ok := k.descriptors(r).get(fd)
		if !ok || f.kind == fdPath {
			return fail(EBADF)
		}
		have := k.look(r, &g, f, want)
		for i := range asked {
			if in(asked[i]) && have&selectWays[i] != 0 {
				told[i][fd/8] |= 1 << (fd % 8)
				found++
			}
		}
	}
	if found == 0 && k.blocks(r, g, p, descriptorsText("select", g.on)) {
		return 0, nil
	}
	for i := range told {
		if told[i] != nil {
			if v, err := k.put(r, c.Args[1+i], told[i]); err != nil || v != 0 {
				return v, err
			}
		}
	}
	return found, nil
}

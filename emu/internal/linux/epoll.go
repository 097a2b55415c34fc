package linux

import (
	"fmt"
	"slices"
)

// epoll, fs/eventpoll.c. There is no list of what is ready: a call looks at all that it is to
// look at, so that it depends on nothing else. What was told of is put behind the rest, so that
// everything has its turn.

// interest is a descriptor that an epoll looks at.
type interest struct {
	fd     int
	object uint64
	kind   fdKind
	ways   ways // with epollFlags; without any other bit it was told of once and waits for another epoll_ctl
	data   uint64
	seen   uint64 // see changes: of epollEdge, what there was when it was last told of, 0 for nothing
}

// Flags of epoll, include/uapi/linux/eventpoll.h.
const (
	epollExclusive ways = 1 << 28
	epollWakeup    ways = 1 << 29
	epollOnce      ways = 1 << 30
	epollEdge      ways = 1 << 31
	epollFlags          = epollExclusive | epollWakeup | epollOnce | epollEdge
	epollDepth          = 4 // of epolls that look at epolls
)

func sysEpollCreate(k *Kernel, c *Call, r *Result) (uint64, error) {
	if int32(c.Args[0]) <= 0 {
		return fail(EINVAL)
	}
	return k.newObject(r, object{kind: fdEpoll}, 0, "[eventpoll]")
}

func sysEpollCreate1(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[0]&^oCloexec != 0 {
		return fail(EINVAL)
	}
	return k.newObject(r, object{kind: fdEpoll}, c.Args[0], "[eventpoll]")
}

// eventSize is that of struct epoll_event, which amd64 packs.
func (k *Kernel) eventSize() uint64 {
	if k.packsEvents() {
		return 12
	}
	return 16
}

func sysEpollCtl(k *Kernel, c *Call, r *Result) (uint64, error) {
	const add, remove, modify = 1, 2, 3
	op := c.Args[1]
	var event interest
	if op != remove {
		b, ok := k.read(r, c.Args[3], k.eventSize())
		if !ok {
			return fail(EFAULT)
		}
		event.ways, event.data = ways(le.Uint32(b))|always, le.Uint64(b[k.eventSize()-8:])
	}
	e, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	f, there := k.descriptors(r).get(int(int32(c.Args[2])))
	switch {
	case !ok || !there:
		return fail(EBADF)
	case !f.kind.waitable() && f.kind != fdInput && f.kind != fdOutput && f.kind != fdError:
		return fail(EPERM)
	case e.kind != fdEpoll || f.object == e.object && f.kind == fdEpoll:
		return fail(EINVAL)
	case f.kind == fdEpoll && op == add && event.ways&epollExclusive == 0 && k.reaches(r, f.object, e.object, epollDepth):
		return fail(ELOOP)
	case event.ways&epollExclusive != 0 && (op == modify || f.kind == fdEpoll):
		return fail(EINVAL)
	}
	o := k.objects(r)
	list := o.get(e.object).interests
	at := slices.IndexFunc(list, func(i interest) bool { return i.fd == f.n && i.object == f.object && i.kind == f.kind })
	event.fd, event.object, event.kind = f.n, f.object, f.kind
	switch {
	case op == add && at >= 0:
		return fail(EEXIST)
	case op == add:
		list = append(slices.Clip(list), event)
	case op != remove && op != modify:
		return fail(EINVAL)
	case at < 0:
		return fail(ENOENT)
	case op == remove:
		list = slices.Delete(slices.Clone(list), at, at+1)
	default:
		list = slices.Clone(list)
		list[at] = event
	}
	o.set(e.object, func(v *object) {
		v.interests = list
		v.changed[0]++
	})
	return 0, k.waiters(r).stir(e.object, anyIn)
}

// reaches tells whether an epoll looks at another one, itself or by others, or is too deep.
func (k *Kernel) reaches(r *Result, from, to uint64, depth int) bool {
	if depth == 0 || from == to {
		return true
	}
	return slices.ContainsFunc(k.objects(r).get(from).interests, func(i interest) bool {
		return i.kind == fdEpoll && k.reaches(r, i.object, to, depth-1)
	})
}

// changes counts what has come of an object's that lets somebody go on, from 1 on.
func (k *Kernel) changes(r *Result, i interest) uint64 {
	if i.object == 0 {
		return 1
	}
	n := uint64(1)
	for _, at := range k.seats(r, i) {
		v := k.objects(r).get(at.Object)
		n += when64(at.Ways&(anyIn|wayEnd) != 0, v.changed[0]) + when64(at.Ways&anyOut != 0, v.changed[1]) + v.changed[2]
	}
	return n
}

func when64(yes bool, v uint64) uint64 {
	if yes {
		return v
	}
	return 0
}

// seats are the objects whose changes matter to an interest.
func (k *Kernel) seats(r *Result, i interest) []watch {
	var g glance
	k.lookAt(r, &g, i.kind, i.object, i.fd, i.ways&^epollFlags|always)
	return g.on
}

// event is something that an epoll tells of.
type event struct {
	index int
	ways  ways
	seen  uint64
}

// happened is what an epoll would tell of, in order.
func (k *Kernel) happened(r *Result, g *glance, id uint64, depth int) (list []event) {
	if depth > epollDepth {
		return nil
	}
	for n, i := range k.objects(r).get(id).interests {
		want := i.ways &^ epollFlags
		if want == 0 {
			continue
		}
		e := event{index: n}
		if i.kind == fdEpoll {
			g.add(i.object, want&anyIn, i.fd)
			e.ways = when(len(k.happened(r, g, i.object, depth+1)) > 0, anyIn) & want
		} else {
			e.ways = k.lookAt(r, g, i.kind, i.object, i.fd, want|always) & (want | always)
		}
		if i.ways&epollEdge != 0 && e.ways != 0 {
			if e.seen = k.changes(r, i); e.seen == i.seen {
				continue
			}
		}
		if e.ways != 0 {
			list = append(list, e)
		}
	}
	return list
}

func sysEpollWait(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.epollWait(r, c, k.millis(r, c.Args[3]))
}

func sysEpollPwait(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.withMask(r, c.Args[4], c.Args[5], k.millis(r, c.Args[3]), func(p patience) (uint64, error) { return k.epollWait(r, c, p) })
}

func sysEpollPwait2(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.timeout(r, c.Args[3])
	if errno != 0 {
		return fail(errno)
	}
	return k.withMask(r, c.Args[4], c.Args[5], p, func(p patience) (uint64, error) { return k.epollWait(r, c, p) })
}

func (k *Kernel) epollWait(r *Result, c *Call, p patience) (uint64, error) {
	most := int(int32(c.Args[2]))
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	switch {
	case most <= 0 || uint64(most) > (1<<31)/k.eventSize():
		return fail(EINVAL)
	case !ok:
		return fail(EBADF)
	case f.kind != fdEpoll:
		return fail(EINVAL)
	}
	var g glance
	g.add(f.object, anyIn, f.n)
	list := k.happened(r, &g, f.object, 1)
	if len(list) == 0 {
		k.blocks(r, g, p, fmt.Sprintf("epoll_wait (fd %d)", f.n))
		return 0, nil
	}
	interests := k.objects(r).get(f.object).interests
	changed := len(list) > most
	list = list[:min(len(list), most)]
	told := map[int]event{}
	for n, e := range list {
		i := interests[e.index]
		b := make([]byte, k.eventSize())
		le.PutUint32(b, uint32(e.ways))
		le.PutUint64(b[len(b)-8:], i.data)
		v, err := k.put(r, c.Args[1]+uint64(n)*k.eventSize(), b)
		if err != nil {
			return 0, err
		}
		if v != 0 {
			if list = list[:n]; n == 0 {
				return v, nil
			}
			break
		}
		told[e.index] = e
		changed = changed || i.ways&(epollOnce|epollEdge) != 0
	}
	if changed { // else it is as before, and calls of others may come in between
		var first, last []interest
		for n, i := range interests {
			e, was := told[n]
			if !was {
				first = append(first, i)
				continue
			}
			i.seen = e.seen
			if i.ways&epollOnce != 0 {
				i.ways &= epollFlags
			}
			last = append(last, i)
		}
		k.objects(r).set(f.object, func(v *object) { v.interests = append(first, last...) })
	}
	return uint64(len(list)), nil
}

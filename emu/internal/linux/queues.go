package linux

import (
	"io"
	"slices"

	"emurace/loader"
)

// object is what threads wait for: a pipe, a counter, a socket and so on. It never changes:
// who changes one puts another in its place.
type object struct {
	kind fdKind // fdPipeIn of both ends of a pipe
	stream
	count     uint64 // of eventfd
	semaphore bool
	timer     timer
	interests []interest // of epoll
	socket    *socket
	// changed is how often something came that lets readers go on, or writers, or all, as at
	// an end: what epoll tells of when it is to tell of changes.
	changed [3]uint64
}

// stream is what was written and not yet read, of a pipe or to a socket.
type stream struct {
	parts    []part
	size     uint64 // bytes of all parts
	noWriter bool   // nobody will write any more
	noReader bool   // nobody will read any more
}

// part is a page of a pipe, a piece of a stream, or a message.
type part struct {
	at   int // so many bytes are read
	data []byte
	from string // of a message, the address of who has sent it
	// message tells that the part is read as a whole, or what does not fit is lost.
	message bool
}

// What streams hold: a pipe 16 pages, as fs/pipe.c has it, and a socket what
// net.core.wmem_default is.
const (
	pipePages  = 16
	socketRoom = 212992
	// maxObjects and maxHeld bound what all objects of a process hold: how many there are
	// follows from the number of descriptors, but for connections that nobody accepts.
	maxObjects = 4096
)

// objects is all of these as a system call sees them.
type objects struct{ access }

func (k *Kernel) objects(r *Result) objects { return objects{access{k, r}} }

// Numbers: an object has one of a multiple of four; of a socket what is sent to it is an
// object of its own, and so are the two of the other end of a pair.
const (
	numbers = 4
	inbox   = 1
	peer    = 2
)

// get is an object as it is now, which the call looks at.
func (o objects) get(id uint64) *object {
	v, _ := o.reads(ObjectQueue, id).objects.get(id)
	if v == nil {
		return &object{stream: stream{noWriter: true, noReader: true}}
	}
	return v
}

// set changes an object.
func (o objects) set(id uint64, change func(*object)) {
	s := o.writes(ObjectQueue, id)
	v, ok := s.objects.get(id)
	if !ok {
		return
	}
	c := *v
	change(&c)
	s.objects = s.objects.with(id, &c)
}

// remove takes an object away for which there is no descriptor any more.
func (o objects) remove(id uint64) {
	s := o.writes(ObjectQueue, id)
	s.objects = s.objects.without(id)
}

// add makes an object, and tells its number. Who does that installs a descriptor, so that
// numbers are given in the order in which descriptors are.
func (o objects) add(v object) uint64 {
	s := o.writes(ObjectFiles, allNumbers)
	s.made += numbers
	o.put(s.made, v)
	return s.made
}

// put makes an object that has a number.
func (o objects) put(id uint64, v object) {
	s := o.writes(ObjectQueue, id)
	s.objects = s.objects.with(id, &v)
	if s.objects.n > maxObjects {
		o.r.exceeds(FileLimit)
	}
}

// open tells whether a descriptor is still of the object, by which kind of end. Whoever makes
// or closes one changes which numbers are free.
func (o objects) open(id uint64, kind fdKind) bool {
	return slices.ContainsFunc(o.reads(ObjectFiles, allNumbers).FDs, func(f FD) bool { return f.Object == id && f.Kind == kind })
}

// closed lets go of what a descriptor was of, if it was the last one. Who waits by a
// descriptor that is closed goes on waiting on Linux, for what can no longer be told here.
func (o objects) closed(n int, f FD) {
	if o.k.waiters(o.r).byFD(f.Object, n) {
		o.r.Missing = "close of a descriptor by which a thread waits"
	}
	if o.open(f.Object, f.Kind) {
		return
	}
	var err error
	switch f.Kind {
	case fdPipeIn:
		err = o.letGo(f.Object, false)
	case fdPipeOut:
		err = o.letGo(f.Object, true)
	case fdSocket:
		err = o.k.closeSocket(o.r, f.Object)
	default:
		o.remove(f.Object)
	}
	if err != nil && o.r.failed == nil {
		o.r.failed = err
	}
	o.forget(f.Object, f.Kind)
}

// letGo ends one side of a stream, of which the other side learns. Without both it is gone.
func (o objects) letGo(id uint64, writer bool) error {
	v := o.get(id)
	if writer && v.noReader || !writer && v.noWriter {
		o.remove(id)
		return nil
	}
	o.set(id, func(v *object) {
		if writer {
			v.noWriter = true
		} else {
			v.noReader = true
		}
		v.changed[2]++
	})
	if writer {
		return o.k.waiters(o.r).stir(id, anyIn|wayHangup|wayEnd)
	}
	return o.k.waiters(o.r).stir(id, anyOut|wayError)
}

// forget takes what no longer is open out of what epolls look at. Which ones do, only who
// has a descriptor of it can have changed.
func (o objects) forget(id uint64, kind fdKind) {
	for at, v := range o.reads(ObjectFiles, allNumbers).objects.from(0) {
		if slices.ContainsFunc(v.interests, func(i interest) bool { return i.object == id && i.kind == kind }) {
			o.set(at, func(v *object) {
				v.interests = slices.DeleteFunc(slices.Clone(v.interests), func(i interest) bool { return i.object == id && i.kind == kind })
			})
		}
	}
}

// name is the socket that has an address, false when none has.
func (o objects) name(name string) (id uint64, ok bool) {
	return o.reads(ObjectAddress, objectOf(name)).bound.get(name)
}

// setName gives an address to a socket, or to none.
func (o objects) setName(name string, id uint64) {
	s := o.writes(ObjectAddress, objectOf(name))
	if id == 0 {
		s.bound = s.bound.without(name)
	} else {
		s.bound = s.bound.with(name, id)
	}
}

// take reads at most size bytes of a stream, which stays as it is: what they are, and what
// is left. Of messages it takes one.
func (s stream) take(size uint64) (b []byte, rest stream) {
	rest = s
	rest.parts = slices.Clone(s.parts)
	for len(rest.parts) > 0 && size > 0 {
		p := &rest.parts[0]
		n := min(size, uint64(len(p.data)-p.at))
		b = append(b, p.data[p.at:p.at+int(n)]...)
		if p.message {
			rest.size -= uint64(len(p.data))
			rest.parts = rest.parts[1:]
			break
		}
		p.at += int(n)
		size -= n
		rest.size -= n
		if p.at == len(p.data) {
			rest.parts = rest.parts[1:]
		}
	}
	return b, rest
}

// pipeWith is a pipe's stream with as much of b behind it as has room, page by page as
// pipe_write of fs/pipe.c: what is over whole pages of all that is written may fill up the
// last one.
func (s stream) pipeWith(b []byte, over int) (stream, int) {
	s.parts = slices.Clone(s.parts)
	did := 0
	if over > 0 && len(s.parts) > 0 {
		last := &s.parts[len(s.parts)-1]
		if len(last.data)+over <= loader.PageSize {
			last.data = append(slices.Clip(last.data), b[:over]...)
			did = over
		}
	}
	for did < len(b) && len(s.parts) < pipePages {
		n := min(len(b)-did, loader.PageSize)
		s.parts = append(s.parts, part{data: slices.Clone(b[did : did+n])})
		did += n
	}
	s.size += uint64(did)
	return s, did
}

// HashObjects writes down pipes and the like for a digest: nothing when there are none.
func (s *State) HashObjects(w io.Writer) {
	var b []byte
	put := func(vs ...uint64) {
		for _, v := range vs {
			b = le.AppendUint64(b, v)
		}
	}
	text := func(t string) {
		put(uint64(len(t)))
		b = append(b, t...)
	}
	for id, o := range s.objects.from(0) {
		put(id, uint64(o.kind), o.count, oneIf(o.semaphore), oneIf(o.noReader), oneIf(o.noWriter), uint64(len(o.parts)), o.changed[0], o.changed[1], o.changed[2])
		put(o.timer.due, o.timer.every, oneIf(o.timer.real))
		for _, p := range o.parts {
			put(uint64(p.at), oneIf(p.message))
			text(p.from)
			text(string(p.data))
		}
		for _, i := range o.interests {
			put(uint64(i.fd), i.object, uint64(i.kind), uint64(i.ways), i.data, i.seen)
		}
		if o.socket != nil {
			o.socket.hash(put, text)
		}
		_, _ = w.Write(b) // a hash never fails to write
		b = b[:0]
	}
	for name, id := range s.bound.from("") {
		text(name)
		put(id)
	}
	infos := func(list []info) {
		for _, v := range list {
			put(v.sig, v.vector, v.code, oneIf(v.fault))
			text(string(v.data[:]))
		}
	}
	for _, t := range s.Tasks {
		if t.Again.Is {
			put(uint64(t.TID), t.Again.Until, oneIf(t.Again.Expired), t.Again.Done, oneIf(t.Again.Interrupted))
		}
		if t.Saved != nil {
			put(uint64(t.TID), *t.Saved)
		}
		infos(t.Infos)
	}
	infos(s.infos)
	if s.alarm.due != 0 {
		put(s.alarm.due, s.alarm.every)
	}
	for _, v := range s.Waiters {
		for _, on := range v.On {
			put(uint64(v.Thread), on.Object, uint64(on.Ways), uint64(on.FD), v.Until, v.Done)
		}
	}
	_, _ = w.Write(b)
}

// oneIf is 1 for true.
func oneIf(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

package linux

// FD is an open file descriptor.
type FD struct {
	Kind   fdKind
	Path   string // guest path, absolute
	Offset int64
	Flags  uint64
	Shared int      // what descriptors of one open file have in common; 0 when it is the only one
	Node   string   // the inode, "" for a standard stream
	List   *listing // of a folder, what is being read of it; it goes with the offset
	Lock   lockKind // that flock has taken, of the open file
	Object uint64   // the number of a pipe or what else has no place among files
}

// lockKind is a lock of flock, by its operations in include/uapi/asm-generic/fcntl.h.
type lockKind uint8

const (
	lockNone      lockKind = 0
	lockShared    lockKind = 1
	lockExclusive lockKind = 2
)

type fdKind uint8

const (
	fdClosed  fdKind = iota
	fdInput          // standard input: at its end
	fdOutput         // standard output
	fdError          // standard error
	fdFile           // a regular file
	fdDir            // a folder
	fdNull           // /dev/null
	fdZero           // /dev/zero
	fdFull           // /dev/full
	fdRandom         // /dev/random and /dev/urandom
	fdPath           // of O_PATH: a name for other calls, and no more
	fdPipeIn         // the end of a pipe that is read
	fdPipeOut        // the one that is written to
	fdEvent          // of eventfd
	fdTimer          // of timerfd_create
	fdEpoll
	fdSocket
	fdComm // the name of a thread, to be written
)

// device tells whether it is one of those in /dev.
func (k fdKind) device() bool { return k >= fdNull && k <= fdRandom }

// waitable tells whether it is of an object that threads wait for, which State.objects has.
func (k fdKind) waitable() bool { return k >= fdPipeIn && k <= fdSocket }

// descriptors is the table of open files as a system call sees it.
type descriptors struct{ access }

func (k *Kernel) descriptors(r *Result) descriptors { return descriptors{access{k, r}} }

// descriptor is the object of descriptor n, allNumbers that of which ones are free.
func descriptor(n int) uint64 { return uint64(n) + 1 }

const allNumbers = 0

// file is an open descriptor as a call sees it, without its offset: to look at that is a
// use of its own.
type file struct {
	descriptors
	n      int
	kind   fdKind
	path   string
	flags  uint64
	shared int
	node   string
	object uint64
}

// readable and writable tell for what the file was opened.
func (f file) readable() bool {
	return (f.flags&oAccmode == oRdonly || f.flags&oAccmode == oRdwr) && f.flags&oPath == 0
}

func (f file) writable() bool {
	return (f.flags&oAccmode == oWronly || f.flags&oAccmode == oRdwr) && f.flags&oPath == 0
}

// in tells whether there can be a descriptor of that number.
func (d descriptors) in(n int) bool { return n >= 0 && n < d.k.Limits.Files }

// get is descriptor n. That a call asks for it is a use of it, also where it is not open.
func (d descriptors) get(n int) (file, bool) {
	if !d.in(n) {
		return file{}, false
	}
	s := d.reads(ObjectFiles, descriptor(n))
	if n >= len(s.FDs) || s.FDs[n].Kind == fdClosed {
		return file{}, false
	}
	f := s.FDs[n]
	return file{descriptors: d, n: n, kind: f.Kind, path: f.Path, flags: f.Flags, shared: f.Shared, node: f.Node, object: f.Object}, true
}

// offsetObject is the object that the file's offset belongs to.
func (f file) offsetObject() uint64 {
	if f.shared != 0 {
		return openFile + uint64(f.shared)
	}
	return descriptor(f.n)
}

// offset is where the next read begins.
func (f file) offset() int64 { return f.reads(ObjectFiles, f.offsetObject()).FDs[f.n].Offset }

// listing is what is being read of a folder, from its beginning.
func (f file) listing() *listing { return f.reads(ObjectFiles, f.offsetObject()).FDs[f.n].List }

// seek moves the offset of the descriptor and of those that share its file.
func (f file) seek(to int64) {
	f.move(func(d *FD) { d.Offset = to })
}

// list is seek in a folder, with what is being read of it.
func (f file) list(l *listing, to int64) {
	f.move(func(d *FD) { d.Offset, d.List = to, l })
}

func (f file) move(change func(*FD)) {
	s := f.writes(ObjectFiles, f.offsetObject())
	for i := range s.FDs {
		if i == f.n || f.shared != 0 && s.FDs[i].Shared == f.shared {
			change(&s.FDs[i])
		}
	}
}

// setStatus changes flags of the open file, which all its descriptors have.
func (f file) setStatus(flags uint64) {
	f.changeAll(func(d *FD) { d.Flags = flags&^oCloexec | d.Flags&oCloexec })
}

// lock gives the open file a lock, or none. Who asks for one of another open file looks at
// all of that inode; that is noted as a change of it.
func (f file) lock(k lockKind) {
	f.writes(ObjectAttributes, objectOf(f.node))
	f.changeAll(func(d *FD) { d.Lock = k })
}

// locked is the strictest lock that other open files of the file's inode have.
func (f file) locked() (k lockKind) {
	for i, d := range f.reads(ObjectAttributes, objectOf(f.node)).FDs {
		if i != f.n && d.Node == f.node && (f.shared == 0 || d.Shared != f.shared) {
			k = max(k, d.Lock)
		}
	}
	return k
}

// changeAll changes all descriptors of the open file.
func (f file) changeAll(change func(*FD)) {
	change(&f.writes(ObjectFiles, descriptor(f.n)).FDs[f.n])
	for i, d := range f.k.s.FDs {
		if i != f.n && f.shared != 0 && d.Shared == f.shared {
			change(&f.writes(ObjectFiles, descriptor(i)).FDs[i])
		}
	}
}

// setFlags changes the descriptor's flags.
func (f file) setFlags(flags uint64) { f.writes(ObjectFiles, descriptor(f.n)).FDs[f.n].Flags = flags }

// numbers are the descriptors that are open, in order.
func (d descriptors) numbers() (list []int) {
	for n, f := range d.reads(ObjectFiles, allNumbers).FDs {
		if f.Kind != fdClosed {
			list = append(list, n)
		}
	}
	return list
}

// close frees the descriptor's number.
func (f file) close() { f.set(f.n, FD{}) }

// lowest is the lowest free number from least on; false when there is none.
func (d descriptors) lowest(least int) (int, bool) {
	s := d.reads(ObjectFiles, allNumbers)
	for at := least; d.in(at); at++ {
		if at >= len(s.FDs) || s.FDs[at].Kind == fdClosed {
			return at, true
		}
	}
	return 0, false
}

// set gives number n, below the limit, another meaning, or none.
func (d descriptors) set(n int, f FD) {
	d.writes(ObjectFiles, allNumbers)
	s := d.writes(ObjectFiles, descriptor(n))
	for len(s.FDs) <= n {
		s.FDs = append(s.FDs, FD{})
	}
	old := s.FDs[n]
	if old.Lock != lockNone { // which may be gone with it
		d.writes(ObjectAttributes, objectOf(old.Node))
	}
	s.FDs[n] = f
	if old.Object != 0 {
		d.k.objects(d.r).closed(n, old)
	}
}

// copyTo gives the descriptor another number as well, with flags of its own: from then
// on the two have one offset, so who reads of this one moves another object.
func (f file) copyTo(n int, flags uint64) {
	s := f.writes(ObjectFiles, descriptor(f.n))
	if s.FDs[f.n].Shared == 0 {
		s.Shared++
		s.FDs[f.n].Shared = s.Shared
	}
	c := s.FDs[f.n]
	c.Flags = c.Flags&^oCloexec | flags // that flag is the descriptor's, not the file's
	f.set(n, c)
}

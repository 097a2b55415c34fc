package linux

import "emurace/loader"

// ObjectClass is a kind of kernel object.
type ObjectClass uint8

// The classes. Those without a word on it count as one object each.
const (
	ObjectFutex    ObjectClass = iota + 1 // the queue of a futex word; its address tells it apart
	ObjectMappings                        // the list of mappings
	ObjectFiles                           // the table of descriptors, each of them, and offsets
	ObjectOutput                          // what was printed
	ObjectRandom                          // the sequence of random bytes
	ObjectClock                           // what was slept
	ObjectSignals                         // signal handlers
)

// Object is a kernel object that a system call used. Two calls that used the
// same one, at least one of them writing, do not commute.
type Object struct {
	Class ObjectClass
	ID    uint64 // see ObjectFutex and ObjectFiles
	Write bool
}

// Of the objects for files, 0 is the table of descriptors, that is which numbers are
// free; n+1 is what descriptor n stands for and its offset; and from openFile on come
// the offsets of open files that have had more than one descriptor.
const openFile = 1 << 32

// uses notes an object, each once.
func (r *Result) uses(class ObjectClass, id uint64, write bool) {
	for i := range r.Objects {
		if o := &r.Objects[i]; o.Class == class && o.ID == id {
			o.Write = o.Write || write
			return
		}
	}
	r.Objects = append(r.Objects, Object{Class: class, ID: id, Write: write})
}

// descriptor is the object of descriptor n.
func descriptor(n int) uint64 { return uint64(n) + 1 }

// fd is an open descriptor. That a call asks for it is a use of it, also where it is
// not open.
func (k *Kernel) fd(r *Result, n int) (FD, bool) {
	if n < 0 || n >= k.Limits.Files {
		return FD{}, false
	}
	r.uses(ObjectFiles, descriptor(n), false)
	return k.s.fd(n)
}

// setsFD notes that a call gives descriptor n another meaning, or none.
func (r *Result) setsFD(n int) {
	r.uses(ObjectFiles, 0, true)
	r.uses(ObjectFiles, descriptor(n), true)
}

// usesOffset notes that a call reads and moves the offset of a descriptor's file.
func (r *Result) usesOffset(n int, f FD) {
	if f.Shared != 0 {
		r.uses(ObjectFiles, openFile+uint64(f.Shared), true)
		return
	}
	r.uses(ObjectFiles, descriptor(n), true)
}

// uses says which object a call writes, for those whose arguments do not matter.
var uses = map[string]ObjectClass{
	"brk": ObjectMappings, "madvise": ObjectMappings, "mmap": ObjectMappings, "mprotect": ObjectMappings,
	"mremap": ObjectMappings, "munmap": ObjectMappings,
	"getrandom": ObjectRandom,
	"nanosleep": ObjectClock, "clock_nanosleep": ObjectClock,
	"rt_sigaction": ObjectSignals,
}

// reads says which object a call only reads.
var reads = map[string]ObjectClass{
	"clock_gettime": ObjectClock, "gettimeofday": ObjectClock, "time": ObjectClock, "times": ObjectClock,
	"kill": ObjectSignals, "tkill": ObjectSignals, "tgkill": ObjectSignals,
}

// note adds the objects of a call that depend on its name only.
func (r *Result) note() {
	if c, ok := uses[r.Name]; ok {
		r.uses(c, 0, true)
	}
	if c, ok := reads[r.Name]; ok {
		r.uses(c, 0, false)
	}
}

// Toucher is a Memory that wants to know of the kernel's own reads: they are accesses
// of the thread that made the call, as its loads are.
type Toucher interface {
	// Touch notes a read of a range that lies in memory.
	Touch(thread int, addr, size uint64) error
}

// touch notes a read. An error of it, which is the emulator's own, ends the call when
// it is through.
func (k *Kernel) touch(r *Result, addr, size uint64) {
	t, ok := k.Memory.(Toucher)
	if !ok || size == 0 || r.failed != nil {
		return
	}
	r.failed = t.Touch(r.thread, addr, size)
}

// allows tells whether the guest may access all of a range. Where it may not, the
// first byte of the page that refuses is touched: another thread may be about to
// change what that page allows.
func (k *Kernel) allows(r *Result, addr, size uint64, p loader.Prot) bool {
	if k.Memory.Allows(addr, size, p) {
		return true
	}
	for at := addr; at-addr < size; at = at - at%loader.PageSize + loader.PageSize {
		if k.Memory.Allows(at, 1, p) {
			continue
		}
		if k.Memory.View(at, 1) != nil {
			k.touch(r, at, 1)
		}
		break
	}
	return false
}

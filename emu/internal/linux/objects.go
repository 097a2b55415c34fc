package linux

// ObjectClass is a kind of kernel object.
type ObjectClass uint8

// The classes. The coarse ones count as one object each.
const (
	ObjectFutex    ObjectClass = iota + 1 // the queue of a futex word; its address tells it apart
	ObjectMappings                        // the list of mappings
	ObjectFiles                           // open files and their offsets
	ObjectOutput                          // what was printed
	ObjectRandom                          // the sequence of random bytes
	ObjectClock                           // what was slept
	ObjectSignals                         // signal handlers
)

// Object is a kernel object that a system call used. Two calls that used the
// same one, at least one of them writing, do not commute.
type Object struct {
	Class ObjectClass
	ID    uint64
	Write bool
}

// uses says which object a call writes, for those whose arguments do not matter.
var uses = map[string]ObjectClass{
	"brk": ObjectMappings, "madvise": ObjectMappings, "mmap": ObjectMappings, "mprotect": ObjectMappings,
	"mremap": ObjectMappings, "munmap": ObjectMappings,
	"close": ObjectFiles, "dup": ObjectFiles, "dup2": ObjectFiles, "dup3": ObjectFiles, "fcntl": ObjectFiles, "lseek": ObjectFiles, "open": ObjectFiles, "openat": ObjectFiles, "read": ObjectFiles,
	"write": ObjectOutput, "writev": ObjectOutput,
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
		r.Objects = append(r.Objects, Object{Class: c, Write: true})
	}
	if c, ok := reads[r.Name]; ok {
		r.Objects = append(r.Objects, Object{Class: c})
	}
}

// Toucher is a Memory that wants to know of the kernel's own reads that matter
// to the order of threads: those of futex words.
type Toucher interface {
	Touch(thread int, addr uint64, size uint8) error
}

func (k *Kernel) touch(thread int, addr uint64, size uint8) error {
	if t, ok := k.Memory.(Toucher); ok {
		return t.Touch(thread, addr, size)
	}
	return nil
}

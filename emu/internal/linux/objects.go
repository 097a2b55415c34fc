package linux

// ObjectClass is a kind of kernel object.
type ObjectClass uint8

// The classes. Those without a word on their IDs count as one object each.
const (
	ObjectFutex      ObjectClass = iota + 1 // the queue of a futex word; its address tells it apart
	ObjectMappings                          // the list of mappings
	ObjectFiles                             // 0: which descriptors are free; n+1: descriptor n; from openFile on: offsets
	ObjectOutput                            // what was printed
	ObjectRandom                            // the sequence of random bytes
	ObjectClock                             // what was slept
	ObjectSignals                           // what a signal does, by its number
	ObjectTasks                             // 0: the number of the next thread; n: whether thread n is there
	ObjectBlocked                           // which signals a thread blocks and which of them wait, by its number; 0: those of all
	ObjectBreak                             // the end of the heap
	ObjectName                              // what a folder has under a name, by both
	ObjectFolder                            // what is in a folder, by the folder and a part of all names
	ObjectContent                           // what a file holds, and its size, by the file
	ObjectAttributes                        // its permissions, links and times, and where a folder is
	ObjectPlace                             // 0: the working folder; 1: the umask
	ObjectQueue                             // a pipe, an eventfd and so on, by its number; of a socket also what was sent to it
	ObjectAlarm                             // the timer of setitimer
	ObjectInterrupts                        // that a signal's handler is to run in a thread, by its number; every event of the thread looks at that
	ObjectThreadName                        // what a thread is called, by its number
	ObjectAddress                           // whose the address of a socket is
	// ObjectResults are the results of a thread's calls, by its index. The kernel does
	// not know of them: they are there for checks that look at them.
	ObjectResults
	// ObjectOver is whether the race may be over: the threads of a plan have made their
	// calls. The kernel does not know of that either.
	ObjectOver
)

// openFile is where the objects of shared offsets begin, those of open files that have had
// more than one descriptor. Any other offset is its descriptor's.
const openFile = 1 << 32

// Object is a kernel object that a system call used. Two calls that used the
// same one, at least one of them writing, do not commute.
type Object struct {
	Class ObjectClass
	ID    uint64
	Write bool
}

// fewObjects are looked through one after the other; most calls use fewer.
const fewObjects = 24

// uses notes an object, each once.
func (r *Result) uses(class ObjectClass, id uint64, write bool) {
	if len(r.Objects) < fewObjects {
		for i := range r.Objects {
			if o := &r.Objects[i]; o.Class == class && o.ID == id {
				o.Write = o.Write || write
				return
			}
		}
	} else {
		if r.noted == nil {
			r.noted = map[objectKey]int{}
			for i, o := range r.Objects {
				r.noted[objectKey{o.Class, o.ID}] = i
			}
		}
		if i, ok := r.noted[objectKey{class, id}]; ok {
			r.Objects[i].Write = r.Objects[i].Write || write
			return
		}
		r.noted[objectKey{class, id}] = len(r.Objects)
	}
	r.Objects = append(r.Objects, Object{Class: class, ID: id, Write: write})
}

type objectKey struct {
	class ObjectClass
	id    uint64
}

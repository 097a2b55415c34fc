package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"emurace/diagnose/process"
	"emurace/loader"
	"emurace/symbolize"
)

// Wait is what a thread of the process waits for.
type Wait struct {
	Thread   uint32
	Function string // that it waits in: pthread_mutex_lock
	For      string // "mutex", "condition variable", "thread", ...; "" for a word that is not known
	Addr     uint64 // of that, or of the word
	Name     string // of the object, "" for none
	// Owner is the thread that has what is waited for, 0 for nobody or unknown. Absent tells that its
	// number is there and no thread of the core has it.
	Owner  uint32
	Absent bool
	Timed  bool // it has a deadline
}

// Numbers of futex on both architectures, and the commands that wait (include/uapi/linux/futex.h).
const (
	futexARM64      = 98
	futexAMD64      = 202
	futexWait       = 0
	futexLockPI     = 6
	futexWaitBitset = 9
	futexRequeuePI  = 11
	futexCommand    = 127
)

// What struct __pthread_mutex_s has, on 64-bit machines of both architectures (sysdeps/nptl/bits/struct_mutex.h).
const (
	mutexOwner = 8
)

// waiters are functions that threads wait in, by what they wait for. The ones that have a deadline come
// with it.
var waiters = []struct {
	function, object string
	timed            bool
}{
	{"pthread_mutex_lock", "mutex", false}, {"pthread_mutex_timedlock", "mutex", true}, {"pthread_mutex_clocklock", "mutex", true},
	{"pthread_cond_wait", "condition variable", false}, {"pthread_cond_timedwait", "condition variable", true}, {"pthread_cond_clockwait", "condition variable", true},
	{"pthread_rwlock_rdlock", "read-write lock", false}, {"pthread_rwlock_wrlock", "read-write lock", false},
	{"pthread_rwlock_timedrdlock", "read-write lock", true}, {"pthread_rwlock_timedwrlock", "read-write lock", true},
	{"pthread_barrier_wait", "barrier", false}, {"sem_wait", "semaphore", false}, {"new_sem_wait", "semaphore", false}, {"sem_timedwait", "semaphore", true},
	{"pthread_join", "thread", false}, {"pthread_timedjoin_np", "thread", true}, {"pthread_clockjoin_ex", "thread", false},
	{"pthread_once", "once control", false},
}

// futexCall are the arguments of the futex call that a thread waits in.
func (d *Diagnosis) futexCall(t *process.Thread) (word uint64, timed, ok bool) {
	p, pc := d.Process, t.Thread.PC()
	var nr, addr, op, timeout uint64
	step := uint64(4)
	if p.Core.Arch == loader.AMD64 {
		step = 2
		nr, addr, op, timeout = t.Registers["orig_rax"], t.Registers["rdi"], t.Registers["rsi"], t.Registers["r10"]
		if nr == ^uint64(0) {
			nr = t.Registers["rax"] // the call is still to be made
		}
		ok = nr == futexAMD64
	} else {
		nr, addr, op, timeout = t.Registers["x8"], t.Registers["x0"], t.Registers["x1"], t.Registers["x3"]
		ok = nr == futexARM64
	}
	switch op & futexCommand {
	case futexWait, futexLockPI, futexWaitBitset, futexRequeuePI:
	default:
		ok = false
	}
	ok = ok && (symbolize.IsSystemCall(p, pc) || symbolize.IsSystemCall(p, pc-step))
	return addr, timeout != 0, ok && addr != 0
}

// waits finds who waits for what, and tells of it when that is why the process did not go on.
func (d *Diagnosis) waits() {
	for _, t := range d.Process.Threads {
		if w, ok := d.wait(t); ok {
			d.Waits = append(d.Waits, w)
		}
	}
	cycle := d.cycle()
	if len(cycle) == 0 && !d.Alive() && (d.Fault != nil || d.Process.Core.Signal.Number == sigABRT) {
		return
	}
	for _, w := range d.Waits {
		if len(cycle) > 0 && !slices.ContainsFunc(cycle, func(o Wait) bool { return o.Thread == w.Thread }) {
			continue
		}
		d.certain(Waiting, w.Thread, nil, "%s.", d.WaitText(w))
	}
	if len(cycle) > 0 {
		d.deadlock(cycle)
		return
	}
	d.stuck()
}

// wait is what a thread waits for, by the system call that it is in and the function that made it.
func (d *Diagnosis) wait(t *process.Thread) (Wait, bool) {
	word, timed, ok := d.futexCall(t)
	if !ok {
		return Wait{}, false
	}
	w := Wait{Thread: t.TID, Addr: word, Timed: timed}
	frames, _ := t.Frames()
	for k, f := range frames {
		name := trimmed(f.At.Function)
		i := slices.IndexFunc(waiters, func(k struct {
			function, object string
			timed            bool
		}) bool {
			return k.function == name
		})
		if i < 0 {
			continue
		}
		w.Function, w.For = name, waiters[i].object
		if w.For != "mutex" && w.For != "thread" {
			w.Addr = d.around(t, k, word)
		}
		break
	}
	d.owned(&w)
	w.Name = d.object(w.Addr)
	return w, true
}

// around is the object that a thread waits for in the function of its frame k, by the function's first
// argument: the word is one in it. It is the word itself where that is not known.
func (d *Diagnosis) around(t *process.Thread, k int, word uint64) uint64 {
	const largest = 64 // bytes of a pthread_rwlock_t or the like
	args := d.flow.Arguments(d.stack(t), k, 1)
	if len(args) == 1 && args[0].Known && args[0].Certain && args[0].Bits == 64 && word-args[0].Value < largest {
		return args[0].Value
	}
	return word
}

// owned finds who has what a thread waits for.
func (d *Diagnosis) owned(w *Wait) {
	var at uint64
	switch w.For {
	case "mutex": // the word is its first one
		at = w.Addr + mutexOwner
	case "read-write lock":
		return // the word is one of several, and readers are not written down
	case "thread":
		at = w.Addr // the word is the number of the thread until that has ended
	default:
		return
	}
	b, ok := d.Process.Core.Read(at, 4)
	if !ok {
		return
	}
	tid := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	if tid == 0 {
		return
	}
	w.Owner = tid
	w.Absent = d.thread(tid) == nil
}

// object names what lies at an address: static data by its name, a block by its beginning.
func (d *Diagnosis) object(addr uint64) string {
	name := symbolize.Data(d.Process, addr)
	symbol, off, found := strings.Cut(name, "+0x")
	if found && strings.HasPrefix(symbol, "_Z") {
		return Demangled(symbol) + "+0x" + off
	}
	return Demangled(name)
}

// WaitText says what a thread waits for.
func (d *Diagnosis) WaitText(w Wait) string {
	what := w.For
	if what == "" {
		what = "word"
	}
	text := fmt.Sprintf("%s waits for the %s", capital(d.name(w.Thread)), what)
	switch {
	case w.For == "thread" && w.Owner != 0:
		text = fmt.Sprintf("%s waits for the end of %s", capital(d.name(w.Thread)), d.name(w.Owner))
	case w.Name != "":
		text += fmt.Sprintf(" %s (at %#x)", w.Name, w.Addr)
	default:
		text += fmt.Sprintf(" at %#x", w.Addr)
	}
	if w.Function != "" {
		text += " in " + w.Function
	}
	if w.Timed {
		text += ", up to a deadline"
	}
	switch {
	case w.For == "thread":
	case w.Absent:
		text += fmt.Sprintf("; it is locked by thread %d, which is not there any more", w.Owner)
	case w.Owner == w.Thread:
		text += "; it has locked it itself"
	case w.Owner != 0:
		text += "; " + d.name(w.Owner) + " has it"
	}
	return text
}

// cycle is a ring of threads of which each waits, without a deadline, for what the next one has.
func (d *Diagnosis) cycle() []Wait {
	of := map[uint32]Wait{}
	for _, w := range d.Waits {
		of[w.Thread] = w
	}
	for _, first := range d.Waits {
		var ring []Wait
		seen := map[uint32]bool{}
		for w, ok := first, true; ok && w.Owner != 0 && !w.Timed && !seen[w.Thread]; w, ok = of[w.Owner] {
			seen[w.Thread] = true
			ring = append(ring, w)
			if w.Owner == first.Thread {
				return ring
			}
		}
	}
	return nil
}

func (d *Diagnosis) deadlock(ring []Wait) {
	if len(ring) == 1 {
		w := ring[0]
		d.certain(Deadlock, w.Thread, nil, "A deadlock: %s waits for a %s that it has itself.", d.name(w.Thread), w.For)
		return
	}
	var parts []string
	for _, w := range ring {
		has := "has " + w.describe()
		if w.For == "thread" {
			has = "has not ended"
		}
		parts = append(parts, fmt.Sprintf("%s waits for %s, which %s", d.name(w.Thread), w.describe(), d.name(w.Owner)+" "+strings.TrimSuffix(has, " "+w.describe())))
	}
	d.certain(Deadlock, ring[0].Thread, nil, "A deadlock of %d threads: %s.", len(ring), strings.Join(parts, "; "))
}

// describe names what is waited for in a few words.
func (w Wait) describe() string {
	if w.Name != "" {
		return w.Name
	}
	return fmt.Sprintf("the %s at %#x", w.For, w.Addr)
}

// stuck tells when every thread waits for another one, or for nobody.
func (d *Diagnosis) stuck() {
	if len(d.Waits) == 0 || len(d.Waits) < len(d.Process.Threads) {
		return
	}
	var conds []Wait
	for _, w := range d.Waits {
		if w.Timed {
			return
		}
		if w.For == "condition variable" {
			conds = append(conds, w)
		}
		if w.Absent && w.For == "mutex" {
			d.certain(Stuck, w.Thread, []string{"all threads of the process wait"}, "Nobody will unlock what %s waits for: the thread that has locked it has ended.", d.name(w.Thread))
			return
		}
	}
	text := "No thread can go on: all of them wait, without a deadline, for what another one would have to do"
	d.certain(Stuck, d.Waits[0].Thread, []string{"all threads of the process wait, unless memory that is shared with another process is what they wait for"}, "%s.", text)
	for _, w := range conds {
		d.likely(Stuck, w.Thread, nil, "The signal that %s waits for came before it waited, or was never sent: no thread is left that could send it.", d.name(w.Thread))
	}
}

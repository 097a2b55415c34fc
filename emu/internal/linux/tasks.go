package linux

import (
	"bytes"

	"emurace/loader"
)

// Status is what a thread is doing.
type Status uint8

// The statuses.
const (
	None     Status = iota // there is and was no such thread
	Runnable               // can run
	Blocked                // waits in the kernel
	Ended                  // has exited; its number is not used again
)

// Task is the kernel's side of a thread. Its index in State.Tasks is the slot
// of the processor, and by how much its TID is above the first one's.
type Task struct {
	TID      int
	Status   Status
	ClearTID uint64 // word to zero and wake at exit, 0 for none
	SigMask  uint64 // signals that it blocks
	Pending  uint64 // those that it was sent while it blocked them
	Robust   uint64 // its list of robust mutexes, 0 for none
	AltStack [24]byte
	Made     int      // so many inodes has it made
	Name     [16]byte // as prctl sets it; zeros for the program's
	Again    again    // of a call that it is about to make again
	Infos    []info   // of what is pending
	Saved    *uint64  // what it blocks, while a call has it block other signals
}

func (t Task) alive() bool { return t.Status == Runnable || t.Status == Blocked }

// Status is what a thread is doing.
func (s *State) Status(thread int) Status {
	if thread < 0 || thread >= len(s.Tasks) {
		return None
	}
	return s.Tasks[thread].Status
}

// slotOf is the slot of the thread that is there with a number, -1 when there is none.
func (s *State) slotOf(tid int) int {
	slot := tid - FirstTID
	if slot < 0 || slot >= len(s.Tasks) || !s.Tasks[slot].alive() {
		return -1
	}
	return slot
}

// tasks is the threads as a system call sees them.
type tasks struct{ access }

func (k *Kernel) tasks(r *Result) tasks { return tasks{access{k, r}} }

// nextNumber is the object of which thread comes next.
const nextNumber = 0

// self is the number of the thread that made the call.
func (t tasks) self() int { return t.own().TID }

// there tells whether a thread of that number is there.
func (t tasks) there(tid int) bool {
	return t.reads(ObjectTasks, uint64(tid)).slotOf(tid) >= 0
}

// next is the slot and the number of the next new thread, false when there can be no
// more. That others have ended, by which there can be, is not noted: a search knows of no more
// threads in all than there can be at a time, and to have come to the limit is a doubt.
func (t tasks) next() (slot, tid int, ok bool) {
	s := t.reads(ObjectTasks, nextNumber)
	return len(s.Tasks), s.NextTID, s.living < t.k.Limits.Threads && len(s.Tasks) < t.k.Limits.Made
}

// add makes a thread in the slot that next has told, with this number. It has the
// signal mask of the one that makes it.
func (t tasks) add(tid int, clearTID uint64) {
	t.writes(ObjectTasks, uint64(tid))
	s := t.writes(ObjectTasks, nextNumber)
	s.Tasks = append(s.Tasks, Task{TID: tid, Status: Runnable, ClearTID: clearTID, SigMask: t.own().SigMask, Name: t.own().Name})
	s.living++
	s.NextTID++
}

// endSelf ends the thread that made the call, and tells whether it was the last one.
func (t tasks) endSelf() (last bool) {
	s := t.writes(ObjectTasks, uint64(t.self()))
	s.Tasks[t.r.thread].Status = Ended
	s.living--
	for _, o := range s.Tasks {
		if t.there(o.TID) {
			return false
		}
	}
	return true
}

// endAll makes the process end. Whatever another thread would have done next depends on
// it, which the effect says.
func (t tasks) endAll(effect Effect) {
	t.k.mut().Exited = true
	t.r.Effect = effect
}

// What only the calling thread sees.

func (t tasks) clearTID() uint64        { return t.own().ClearTID }
func (t tasks) setClearTID(addr uint64) { t.changeOwn().ClearTID = addr }
func (t tasks) robust() uint64          { return t.own().Robust }
func (t tasks) setRobust(head uint64)   { t.changeOwn().Robust = head }
func (t tasks) altStack() [24]byte      { return t.own().AltStack }
func (t tasks) setAltStack(s [24]byte)  { t.changeOwn().AltStack = s }

// nameOf is what a thread is called, zeros for the program's name.
func (t tasks) nameOf(tid int) [16]byte {
	s := t.reads(ObjectThreadName, uint64(tid))
	if slot := s.slotOf(tid); slot >= 0 {
		return s.Tasks[slot].Name
	}
	return [16]byte{}
}

// setNameOf calls a thread something else, false when it is not there.
func (t tasks) setNameOf(tid int, name [16]byte) bool {
	if !t.there(tid) {
		return false
	}
	s := t.writes(ObjectThreadName, uint64(tid))
	s.Tasks[s.slotOf(tid)].Name = name
	return true
}

// numbers are those of the threads that are there.
func (t tasks) numbers() (list []int) {
	for _, o := range t.reads(ObjectTasks, nextNumber).Tasks {
		if t.there(o.TID) {
			list = append(list, o.TID)
		}
	}
	return list
}

// Comm is what a thread is called: as prctl or its file in /proc has it, or after the program.
// It is nobody's call.
func (k *Kernel) Comm(thread int) string { return k.nameText(k.s.Tasks[thread].Name) }

// Called is what a thread has been called by a call of the process, for it or for the one that
// has made it; "" where nobody has. It is nobody's call.
func (k *Kernel) Called(thread int) string {
	name := k.s.Tasks[thread].Name
	return string(bytes.TrimRight(name[:], "\x00"))
}

// Robust lists the words of the robust mutexes that a thread would let go if it ended now.
// It is nobody's call: who shows what would be asks for it.
func (k *Kernel) Robust(thread int) (words []uint64) {
	look := func(addr, size uint64) ([]byte, bool) {
		if !k.Memory.Allows(addr, size, loader.ProtRead) {
			return nil, false
		}
		b := k.Memory.View(addr, size)
		return b, b != nil
	}
	t := k.s.Tasks[thread]
	b, ok := look(t.Robust, 24)
	if t.Robust == 0 || !ok {
		return nil
	}
	entry, offset := le.Uint64(b), le.Uint64(b[8:])
	for n := 0; entry&^1 != t.Robust && n < maxRobust; n++ {
		addr := entry&^1 + offset
		if b, ok = look(addr, 4); ok && int(le.Uint32(b)&futexTIDMask) == t.TID {
			words = append(words, addr)
		}
		if b, ok = look(entry&^1, 8); !ok {
			break
		}
		entry = le.Uint64(b)
	}
	return words
}

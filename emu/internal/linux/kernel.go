package linux

import (
	"cmp"
	"encoding/binary"
	"fmt"

	"emurace/loader"
)

var le = binary.LittleEndian

// Memory is the guest's memory as the kernel sees it.
type Memory interface {
	// View is the memory of [addr, addr+size) for reading, whatever the
	// pages allow, or nil outside of all zones.
	View(addr, size uint64) []byte
	// Allows tells whether every page of the range is mapped with p.
	Allows(addr, size uint64, p loader.Prot) bool
	// Touched tells whether the page of addr may hold anything but zeros.
	Touched(addr uint64) bool
	// Store writes on behalf of a thread, whatever the pages allow.
	Store(thread int, addr uint64, b []byte) error
	// Map gives the pages of the range the protection p and zeroes; they
	// hold nothing before.
	Map(addr, size uint64, p loader.Prot) error
	// Protect changes the protection of mapped pages.
	Protect(addr, size uint64, p loader.Prot) error
	// Unmap removes pages and what they hold.
	Unmap(addr, size uint64) error
	// Clock is a thread's clock in instructions, or that of ClockThread; it drives what
	// the thread reads as time.
	Clock(thread int) uint64
}

// Threads is what the kernel changes of the processor's threads.
type Threads interface {
	// Clone makes a thread in an empty slot whose registers are the parent's
	// but for the stack pointer (0: the parent's), the thread pointer (when
	// setTLS) and the result register, which is 0.
	Clone(slot, parent int, stack, tls uint64, setTLS bool) error
	// SetTLS sets a thread's thread pointer.
	SetTLS(thread int, tls uint64) error
	// SetResult sets the register a system call returns its value in.
	SetResult(thread int, value uint64) error
	// Again has a thread that waits in a system call make it once more: it stands before
	// the instruction again, with the registers that it had there.
	Again(thread int) error
	// Registers are all registers of a thread that a program sees, by the names that gdb has
	// for them, little-endian.
	Registers(thread int) (map[string][]byte, error)
	// SetRegisters sets those that are named.
	SetRegisters(thread int, values map[string][]byte) error
	// Drop ends a thread.
	Drop(thread int)
}

// Files is where the guest's files come from.
type Files interface {
	// File returns the whole content of a regular file, following links. The
	// bytes are shared and must not be written.
	File(path string) ([]byte, error)
	// Info describes what is at path.
	Info(path string, follow bool) (FileInfo, error)
	// Readlink returns the target of a symbolic link.
	Readlink(path string) (string, error)
	// List returns the names in a folder, in order, without "." and "..". They are shared
	// and must not be written.
	List(path string) ([]string, error)
}

// FileInfo describes a file of the guest.
type FileInfo struct {
	Size    int64
	Dir     bool
	Symlink bool
	Exec    bool
}

// Limits keeps a process from growing without bound.
type Limits struct {
	Threads int // at most this many threads at a time
	Made    int // and this many one after the other; 0 is as many as Threads
	Output  int // bytes of standard output and error kept, together
	Files   int // open files
}

// Kernel serves the system calls of one process.
type Kernel struct {
	Arch    loader.Arch
	Memory  Memory
	Threads Threads
	Files   Files
	Seed    uint64
	Limits  Limits
	Exe     string // guest path of the program, for /proc/self/exe; "" for none
	Input   []byte // what standard input holds
	// Argv and Env are what the program was started with, for /proc.
	Argv, Env []string
	// Plain leaves the sysroot's files without owner and time, as they all were at first.
	// What stat says stays in memory, on ld.so's stack too, so digests depend on it: those
	// of traces are of processes whose kernel is plain.
	Plain bool
	// Print, if set, is given what the process prints, to standard output (1) or error (2),
	// as it comes: nothing of it is kept, and there is no bound. A rewind does not take
	// it back.
	Print func(fd int, data []byte)

	s      *State
	shared bool // s is held by a snapshot and must be copied before a change
	table  map[uint64]*entry
}

// Layout says where the process may have its mappings.
type Layout struct {
	Brk     uint64 // start of the heap
	BrkEnd  uint64 // it may grow up to here
	MmapTop uint64 // mappings are placed downwards from here
	MmapEnd uint64 // and not below this address
	Top     uint64 // no address at or above this one
}

// New makes a kernel with one thread, in slot 0, and nothing mapped.
func New(k Kernel, layout Layout) *Kernel {
	k.table = tableFor(k.Arch)
	k.s = &State{Layout: layout, Brk: layout.Brk, NextTID: FirstTID + 1}
	k.s.Tasks, k.s.living = []Task{{TID: FirstTID, Status: Runnable}}, 1
	k.Limits.Made = cmp.Or(k.Limits.Made, k.Limits.Threads)
	k.s.FDs = []FD{{Kind: fdInput}, {Kind: fdOutput}, {Kind: fdError}}
	return &k
}

// FirstTID is the process id and the main thread's id.
const FirstTID = 1000

// Call is a system call as the thread made it.
type Call struct {
	Thread int
	Number uint64
	Args   [6]uint64
}

// Effect is what a system call did beside its result.
type Effect int

// The effects.
const (
	Returns    Effect = iota // the thread goes on
	Blocks                   // the thread waits; its result comes with the wake-up
	ThreadEnds               // the thread is gone
	Exits                    // the process ended; Code is its status
	Dies                     // the process was killed; Signal says by which signal
	Exceeds                  // the process takes more than it may of what Limit says
)

// Result is what became of a system call.
type Result struct {
	Effect Effect
	Value  uint64 // for Returns: already in the thread's result register
	Code   int
	Signal int
	Limit  Limit
	Name   string
	// Objects are the kernel objects that the call used, memory apart.
	Objects []Object
	// Missing names what the call asked for and a Linux would have done, or is "": a
	// system call, or a part of one, that is not there. A call that is Absent by
	// intention, for which C libraries have another way, is not missing.
	Missing string

	thread int               // that made the call
	again  again             // it is made again
	failed error             // see touch
	noted  map[objectKey]int // where in Objects each is, when there are many
}

// Do carries out a system call. The error is the emulator's own, never the
// guest's.
func (k *Kernel) Do(c Call) (Result, error) {
	e := k.table[c.Number]
	if e == nil || e.do == nil {
		r := Result{Value: negated(ENOSYS)}
		var ok bool
		if r.Name, ok = CallName(k.Arch, c.Number); !ok {
			r.Name = fmt.Sprintf("syscall %d", int64(c.Number))
		}
		if e == nil || e.support == Unsupported {
			r.Missing = r.Name
		}
		return r, k.Threads.SetResult(c.Thread, r.Value)
	}
	r := Result{Name: e.name, thread: c.Thread}
	if k.s.Tasks[c.Thread].Again.Interrupted {
		return r, k.interrupted(&c, e.name, &r)
	}
	if t := &k.s.Tasks[c.Thread]; t.Again.Is {
		r.again = t.Again
		k.mut().Tasks[c.Thread].Again = again{}
	}
	v, err := e.do(k, &c, &r)
	if err == nil {
		err = r.failed
	}
	k.sweep()
	if err != nil {
		return r, fmt.Errorf("%s: %w", e.name, err)
	}
	if r.Effect != Returns {
		return r, nil
	}
	r.Value = v
	return r, k.Threads.SetResult(c.Thread, v)
}

func negated(e Errno) uint64 { return uint64(-int64(e)) }

// fail is the result of a call that the guest got wrong.
func fail(e Errno) (uint64, error) { return negated(e), nil }

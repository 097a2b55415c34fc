package shim

/*
#cgo CFLAGS: -O2 -Wall
#cgo !unpatched,!sanitized CFLAGS: -I${SRCDIR}/../../../build/unicorn -I${SRCDIR}/../../../build/unicorn/include
#cgo !unpatched,!sanitized LDFLAGS: -L${SRCDIR}/../../../build/unicorn
#cgo sanitized CFLAGS: -I${SRCDIR}/../../../build/unicorn-sanitized -I${SRCDIR}/../../../build/unicorn-sanitized/include -g -fsanitize=undefined
#cgo sanitized LDFLAGS: -L${SRCDIR}/../../../build/unicorn-sanitized -fsanitize=undefined
#cgo unpatched CFLAGS: -I${SRCDIR}/../../../build/unicorn-unpatched -I${SRCDIR}/../../../build/unicorn-unpatched/include
#cgo unpatched LDFLAGS: -L${SRCDIR}/../../../build/unicorn-unpatched
#cgo LDFLAGS: -lunicorn -lpthread -lm -latomic
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/unicorn-engine/unicorn/bindings/go/unicorn"

	"emurace/loader"
)

// PageSize is the guest's page size in bytes, on both architectures.
const PageSize = 1 << C.EM_PAGE_SHIFT

// MaxThreads is how many threads one engine holds at a time, and MostMade how many it holds one
// after the other: a thread's slot is its number, and no other one's after it.
const (
	MaxThreads = C.EM_MAX_THREADS
	MostMade   = C.EM_MOST_MADE
)

// Prot is what a page allows, and whether there is one.
type Prot uint8

// The bits of a page.
const (
	Read   Prot = C.EM_R
	Write  Prot = C.EM_W
	Exec   Prot = C.EM_X
	Mapped Prot = C.EM_MAPPED
)

// Zone is a range of guest addresses that mappings may lie in.
type Zone struct{ Base, Size uint64 }

// StopReason says why [Engine.Run] came back.
type StopReason int

// The reasons. At a trap, a spent budget or a fault the instruction at pc has
// not run; a system call instruction has, and pc is behind it.
const (
	StopBudget    StopReason = C.EM_STOP_BUDGET
	StopTrap      StopReason = C.EM_STOP_TRAP
	StopSyscall   StopReason = C.EM_STOP_SYSCALL
	StopFault     StopReason = C.EM_STOP_FAULT
	StopException StopReason = C.EM_STOP_EXCEPTION
	StopIllegal   StopReason = C.EM_STOP_ILLEGAL
	StopError     StopReason = C.EM_STOP_ERROR
	StopEvent     StopReason = C.EM_STOP_EVENT // see SetSharing
	StopBreak     StopReason = C.EM_STOP_BREAK // see SetBreak
	StopLimit     StopReason = C.EM_STOP_LIMIT // see Stop.Limit
)

// Fault is an access that the page table refused.
type Fault struct {
	Addr   uint64 // exact first byte that could not be accessed
	PC     uint64 // the instruction; for a fetch, the address it went to
	Access Prot   // Read, Write or Exec
	Mapped bool   // the page exists but does not allow the access
}

// Stop is how a run ended.
type Stop struct {
	Reason StopReason
	Ran    uint64 // instructions completed
	Fault  Fault  // for StopFault
	Vector int    // Unicorn's exception number, for StopException
	Limit  Limit  // for StopLimit
	Event  bool   // the last instruction touched shared bytes; see SetSharing
	Undone bool   // the last instruction that began has not happened, and is not counted
}

// Engine is one emulated processor with its memory and threads. It is not
// safe for concurrent use; engines are independent of each other.
type Engine struct {
	c        *C.em_engine
	uc       unicorn.Unicorn
	arch     loader.Arch
	recorded recorded // see crash.go
	splits   bool     // see SetSplits
}

// Open makes an engine with nothing mapped. The zones bound where mappings can
// lie; they cost address space on the host, not memory. Without hooks the
// engine counts and logs nothing and cannot stop by itself: that serves only
// to measure what the hooks cost.
func Open(arch loader.Arch, zones []Zone, hooks bool) (*Engine, error) {
	var ucArch, mode int
	switch arch {
	case loader.ARM64:
		ucArch, mode = unicorn.ARCH_ARM64, unicorn.MODE_ARM
	case loader.AMD64:
		ucArch, mode = unicorn.ARCH_X86, unicorn.MODE_64
	default:
		return nil, fmt.Errorf("engine: no such architecture: %v", arch)
	}
	if err := checkRoom(zones); err != nil {
		return nil, err
	}
	uc, err := unicorn.NewUnicorn(ucArch, mode)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	// On arm64 the model with every extension Unicorn has; what programs use
	// of it is decided by AT_HWCAP. On amd64 the newest without RDRAND, which
	// Unicorn answers with random bytes of the host.
	model := unicorn.CPU_ARM64_MAX
	if arch == loader.AMD64 {
		model = unicorn.CPU_X86_SANDYBRIDGE
	}
	if err := uc.SetCPUModel(model); err != nil {
		_ = uc.Close() // the error that matters is the first one
		return nil, fmt.Errorf("engine: cpu model: %w", err)
	}
	e := &Engine{uc: uc, arch: arch, c: (*C.em_engine)(C.calloc(1, C.sizeof_em_engine))}
	handle := (*C.uc_engine)(unsafe.Pointer(uc.Handle()))
	if err := ucError("hooks", C.em_init(e.c, handle, C.int(ucArch), C.bool(hooks))); err != nil {
		e.Close()
		return nil, err
	}
	var room uint64
	for _, z := range zones {
		room += z.Size
	}
	if err := ucError("reserve address space", C.em_zone_room(e.c, C.uint64_t(room))); err != nil {
		e.Close()
		return nil, fmt.Errorf("%w: %w, %d GiB", err, ErrAddresses, 2*room>>30)
	}
	if e.recorded, err = enter(); err != nil {
		e.Close()
		return nil, err
	}
	for _, z := range zones {
		if err := ucError("reserve address space", C.em_zone_add(e.c, C.uint64_t(z.Base), C.uint64_t(z.Size))); err != nil {
			e.Close()
			return nil, fmt.Errorf("%w: %w, %d GiB at %#x", err, ErrAddresses, z.Size>>30, z.Base)
		}
	}
	return e, nil
}

// Close frees everything. The engine must not be used afterwards.
func (e *Engine) Close() {
	if e.c == nil {
		return
	}
	// Unicorn lets go of the zones first, then their memory is returned.
	uc := e.uc
	e.recorded.slot.Leave()
	c := e.c
	e.c, e.uc = nil, nil
	C.em_close_contexts(c)
	_ = uc.Close() // freeing cannot fail in a way that anyone could act on
	C.em_close(c)
	C.free(unsafe.Pointer(c))
}

func ucError(what string, err C.int) error {
	if err == 0 {
		return nil
	}
	return fmt.Errorf("engine: %s: %w", what, unicorn.UcError(err))
}

// SetTrap makes the range [lo, hi) one that stops any thread whose pc enters
// it, before it runs anything there.
func (e *Engine) SetTrap(lo, hi uint64) {
	e.c.trap_lo, e.c.trap_hi = C.uint64_t(lo), C.uint64_t(hi)
}

// Run runs the thread for at most budget instructions, exactly that many
// unless something else stops it first.
func (e *Engine) Run(thread int, budget uint64) (Stop, error) {
	before := e.c.m.step
	r := e.run(thread, budget)
	e.c.stepping_on = false
	s := Stop{Reason: r, Ran: uint64(e.c.m.step - before), Event: bool(e.c.event), Undone: bool(e.c.undone)}
	switch r {
	case StopFault:
		f := &e.c.fault
		s.Fault = Fault{Addr: uint64(f.addr), PC: uint64(f.pc), Access: Prot(f.access), Mapped: f.mapped != 0}
	case StopException:
		s.Vector = int(e.c.intno)
	case StopLimit:
		s.Limit = Limit(e.c.limit)
	case StopError:
		return s, ucError(fmt.Sprintf("run thread %d", thread), e.c.uc_error)
	}
	return s, nil
}

// CountOne counts one instruction more of a thread, the last that ran: something else
// has done what the one at pc does, after a run that stopped before it.
func (e *Engine) CountOne(thread int, pc uint64) {
	C.em_count_one(e.c, C.int(thread), C.uint64_t(pc))
}

// Steps is how many instructions have completed since the engine was made, on
// all threads together, less those that were rewound.
func (e *Engine) Steps() uint64 { return uint64(e.c.m.step) }

// AddThread makes a thread in an empty slot, its registers a copy of parent's,
// or the processor's initial ones when parent is negative.
func (e *Engine) AddThread(slot, parent int) error {
	return ucError("add thread", C.em_thread_add(e.c, C.int(slot), C.int(parent)))
}

// DropThread empties a slot.
func (e *Engine) DropThread(slot int) { C.em_thread_drop(e.c, C.int(slot)) }

// FindMonitor learns where Unicorn keeps arm64's exclusive monitor, so that
// store exclusives can be made to fail where they must. page must be mapped
// readable and executable and begin with the instruction `ldxr xzr, [x1]`; it is
// to be called before the first thread is added.
func (e *Engine) FindMonitor(page uint64) error {
	return ucError("find the exclusive monitor", C.em_monitor_find(e.c, C.uint64_t(page)))
}

// monitor is the address that the thread's exclusive monitor watches. It is not
// armed any more when another thread has written to the bytes that were loaded.
func (e *Engine) monitor(thread int) (addr uint64, armed bool) {
	addr = uint64(C.em_monitor(e.c, C.int(thread)))
	return addr, addr != ^uint64(0)
}

// StoreExclusive tells whether the instruction at pc is a store exclusive of
// arm64. One that comes behind no load exclusive of that address fails without
// an access. Any other one has read memory and, if it fails, put back what it
// found, or, of two registers of eight bytes, not written.
func (e *Engine) StoreExclusive(pc uint64) bool {
	return bool(C.em_store_exclusive(e.c, C.uint64_t(pc)))
}

// LoadExclusive tells whether the instruction at pc is a load exclusive of arm64.
func (e *Engine) LoadExclusive(pc uint64) bool {
	return bool(C.em_load_exclusive(e.c, C.uint64_t(pc)))
}

// UnicornVersion is that of the library the program is linked with.
var UnicornVersion = unicornVersion()

func unicornVersion() string {
	v := uint(C.uc_version(nil, nil))
	return fmt.Sprintf("%d.%d.%d", v>>24, v>>16&0xff, v>>8&0xff)
}

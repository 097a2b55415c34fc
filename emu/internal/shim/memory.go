package shim

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// SetPages gives every page of the range the same permissions; without
// [Mapped] there is no page. Bounds are multiples of [PageSize] inside a zone.
func (e *Engine) SetPages(addr, size uint64, p Prot) error {
	return e.memError("page table", addr, size, C.em_set_pages(e.c, C.uint64_t(addr), C.uint64_t(size), C.uint8_t(p)))
}

// Forget zeroes what the pages of the range hold.
func (e *Engine) Forget(addr, size uint64) error {
	return e.memError("zero", addr, size, C.em_forget(e.c, C.uint64_t(addr), C.uint64_t(size)))
}

func (e *Engine) memError(what string, addr, size uint64, err C.int) error {
	if err == 0 {
		return nil
	}
	if limit := Limit(e.c.limit); limit != NoLimit {
		e.c.limit = C.int(NoLimit)
		return &LimitError{limit}
	}
	return fmt.Errorf("%w at %#x, %#x bytes", ucError(what, err), addr, size)
}

// Page is what the page that holds addr allows.
func (e *Engine) Page(addr uint64) Prot { return Prot(C.em_page(e.c, C.uint64_t(addr))) }

// Allows tells whether every page of [addr, addr+size) is mapped with p.
func (e *Engine) Allows(addr, size uint64, p Prot) bool {
	if size == 0 {
		return true
	}
	last := addr + size - 1
	if last < addr {
		return false
	}
	for page := addr &^ (PageSize - 1); ; page += PageSize {
		if e.Page(page)&(p|Mapped) != p|Mapped {
			return false
		}
		if last-page < PageSize {
			return true
		}
	}
}

// Store writes as the kernel does, whatever the pages allow, on behalf of a
// thread. It can be undone and is logged like any access.
func (e *Engine) Store(thread int, addr uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return e.memError("store", addr, uint64(len(b)),
		C.em_store(e.c, C.int(thread), C.uint64_t(addr), (*C.uint8_t)(&b[0]), C.uint64_t(len(b))))
}

// View is the host memory of [addr, addr+size), whatever the pages allow, or
// nil when the range is not inside one zone. It is for reading only and stays
// valid until Close; what it shows changes as the machine runs.
func (e *Engine) View(addr, size uint64) []byte {
	if size == 0 {
		return nil
	}
	p := C.em_host(e.c, C.uint64_t(addr), C.uint64_t(size))
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), size)
}

// Touched is the value of [Engine.Used] for a page that may hold something.
const Touched = C.EM_TOUCHED

// Used tells, a byte a page, which pages of the range may hold anything but
// zeros: those of the value [Touched]. It is nil when the range is not inside
// one zone.
func (e *Engine) Used(addr, size uint64) []byte {
	for i := range int(e.c.nzones) {
		z := &e.c.zones[i]
		off := addr - uint64(z.base)
		if off < uint64(z.size) && size <= uint64(z.size)-off {
			used := unsafe.Slice((*byte)(z.used), uint64(z.size)/PageSize)
			return used[off/PageSize : (off+size)/PageSize]
		}
	}
	return nil
}

// SetLogging turns the log on or off; it is on by itself from the first mark
// on. Turning it off forgets the log and may only be done without marks.
func (e *Engine) SetLogging(on bool) error {
	if !on && e.c.nmarks > 0 {
		return fmt.Errorf("engine: the log is needed by %d marks", int(e.c.nmarks))
	}
	if !on {
		C.em_log_drop(e.c)
	}
	e.c.logging = C.bool(on)
	return nil
}

// flushTLB drops the translated addresses, for benchmarks and tests.
func (e *Engine) flushTLB() error { return ucError("flush tlb", C.em_flush_tlb(e.c)) }

// Touch logs a read by the kernel on behalf of a thread.
func (e *Engine) Touch(thread int, addr, size uint64) error {
	return e.memError("read", addr, size, C.em_touch(e.c, C.int(thread), C.uint64_t(addr), C.uint64_t(size)))
}

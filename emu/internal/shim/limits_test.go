package shim

import (
	"encoding/binary"
	"errors"
	"syscall"
	"testing"
	"unsafe"

	"emurace/loader"
)

// touches writes a byte to one page after the other, for ever: three instructions a page.
var touches = map[loader.Arch][]byte{
	loader.ARM64: words(0x39000002, 0x91400400, 0x17fffffe),                                // strb w2, [x0]; add x0, x0, #1, lsl #12; b
	loader.AMD64: {0xc6, 0x07, 0x01, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xf4}, // movb $1, (%rdi); add $0x1000, %rdi; jmp
}

const spare = dataAt + 1<<30

// toucher is an engine whose thread touches pages that nobody has touched.
func toucher(t *testing.T, arch loader.Arch) *Engine {
	t.Helper()
	e := newEngine(t, arch, touches[arch], 1, true)
	must(t, e.SetPages(spare, 1<<30, Read|Write|Mapped))
	set(t, e, 0, "addr", spare)
	set(t, e, 0, "value", 1)
	return e
}

// A run ends before the instruction that touches a page too many, wherever slices end, and
// whatever was run before and taken back.
func TestMemoryLimit(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := toucher(t, arch)
		const pages = 500
		before := e.memoryTaken()
		m := mustMark(t, e)
		e.SetMemoryLimit(before + pages*20<<10 + 3*PageSize)
		for _, slice := range []uint64{1 << 20, 1, 7, 300, 1 << 20} {
			ran := uint64(0)
			var s Stop
			for s = run(t, e, 0, slice); s.Reason == StopBudget; s = run(t, e, 0, slice) {
				ran += s.Ran
			}
			ran += s.Ran
			if s.Reason != StopLimit || s.Limit != MemoryLimit || ran != 3*pages || !s.Undone {
				t.Fatalf("slices of %d: %+v after %d", slice, s, ran)
			}
			if taken := e.memoryTaken() - before; taken != pages*20<<10 {
				t.Errorf("%d bytes are taken", taken)
			}
			if again := run(t, e, 0, 1); again.Reason != StopLimit || again.Ran != 0 {
				t.Errorf("and then %+v", again)
			}
			for i := range uint64(pages + 1) {
				if b := e.View(spare+i*PageSize, 1)[0]; (b == 1) != (i < pages) {
					t.Fatalf("page %d holds %d", i, b)
				}
			}
			must(t, m.Rewind())
			if e.memoryTaken() != before || e.View(spare, 1)[0] != 0 {
				t.Errorf("rewound, %d bytes are taken", e.memoryTaken()-before)
			}
			for i, used := range e.Used(spare, pages*PageSize) {
				if used == Touched {
					t.Fatalf("rewound, page %d is touched", i)
				}
			}
		}
		// With more, it goes further.
		e.SetMemoryLimit(before + 2*pages*20<<10)
		if s := run(t, e, 0, 3*pages+30); s.Reason != StopBudget {
			t.Errorf("%+v", s)
		}
	})
}

// What the kernel stores counts too, before the race at its size alone. A store of which
// there is no room for all does nothing.
func TestMemoryLimitOfKernel(t *testing.T) {
	e := toucher(t, loader.AMD64)
	before := e.memoryTaken()
	e.SetMemoryLimit(before + 4*PageSize)
	must(t, e.Store(0, spare, make([]byte, 2*PageSize)))
	must(t, e.Store(0, spare, make([]byte, PageSize)))
	if taken := e.memoryTaken() - before; taken != 2*PageSize {
		t.Errorf("%d bytes are taken", taken)
	}
	b := binary.LittleEndian.AppendUint64(nil, 7)
	var reached *LimitError
	if err := e.Store(0, spare+2*PageSize, append(make([]byte, 3*PageSize), b...)); !errors.As(err, &reached) || reached.Limit != MemoryLimit {
		t.Errorf("%v", err)
	}
	if err := e.Store(0, spare+4*PageSize, b); err == nil && e.memoryTaken() > before+4*PageSize {
		t.Errorf("%d bytes are taken", e.memoryTaken()-before)
	}
	// An error that comes later is not about the limit.
	if err := e.Store(0, 1, b); err == nil || errors.As(err, &reached) {
		t.Errorf("%v", err)
	}
}

// Runs that are taken back give their memory back, also those of few pages, each of which
// touches others than the one before: nothing is left but what is kept for a while.
func TestMemoryGivenBack(t *testing.T) {
	e := toucher(t, loader.AMD64)
	m := mustMark(t, e)
	for i := range uint64(2000) {
		set(t, e, 0, "addr", spare+i*64*PageSize)
		run(t, e, 0, 3*(i%100+1))
		must(t, m.Rewind())
	}
	if n := resident(e, spare, 1<<30); n > 8192 {
		t.Errorf("%d pages are resident", n)
	}
}

// The page table can be changed only so often.
func TestMapsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("two million changes")
	}
	e := toucher(t, loader.AMD64)
	m := mustMark(t, e)
	var reached *LimitError
	for i := uint64(0); ; i++ {
		err := e.SetPages(spare+i%8*PageSize, PageSize, Read|Mapped)
		if errors.As(err, &reached) {
			break
		}
		must(t, err)
		if i > 1<<22 {
			t.Fatal("no end")
		}
	}
	if reached.Limit != LogLimit {
		t.Errorf("%v", reached)
	}
	must(t, m.Rewind())
	must(t, e.SetPages(spare, PageSize, Read|Mapped))
}

func mustMark(t *testing.T, e *Engine) *Mark {
	t.Helper()
	m, err := e.Mark()
	must(t, err)
	return m
}

// resident is how many pages of a range take memory of the host's (mincore(2)).
func resident(e *Engine, addr, size uint64) int {
	view := e.View(addr, size)
	vec := make([]byte, size/PageSize)
	if _, _, errno := syscall.Syscall(syscall.SYS_MINCORE, uintptr(unsafe.Pointer(&view[0])), uintptr(size), uintptr(unsafe.Pointer(&vec[0]))); errno != 0 {
		panic(errno)
	}
	n := 0
	for _, b := range vec {
		n += int(b & 1)
	}
	return n
}

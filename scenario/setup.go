package scenario

import (
	"fmt"
	"slices"

	"emurace/loader"
)

// Setup is what a plan's Setup uses to set the stage.
type Setup struct{ s *Session }

// Call makes a call on a racing thread while every other thread stands still,
// and returns its result.
func (u *Setup) Call(thread string, fn string, args ...Arg) (uint64, error) {
	return u.Make(thread, Call{Func: fn, Args: args})
}

// Make is Call for a call of any kind but one that only places data.
func (u *Setup) Make(thread string, call Call) (uint64, error) {
	s := u.s
	i := slices.Index(s.Names(), thread)
	if i < 0 {
		return 0, fmt.Errorf("call %s: no thread %q", call.Func, thread)
	}
	addr, values, err := s.prepare(i, call)
	if err != nil {
		return 0, err
	}
	if err := s.m.CallWith(s.threads[i].machine, addr, call.String(), values); err != nil {
		return 0, err
	}
	return s.result(i, call)
}

// Code places machine code into fresh memory that the guest's own mmap maps
// readable, writable and executable, and returns its address. What follows the
// code up to the end of size bytes is zero and may serve as its data.
func (u *Setup) Code(code []byte, size uint64) (uint64, error) {
	if size < uint64(len(code)) {
		return 0, fmt.Errorf("code: %d bytes do not fit into %d", len(code), size)
	}
	const rwx, privateAnonymous = 7, 0x22
	const failed = ^uint64(0) // MAP_FAILED
	addr, err := u.Call(u.s.plan.Threads[0].Name, "mmap", Int(0), Int(size), Int(rwx), Int(privateAnonymous), Int(^uint64(0)), Int(0))
	if err != nil {
		return 0, err
	}
	if addr == failed {
		return 0, fmt.Errorf("code: mmap gives no %d bytes", size)
	}
	return addr, u.s.m.Write(0, addr, code)
}

// Lookup is the address of a function that a loaded library exports, to hand to
// code that calls it.
func (u *Setup) Lookup(name string) (uint64, error) { return u.s.m.Lookup(name) }

// Data is Alloc for static data that has a name, by which it is told of; "" for none.
func (u *Setup) Data(name string, size uint64) (uint64, error) {
	addr, err := u.s.m.Alloc(size)
	if err == nil && name != "" {
		u.s.m.NameData(name, addr, size)
	}
	return addr, err
}

// Alloc is fresh zeroed bytes outside of the guest's heap, 16-byte aligned.
func (u *Setup) Alloc(size uint64) (uint64, error) { return u.s.m.Alloc(size) }

// Read copies memory of the guest, false where none is mapped.
func (u *Setup) Read(addr, size uint64) ([]byte, bool) { return u.s.m.Read(addr, size) }

// Write stores into mapped memory of the guest, whatever its pages allow.
func (u *Setup) Write(addr uint64, data []byte) error { return u.s.m.Write(0, addr, data) }

// Libc is the C library of the process.
func (u *Setup) Libc() LibcID { return u.s.libc }

// Arch is the guest's architecture.
func (u *Setup) Arch() loader.Arch { return u.s.m.Arch() }

// CString reads a string of the guest.
func (u *Setup) CString(addr uint64) (string, bool) { return u.s.m.CString(addr, maxString) }

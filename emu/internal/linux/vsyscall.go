package linux

import "emurace/loader"

// Linux gives every process on amd64 a page at a fixed address with three functions, which
// glibc before 2.31 jumps to: gettimeofday, time and getcpu (arch/x86/entry/vsyscall). No
// memory is there. A jump to one of the three addresses faults, and the kernel does the
// call and returns from it; any other, and any read, is an ordinary fault, as with
// vsyscall=xonly, the default.

// vsyscall is one of the page's functions.
type vsyscall struct {
	number  uint64
	pointer [2]uint64 // bytes that the first and the second argument point to, 0 for no pointer
}

var vsyscalls = map[uint64]vsyscall{
	0xffffffffff600000: {96, [2]uint64{16, 8}}, // gettimeofday
	0xffffffffff600400: {201, [2]uint64{8, 0}}, // time
	0xffffffffff600800: {309, [2]uint64{4, 4}}, // getcpu
}

// Vsyscall tells whether a function of the vsyscall page is at pc.
func (k *Kernel) Vsyscall(pc uint64) bool {
	_, ok := vsyscalls[pc]
	return ok && k.Arch == loader.AMD64
}

// VsyscallRefused tells whether a call of the function at pc dies instead: of the stack
// pointer, from which it is to return, and its arguments, the first that the thread may
// not use so, and for what.
func (k *Kernel) VsyscallRefused(pc, sp uint64, args [6]uint64) (addr uint64, p loader.Prot, refused bool) {
	if !k.Memory.Allows(sp, 8, loader.ProtRead) {
		return sp, loader.ProtRead, true
	}
	for i, size := range vsyscalls[pc].pointer {
		if a := args[i]; size != 0 && a != 0 && !k.Memory.Allows(a, size, loader.ProtWrite) {
			return a, loader.ProtWrite, true
		}
	}
	return 0, 0, false
}

// DoVsyscall carries out a call of the function at pc that is not refused, and tells
// where it returns to.
func (k *Kernel) DoVsyscall(thread int, pc, sp uint64, args [6]uint64) (r Result, back uint64, err error) {
	reads := Result{thread: thread}
	b, ok := k.read(&reads, sp, 8)
	if !ok || reads.failed != nil {
		return reads, 0, reads.failed
	}
	back = le.Uint64(b)
	r, err = k.Do(Call{Thread: thread, Number: vsyscalls[pc].number, Args: args})
	return r, back, err
}

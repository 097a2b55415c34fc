package linux

import "emurace/loader"

// Vsyscall is a function of the vsyscall page. Linux gives every process on amd64 this
// page at a fixed address, with three functions, which glibc before 2.31 jumps to
// (arch/x86/entry/vsyscall). No memory is there: a jump to one of the three addresses
// faults, and the kernel does the call and returns from it. Any other jump to the page, and
// any read of it, is an ordinary fault, as with vsyscall=xonly, the default.
type Vsyscall struct {
	Number   uint64    // of the system call that does the same
	Pointers [2]uint64 // how many bytes the first and the second argument point to; 0 for no pointer
}

var vsyscalls = map[uint64]Vsyscall{
	0xffffffffff600000: {96, [2]uint64{16, 8}}, // gettimeofday
	0xffffffffff600400: {201, [2]uint64{8, 0}}, // time
	0xffffffffff600800: {309, [2]uint64{4, 4}}, // getcpu
}

// VsyscallAt is the function at an address of a program.
func VsyscallAt(arch loader.Arch, pc uint64) (Vsyscall, bool) {
	v, ok := vsyscalls[pc]
	return v, ok && arch == loader.AMD64
}

package wall

import (
	"errors"
	"math"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seccompMissing is why system calls cannot be refused, "" when they can.
func seccompMissing() string {
	if hostArch == 0 {
		return "not made for " + runtime.GOARCH
	}
	action := uint32(unix.SECCOMP_RET_ERRNO)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	switch errno {
	case 0:
		return ""
	case unix.ENOSYS, unix.EINVAL, unix.EOPNOTSUPP:
		return "this kernel has no seccomp filters"
	}
	return "seccomp: " + errno.Error()
}

// restrictCalls has the filter judge every system call of every thread from now on.
func restrictCalls(program []unix.SockFilter) error {
	if len(program) > math.MaxUint16 {
		return errInternal
	}
	// The calling thread must have given up to gain privileges; the others follow it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&prog)))
	runtime.KeepAlive(program)
	switch {
	case errno != 0:
		return errno
	case thread != 0:
		return errors.New("a thread has a filter of its own")
	}
	return nil
}

// Where the words of struct seccomp_data are (include/uapi/linux/seccomp.h); the hosts
// are little-endian, so an argument's low half comes first.
const (
	dataCall = 0
	dataArch = 4
	dataArgs = 16
)

// What a filter comes to. A refused call is an error like any other, so that whoever
// made it can say what did not work.
const (
	allow   = unix.SECCOMP_RET_ALLOW
	refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	unknown = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
)

// filter is a program of classic BPF: which calls are refused, with what error.
func filter(accept bool) []unix.SockFilter {
	f := program{}
	f.load(dataArch)
	f.unless(unix.BPF_JEQ, hostArch, refuse) // another architecture's numbers
	f.load(dataCall)
	// Calls that nobody has looked at. A C library of today tries new ones and does
	// without.
	f.when(unix.BPF_JGT, lastCall, unknown)
	for _, call := range refused {
		f.when(unix.BPF_JEQ, call, refuse)
	}
	if !accept {
		for _, call := range accepting {
			f.when(unix.BPF_JEQ, call, refuse)
		}
	}
	// Its flags are in memory, out of a filter's sight; the C library then takes clone.
	f.when(unix.BPF_JEQ, unix.SYS_CLONE3, unknown)
	for _, c := range bounded() {
		f.argument(c)
	}
	f.end(allow)
	return f
}

// condition allows a call only with some values of the low half of an argument, or with
// a bit set, or refuses some.
type condition struct {
	call uint32
	arg  int
	jump uint16 // BPF_JEQ, or BPF_JSET for a bit
	any  []uint32
	not  bool // refuse these
}

// bounded are calls that are of use, but not to do everything.
func bounded() []condition {
	self := uint32(unix.Getpid())
	own := []uint32{0, self} // 0: the caller, or for kill its process group, as Ctrl-Z does
	return []condition{
		{call: unix.SYS_CLONE, jump: unix.BPF_JSET, any: []uint32{unix.CLONE_THREAD}},
		{call: unix.SYS_KILL, jump: unix.BPF_JEQ, any: own},
		{call: unix.SYS_TGKILL, jump: unix.BPF_JEQ, any: own},
		{call: unix.SYS_PRLIMIT64, jump: unix.BPF_JEQ, any: own},
		// Both put keystrokes into a terminal, for the shell behind it to run.
		{call: unix.SYS_IOCTL, arg: 1, jump: unix.BPF_JEQ, any: []uint32{unix.TIOCSTI, tiocLinux}, not: true},
	}
}

const tiocLinux = 0x541c // TIOCLINUX of asm-generic/ioctls.h

// program is a filter in the making.
type program []unix.SockFilter

func (f *program) add(code uint16, k uint32, yes, no uint8) {
	*f = append(*f, unix.SockFilter{Code: code, K: k, Jt: yes, Jf: no})
}

// load takes a word of the call's data.
func (f *program) load(at uint32) { f.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, at, 0, 0) }

// end ends the program.
func (f *program) end(with uint32) { f.add(unix.BPF_RET|unix.BPF_K, with, 0, 0) }

// when ends the program if a comparison holds.
func (f *program) when(jump uint16, k, with uint32) {
	f.add(unix.BPF_JMP|jump|unix.BPF_K, k, 0, 1)
	f.end(with)
}

// unless ends the program if a comparison does not hold.
func (f *program) unless(jump uint16, k, with uint32) {
	f.add(unix.BPF_JMP|jump|unix.BPF_K, k, 1, 0)
	f.end(with)
}

// argument judges a call by an argument.
func (f *program) argument(c condition) {
	found, otherwise := uint32(allow), uint32(refuse)
	if c.not {
		found, otherwise = refuse, allow
	}
	// Past all of this for other calls: one to load, two a value, one to end.
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, c.call, 0, uint8(2+2*len(c.any)))
	f.load(dataArgs + 8*uint32(c.arg))
	for _, v := range c.any {
		f.when(c.jump, v, found)
	}
	f.end(otherwise)
}

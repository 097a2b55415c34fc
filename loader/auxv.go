package loader

// AuxEntry is one entry of the auxiliary vector, by which the kernel tells the
// dynamic linker about the program and the machine.
type AuxEntry struct{ Type, Value uint64 }

// Types of AuxEntry, from Linux's include/uapi/linux/auxvec.h and, for
// AT_SYSINFO_EHDR and AT_MINSIGSTKSZ, the architectures' asm/auxvec.h.
const (
	AT_NULL              = 0  // end of the vector
	AT_IGNORE            = 1  // entry to be skipped
	AT_EXECFD            = 2  // file descriptor of the program
	AT_PHDR              = 3  // address of the program headers
	AT_PHENT             = 4  // size of one program header
	AT_PHNUM             = 5  // number of program headers
	AT_PAGESZ            = 6  // page size in bytes
	AT_BASE              = 7  // load bias of the interpreter
	AT_FLAGS             = 8  // flags, 0
	AT_ENTRY             = 9  // entry of the program
	AT_NOTELF            = 10 // program is not ELF
	AT_UID               = 11 // real user
	AT_EUID              = 12 // effective user
	AT_GID               = 13 // real group
	AT_EGID              = 14 // effective group
	AT_PLATFORM          = 15 // address of the processor's name
	AT_HWCAP             = 16 // processor features
	AT_CLKTCK            = 17 // ticks a second of times()
	AT_SECURE            = 23 // set-uid program, ld.so ignores the environment
	AT_BASE_PLATFORM     = 24 // address of the real processor's name
	AT_RANDOM            = 25 // address of 16 random bytes
	AT_HWCAP2            = 26 // more processor features
	AT_RSEQ_FEATURE_SIZE = 27 // size of the rseq area the kernel knows
	AT_RSEQ_ALIGN        = 28 // alignment of the rseq area
	AT_HWCAP3            = 29 // more processor features
	AT_HWCAP4            = 30 // more processor features
	AT_EXECFN            = 31 // address of the program's path
	AT_SYSINFO           = 32 // entry of the vsyscall page (i386)
	AT_SYSINFO_EHDR      = 33 // address of the vDSO
	AT_MINSIGSTKSZ       = 51 // smallest stack for a signal handler
)

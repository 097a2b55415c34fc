package unwind

import "emurace/loader"

// arch is what the ABI of an architecture says about registers, by DWARF
// number.
type arch struct {
	general       uint64 // registers 0 to general-1 are general ones, with sp
	sp, fp        uint64
	returnAddress uint64 // the usual return address column
	link          bool   // calls leave the return address in that register
	// preserved are the registers that a called function hands back as they
	// were, so that "no rule" means "the same".
	preserved []uint64
	// addressMask keeps the bits of a return address that are one: arm64
	// signs it in the bits above the 48 of a user address.
	addressMask uint64
}

// From "DWARF for the Arm 64-bit Architecture" and AAPCS64: x19 to x28, the
// frame pointer x29. x30 is of the caller's making, so it is not among them.
var arm64 = arch{
	general: 32, sp: 31, fp: 29, returnAddress: 30, link: true,
	preserved:   []uint64{19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29},
	addressMask: 1<<48 - 1,
}

// From the System V ABI for AMD64, figures 3.4 and 3.36: rbx, rbp, r12 to r15.
// Column 16 stands for the return address, which is in no register.
var amd64 = arch{
	general: 16, sp: 7, fp: 6, returnAddress: 16,
	preserved:   []uint64{3, 6, 12, 13, 14, 15},
	addressMask: ^uint64(0),
}

func archOf(a loader.Arch) *arch {
	switch a {
	case loader.ARM64:
		return &arm64
	case loader.AMD64:
		return &amd64
	}
	return nil
}

// amd64Registers are the names by DWARF number, which is not the number in
// instructions.
var amd64Registers = [...]string{
	"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip",
}

var arm64Registers = [...]string{
	"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10",
	"x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20",
	"x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",
}

// RegisterName returns the name of a general register by its DWARF number,
// such as x19, sp or rbx, or "" for another number.
func RegisterName(a loader.Arch, dwarf uint64) string {
	names := amd64Registers[:]
	if a == loader.ARM64 {
		names = arm64Registers[:]
	}
	if archOf(a) == nil || dwarf >= uint64(len(names)) {
		return ""
	}
	return names[dwarf]
}

// RegisterNumber is the inverse of RegisterName.
func RegisterNumber(a loader.Arch, name string) (dwarf uint64, ok bool) {
	for n := range uint64(tracked) {
		if s := RegisterName(a, n); s != "" && s == name {
			return n, true
		}
	}
	return 0, false
}

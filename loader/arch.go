package loader

import (
	"debug/elf"
	"fmt"
)

// PageSize is the page size in bytes that mappings are rounded to, on both
// architectures. An arm64 kernel may use larger pages; 4 KiB is what Debian's
// kernels use, and libraries linked for 64 KiB pages work with it too.
const PageSize = 4096

// Arch is a guest architecture. The zero value is none.
type Arch uint8

// The architectures that can be loaded, both 64-bit and little-endian.
const (
	ARM64 Arch = iota + 1
	AMD64
)

// String returns the name that ParseArch reads, "arm64" or "amd64".
func (a Arch) String() string {
	switch a {
	case ARM64:
		return "arm64"
	case AMD64:
		return "amd64"
	}
	return fmt.Sprintf("Arch(%d)", uint8(a))
}

// ParseArch reads a name as Debian and Go write it: "arm64" or "amd64". The
// names of uname, "aarch64" and "x86_64", are accepted too.
func ParseArch(name string) (Arch, error) {
	switch name {
	case "arm64", "aarch64":
		return ARM64, nil
	case "amd64", "x86_64":
		return AMD64, nil
	}
	return 0, fmt.Errorf("architecture %q: not arm64 or amd64", name)
}

// Machine returns the e_machine value of the architecture's ELF files, or
// elf.EM_NONE for an invalid Arch.
func (a Arch) Machine() elf.Machine {
	switch a {
	case ARM64:
		return elf.EM_AARCH64
	case AMD64:
		return elf.EM_X86_64
	}
	return elf.EM_NONE
}

// platform returns what the kernel passes as AT_PLATFORM, the name that ld.so
// substitutes for $PLATFORM: "aarch64" or "x86_64".
func (a Arch) platform() string {
	switch a {
	case ARM64:
		return "aarch64"
	case AMD64:
		return "x86_64"
	}
	return ""
}

// Interp returns the path of the dynamic linker that the architecture's ABI
// prescribes for glibc programs.
func (a Arch) Interp() string {
	switch a {
	case ARM64:
		return "/lib/ld-linux-aarch64.so.1"
	case AMD64:
		return "/lib64/ld-linux-x86-64.so.2"
	}
	return ""
}

// Triplet returns Debian's multiarch folder name, "aarch64-linux-gnu" or
// "x86_64-linux-gnu".
func (a Arch) Triplet() string {
	switch a {
	case ARM64:
		return "aarch64-linux-gnu"
	case AMD64:
		return "x86_64-linux-gnu"
	}
	return ""
}

// archOf is the inverse of Machine.
func archOf(m elf.Machine) (Arch, bool) {
	switch m {
	case elf.EM_AARCH64:
		return ARM64, true
	case elf.EM_X86_64:
		return AMD64, true
	}
	return 0, false
}

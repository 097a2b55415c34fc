//go:build arm64

package wall

import "golang.org/x/sys/unix"

const hostArch = unix.AUDIT_ARCH_AARCH64

// only are the refused calls that no other architecture has.
var only = []uint32{unix.SYS_KEXEC_FILE_LOAD}

package emu

import (
	"emurace/emu/internal/linux"
	"emurace/loader"
)

// SystemCall is a system call that the kernel knows.
type SystemCall struct {
	Name   string
	Number uint64
}

// SystemCalls lists those of an architecture, by name: the rows of its column in
// docs/syscalls.md, also those that always fail.
func SystemCalls(arch loader.Arch) []SystemCall {
	var list []SystemCall
	for _, d := range linux.Table() {
		n := d.AMD64
		if arch == loader.ARM64 {
			n = d.ARM64
		}
		if n >= 0 {
			list = append(list, SystemCall{d.Name, uint64(n)})
		}
	}
	return list
}

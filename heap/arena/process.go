package arena

import (
	"strconv"
	"strings"

	"emurace/loader"
)

// Region is a range of addresses that a core file has the memory of, from Lo up to Hi.
type Region struct {
	Lo, Hi   uint64
	Writable bool
	File     string // path of the file that it was mapped from, "" for none or for unknown
}

// Memory is what is left of a process's memory. Its methods must be quick: a walk through a
// heap reads all of it once, in blocks of 64 KiB.
type Memory interface {
	// Read copies bytes, false when any of them is not there.
	Read(addr, size uint64) ([]byte, bool)
	// Read64 reads a little-endian word, false when it is not there.
	Read64(addr uint64) (uint64, bool)
	// Regions lists what is there, by ascending address, no two overlapping.
	Regions() []Region
}

// Module is where an ELF file was mapped.
type Module struct {
	// Image is the file, nil when it is not at hand. With a debug file attached, its
	// symbols and types tell where things are; without, they are recognised.
	Image  *loader.Image
	Lo, Hi uint64 // extent in memory, .bss included; 0 and 0 for unknown
	Base   uint64 // load bias: address in memory less the image's own
}

// Thread is a thread of the process at its death.
type Thread struct {
	ID uint32 // as gettid tells it
	TP uint64 // thread pointer: TPIDR_EL0 or FS_BASE; 0 for unknown
	SP uint64 // stack pointer; 0 for unknown
}

// Process is a dead process. The threads must be all that it had: a block that is in the
// cache of one that is left out looks as if it were in use.
type Process struct {
	Memory  Memory
	Arch    loader.Arch
	Libc    Module
	Version string // of glibc, such as "2.36"; "" for unknown
	Threads []Thread
}

// minorOf is the 36 of a version "2.36", 0 for none.
func minorOf(version string) int {
	major, rest, _ := strings.Cut(version, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	n, err := strconv.Atoi(rest)
	if err != nil || major != "2" || n > 999 {
		return 0
	}
	return n
}

package flow

import (
	"emurace/loader"
	"emurace/unwind"
)

// maxRegisters is more than the general registers of each architecture.
const maxRegisters = 32

// abi is what an architecture's calling convention says: AAPCS64, and the System V ABI for AMD64.
// Registers go by their DWARF numbers.
type abi struct {
	arch      loader.Arch
	n         int    // general registers, the stack pointer among them
	sp        int    // the stack pointer
	args      []int  // integer arguments
	result    int    // integer result
	saved     []bool // registers that calls preserve
	entry     int64  // the CFA less the stack pointer at a function's entry
	names     []string
	numbers   map[string]int
	maxLength int // of an instruction
}

var arm64 = newABI(loader.ARM64, 32, 31, []int{0, 1, 2, 3, 4, 5, 6, 7}, 0,
	[]int{19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31}, 0, 4)

var amd64 = newABI(loader.AMD64, 16, 7, []int{5, 4, 1, 2, 8, 9}, 0, []int{3, 6, 7, 12, 13, 14, 15}, 8, 15)

func newABI(arch loader.Arch, n, sp int, args []int, result int, saved []int, entry int64, length int) *abi {
	a := &abi{arch: arch, n: n, sp: sp, args: args, result: result, entry: entry, maxLength: length, saved: make([]bool, n), numbers: map[string]int{}}
	for _, r := range saved {
		a.saved[r] = true
	}
	for r := range n {
		name := unwind.RegisterName(arch, uint64(r))
		a.names = append(a.names, name)
		a.numbers[name] = r
	}
	return a
}

func abiOf(arch loader.Arch) *abi {
	switch arch {
	case loader.ARM64:
		return arm64
	case loader.AMD64:
		return amd64
	}
	return nil
}

// register is the number of a general register, -1 for another one.
func (a *abi) register(name string) int {
	if r, ok := a.numbers[name]; ok {
		return r
	}
	return -1
}

// argument is the number of the argument that a register has, -1 for none.
func (a *abi) argument(register int) int {
	for i, r := range a.args {
		if r == register {
			return i
		}
	}
	return -1
}

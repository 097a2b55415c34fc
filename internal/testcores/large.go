package testcores

import (
	"fmt"
	"testing"
)

// LargeOptions say how large a core is to be. Each block takes its size in the core and one
// page on disk.
type LargeOptions struct {
	Threads   int // beside main
	Blocks    int
	BlockSize int // in bytes, 8 more than a multiple of 16 and more than the tcache takes: 0x410
}

// DefaultLarge is 500 threads and 4 GiB.
var DefaultLarge = LargeOptions{Threads: 500, Blocks: 1 << 16, BlockSize: 1<<16 - 8}

// LargeTruth is what is true of such a core.
func LargeTruth(o LargeOptions) Truth {
	return Truth{
		Kind: MallocWord, Signal: sigsegv, Thread: "main", Stack: []string{"strlen", "length_of", "main"}, Value: ChunkSize, Bits: uint64(o.BlockSize) + 8,
		Size: uint64(o.BlockSize), Offset: uint64(o.BlockSize) - 8, Culprit: "main",
	}
}

// Large is the core of large.c by the kernel, of this machine's architecture: a file with holes.
// Main has died; all other threads wait in pause.
func Large(t testing.TB, o LargeOptions) *Core {
	t.Helper()
	if err := KernelCores(); err != nil {
		t.Skipf("%v, and gcore would write every page", err)
	}
	return build(t, Kernel, largeRecipe(o))
}

func largeRecipe(o LargeOptions) recipe {
	return recipe{file: "large.c", flags: []string{
		fmt.Sprintf("-DTHREADS=%d", o.Threads), fmt.Sprintf("-DBLOCKS=%d", o.Blocks), fmt.Sprintf("-DSIZE=%d", o.BlockSize),
	}}
}

package heap

import (
	"math"
	"slices"
	"sync"

	"emurace/emu"
)

// functions are those whose calls tell what is in the heap: C's own, POSIX's and
// glibc's. The last line's neither give nor take a block, but look at the heap
// all the same.
var functions = []string{
	"malloc", "free", "calloc", "realloc", "reallocarray", "aligned_alloc", "memalign", "posix_memalign",
	"valloc", "pvalloc", "cfree", "free_sized", "free_aligned_sized",
	"malloc_usable_size", "malloc_trim", "mallopt", "mallinfo", "mallinfo2", "malloc_stats", "malloc_info",
}

// Functions lists the functions of allocators by name.
func Functions() []string { return slices.Clone(functions) }

// allocates tells how many bytes a call with these arguments asks for, false when
// the function hands out no blocks.
func allocates(name string, a [6]uint64) (size uint64, gives bool) {
	switch name {
	case "malloc", "valloc", "pvalloc":
		return a[0], true
	case "calloc":
		return product(a[0], a[1]), true
	case "realloc", "aligned_alloc", "memalign":
		return a[1], true
	case "reallocarray":
		return product(a[1], a[2]), true
	case "posix_memalign":
		return a[2], true
	}
	return 0, false
}

// product is one of sizes; one that does not fit is refused by the callee anyway.
func product(a, b uint64) uint64 {
	if a != 0 && b > math.MaxUint64/a {
		return math.MaxUint64
	}
	return a * b
}

// Releases tells whether the function's first argument is a block that it frees or
// resizes.
func Releases(name string) bool { return frees(name) || resizes(name) }

func frees(name string) bool {
	switch name {
	case "free", "cfree", "free_sized", "free_aligned_sized":
		return true
	}
	return false
}

func resizes(name string) bool { return name == "realloc" || name == "reallocarray" }

// blockOf is the block that a call has returned, 0 for none.
func blockOf(m *emu.Process, name string, args [6]uint64, result uint64) uint64 {
	if name != "posix_memalign" {
		return result
	}
	// What it hands out lies where its first argument points to.
	given, ok := m.Read64(args[0])
	if !ok || int32(result) != 0 {
		return 0
	}
	return given
}

// Trace lets f know of every call of an allocator, as [emu.Process.TraceCalls]
// does. The result of one that has returned is the block that it gives. A call that
// the allocator's own code makes has a depth of at least 1, also where none of these
// functions has called that code: where a thread ends, glibc's frees for good what
// the program has freed before.
func Trace(m *emu.Process, f func(emu.CallEvent)) error {
	m.System().LoadDebug() // for the names of whoever looks at a call
	return TraceWanted(m, func(emu.CallEvent) bool { return true }, f)
}

// TraceWanted is Trace of those calls only that wanted says it of. It is asked of each with the
// depth that TraceCalls says. To find out where the allocator's own code is takes long; it is
// put off until the first wanted call.
func TraceWanted(m *emu.Process, wanted func(emu.CallEvent) bool, f func(emu.CallEvent)) error {
	own := sync.OnceValue(places(m).code)
	return m.TraceCalls(functions, func(c emu.CallEvent) {
		if !wanted(c) {
			return
		}
		if own().Has(c.Caller - 1) {
			c.Depth++
		}
		if c.Returned {
			c.Result = blockOf(m, c.Func, c.Args, c.Result)
		}
		f(c)
	})
}

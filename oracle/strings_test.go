package oracle

import (
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// stringCall is a call of a string function on a block that holds n bytes of 'x' and
// then, when it is terminated, a NUL as its last byte; with two blocks both hold that.
type stringCall struct {
	name string
	call func(a, b scenario.Arg, n uint64) scenario.Call
	// bounded functions are told not to go beyond the block.
	bounded bool
	wide    bool // characters of four bytes
}

var stringCalls = []stringCall{
	{"strlen", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strlen", a) }, false, false},
	{"strnlen", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strnlen", a, scenario.Int(n)) }, true, false},
	{"strchr", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strchr", a, scenario.Int('y')) }, false, false},
	{"strrchr", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strrchr", a, scenario.Int('y')) }, false, false},
	{"strchrnul", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strchrnul", a, scenario.Int('y')) }, false, false},
	{"memchr", func(a, b scenario.Arg, n uint64) scenario.Call {
		return call("memchr", a, scenario.Int('y'), scenario.Int(n))
	}, true, false},
	{"memrchr", func(a, b scenario.Arg, n uint64) scenario.Call {
		return call("memrchr", a, scenario.Int('y'), scenario.Int(n))
	}, true, false},
	{"index", func(a, b scenario.Arg, n uint64) scenario.Call { return call("index", a, scenario.Int('y')) }, false, false},
	{"rawmemchr", func(a, b scenario.Arg, n uint64) scenario.Call { return call("rawmemchr", a, scenario.Int(0)) }, false, false},
	{"strcmp", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strcmp", a, b) }, false, false},
	{"strncmp", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strncmp", a, b, scenario.Int(n)) }, true, false},
	{"strcasecmp", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strcasecmp", a, b) }, false, false},
	{"memcmp", func(a, b scenario.Arg, n uint64) scenario.Call { return call("memcmp", a, b, scenario.Int(n)) }, true, false},
	{"strcpy", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strcpy", b, a) }, false, false},
	{"stpcpy", func(a, b scenario.Arg, n uint64) scenario.Call { return call("stpcpy", b, a) }, false, false},
	{"strncpy", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strncpy", b, a, scenario.Int(n)) }, true, false},
	{"strspn", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strspn", a, scenario.Str("x")) }, false, false},
	{"strcspn", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strcspn", a, scenario.Str("yz")) }, false, false},
	{"strpbrk", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strpbrk", a, scenario.Str("yz")) }, false, false},
	{"strstr", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strstr", a, scenario.Str("xy")) }, false, false},
	{"strdup", func(a, b scenario.Arg, n uint64) scenario.Call { return call("strdup", a) }, false, false},
	{"wcslen", func(a, b scenario.Arg, n uint64) scenario.Call { return call("wcslen", a) }, false, true},
	{"wmemchr", func(a, b scenario.Arg, n uint64) scenario.Call {
		return call("wmemchr", a, scenario.Int('y'), scenario.Int(n/4))
	}, true, true},
}

// place is where in a block a string lies.
type place struct {
	size, offset uint64 // of the block, and of the string in it
	terminated   bool
}

// placed is one thread that for each place makes three blocks of the size, fills two
// behind the offset, and makes a call on these.
func placed(c stringCall, places []place) *scenario.Plan {
	const steps = 6
	return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: body(func(r []uint64) (scenario.Call, bool) {
		if len(r) == steps*len(places) {
			return scenario.Call{}, false
		}
		at, r := places[len(r)/steps], r[len(r)/steps*steps:]
		n := at.size - at.offset
		fill := n
		if at.terminated && c.wide {
			fill -= 4
		} else if at.terminated {
			fill--
		}
		switch len(r) {
		case 0, 1, 2:
			return call("calloc", scenario.Int(1), scenario.Int(at.size)), true // the third one lies behind
		case 3, 4:
			return call("memset", scenario.Int(r[len(r)-3]+at.offset), scenario.Int('x'), scenario.Int(fill)), true
		}
		return c.call(scenario.Int(r[0]+at.offset), scenario.Int(r[1]+at.offset), n), true
	})}}}
}

// inspectPlaces is what is wrong with the calls of placed.
func inspectPlaces(t *testing.T, sys *emu.System, c stringCall, places []place) []Problem {
	t.Helper()
	p := begin(t, starter(sys, func() *scenario.Plan { return placed(c, places) }), OutOfBounds, UseAfterFree)
	defer p.close()
	problems, err := p.inspect(scenario.Schedule{{Thread: 0}})
	must(t, err)
	return problems
}

func stringSystems(t *testing.T, arch loader.Arch) map[string]*emu.System {
	list := map[string]*emu.System{}
	for _, suite := range suites() {
		list[suite] = system(t, suite, arch)
	}
	if !testing.Short() {
		list["musl"] = system(t, "bookworm/musl", arch)
	}
	return list
}

// eachString runs a test for the string functions of each libc.
func eachString(t *testing.T, test func(t *testing.T, sys *emu.System, c stringCall)) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for name, sys := range stringSystems(t, arch) {
			for i, c := range stringCalls {
				if testing.Short() && i%3 != 0 || name == "musl" && c.name == "rawmemchr" {
					continue // which musl has not
				}
				t.Run(name+"/"+c.name, func(t *testing.T) { test(t, sys, c) })
			}
		}
	})
}

// What the string functions read of blocks that hold a string, or as many bytes as
// they are told, up to the last byte, at every alignment, is right, however they read.
func TestStringsInBlocks(t *testing.T) {
	eachString(t, func(t *testing.T, sys *emu.System, c stringCall) {
		var places []place
		for i, size := range []uint64{24, 40, 17, 64, 136, 33, 1, 4, 8, 300} {
			for k, offset := range []uint64{0, 1, 2, 3, 5, 7, 8, 9, 15} {
				if c.wide {
					size, offset = size&^3, offset&^3
				}
				if at := (place{size, offset, !c.bounded || (i+k)%2 == 0}); offset < size {
					places = append(places, at)
				}
			}
		}
		if problems := inspectPlaces(t, sys, c, places); len(problems) > 0 {
			t.Error(problems)
		}
	})
}

// Those that look for an end that is not there read on behind the block, and that is
// seen although they read as they always do: each of the blocks is left.
func TestStringsBeyondBlocks(t *testing.T) {
	eachString(t, func(t *testing.T, sys *emu.System, c stringCall) {
		// What musl's strpbrk returns is the same whatever lies behind, and it stops soon.
		if c.bounded || c.wide || c.name == "strpbrk" && sys.Libc == loader.Musl {
			return
		}
		// A block of these sizes has no room to spare: what comes next is malloc's.
		places := []place{{24, 0, false}, {40, 1, false}, {136, 7, false}, {24, 8, false}, {40, 15, false}, {136, 9, false}}
		seen := uint64(0)
		for _, p := range inspectPlaces(t, sys, c, places) {
			if p.Kind == OutOfBounds {
				seen += p.Count
			}
		}
		if seen < uint64(len(places)) {
			t.Errorf("%d of %d are seen", seen, len(places))
		}
	})
}

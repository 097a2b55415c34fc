package linux

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// drawnCall is a call of a table of some that matter to each other, with arguments at
// random.
type drawnCall struct {
	name string
	args []uint64
}

// drawCall chooses a call. All are about the same few descriptors, bytes and pages.
func (f *fixture) drawCall(r *rand.Rand) drawnCall {
	fd := func() uint64 { return []uint64{3, 3, 4, 4, 5, 1, 1, minus1}[r.IntN(8)] }
	// Two pages, the second of which comes and goes, and what is in the first.
	const paths, words, second = area, area + 256, area + loader.PageSize
	at := func() uint64 { return []uint64{paths, words, words + 4, words + 8, second - 4, second}[r.IntN(6)] }
	name := func() uint64 { return paths + 32*r.Uint64N(4) }
	for {
		c := [...]drawnCall{
			{"openat", []uint64{[]uint64{cwd, fd()}[r.IntN(2)], name(), 0}},
			{"close", []uint64{fd()}},
			{"dup", []uint64{fd()}},
			{"dup3", []uint64{fd(), fd(), 0}},
			{"fcntl", []uint64{fd(), r.Uint64N(5), r.Uint64N(5)}},
			{"ioctl", []uint64{fd(), 0}},
			{"lseek", []uint64{fd(), r.Uint64N(4), r.Uint64N(3)}},
			{"read", []uint64{fd(), at(), r.Uint64N(9)}},
			{"pread64", []uint64{fd(), at(), r.Uint64N(9), r.Uint64N(4)}},
			{"write", []uint64{fd(), at(), r.Uint64N(9)}},
			{"writev", []uint64{fd(), at(), r.Uint64N(2)}},
			{"fstat", []uint64{fd(), second}},
			{"newfstatat", []uint64{fd(), name(), words, 0x1000}},
			{"readlinkat", []uint64{cwd, name(), at(), 8}},
			{"faccessat", []uint64{cwd, name(), 4}},
			{"nanosleep", []uint64{at(), 0}},
			{"rt_sigaction", []uint64{10, []uint64{0, at()}[r.IntN(2)], at(), 8}},
			{"rt_sigprocmask", []uint64{r.Uint64N(3), at(), at(), 8}},
			{"getrandom", []uint64{at(), 4, 0}},
			{"mprotect", []uint64{second, loader.PageSize, []uint64{0, 1, 3}[r.IntN(3)]}},
			{"munmap", []uint64{second, loader.PageSize}},
			{"mmap", []uint64{second, loader.PageSize, 3, 0x32, minus1, 0}}, // MAP_PRIVATE, FIXED and ANONYMOUS
			{"mmap", []uint64{0, loader.PageSize, 1, 2, fd(), 0}},
			{"brk", []uint64{heapBase + loader.PageSize*r.Uint64N(3)}},
			{"futex", []uint64{words, 1, 1}},
		}[r.IntN([]int{13, 25}[r.IntN(2)])] // more of what is about descriptors
		if f.has(c.name) {
			return c
		}
	}
}

// footprint is what a call used.
type footprint struct {
	objects []Object
	memory  []fakeUse
}

// dependent is how the explorer looks at two calls of different threads.
func (f *footprint) dependent(o *footprint) bool {
	return slices.ContainsFunc(f.objects, func(a Object) bool {
		return slices.ContainsFunc(o.objects, func(b Object) bool {
			return a.Class == b.Class && a.ID == b.ID && (a.Write || b.Write)
		})
	}) || slices.ContainsFunc(f.memory, func(a fakeUse) bool {
		return slices.ContainsFunc(o.memory, func(b fakeUse) bool {
			return a.addr < b.addr+b.size && b.addr < a.addr+a.size && (a.write || b.write)
		})
	})
}

// inOrder makes calls on a kernel that has made others before: one on thread 1 and
// one on thread 2, in an order of the two. It tells what each of them came to and
// used, and what there is in the end.
func inOrder(t *testing.T, arch loader.Arch, before []drawnCall, calls [2]drawnCall, order [2]int) (results [2]string, used [2]footprint, end string) {
	t.Helper()
	k := newFixture(t, arch)
	for i, p := range []string{"/etc/motd", "/etc/big", "", "/bin/link"} {
		copy(k.mem.View(area+uint64(32*i), 32), p)
	}
	le.PutUint64(k.mem.View(area+256, 8), area+258) // as a vector, and as a time
	le.PutUint64(k.mem.View(area+264, 8), 3)
	k.spawn(2)
	k.do("openat", cwd, area, 0)
	k.do("dup", 3)
	k.do("openat", cwd, area+32, 0)
	for _, c := range before {
		k.at(0, c.name, c.args...)
	}
	for _, i := range order {
		from := len(k.mem.uses)
		r := k.at(1+i, calls[i].name, calls[i].args...)
		used[i] = footprint{r.Objects, slices.Clone(k.mem.uses[from:])}
		results[i] = fmt.Sprint(r.Effect, int64(r.Value))
	}
	s := *k.State()
	s.Shared = 0 // numbers that only have to differ
	for i := range s.FDs {
		if s.FDs[i].Shared != 0 {
			s.FDs[i].Shared = 1
		}
	}
	for len(s.FDs) > 0 && reflect.ValueOf(s.FDs[len(s.FDs)-1]).IsZero() {
		s.FDs = s.FDs[:len(s.FDs)-1]
	}
	end = fmt.Sprintf("%+v %q", s, bytes.TrimRight(k.mem.View(area, 2*loader.PageSize), "\x00"))
	return results, used, end
}

// Two calls of two threads that use nothing in common, as far as they say, come to
// the same in both orders. The search relies on that, whichever order it comes to
// first.
func TestIndependentCallsCommute(t *testing.T) {
	pairs := 1000
	if testing.Short() {
		pairs = 200
	}
	each(t, func(t *testing.T, f *fixture) {
		seed := testseed.Of(t, 0)
		independent := 0
		for i := range pairs {
			r := rand.New(rand.NewPCG(seed+uint64(i), 0))
			var before []drawnCall
			for range r.IntN(7) {
				before = append(before, f.drawCall(r))
			}
			calls := [2]drawnCall{f.drawCall(r), f.drawCall(r)}
			one, usedOne, endOne := inOrder(t, f.Arch, before, calls, [2]int{0, 1})
			two, usedTwo, endTwo := inOrder(t, f.Arch, before, calls, [2]int{1, 0})
			if usedOne[0].dependent(&usedOne[1]) && usedTwo[0].dependent(&usedTwo[1]) {
				continue
			}
			independent++
			if one != two || endOne != endTwo {
				t.Fatalf("seed %d: after %v\n%v come to %v, in the other order to %v\nused %+v\nand  %+v\n%s\n%s",
					seed+uint64(i), before, calls, one, two, usedOne, usedTwo, endOne, endTwo)
			}
		}
		if independent < pairs/4 || independent > pairs-pairs/40 {
			t.Errorf("%d of %d pairs are independent", independent, pairs)
		}
	})
}

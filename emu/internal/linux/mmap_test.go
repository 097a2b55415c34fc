package linux

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"emurace/loader"
)

const (
	page       = loader.PageSize
	anon       = 0x22
	anonFixed  = 0x32
	noreplace  = 0x100022
	rw         = 3
	hostileEnd = ^uint64(0) &^ (page - 1)
)

func TestMmapPlacement(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		// Downwards from the top, the next just below.
		a := k.do("mmap", 0, 3*page, rw, anon, minus1, 0)
		b := k.do("mmap", 0, page+1, rw, anon, minus1, 0)
		if a != mmapTop-3*page || b != a-2*page {
			t.Errorf("placed at %#x and %#x", a, b)
		}
		// They join into one mapping.
		if v, _ := k.State().VMA(uint64(b)); v != (VMA{Start: uint64(b), End: mmapTop, Prot: rw}) {
			t.Errorf("joined: %+v", v)
		}
		// A hole is filled by what fits, passed over by what does not.
		k.do("munmap", uint64(a), page)
		if c := k.do("mmap", 0, 2*page, rw, anon, minus1, 0); c != b-2*page {
			t.Errorf("2 pages at %#x", c)
		}
		if c := k.do("mmap", 0, page, rw, anon, minus1, 0); c != a {
			t.Errorf("1 page at %#x, the hole is at %#x", c, a)
		}
		// Hints.
		hint := uint64(highBase + 256<<10)
		if c := k.do("mmap", hint+5, page, rw, anon, minus1, 0); c != int64(hint+page) {
			t.Errorf("hint: %#x", c)
		}
		if c := k.do("mmap", hint+page, page, rw, anon, minus1, 0); c == int64(hint+page) || c < 0 {
			t.Errorf("taken hint: %#x", c)
		}
		for _, c := range []struct {
			what string
			args []uint64
			want int64
		}{
			{"fixed", []uint64{hint, page, rw, anonFixed, minus1, 0}, int64(hint)},
			{"fixed over another", []uint64{hint + page, page, 1, anonFixed, minus1, 0}, int64(hint + page)},
			{"noreplace, taken", []uint64{hint, page, rw, noreplace, minus1, 0}, errno(EEXIST)},
			{"noreplace, free", []uint64{hint + 4*page, page, rw, noreplace, minus1, 0}, int64(hint + 4*page)},
			{"fixed, not aligned", []uint64{hint + 1, page, rw, anonFixed, minus1, 0}, errno(EINVAL)},
			{"nothing", []uint64{0, 0, rw, anon, minus1, 0}, errno(EINVAL)},
			{"too much", []uint64{0, 1 << 62, rw, anon, minus1, 0}, errno(ENOMEM)},
			{"all there is", []uint64{0, minus1, rw, anon, minus1, 0}, errno(ENOMEM)},
			{"more than there is", []uint64{0, zoneSize, rw, anon, minus1, 0}, errno(ENOMEM)},
			{"fixed below the floor", []uint64{0, page, rw, anonFixed, minus1, 0}, errno(ENOMEM)},
			{"fixed at the end", []uint64{hostileEnd, page, rw, anonFixed, minus1, 0}, errno(ENOMEM)},
			{"fixed above the top", []uint64{topAddr, page, rw, anonFixed, minus1, 0}, errno(ENOMEM)},
			{"fixed between zones", []uint64{1 << 40, page, rw, anonFixed, minus1, 0}, errno(ENOMEM)},
			{"no such descriptor", []uint64{0, page, rw, 2, 77, 0}, errno(EBADF)},
			{"standard output", []uint64{0, page, rw, 2, 1, 0}, errno(ENODEV)},
			{"offset not aligned", []uint64{0, page, rw, anon, minus1, 8}, errno(EINVAL)},
		} {
			if got := k.do("mmap", c.args...); got != c.want {
				t.Errorf("%s: %#x, want %#x", c.what, got, c.want)
			}
		}
		checkMappings(t, k)
	})
}

func TestMmapFile(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		fd := uint64(k.do("openat", minus1-99, k.str("/etc/big"), 0))
		data := files["/etc/big"].data
		a := uint64(k.do("mmap", 0, 4*page, 1, 2, fd, page))
		if got := k.mem.View(a, 4*page); !bytes.Equal(got[:len(data)-page], []byte(data[page:])) || !bytes.Equal(got[len(data)-page:], make([]byte, 5*page-len(data))) {
			t.Error("the mapping holds other bytes than the file")
		}
		if v, _ := k.State().VMA(a); v != (VMA{Start: a, End: a + 4*page, Prot: 1, Path: "/etc/big", Offset: page, Node: "/etc/big"}) {
			t.Errorf("%+v", v)
		}
		// Cut in the middle, the right part begins further into the file.
		k.do("munmap", a+page, page)
		if v, _ := k.State().VMA(a + 2*page); v.Start != a+2*page || v.Offset != 3*page {
			t.Errorf("right of the hole: %+v", v)
		}
		// The parts of a file do not join when the file says otherwise.
		k.do("mmap", a+page, page, 1, 2|0x10, fd, 0)
		if v, _ := k.State().VMA(a + page); v.Start != a+page || v.End != a+2*page {
			t.Errorf("another part of the file joined: %+v", v)
		}
		k.do("mmap", a+page, page, 1, 2|0x10, fd, 2*page)
		if v, _ := k.State().VMA(a + page); v.Start != a || v.End != a+4*page {
			t.Errorf("the right part of the file did not join: %+v", v)
		}
		// Beyond the file's end there are zeros, at any offset.
		if b := k.do("mmap", 0, page, 1, 2, fd, 1<<63); b < 0 || !bytes.Equal(k.mem.View(uint64(b), page), make([]byte, page)) {
			t.Errorf("far beyond the end: %#x", b)
		}
		if got := k.do("mmap", 0, page, 1, 2, uint64(k.do("openat", minus1-99, k.str("/etc"), 0)), 0); got != errno(ENODEV) {
			t.Errorf("mmap of a folder: %d", got)
		}
		checkMappings(t, k)
	})
}

func TestMprotectMunmapMadvise(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		a := uint64(k.do("mmap", 0, 8*page, rw, anon, minus1, 0))
		for i := range uint64(8) {
			if err := k.mem.Store(0, a+i*page, []byte{byte(i) + 1}); err != nil {
				t.Fatal(err)
			}
		}
		for what, c := range map[string]struct {
			call string
			args []uint64
			want int64
		}{
			"mprotect":                      {"mprotect", []uint64{a + page, page, 1}, 0},
			"mprotect nothing":              {"mprotect", []uint64{a, 0, 1}, 0},
			"mprotect not aligned":          {"mprotect", []uint64{a + 1, page, 1}, errno(EINVAL)},
			"mprotect over a hole":          {"mprotect", []uint64{a, 9 * page, 1}, errno(ENOMEM)},
			"mprotect unmapped":             {"mprotect", []uint64{unmapped, page, 1}, errno(ENOMEM)},
			"mprotect all there is":         {"mprotect", []uint64{a, minus1, 1}, errno(ENOMEM)},
			"munmap not aligned":            {"munmap", []uint64{a + 1, page}, errno(EINVAL)},
			"munmap nothing":                {"munmap", []uint64{a, 0}, errno(EINVAL)},
			"munmap around the end":         {"munmap", []uint64{hostileEnd, 2 * page}, errno(EINVAL)},
			"munmap unmapped":               {"munmap", []uint64{unmapped, page}, 0},
			"madvise dontneed":              {"madvise", []uint64{a + 2*page, page, 4}, 0},
			"madvise other advice":          {"madvise", []uint64{a, page, 14}, 0},
			"madvise over a hole":           {"madvise", []uint64{a, 9 * page, 4}, errno(ENOMEM)},
			"madvise not aligned":           {"madvise", []uint64{a + 8, page, 4}, errno(EINVAL)},
			"madvise around the end":        {"madvise", []uint64{hostileEnd, 2 * page, 4}, errno(EINVAL)},
			"madvise all there is":          {"madvise", []uint64{a, minus1, 4}, errno(EINVAL)},
			"mremap of a hole":              {"mremap", []uint64{unmapped, page, 2 * page, 1}, errno(EFAULT)},
			"mremap to nothing":             {"mremap", []uint64{a, page, 0, 1}, errno(EINVAL)},
			"mremap fixed":                  {"mremap", []uint64{a, page, page, 3, unmapped}, errno(EINVAL)},
			"mremap beyond the mapping":     {"mremap", []uint64{a, 20 * page, 30 * page, 1}, errno(EFAULT)},
			"mremap to all there is":        {"mremap", []uint64{a + 7*page, page, hostileEnd, 1}, errno(ENOMEM)},
			"mremap that may not move":      {"mremap", []uint64{a + 3*page, page, 2 * page, 0}, errno(ENOMEM)},
			"mremap to the same size":       {"mremap", []uint64{a + 4*page, page, page, 1}, int64(a + 4*page)},
			"mremap around the end of file": {"mremap", []uint64{a, hostileEnd, page, 1}, errno(EINVAL)},
		} {
			if got := k.do(c.call, c.args...); got != c.want {
				t.Errorf("%s: %#x, want %#x", what, got, c.want)
			}
			checkMappings(t, k)
		}
		if k.mem.View(a+2*page, 1)[0] != 0 || k.mem.View(a+3*page, 1)[0] != 4 {
			t.Error("MADV_DONTNEED zeroed other pages than it was given")
		}
		if k.mem.page(a+page) != 1|mapped || k.mem.page(a) != rw|mapped {
			t.Error("mprotect changed other pages than it was given")
		}
	})
}

func TestMremapMoves(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		a := uint64(k.do("mmap", 0, 3*page, rw, anon, minus1, 0))
		if err := k.mem.Store(0, a, []byte("first")); err != nil {
			t.Fatal(err)
		}
		if err := k.mem.Store(0, a+2*page, []byte("third")); err != nil {
			t.Fatal(err)
		}
		k.do("mmap", mmapTop, page, rw, anonFixed, minus1, 0) // in the way
		b := uint64(k.do("mremap", a, 3*page, 10*page, 1))
		if b == a || string(k.mem.View(b, 5)) != "first" || string(k.mem.View(b+2*page, 5)) != "third" || k.mem.page(a) != 0 {
			t.Errorf("moved from %#x to %#x: %q", a, b, k.mem.View(b, 5))
		}
		// Shrinking and growing in place.
		if got := k.do("mremap", b, 10*page, 2*page, 0); got != int64(b) || k.mem.page(b+2*page) != 0 {
			t.Errorf("shrunk: %#x", got)
		}
		if got := k.do("mremap", b, 2*page, 5*page, 0); got != int64(b) || k.mem.page(b+4*page) != rw|mapped || k.mem.View(b+2*page, 1)[0] != 0 {
			t.Errorf("grown: %#x", got)
		}
		checkMappings(t, k)
		// Not beyond the end of the address space, though the zone goes on.
		last := uint64(k.do("mmap", topAddr-page, page, rw, anonFixed, minus1, 0))
		if got := k.do("mremap", last, page, 3*page, 0); got != errno(ENOMEM) {
			t.Errorf("grown beyond the top: %#x", got)
		}
		checkMappings(t, k)
	})
}

func TestBrk(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		for i, c := range []struct{ ask, want uint64 }{
			{0, heapBase},
			{heapBase + 10, heapBase + 10},
			{heapBase + 3*page, heapBase + 3*page},
			{heapEnd + 1, heapBase + 3*page},
			{minus1, heapBase + 3*page},
			{heapBase - 1, heapBase + 3*page},
			{heapBase + page + 1, heapBase + page + 1},
			{heapBase, heapBase},
			{heapEnd, heapEnd},
		} {
			if got := k.do("brk", c.ask); got != int64(c.want) {
				t.Errorf("%d: brk(%#x) = %#x, want %#x", i, c.ask, got, c.want)
			}
			end := pageUp(c.want)
			if v, ok := k.State().VMA(heapBase); ok != (end > heapBase) || ok && v != (VMA{Start: heapBase, End: end, Prot: rw, Path: "[heap]"}) {
				t.Errorf("%d: the heap is %+v", i, v)
			}
			checkMappings(t, k)
		}
		// Something in the way.
		k.do("brk", heapBase+page)
		k.do("mmap", heapBase+2*page, page, rw, anonFixed, minus1, 0)
		if got := k.do("brk", heapBase+3*page); got != heapBase+page {
			t.Errorf("brk through a mapping: %#x", got)
		}
	})
}

// checkMappings: the list ascends, does not overlap, holds no two neighbours
// that are one, and agrees with the page table on every page of all zones.
func checkMappings(t *testing.T, k *fixture) {
	t.Helper()
	vmas := k.State().VMAs
	for i, v := range vmas {
		if v.Start >= v.End || v.Start%page != 0 || v.End%page != 0 {
			t.Fatalf("mapping %+v", v)
		}
		if i == 0 {
			continue
		}
		if vmas[i-1].End > v.Start {
			t.Fatalf("%+v overlaps %+v", vmas[i-1], v)
		}
		if k.State().joins(i) {
			t.Fatalf("%+v and %+v are one", vmas[i-1], v)
		}
	}
	for _, z := range k.mem.zones {
		for i, bits := range z.pages {
			addr := z.base + uint64(i)*page
			want := byte(0)
			if v, ok := k.State().VMA(addr); ok {
				want = byte(v.Prot) | mapped
			}
			if bits != want {
				t.Fatalf("page %#x has %#x, the mappings say %#x", addr, bits, want)
			}
		}
	}
}

// TestMappingsStayInOrder makes random calls of all that change mappings.
func TestMappingsStayInOrder(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		r := rand.New(rand.NewPCG(5, 0))
		fd := uint64(k.do("openat", minus1-99, k.str("/etc/big"), 0))
		var snapshots []*State
		for i := range 3000 {
			addr := uint64(highBase) + r.Uint64N(40)*page
			size := (1 + r.Uint64N(6)) * page
			switch r.IntN(8) {
			case 0:
				k.do("mmap", addr, size, r.Uint64N(8), anonFixed, minus1, 0)
			case 1:
				k.do("mmap", addr, size, r.Uint64N(8), 2|0x10, fd, r.Uint64N(3)*page)
			case 2:
				k.do("mmap", addr, size, rw, anon, minus1, 0)
			case 3:
				k.do("munmap", addr, size)
			case 4:
				k.do("mprotect", addr, size, r.Uint64N(8))
			case 5:
				k.do("madvise", addr, size, 4)
			case 6:
				k.do("mremap", addr, size, (1+r.Uint64N(6))*page, r.Uint64N(2))
			case 7:
				k.do("brk", heapBase+r.Uint64N(20*page))
			}
			if i%10 == 0 {
				checkMappings(t, k)
			}
			if i%500 == 0 {
				snapshots = append(snapshots, k.Snapshot())
			}
		}
		// What a snapshot holds was not changed by what came after it.
		for i := 1; i < len(snapshots); i++ {
			if slices.Equal(snapshots[i].VMAs, snapshots[i-1].VMAs) {
				t.Errorf("snapshots %d and %d are the same", i-1, i)
			}
		}
	})
}

// MADV_DONTNEED of a file's pages brings back what the file holds, and nothing behind
// its end.
func TestMadviseFile(t *testing.T) {
	each(t, func(t *testing.T, k *fixture) {
		file := uint64(k.do("openat", cwd, k.str("/etc/big"), 0)) // 9,600 bytes
		a := uint64(k.do("mmap", 0, 4*page, 3, 2, file, 0))
		was := bytes.Clone(k.mem.View(a, 3*page))
		for _, at := range []uint64{a, a + page + 5, a + 9600, a + 3*page - 1} {
			if err := k.mem.Store(0, at, []byte{0xff}); err != nil {
				t.Fatal(err)
			}
		}
		if v := k.do("madvise", a+page, 2*page, 4); v != 0 {
			t.Fatalf("madvise: %d", v)
		}
		if got := k.mem.View(a, 3*page); got[0] != 0xff || !bytes.Equal(got[1:], was[1:]) {
			t.Error("the pages advised of do not hold the file, or others do")
		}
	})
}

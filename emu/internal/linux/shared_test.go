package linux

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"emurace/internal/testseed"
	"emurace/loader"
)

// TestSharedMapping: a shared mapping of a file and calls about it see each other's stores,
// whatever comes when, and the file keeps what was stored when the mapping is gone.
func TestSharedMapping(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) {
			seed := testseed.Of(t, 0)
			for run := range uint64(60) {
				sharedRun(t, wide(t, arch), rand.New(rand.NewPCG(seed+run, 0)))
			}
		})
	}
}

func sharedRun(t *testing.T, k *fixture, r *rand.Rand) {
	t.Helper()
	if r.IntN(2) == 0 {
		k.calls(call{"openat", []any{cwd, "/dev/shm/x", oCreat | oRdwr, 0o600}, 3})
	} else {
		k.calls(call{"memfd_create", []any{"x", 1}, 3})
	}
	buf := k.room(2 * page)
	want := make([]byte, 3*page-50)
	k.calls(call{"ftruncate", []any{3, len(want)}, 0})
	const none = 0
	at, first := uint64(none), uint64(0) // the mapping, of two pages, and where in the file it begins
	for range 120 {
		off, size := r.Uint64N(uint64(len(want))), 1+r.Uint64N(page+10)
		size = min(size, uint64(len(want))-off)
		fresh := bytes.Repeat([]byte{byte(1 + r.IntN(255))}, int(size))
		switch r.IntN(7) {
		case 0: // by a call
			copy(k.mem.View(buf, size), fresh)
			k.calls(call{"pwrite64", []any{3, buf, size, off}, int64(size)})
			copy(want[off:], fresh)
		case 1: // by an instruction
			if at != none {
				lo, hi := max(off, first), min(off+size, first+2*page)
				if lo < hi {
					copy(k.mem.View(at+lo-first, hi-lo), fresh)
					copy(want[lo:hi], fresh)
				}
			}
		case 2:
			if at == none {
				first = page * r.Uint64N(2)
				at = uint64(k.do("mmap", 0, 2*page, 3, 1, 3, first))
			}
		case 3:
			if at != none {
				k.calls(call{"munmap", []any{at, 2 * page}, 0})
				at = none
			}
		case 4:
			if at != none {
				k.calls(call{"mremap", []any{at, 2 * page, 3 * page, 1}, int64(k.State().mremapTo(at))})
				at = k.State().mremapped(3)
				k.calls(call{"munmap", []any{at + 2*page, page}, 0}, call{"msync", []any{at, 2 * page, 4}, 0}, call{"madvise", []any{at, page, madvDontneed}, 0})
			}
		case 5:
			if err := k.mem.Store(0, buf, make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			k.calls(call{"fallocate", []any{3, 3, off, size}, 0})
			clear(want[off : off+size])
		}
		if n := k.do("pread64", 3, buf, size, off); n != int64(size) || !bytes.Equal(k.mem.View(buf, size), want[off:off+size]) {
			t.Fatalf("read %d bytes at %d: %d", size, off, n)
		}
		if at != none {
			end := min(first+2*page, uint64(len(want)))
			if !bytes.Equal(k.mem.View(at, end-first), want[first:end]) {
				t.Fatal("the mapping holds something else")
			}
		}
	}
}

// mremapTo is where a mapping at an address will be when it grows by a page: there, or where
// there is room.
func (s *State) mremapTo(at uint64) uint64 {
	v, _ := s.VMA(at)
	if s.free(v.End, v.End+page) && v.End+page <= s.Top {
		return at
	}
	to, _ := s.place(3 * page)
	return to
}

// mremapped is where the mapping of so many pages is that is shared.
func (s *State) mremapped(pages uint64) uint64 {
	for _, v := range s.VMAs {
		if v.Shared == sharesWrites && v.End-v.Start == pages*page {
			return v.Start
		}
	}
	return 0
}

// TestMapRefused: who may map what, and what is said not to be as on Linux.
func TestMapRefused(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		k.calls(call{"openat", []any{cwd, "/tmp/f", oCreat | oRdwr, 0o644}, 3}, call{"openat", []any{cwd, "/tmp/f", 0}, 4},
			call{"openat", []any{cwd, "/tmp/f", oWronly}, 5}, call{"openat", []any{cwd, "/tmp", 0}, 6}, call{"openat", []any{cwd, "/tmp/f", oPath}, 7},
			call{"ftruncate", []any{3, 3 * page}, 0},
			call{"mmap", []any{0, page, 3, 1, 4, 0}, errno(EACCES)}, call{"mmap", []any{0, page, 1, 2, 5, 0}, errno(EACCES)},
			call{"mmap", []any{0, page, 1, 2, 6, 0}, errno(ENODEV)}, call{"mmap", []any{0, page, 1, 2, 7, 0}, errno(EBADF)})
		missing := func(want string, name string, args ...uint64) {
			t.Helper()
			if r := k.last(t, name, args...); r.Missing != want {
				t.Errorf("%s%x: %q is missing, want %q", name, args, r.Missing, want)
			}
		}
		at := k.do("mmap", 0, page, 1, 1, 4, 0)
		k.calls(call{"mprotect", []any{at, page, 3}, errno(EACCES)}, call{"mprotect", []any{at, page, 0}, 0}, call{"munmap", []any{at, page}, 0})
		missing("madvise with MADV_REMOVE", "madvise", area, page, madvRemove)
		missing("", "mmap", 0, 2*page, 1, 1, 4, 0)
		missing("", "mmap", 0, page, 1, 1, 4, 0)
		missing("a second shared mapping of a part of a file that is stored to", "mmap", 0, 2*page, 3, 1, 3, page)
		missing("", "mmap", 0, page, 3, 1, 3, 3*page) // where that ends, it goes on in the file
		missing("", "ftruncate", 3, 4*page)
		missing("a file that is cut below where it is mapped", "ftruncate", 3, page)
		missing("", "mmap", 0, page, 3, 2, 3, 0)
	})
}

// A mapping that is only read shows what is written later, a private one's pages stay.
func TestReadMapping(t *testing.T) {
	eachWide(t, func(t *testing.T, k *fixture) {
		k.calls(call{"openat", []any{cwd, "/etc/motd", oRdwr}, 3})
		shared, private := uint64(k.do("mmap", 0, page, 1, 1, 3, 0)), uint64(k.do("mmap", 0, page, 3, 2, 3, 0))
		k.calls(call{"write", []any{3, "WELC", 4}, 4}, call{"write", []any{3, shared, 4}, 4})
		if a, b := string(k.mem.View(shared, 10)), string(k.mem.View(private, 10)); a != "WELCWELCto" || b != "welcome to" {
			t.Errorf("%q and %q", a, b)
		}
		k.calls(call{"madvise", []any{private, page, madvDontneed}, 0})
		if b := string(k.mem.View(private, 10)); b != "WELCWELCto" {
			t.Errorf("%q", b)
		}
	})
}

package emu

import (
	"bytes"
	"slices"
	"testing"

	"emurace/loader"
)

// TestMappings: what is told of the mappings follows what the process maps, and
// every page of them is what is read at its address.
func TestMappings(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		const pages = 5
		before := p.Mappings()
		at := p.call(0, "mmap", 0, pages*loader.PageSize, 1, 0x22, ^uint64(0), 0) // readable
		p.call(0, "mprotect", at+loader.PageSize, loader.PageSize, 3)
		if err := p.Write(0, at+loader.PageSize+7, []byte{9}); err != nil {
			t.Fatal(err)
		}
		within := slices.DeleteFunc(p.Mappings(), func(g Mapping) bool { return g.End <= at || g.Start >= at+pages*loader.PageSize })
		if len(within) != 3 || within[1] != (Mapping{Start: at + loader.PageSize, End: at + 2*loader.PageSize, Prot: loader.ProtRead | loader.ProtWrite}) {
			t.Errorf("%+v", within)
		}
		for i := range uint64(pages) {
			page := p.Page(at + i*loader.PageSize)
			if (page != nil) != (i == 1) || page != nil && (page[7] != 9 || len(page) != loader.PageSize) {
				t.Errorf("page %d: %d bytes", i, len(page))
			}
		}
		p.call(0, "munmap", at, pages*loader.PageSize)
		if p.Page(at+loader.PageSize) != nil || !slices.Equal(p.Mappings(), before) {
			t.Error("it is still there")
		}
		files := map[string]bool{}
		for _, g := range before {
			if g.OfFile() {
				files[g.Path] = true
			}
			for a := g.Start; a < g.End; a += loader.PageSize {
				b, ok := p.Read(a, loader.PageSize)
				page := p.Page(a)
				if page == nil {
					page = zeroPage[:]
				}
				if !ok || !bytes.Equal(b, page) {
					t.Fatalf("page %#x of %+v", a, g)
				}
			}
		}
		libc, ok := p.Libc()
		if !ok || !files[libc.Path] || !files[p.Program().Path] || files[""] || files["[stack]"] {
			t.Errorf("files %v", files)
		}
		for _, a := range []uint64{0, at, 1 << 60, ^uint64(0) - loader.PageSize + 1} {
			if p.Page(a) != nil {
				t.Errorf("a page at %#x", a)
			}
		}
	})
}

// TestSignalMask: the set that rt_sigprocmask sets, of each thread.
func TestSignalMask(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		other := p.spawn("other")
		set := p.bytes(append([]byte{0, 2}, make([]byte, 126)...)) // signal 10
		p.call(other, "pthread_sigmask", 0, set, 0)
		for thread, want := range map[int]uint64{0: 0, other: 1 << 9, -1: 0, 99: 0} {
			if got := p.SignalMask(thread); got != want {
				t.Errorf("thread %d: %#x, want %#x", thread, got, want)
			}
		}
	})
}

package emu

import (
	"path"
	"slices"
	"testing"
)

// The loads of a process grow when it maps a library and are taken back by a rewind;
// protecting or unmapping one's pages is no load.
func TestLoads(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		names := func() (list []string) {
			for _, name := range p.Loads() {
				list = append(list, path.Base(name))
			}
			return list
		}
		expect := func(when string, want ...string) {
			t.Helper()
			if got := names(); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
		expect("at the start", "libc.so.6")
		name := p.str("libz.so.1")
		mark, err := p.Mark()
		must(t, err)
		defer mark.Drop()
		if mark.Loads() != 1 {
			t.Errorf("the mark has %d", mark.Loads())
		}
		for range 2 {
			handle := p.call(0, "dlopen", name, 2)
			if handle == 0 {
				t.Fatal("no libz.so.1")
			}
			expect("after dlopen", "libc.so.6", "libz.so.1")
			im, err := p.Image(p.Loads()[1])
			must(t, err)
			if im.Soname != "libz.so.1" {
				t.Errorf("the image is of %s", im.Soname)
			}
			p.call(0, "dlclose", handle)
			expect("after dlclose", "libc.so.6", "libz.so.1")
			p.call(0, "dlopen", name, 2)
			expect("opened again", "libc.so.6", "libz.so.1", "libz.so.1")
			must(t, mark.Rewind())
			expect("after the rewind", "libc.so.6")
		}
	})
}

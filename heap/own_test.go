package heap

import (
	"testing"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// The allocator's own code holds its functions, also those that nobody can call from
// outside, and nothing of others: with debug files and without them.
func TestOwn(t *testing.T) {
	inside := []string{"malloc", "free", "realloc", "malloc_usable_size", "__malloc_arena_thread_freeres", "sysmalloc"}
	outside := []string{"strlen", "memcpy", "printf", "fclose", "pthread_create", "getenv", "setenv", "qsort", "reallocarray", "strdup"}
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for _, suite := range []string{"bookworm", "bullseye", "trixie", "forky"} {
			if testing.Short() && (suite != "bookworm" || arch != loader.ARM64) {
				continue
			}
			t.Run(suite+"/"+arch.String(), func(t *testing.T) {
				sys := testsystem.Of(t, suite, arch)
				m, err := emu.New(emu.Options{System: sys, Seed: 1})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				bare := withoutLines(&m.Process)
				own := Own(&m.Process) // which loads the debug files
				libc, _ := m.Libc()
				check := func(c Code, name string, want bool) {
					t.Helper()
					for _, sym := range libc.Image.Named(name) {
						if !sym.Function() {
							continue
						}
						for _, at := range []uint64{0, 1, max(sym.Size, 1) - 1} {
							if c.Has(libc.Base+sym.Addr+at) != want {
								t.Errorf("%s+%#x is the allocator's: %v", name, at, !want)
							}
						}
					}
				}
				for _, name := range inside {
					if len(libc.Image.Named(name)) == 0 {
						t.Errorf("no %s", name)
					}
					check(own, name, true)
					check(bare, name, true)
				}
				for _, name := range outside {
					check(own, name, false)
					check(bare, name, false)
				}
			})
		}
	}
}

// withoutLines is what Own says where there are no debug files.
func withoutLines(m *emu.Process) Code {
	var addrs []uint64
	libc, _ := m.Libc()
	for _, name := range functions {
		if addr, err := m.Lookup(name); err == nil && name != "reallocarray" {
			addrs = append(addrs, addr-libc.Base)
		}
	}
	return bare(libc, addrs)
}

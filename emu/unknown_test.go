package emu

import (
	"errors"
	"slices"
	"testing"

	"emurace/internal/testroot"
	"emurace/loader"
)

// A name that is not exported: what is like it, what is there instead, and which
// library of libc's has it.
func TestUnknownSymbol(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for _, c := range []struct{ sysroot, name, hint string }{
			{"debian:bullseye", "atexit", "this libc has atexit only as code in each program, which calls __cxa_atexit"},
			{"debian:forky", "atexit", "this libc has atexit only as code in each program, which calls __cxa_atexit"},
			{"debian:bullseye", "stat", "this libc has stat only as code in each program, which calls __xstat"},
			{"debian:bullseye", "dlopen", "dlopen is in libdl.so.2, which the process does not load; with lib(\"libdl.so.2\") the scenario has it loaded"},
			{"debian:bullseye", "timer_create", "timer_create is in librt.so.1, which the process does not load; with lib(\"librt.so.1\") the scenario has it loaded"},
			{"debian:bookworm", "cosh", "cosh is in libm.so.6, which the process does not load; with lib(\"libm.so.6\") the scenario has it loaded"},
			{"debian:bookworm", "setevn", "there is setenv"},
			{"debian:bookworm", "nothing like any other name", ""},
			{"debian:bookworm/musl", "atexti", "there is atexit"},
		} {
			libc := loader.Glibc
			if c.sysroot == "debian:bookworm/musl" {
				libc = loader.Musl
			}
			sys, err := OpenLibc(testroot.Dir(t, c.sysroot, arch.String()), arch, libc)
			must(t, err)
			m, err := New(Options{System: sys})
			must(t, err)
			_, err = m.Lookup(c.name)
			var unknown *unknownSymbolError
			if !errors.As(err, &unknown) || unknown.Hint() != c.hint || slices.Contains(unknown.Near, c.name) {
				t.Errorf("%v, %s: %s: %v, %+v", arch, c.sysroot, c.name, err, unknown)
			}
			m.Close()
			must(t, sys.Close())
		}
	}
}

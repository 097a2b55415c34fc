package guestcode

import (
	"strings"
	"sync"
	"testing"

	"emurace/loader"
)

// Library compiles C source to a shared library, whose file it returns: a real one,
// for the guest's dynamic linker, with symbols, lines and unwind tables. soname is
// its DT_SONAME, none when it is empty. It needs no other library by name; functions
// of libc that the source declares are found in the process's.
//
// What was once compiled is kept for the life of the process, and must not be
// changed. The test fails with the compiler's words when the source is wrong.
func Library(t testing.TB, arch loader.Arch, soname, source string) []byte {
	t.Helper()
	type key struct {
		arch           loader.Arch
		soname, source string
	}
	compiled, _ := libraries.LoadOrStore(key{arch, soname, source}, sync.OnceValues(func() ([]byte, error) {
		return library(arch, soname, source)
	}))
	file, err := compiled.(func() ([]byte, error))()
	if err != nil {
		t.Fatalf("guest library for %v: %v", arch, err)
	}
	return file
}

// libraries has a func() ([]byte, error) for each architecture, name and source.
var libraries sync.Map

func library(arch loader.Arch, soname, source string) (file []byte, err error) {
	flags := []string{"-shared", "-fPIC", "-nostdlib", "-fno-stack-protector", "-Wl,-z,noexecstack"}
	if soname != "" {
		flags = append(flags, "-Wl,-soname,"+soname)
	}
	return link(arch, "guest.c", source, append(cFlags("-std=gnu17"), flags...))
}

// Program compiles a C program to an executable for the C library of the cross compilers'
// packages, which is a glibc. The flags say how it is linked: "-static", "-no-pie" and so
// on; threads are linked with. What was once compiled is kept for the life of the process.
func Program(t testing.TB, arch loader.Arch, source string, flags ...string) []byte {
	t.Helper()
	type key struct {
		arch          loader.Arch
		source, flags string
	}
	compiled, _ := programs.LoadOrStore(key{arch, source, strings.Join(flags, " ")}, sync.OnceValues(func() ([]byte, error) {
		return Compile(arch, "guest.c", source, flags...)
	}))
	file, err := compiled.(func() ([]byte, error))()
	if err != nil {
		t.Fatalf("guest program for %v: %v", arch, err)
	}
	return file
}

// programs has a func() ([]byte, error) for each architecture, source and flags.
var programs sync.Map

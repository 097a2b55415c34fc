package guestcode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	return link(arch, source, flags)
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
		return link(arch, source, append([]string{"-pthread"}, flags...))
	}))
	file, err := compiled.(func() ([]byte, error))()
	if err != nil {
		t.Fatalf("guest program for %v: %v", arch, err)
	}
	return file
}

// programs has a func() ([]byte, error) for each architecture, source and flags.
var programs sync.Map

// link compiles a source in a folder of its own, and reads the file.
func link(arch loader.Arch, source string, flags []string) (file []byte, err error) {
	compiler, err := compilerOf(arch)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "guestcode-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, "guest.c"), []byte(source), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(compiler, append(append(strings.Fields("-std=gnu17 -O1 -g -Wall -Werror"), flags...), "-o", "guest", "guest.c")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if words, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", compiler, err, words)
	}
	return os.ReadFile(filepath.Join(dir, "guest"))
}

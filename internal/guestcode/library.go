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
	flags := strings.Fields("-std=gnu17 -O1 -g -Wall -Werror -shared -fPIC -nostdlib -fno-stack-protector -Wl,-z,noexecstack -o guest.so guest.c")
	if soname != "" {
		flags = append(flags, "-Wl,-soname,"+soname)
	}
	cmd := exec.Command(compiler, flags...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if words, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", compiler, err, words)
	}
	return os.ReadFile(filepath.Join(dir, "guest.so"))
}

package guestcode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"emurace/loader"
)

// Code is what a source was compiled to. It runs at any address that is a
// multiple of PageSize, when all of it is mapped readable, writable and
// executable.
type Code struct {
	// Bytes are the machine code, then the constants, and from the next page on
	// the variables, those that begin as zero included. Code and variables share
	// no page, because an emulator forgets its translation of a page that is
	// written to.
	Bytes []byte
	// Symbols are the offsets of all functions and variables that are not
	// static, in bytes from the beginning.
	Symbols map[string]uint64
}

// PageSize is what the address that code runs at is a multiple of, in bytes.
const PageSize = 4096

// Build compiles C source. The compiler may use each instruction that the
// emulated processor surely has: on arm64 those of Armv8.1, so that __atomic
// builtins become one instruction of the Large System Extensions instead of a
// loop of exclusives. A variable is accessed as the C says, without a detour
// through a table of addresses.
//
// No constructor, library or startup code is there. An initial value that is an
// address, such as a pointer to another variable, is refused: nobody would
// relocate it.
//
// What was once compiled is kept for the life of the process. The test fails
// with the compiler's words when the source is wrong.
func Build(t testing.TB, arch loader.Arch, source string) Code {
	t.Helper()
	type key struct {
		arch   loader.Arch
		source string
	}
	compiled, _ := built.LoadOrStore(key{arch, source}, sync.OnceValues(func() (Code, error) {
		return build(arch, source)
	}))
	code, err := compiled.(func() (Code, error))()
	if err != nil {
		t.Fatalf("guest code for %v: %v", arch, err)
	}
	return code
}

// built has a func() (Code, error) for each architecture and source.
var built sync.Map

var errNoCompiler = errors.New("not installed; run: make setup")

// build compiles and links in a folder of its own and reads the result.
func build(arch loader.Arch, source string) (code Code, err error) {
	compiler, err := compilerOf(arch)
	if err != nil {
		return Code{}, err
	}
	dir, err := os.MkdirTemp("", "guestcode-")
	if err != nil {
		return Code{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for name, text := range map[string]string{"guest.c": source, "layout.ld": layout} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return Code{}, err
		}
	}
	cmd := exec.Command(compiler, append(flagsOf(arch), "-o", "guest", "guest.c")...)
	cmd.Dir = dir
	// The compiler's own words must not depend on the user's language.
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if words, err := cmd.CombinedOutput(); err != nil {
		return Code{}, fmt.Errorf("%s: %w\n%s", compiler, err, words)
	}
	return read(filepath.Join(dir, "guest"))
}

// compilerOf is the path of the compiler for a guest architecture. Debian calls
// it by the triplet, also where it is the machine's own; elsewhere the machine's
// own is just gcc.
func compilerOf(arch loader.Arch) (string, error) {
	if arch.Triplet() == "" {
		return "", fmt.Errorf("%v: no such architecture", arch)
	}
	name := arch.Triplet() + "-gcc"
	path, err := exec.LookPath(name)
	if err != nil && arch.String() == runtime.GOARCH {
		path, err = exec.LookPath("gcc")
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, errNoCompiler)
	}
	return path, nil
}

// flagsOf are the compiler's options: code as it is written, with nothing that
// wants a C library or an operating system, addressed relative to itself.
func flagsOf(arch loader.Arch) []string {
	flags := strings.Fields(`-std=gnu17 -O1 -Wall -Werror -ffreestanding -nostdlib -static -no-pie
		-fPIE -fvisibility=hidden -fno-stack-protector -fno-asynchronous-unwind-tables
		-fno-unwind-tables -fno-jump-tables
		-Wl,-T,layout.ld -Wl,--build-id=none -Wl,--emit-relocs -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments`)
	if arch == loader.ARM64 {
		return append(flags, "-march=armv8.1-a", "-mno-outline-atomics", "-mbranch-protection=none")
	}
	return append(flags, "-fcf-protection=none")
}

// layout puts everything into one segment that begins at 0.
const layout = `
PHDRS { all PT_LOAD FLAGS(7); }
SECTIONS {
	. = 0;
	.text : { *(.text .text.*) *(.rodata .rodata.*) } :all
	. = ALIGN(4096);
	.data : { *(.data .data.*) *(.bss .bss.* COMMON) . = ALIGN(16); } :all
	/DISCARD/ : { *(.comment) *(.note .note.*) *(.eh_frame) }
}
`

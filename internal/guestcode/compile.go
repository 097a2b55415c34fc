package guestcode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"emurace/loader"
)

// Compile compiles a program that is one file, whose name says in which language it is: .c,
// .cc or .rs. The program is for the C library of the cross compilers' packages, a glibc, with
// symbols and lines. Flags come behind those that are always given, so that they may say
// otherwise: -O1, and for Rust -C opt-level=1.
func Compile(arch loader.Arch, name, source string, flags ...string) ([]byte, error) {
	switch filepath.Ext(name) {
	case ".c":
		return link(arch, name, source, append(cFlags("-std=gnu17", "-pthread"), flags...))
	case ".cc":
		return link(arch, name, source, append(cFlags("-std=gnu++17", "-pthread"), flags...))
	case ".rs":
		return rust(arch, name, source, flags)
	}
	return nil, fmt.Errorf("%s: not C, C++ or Rust", name)
}

func cFlags(more ...string) []string {
	return append(more, "-O1", "-g", "-Wall", "-Werror")
}

// link compiles C or C++.
func link(arch loader.Arch, name, source string, flags []string) ([]byte, error) {
	compiler, err := compilerOf(arch)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(name, ".cc") {
		if compiler, err = exec.LookPath(strings.TrimSuffix(compiler, "gcc") + "g++"); err != nil {
			return nil, fmt.Errorf("%w; %w", err, errNoCompiler)
		}
	}
	return compile(compiler, name, source, flags)
}

// ErrNoRust is that there is no Rust for an architecture here: no compiler, or one without
// the architecture's standard library.
var ErrNoRust = errors.New("no Rust")

// rust compiles Rust, and has the C compiler of the architecture link it.
func rust(arch loader.Arch, name, source string, flags []string) ([]byte, error) {
	linker, err := compilerOf(arch)
	if err != nil {
		return nil, err
	}
	rustc, err := exec.LookPath("rustc")
	if err != nil {
		return nil, fmt.Errorf("%w: rustc is not installed; run: make setup, or install rustc", ErrNoRust)
	}
	target, err := rustTarget(rustc, arch)
	if err != nil {
		return nil, err
	}
	always := []string{"--edition=2021", "-g", "-C", "opt-level=1", "--target", target, "-C", "linker=" + linker}
	return compile(rustc, name, source, append(always, flags...))
}

// rustTarget is the name that Rust has for an architecture with glibc. Debian's rustc has the
// standard library of the machine's own only; rustup adds others.
func rustTarget(rustc string, arch loader.Arch) (string, error) {
	cpu, _, _ := strings.Cut(arch.Triplet(), "-")
	target := cpu + "-unknown-linux-gnu"
	cmd := exec.Command(rustc, "--print", "target-libdir", "--target", target)
	var words strings.Builder
	cmd.Stderr = &words
	dir, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", rustc, err, words.String())
	}
	found, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "libstd-*.rlib"))
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", fmt.Errorf("%w for %v: rustc has no standard library of %s; install it, with rustup target add %s or as Debian's libstd-rust-dev:%v",
			ErrNoRust, arch, target, target, arch)
	}
	return target, nil
}

// compile runs a compiler on a source in a folder of its own, and reads the file.
func compile(compiler, name, source string, flags []string) (file []byte, err error) {
	dir, err := os.MkdirTemp("", "guestcode-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(compiler, append(flags, "-o", "guest", name)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if words, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", compiler, err, words)
	}
	return os.ReadFile(filepath.Join(dir, "guest"))
}

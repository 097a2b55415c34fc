package guestcode

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emurace/loader"
)

// TestCompile: a program of each language is one, and a mistake in it is named by its file
// and line. Flags that are given come last.
func TestCompile(t *testing.T) {
	cases := []struct{ name, source, flag, without string }{
		{"one.c", "int main(void) { return WITH; }\n", "-DWITH=1", "one.c:1"},
		{"one.cc", "#include <mutex>\nint main() { return WITH; }\n", "-DWITH=1", "one.cc:2"},
		{"one.rs", "#[cfg(with)]\nfn main() {}\n#[cfg(not(with))]\nfn main() -> u8 {}\n", "--cfg=with", "one.rs:4"},
	}
	for _, arch := range arches {
		for _, c := range cases {
			t.Run(arch.String()+"/"+c.name, func(t *testing.T) {
				file, err := Compile(arch, c.name, c.source, c.flag)
				if errors.Is(err, ErrNoRust) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				im, err := loader.Parse(c.name, file)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := im.Symbol("main"); !ok || im.Arch != arch {
					t.Errorf("for %v, main %v", im.Arch, ok)
				}
				if _, err := Compile(arch, c.name, c.source); err == nil || !strings.Contains(err.Error(), c.without) {
					t.Errorf("error %v, want one in %s", err, c.without)
				}
			})
		}
	}
	if _, err := Compile(loader.AMD64, "one.py", ""); err == nil || !strings.Contains(err.Error(), "not C, C++ or Rust") {
		t.Error(err)
	}
}

// TestNoRust: without rustc, or with one that lacks the standard library, the error says what
// to install.
func TestNoRust(t *testing.T) {
	gcc, err := compilerOf(loader.ARM64)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(gcc, filepath.Join(dir, filepath.Base(gcc))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	compile := func() error {
		_, err := Compile(loader.ARM64, "one.rs", "fn main() {}")
		return err
	}
	if err := compile(); !errors.Is(err, ErrNoRust) || !strings.Contains(err.Error(), "install rustc") {
		t.Errorf("no rustc: %v", err)
	}
	// A rustc as Debian's: it says where the library would be.
	rustc := filepath.Join(dir, "rustc")
	if err := os.WriteFile(rustc, []byte("#!/bin/sh\necho /nowhere\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := compile(); !errors.Is(err, ErrNoRust) || !strings.Contains(err.Error(), "rustup target add aarch64-unknown-linux-gnu or as Debian's libstd-rust-dev:arm64") {
		t.Errorf("no library: %v", err)
	}
	if err := os.WriteFile(rustc, []byte("#!/bin/sh\necho it is broken >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := compile(); err == nil || errors.Is(err, ErrNoRust) || !strings.Contains(err.Error(), "it is broken") {
		t.Errorf("a rustc that fails: %v", err)
	}
}

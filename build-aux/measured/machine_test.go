package measured

import (
	"strings"
	"testing"
	"time"
)

func TestVersion(t *testing.T) {
	for words, want := range map[string]string{
		"gcc (Debian 12.2.0-14+deb12u1) 12.2.1":              "12.2.1",
		"valgrind-3.19.0":                                    "3.19.0",
		"qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7)":  "7.2.22",
		"rustc 1.63.0":                                       "1.63.0",
		"glibc 2.36":                                         "2.36",
		"gcc-14 (Ubuntu 14.2.0-4ubuntu2~24.04) 14.2.0\nmore": "14.2.0",
	} {
		if got, err := Version("printf", "%s\n", words); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", words, got, err, want)
		}
	}
	if _, err := Version("echo", "none"); err == nil || !strings.Contains(err.Error(), "no version") {
		t.Error(err)
	}
	if _, err := Version("/nowhere/at/all", "--version"); err == nil || !strings.Contains(err.Error(), "/nowhere/at/all --version: ") {
		t.Error(err)
	}
}

func TestHere(t *testing.T) {
	m, err := Here()
	if err != nil {
		t.Skip(err) // there is no Rust, or another processor
	}
	if m.Processors < 1 || m.Libc == "" || m.Rust == "" {
		t.Errorf("%+v", m)
	}
	m = Machine{Processors: 1, Arch: "arm64", Libc: "2.36", Rust: "1.63.0"}
	if got, want := m.String(), "1 processor of an arm64 machine with glibc 2.36 and rustc 1.63.0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		75 * time.Millisecond: "0.075 s", 100 * time.Millisecond: "0.1 s", 1840 * time.Millisecond: "1.8 s",
		10 * time.Second: "10 s", 89600 * time.Millisecond: "90 s",
	} {
		if got := Seconds(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

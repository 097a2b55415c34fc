package emu

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
)

// eachSystem runs f for every suite and architecture, or one suite with -short.
func eachSystem(t *testing.T, f func(t *testing.T, p *process)) {
	for _, suite := range suites {
		if testing.Short() && suite != "bookworm" {
			continue
		}
		for _, arch := range tested() {
			t.Run(suite+"/"+arch.String(), func(t *testing.T) { f(t, boot(t, suite, arch, "HOME=/nowhere", "LANG=C")) })
		}
	}
}

// versions are what gnu_get_libc_version returns.
var versions = map[string]string{"bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41", "forky": ""}

func TestBoot(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		if pc, err := p.PC(0); err != nil || pc != p.entry {
			t.Errorf("pc %#x, %v; the entry is %#x", pc, err, p.entry)
		}
		threads := p.Threads()
		if len(threads) != 1 || threads[0].Name != "main" || !p.Idle(0) || p.Runnable(0) || p.Waiting(0) || p.End() != nil {
			t.Errorf("threads %+v", threads)
		}
		if out := p.output(); out != "" {
			t.Errorf("it said %q", out)
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
		if n := p.Steps(); n < 10_000 || n > 1_000_000 {
			t.Errorf("%d instructions", n)
		}
		libc, ok := p.Libc()
		if !ok {
			t.Fatal("no libc")
		}
		var names []string
		for i, mod := range p.Modules() {
			names = append(names, filepath.Base(mod.Path))
			if mod.Lo >= mod.Hi || i > 0 && mod.Lo < p.Modules()[i-1].Hi {
				t.Errorf("%s: [%#x, %#x)", mod.Path, mod.Lo, mod.Hi)
			}
			if got, ok := p.Module(mod.Hi - 1); !ok || got != mod {
				t.Errorf("%s: its last byte is in %v", mod.Path, got)
			}
		}
		for _, want := range append(slices.Clone(p.libs), p.System().Arch.Interp()) {
			if !slices.ContainsFunc(p.Modules(), func(m *Module) bool {
				return m.Image.Soname == filepath.Base(want) || m.Image.Soname == want
			}) {
				t.Errorf("%s is not among the modules %v", want, names)
			}
		}
		version := p.text(p.call(0, "gnu_get_libc_version"))
		if suite := strings.Split(t.Name(), "/")[1]; versions[suite] != "" && version != versions[suite] {
			t.Errorf("version %s", version)
		}
		// A function's own address leads back to its name.
		if name, off, ok := p.Symbol(p.fn("getenv")); name != "getenv" || off != 0 || !ok {
			t.Errorf("the symbol of getenv is %q+%d, %v", name, off, ok)
		}
		if _, _, ok := p.Symbol(libc.Hi + 1<<40); ok {
			t.Error("a symbol where nothing is")
		}
	})
}

func TestLookup(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		libc, _ := p.Libc()
		// Plain functions, an IFUNC, an object.
		for _, name := range []string{"getenv", "malloc", "strlen", "memcpy", "environ", "stdout"} {
			a, err := p.Lookup(name)
			if err != nil || a < libc.Lo || a >= libc.Hi {
				t.Errorf("%s: %#x, %v; libc is [%#x, %#x)", name, a, err, libc.Lo, libc.Hi)
			}
		}
		// Resolving leaves nothing behind.
		before := p.digest()
		a1, err1 := p.Lookup("strlen")
		a2, err2 := p.Lookup("strlen")
		if a1 != a2 || err1 != nil || err2 != nil || p.digest() != before {
			t.Errorf("strlen: %#x %v, then %#x %v; digest changed: %v", a1, err1, a2, err2, p.digest() != before)
		}
		if n, err := p.Call(0, a1, "strlen", p.str("twelve bytes")); n != 12 || err != nil {
			t.Errorf("strlen: %d, %v", n, err)
		}
		for _, name := range []string{"", "no_such_function", "getenv@GLIBC_9.9", "strle"} {
			if a, err := p.Lookup(name); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
				t.Errorf("%q: %#x, %v", name, a, err)
			}
		}
		if a, err := p.Lookup("errno"); err == nil {
			t.Errorf("errno is at %#x of every thread's own storage, not at one address", a)
		}
	})
}

func TestLibs(t *testing.T) {
	for _, arch := range tested() {
		sys := system(t, "bookworm", arch)
		m, err := New(Options{System: sys, Libs: []string{"libm.so.6", "libc.so.6"}})
		if err != nil {
			t.Fatal(err)
		}
		p := &process{Machine: m, t: t, fns: map[string]uint64{}}
		a := p.fn("fma")
		if mod, ok := p.Module(a); !ok || mod.Image.Soname != "libm.so.6" {
			t.Errorf("%v: fma is at %#x, in %+v", arch, a, mod)
		}
		m.Close()
		m.Close() // twice is fine
		if _, err := New(Options{System: sys, Libs: []string{"libnowhere.so.1"}}); err == nil ||
			!strings.Contains(err.Error(), "libnowhere.so.1") || !strings.Contains(err.Error(), "boot "+arch.String()) || strings.Contains(strings.TrimSpace(err.Error()), "\n") {
			t.Errorf("%v: a missing library: %v", arch, err)
		}
	}
}

// TestModulesFollowMappings: a library that the guest itself loads later is a
// module from then on, and no longer when it is gone.
func TestModulesFollowMappings(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		libm := func() bool {
			return slices.ContainsFunc(p.Modules(), func(m *Module) bool { return m.Image.Soname == "libm.so.6" })
		}
		dlopen, dlclose, name := p.fn("dlopen"), p.fn("dlclose"), p.str("libm.so.6")
		// Without a mark in between, the kernel's state is changed in place.
		for round := range 3 {
			if libm() {
				t.Fatalf("round %d: libm is there before it is loaded", round)
			}
			const now = 2
			handle, err := p.Call(0, dlopen, "dlopen", name, now)
			if err != nil || handle == 0 {
				t.Fatalf("dlopen: %#x, %v: %s", handle, err, p.text(p.call(0, "dlerror")))
			}
			if !libm() {
				t.Errorf("round %d: libm is not a module after dlopen", round)
			}
			if rc, err := p.Call(0, dlclose, "dlclose", handle); rc != 0 || err != nil {
				t.Fatalf("dlclose: %d, %v", rc, err)
			}
		}
	})
}

func TestOpenSystem(t *testing.T) {
	empty := t.TempDir()
	foreign := t.TempDir()
	dir := filepath.Join(foreign, "lib")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// An amd64 program in the place of arm64's dynamic linker.
	other, err := system(t, "bookworm", loader.AMD64).File(loader.AMD64.Interp())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, loader.ARM64.Interp()), other, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		empty:                           "no dynamic linker for arm64",
		filepath.Join(empty, "nowhere"): "nowhere",
		foreign:                         "e_machine: amd64, not arm64",
	} {
		s, err := OpenSystem(dir, loader.ARM64)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, %v; want %q", dir, s, err, want)
		}
	}
	// The dynamic linker alone does not make a system.
	ld, err := system(t, "bookworm", loader.ARM64).File(loader.ARM64.Interp())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, loader.ARM64.Interp()), ld, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSystem(foreign, loader.ARM64)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{System: s}); err == nil || !strings.Contains(err.Error(), "libc.so.6") {
		t.Errorf("a system without libc: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// Floating point begins as Linux leaves it to a new process, in every thread: with
// the x87's full precision, and with no exception that traps.
func TestFloatingPoint(t *testing.T) {
	code := guestcode.Build(t, loader.AMD64, `
		unsigned long third(void)
		{
			volatile long double x = 1, y = 3;
			union { long double f; unsigned long mantissa; } r = { .f = x / y };
			return r.mantissa;
		}`)
	p := boot(t, "bookworm", loader.AMD64)
	const rwx, privateAnonymous = 7, 0x22
	at := p.call(0, "mmap", 0, 4096*4, rwx, privateAnonymous, ^uint64(0), 0)
	if err := p.Write(0, at, code.Bytes); err != nil {
		t.Fatal(err)
	}
	for _, thread := range []int{0, p.spawn("other")} {
		for name, want := range map[string]uint64{"fctrl": 0x37f, "mxcsr": 0x1f80, "ftag": 0xffff} {
			if got, ok := p.Register(thread, name); !ok || got != want {
				t.Errorf("thread %d: %s is %#x, want %#x", thread, name, got, want)
			}
		}
		got, err := p.Call(thread, at+code.Symbols["third"], "third()")
		if want := uint64(0xaaaaaaaaaaaaaaab); err != nil || got != want {
			t.Errorf("thread %d: the mantissa of 1/3 is %#x, %v; want %#x", thread, got, err, want)
		}
	}
}

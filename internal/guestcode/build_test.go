package guestcode

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

var arches = []loader.Arch{loader.ARM64, loader.AMD64}

const sample = `
#include <stdint.h>
uint64_t zero[4];
uint32_t set = 0x11223344;
static const uint16_t table[5] = {1, 20, 300, 4000, 50000};
static uint64_t hidden = 5;

static __attribute__((noinline)) uint64_t twice(uint64_t n) { return 2 * n; }

uint64_t mix(uint64_t i, uint64_t n) {
	hidden++;
	zero[i & 3] += n;
	return twice(table[i % 5]) + zero[i & 3] + set + hidden;
}
uint64_t add(uint32_t *p, uint32_t n) { return __atomic_fetch_add(p, n, __ATOMIC_SEQ_CST); }
uint64_t more(void) { return add(&set, 1); }
`

// What is compiled runs on a real machine, wherever it is mapped, and has its
// variables where its symbols say.
func TestBuild(t *testing.T) {
	for _, arch := range arches {
		t.Run(arch.String(), func(t *testing.T) {
			code := Build(t, arch, sample)
			at := func(name string) uint64 {
				v, ok := code.Symbols[name]
				if !ok || v >= uint64(len(code.Bytes)) {
					t.Fatalf("%s is at %#x, %v, of %d bytes", name, v, ok, len(code.Bytes))
				}
				return v
			}
			if _, ok := code.Symbols["hidden"]; ok || len(code.Symbols) != 5 {
				t.Errorf("symbols %v, want the five that are not static", code.Symbols)
			}
			if v := binary.LittleEndian.Uint32(code.Bytes[at("set"):]); v != 0x11223344 {
				t.Errorf("set begins as %#x", v)
			}
			for _, b := range code.Bytes[at("zero"):][:32] {
				if b != 0 {
					t.Errorf("zero begins as % x", code.Bytes[at("zero"):][:32])
				}
			}
			if at("zero")/PageSize == at("mix")/PageSize || at("set")/PageSize == at("more")/PageSize {
				t.Error("code and variables share a page")
			}

			sys := testsystem.Of(t, "bookworm", arch)
			base := uint64(0)
			plan := &scenario.Plan{
				Setup: func(u *scenario.Setup) (err error) {
					// Whatever the first mapping gets, the second gets another address.
					for range 2 {
						if base, err = u.Code(code.Bytes, uint64(len(code.Bytes))); err != nil {
							return err
						}
					}
					return nil
				},
				Threads: []scenario.Thread{{Name: scenario.Main, Body: calls(func() scenario.Calls {
					mix := scenario.Call{Func: "mix", Addr: base + at("mix"), Args: []scenario.Arg{scenario.Int(2), scenario.Int(7)}}
					return scenario.Calls{mix, mix, {Func: "more", Addr: base + at("more")}, mix}
				})}},
			}
			s, err := scenario.Start(sys, plan, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if _, err := s.Run(0, 0); err != nil {
				t.Fatal(err)
			}
			const set = 0x11223344
			want := []uint64{600 + 7 + set + 6, 600 + 14 + set + 7, set, 600 + 21 + set + 1 + 8}
			if o, over := s.Outcome(); !over || o.Kind != scenario.OK {
				t.Fatalf("ended as %v", o)
			}
			for i, v := range s.Results(0) {
				if v != want[i] {
					t.Errorf("call %d returns %#x, want %#x", i, v, want[i])
				}
			}
		})
	}
}

// calls is a Body whose calls are known only when Setup has run.
type calls func() scenario.Calls

func (c calls) Next(results []uint64) (scenario.Call, bool, error) { return c().Next(results) }

// On arm64 a builtin is one atomic instruction, and no loop of exclusives.
func TestAtomics(t *testing.T) {
	code := Build(t, loader.ARM64, sample)
	const ldaddalMask, ldaddal = 0xffe0fc00, 0xb8e00000 // ldaddal w, w, [x]
	const exclusiveMask, exclusive = 0x3f000000, 0x08000000
	found := 0
	for i := uint64(0); i < code.Symbols["set"]/PageSize*PageSize; i += 4 {
		switch w := binary.LittleEndian.Uint32(code.Bytes[i:]); {
		case w&ldaddalMask == ldaddal:
			found++
		case w&exclusiveMask == exclusive:
			t.Errorf("at %#x: %#x is an exclusive", i, w)
		}
	}
	if found == 0 {
		t.Error("no ldaddal")
	}
}

// Sources that cannot become code are errors that say why.
func TestBuildErrors(t *testing.T) {
	cases := map[string]struct{ source, want string }{
		"not C":       {"int f( {", "guest.c:1"},
		"a warning":   {"int f(void) { int unused; return 1; }", "unused"},
		"a library":   {"int puts(const char *); int f(void) { return puts(\"\"); }", "undefined reference"},
		"an address":  {"int x; int *p = &x; int f(void) { return *p; }", "are to hold an address"},
		"of function": {"int f(void) { return 1; } int (*p)(void) = f;", "are to hold an address"},
		"too large":   {"char x[2 << 20]; int f(void) { return x[0]; }", "at most 1048576"},
	}
	for _, arch := range arches {
		for name, c := range cases {
			t.Run(arch.String()+"/"+name, func(t *testing.T) {
				if _, err := build(arch, c.source); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %q", err, c.want)
				}
			})
		}
	}
	if _, err := build(0, "int x;"); err == nil || !strings.Contains(err.Error(), "no such architecture") {
		t.Errorf("no architecture: %v", err)
	}
}

// Without the compiler a test fails and says what to do.
func TestNoCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, arch := range arches {
		if _, err := build(arch, "int x;"); !errors.Is(err, errNoCompiler) || !strings.Contains(err.Error(), "make setup") {
			t.Errorf("%v: %v", arch, err)
		}
	}
}

// The same source is compiled once.
func TestCache(t *testing.T) {
	a := Build(t, loader.ARM64, sample)
	t.Setenv("PATH", t.TempDir()) // from here on there is no compiler
	b := Build(t, loader.ARM64, sample)
	if &a.Bytes[0] != &b.Bytes[0] {
		t.Error("compiled twice")
	}
}

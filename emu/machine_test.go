package emu

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"emurace/internal/testroot"
	"emurace/internal/testseed"
	"emurace/loader"
)

var (
	arches = []loader.Arch{loader.ARM64, loader.AMD64}
	suites = []string{"bullseye", "bookworm", "trixie", "forky"}
)

// tested are the architectures that most tests run on: with -short only the first.
func tested() []loader.Arch {
	if testing.Short() {
		return arches[:1]
	}
	return arches
}

// randomness is what a random test draws from.
func randomness(t *testing.T) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(testseed.Of(t, 1), 0))
}

// systems are opened once for all tests: reading and parsing the libraries is
// most of a boot's cost.
var systems struct {
	sync.Mutex
	open map[string]*System
}

func system(t testing.TB, suite string, arch loader.Arch) *System {
	t.Helper()
	systems.Lock()
	defer systems.Unlock()
	key := suite + "/" + arch.String()
	if s := systems.open[key]; s != nil {
		return s
	}
	s, err := OpenSystem(testroot.Dir(t, "debian:"+suite, arch.String()), arch)
	if err != nil {
		t.Fatal(err)
	}
	if systems.open == nil {
		systems.open = map[string]*System{}
	}
	systems.open[key] = s
	return s
}

// process is a machine and what the tests do with it; whatever goes wrong ends
// the test.
type process struct {
	*Machine
	t   testing.TB
	fns map[string]uint64
}

func boot(t testing.TB, suite string, arch loader.Arch, env ...string) *process {
	t.Helper()
	m, err := New(Options{System: system(t, suite, arch), Env: env, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return &process{Machine: m, t: t, fns: map[string]uint64{}}
}

// each runs f on a freshly booted process of each architecture.
func each(t *testing.T, f func(t *testing.T, p *process)) {
	for _, arch := range tested() {
		t.Run(arch.String(), func(t *testing.T) { f(t, boot(t, "bookworm", arch)) })
	}
}

// fn is the address of a function.
func (p *process) fn(name string) uint64 {
	p.t.Helper()
	if a := p.fns[name]; a != 0 {
		return a
	}
	a, err := p.Lookup(name)
	if err != nil {
		p.t.Fatal(err)
	}
	p.fns[name] = a
	return a
}

// call makes a call on thread t, to its end, and returns the result.
func (p *process) call(t int, name string, args ...uint64) uint64 {
	p.t.Helper()
	v, err := p.Call(t, p.fn(name), name, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// begin lets thread t stand before the first instruction of a call.
func (p *process) begin(t int, name string, args ...uint64) {
	p.t.Helper()
	if err := p.Begin(t, p.fn(name), name, args...); err != nil {
		p.t.Fatal(err)
	}
}

// run runs a thread and returns how it stopped.
func (p *process) run(t int, n uint64) Stop {
	p.t.Helper()
	s, err := p.Run(t, n)
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// finish runs a thread's call to its end.
func (p *process) finish(t int) uint64 {
	p.t.Helper()
	if s := p.run(t, BootInstructions); s.Kind != Returned {
		p.t.Fatalf("thread %d: %v", t, s)
	}
	v, err := p.Result(t)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// str places a string in the program's static data.
func (p *process) str(s string) uint64 {
	p.t.Helper()
	return p.bytes(append([]byte(s), 0))
}

func (p *process) bytes(b []byte) uint64 {
	p.t.Helper()
	a, err := p.Alloc(uint64(len(b)))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.Write(0, a, b); err != nil {
		p.t.Fatal(err)
	}
	return a
}

func (p *process) text(addr uint64) string {
	p.t.Helper()
	s, ok := p.CString(addr, 1<<16)
	if !ok {
		p.t.Fatalf("no string at %#x", addr)
	}
	return s
}

func (p *process) word(addr uint64) uint64 {
	p.t.Helper()
	v, ok := p.Read64(addr)
	if !ok {
		p.t.Fatalf("nothing is mapped at %#x", addr)
	}
	return v
}

func (p *process) spawn(name string) int {
	p.t.Helper()
	n, err := p.Spawn(name)
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func (p *process) mark() *Mark {
	p.t.Helper()
	m, err := p.Mark()
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

func (p *process) rewind(m *Mark) {
	p.t.Helper()
	if err := m.Rewind(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) digest() string {
	p.t.Helper()
	d, err := p.Digest(0)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// output is what the process printed, all of it.
func (p *process) output() string {
	var b strings.Builder
	for _, o := range p.Output() {
		fmt.Fprintf(&b, "%s", o.Data)
	}
	return b.String()
}

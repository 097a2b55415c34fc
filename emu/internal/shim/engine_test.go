package shim

import (
	"bytes"
	"encoding/binary"
	"testing"

	"emurace/loader"
)

const (
	codeAt = 0x10000
	dataAt = 0x7000_0000_0000
)

var testZones = []Zone{{0x10000, 4 << 30}, {0x7000_0000_0000, 64 << 30}}

// loops is the same loop for both architectures: six instructions, one load
// and one store to the address in the first register, a count in the second.
var loops = map[loader.Arch][]byte{
	loader.ARM64: words(0xf9400002, 0x91000442, 0xf9000002, 0xca020063, 0xf1000421, 0x54ffff61),
	loader.AMD64: {0x48, 0x8b, 0x17, 0x48, 0xff, 0xc2, 0x48, 0x89, 0x17, 0x48, 0x31, 0xd3, 0x48, 0xff, 0xc9, 0x75, 0xef},
}

func words(w ...uint32) []byte {
	var b []byte
	for _, x := range w {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	return b
}

// arg names the registers a test sets by their role.
var arg = map[loader.Arch]map[string]string{
	loader.ARM64: {"addr": "x0", "count": "x1", "value": "x2", "pc": "pc", "sp": "sp"},
	loader.AMD64: {"addr": "rdi", "count": "rcx", "value": "rdx", "pc": "rip", "sp": "rsp"},
}

func regNamed(t testing.TB, arch loader.Arch, name string) Reg {
	t.Helper()
	for _, r := range Regs(arch) {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no register %s", name)
	return Reg{}
}

func set(t testing.TB, e *Engine, thread int, role string, v uint64) {
	t.Helper()
	name := role
	if n, ok := arg[e.arch][role]; ok {
		name = n
	}
	if err := e.WriteReg(thread, regNamed(t, e.arch, name), v); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, e *Engine, thread int, role string) uint64 {
	t.Helper()
	name := role
	if n, ok := arg[e.arch][role]; ok {
		name = n
	}
	v, err := e.ReadReg(thread, regNamed(t, e.arch, name))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// newEngine has the code at codeAt, four data pages at dataAt and n threads
// that are about to run the code, each on its own word of the data.
func newEngine(t testing.TB, arch loader.Arch, code []byte, n int, hooks bool) *Engine {
	t.Helper()
	e, err := Open(arch, testZones, hooks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	must(t, e.SetPages(codeAt, PageSize, Read|Exec|Mapped))
	must(t, e.Store(0, codeAt, code))
	must(t, e.SetPages(dataAt, 4*PageSize, Read|Write|Mapped))
	for i := range n {
		must(t, e.AddThread(i, -1))
		set(t, e, i, "pc", codeAt)
		set(t, e, i, "addr", uint64(dataAt+64*i))
		set(t, e, i, "count", 1<<40)
		set(t, e, i, "sp", dataAt+2*PageSize)
	}
	return e
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t testing.TB, e *Engine, thread int, n uint64) Stop {
	t.Helper()
	s, err := e.Run(thread, n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func eachArch(t *testing.T, f func(t *testing.T, arch loader.Arch)) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		t.Run(arch.String(), func(t *testing.T) { f(t, arch) })
	}
}

func TestBudgetIsExact(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 1, true)
		total := uint64(0)
		for _, n := range []uint64{1, 1, 2, 3, 5, 0, 7, 100, 1, 599, 6000} {
			s := run(t, e, 0, n)
			if s.Reason != StopBudget || s.Ran != n {
				t.Fatalf("run %d: %+v", n, s)
			}
			total += n
			if e.Steps() != total {
				t.Fatalf("steps %d, want %d", e.Steps(), total)
			}
			// Iteration k stores at instruction 6k+3, so after n instructions
			// (n+3)/6 stores have happened.
			got := binary.LittleEndian.Uint64(e.View(dataAt, 8))
			if want := (total + 3) / 6; got != want {
				t.Fatalf("after %d instructions the word is %d, want %d", total, got, want)
			}
		}
	})
}

func TestLogOfALoop(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 1, true)
		must(t, e.SetLogging(true))
		run(t, e, 0, 12)
		log := e.Log().List()
		if len(log) != 4 {
			t.Fatalf("%d accesses, want 4: %+v", len(log), log)
		}
		for i, a := range log {
			want := Access{Step: uint64(6*(i/2) + 1 + 2*(i%2)), PC: log[i].PC, Addr: dataAt, Size: 8,
				Old: uint64(i / 2), Value: uint64((i + 1) / 2), Kind: AccessKind(i % 2)}
			if a != want {
				t.Errorf("access %d: %+v, want %+v", i, a, want)
			}
		}
	})
}

func TestFaults(t *testing.T) {
	cases := []struct {
		name   string
		addr   uint64
		access Prot
		mapped bool
	}{
		{"read null page", 0x220, Read, false},
		{"read between zones", 0x6000_0000_0123, Read, false},
		{"read hole in zone", dataAt + 4*PageSize + 0x18, Read, false},
		{"read no permission", dataAt + 3*PageSize + 0x77, Read, true},
		{"write read-only", dataAt + 2*PageSize + 0x30, Write, true},
		{"read crossing into a hole", dataAt + 4*PageSize - 4 + 0x10000, Read, false},
		{"read high", 0x0123_4567_89ab_cdef, Read, false},
	}
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 1, true)
		must(t, e.SetPages(dataAt+3*PageSize, PageSize, Mapped))
		must(t, e.SetPages(dataAt+2*PageSize, PageSize, Read|Mapped))
		for _, c := range cases {
			set(t, e, 0, "pc", codeAt)
			set(t, e, 0, "addr", c.addr)
			before, err := e.ReadRegs(0)
			must(t, err)
			steps := e.Steps()
			s := run(t, e, 0, 100)
			want := uint64(0)
			if c.access == Write {
				want = 2
			}
			if s.Reason != StopFault || s.Fault.Access != c.access || s.Fault.Mapped != c.mapped || s.Fault.Addr != c.addr || s.Ran != want || e.Steps() != steps+want {
				t.Errorf("%s: %+v", c.name, s)
			}
			again := run(t, e, 0, 100)
			if again.Reason != StopFault || again.Fault != s.Fault || again.Ran != 0 {
				t.Errorf("%s: a second try: %+v", c.name, again)
			}
			after, err := e.ReadRegs(0)
			must(t, err)
			if c.access == Read && !bytes.Equal(before, after) {
				t.Errorf("%s: the fault changed registers", c.name)
			}
		}
		set(t, e, 0, "pc", dataAt)
		if s := run(t, e, 0, 1); s.Reason != StopFault || s.Fault != (Fault{Addr: dataAt, PC: dataAt, Access: Exec, Mapped: true}) {
			t.Errorf("fetch: %+v", s)
		}
		set(t, e, 0, "pc", 0)
		if s := run(t, e, 0, 1); s.Reason != StopFault || s.Fault != (Fault{Access: Exec}) {
			t.Errorf("fetch at 0: %+v", s)
		}
	})
}

func TestThreadsAlternate(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 3, true)
		for i := range 3 * 600 {
			if s := run(t, e, i%3, 1); s.Ran != 1 {
				t.Fatalf("slice %d: %+v", i, s)
			}
		}
		for i := range 3 {
			if got := binary.LittleEndian.Uint64(e.View(uint64(dataAt+64*i), 8)); got != 100 {
				t.Errorf("thread %d counted to %d, want 100", i, got)
			}
		}
	})
}

func TestLogLimit(t *testing.T) {
	e := newEngine(t, loader.ARM64, loops[loader.ARM64], 1, true)
	e.setLogLimit(1000)
	must(t, e.SetLogging(true))
	if s := run(t, e, 0, 1<<20); s.Reason != StopLimit {
		t.Fatalf("%+v", s)
	}
	if e.LogLen() != 1000 {
		t.Errorf("log holds %d entries", e.LogLen())
	}
}

// A register of 16 bytes is written from its low end, with zeros above, and nothing
// else with it.
func TestWideRegisters(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 2, true)
		name, next := "v3", "v4"
		if arch == loader.AMD64 {
			name, next = "xmm3", "xmm4"
		}
		for i, v := range []uint64{1 << 63, 0x123456789abcdef0, 7} {
			must(t, e.WriteReg(1, regNamed(t, arch, name), v))
			run(t, e, 0, 5)
			block, err := e.ReadRegs(1)
			must(t, err)
			at := 0
			for _, r := range Regs(arch) {
				if r.Name == name || r.Name == next {
					want := binary.LittleEndian.AppendUint64(nil, map[string]uint64{name: v}[r.Name])
					if want = append(want, make([]byte, 8)...); !bytes.Equal(block[at:at+r.Size], want) {
						t.Errorf("%d: %s is %x, want %x", i, r.Name, block[at:at+r.Size], want)
					}
				}
				at += r.Size
			}
			if got := get(t, e, 1, name); got != v {
				t.Errorf("%d: %s reads %#x, want %#x", i, name, got, v)
			}
		}
	})
}

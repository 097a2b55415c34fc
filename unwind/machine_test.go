package unwind_test

import (
	"fmt"
	"testing"

	"emurace/disasm"
	"emurace/emu"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/unwind"
)

// TestAgainstMachine runs functions of the real C library in the emulator and
// keeps a list of return addresses from the calls and returns that it executes.
// Before every instruction the unwinder must find exactly that list.
func TestAgainstMachine(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		if testing.Short() && arch != loader.ARM64 {
			continue
		}
		t.Run(arch.String(), func(t *testing.T) {
			sys, err := emu.OpenSystem(testroot.Dir(t, "debian:bookworm", arch.String()), arch)
			if err != nil {
				t.Fatal(err)
			}
			sys.LoadDebug()
			m, err := emu.New(emu.Options{System: sys, Env: []string{"HOME=/"}, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var modules []unwind.Module
			for _, mod := range m.Modules() {
				modules = append(modules, unwind.Module{Lo: mod.Lo, Hi: mod.Hi, Base: mod.Base, Image: mod.Image})
			}
			u, err := unwind.New(arch, modules)
			if err != nil {
				t.Fatal(err)
			}
			c := chase{t: t, m: m, u: u, arch: arch, seen: map[uint64]int{}}
			text := func(s string) uint64 {
				addr, err := m.Alloc(uint64(len(s) + 1))
				if err == nil {
					err = m.Write(0, addr, append([]byte(s), 0))
				}
				if err != nil {
					t.Fatal(err)
				}
				return addr
			}
			buf := text(fmt.Sprintf("%512s", ""))
			c.call("setenv", text("NAME"), text("value"), 1)
			c.call("getenv", text("LANGUAGE"))
			c.call("snprintf", buf, 500, text("%d %5lx %s|"), 12345, 0xabcdef, text("text"))
			c.call("regcomp", buf, text("^(a|b*)c[d-f]{2,3}$"), 1)
			c.call("regexec", buf, text("bbbcdef"), 0, 0, 0)
			c.call("regfree", buf)
			c.call("free", c.call("realloc", c.call("malloc", 100), 5000))
			c.call("puts", text("a line"))
			t.Logf("%d stacks, the deepest of %d frames", c.checked, c.deepest)
			if c.checked < 10000 || c.deepest < 8 {
				t.Error("that is too few")
			}
		})
	}
}

// chase follows the main thread. It is what the unwinder sees of it.
type chase struct {
	t       *testing.T
	m       *emu.Machine
	u       *unwind.Unwinder
	arch    loader.Arch
	returns []uint64       // return addresses, the innermost last
	outside uint64         // stack pointer of the host's caller
	seen    map[uint64]int // visits by address
	checked int
	deepest int
}

func (c *chase) Get(dwarf uint64) (uint64, bool) {
	return c.m.Register(0, unwind.RegisterName(c.arch, dwarf))
}

func (c *chase) Read64(addr uint64) (uint64, bool) { return c.m.Read64(addr) }

// call runs a function to its end, comparing before every instruction.
func (c *chase) call(name string, args ...uint64) uint64 {
	fn, err := c.m.Lookup(name)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.m.Begin(0, fn, name, args...); err != nil {
		c.t.Fatal(err)
	}
	c.returns, c.outside = []uint64{c.firstReturn()}, 0
	for {
		pc, err := c.m.PC(0)
		if err != nil {
			c.t.Fatal(err)
		}
		// A loop looks the same each time around.
		if c.seen[pc]++; c.seen[pc] <= 8 {
			c.compare(name, pc)
		}
		c.follow(pc)
		stop, err := c.m.Run(0, 1)
		if err != nil {
			c.t.Fatal(err)
		}
		if stop.Kind == emu.Returned {
			break
		}
		if stop.Kind != emu.Budget {
			c.t.Fatalf("%s: %v", name, stop)
		}
	}
	v, err := c.m.Result(0)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// firstReturn is where the called function will return to.
func (c *chase) firstReturn() uint64 {
	if c.arch == loader.ARM64 {
		v, _ := c.m.Register(0, "x30")
		return v
	}
	sp, _ := c.m.StackPointer(0)
	v, _ := c.m.Read64(sp)
	return v
}

// follow keeps the list up to date with the instruction about to run.
func (c *chase) follow(pc uint64) {
	code, ok := c.m.Read(pc, 16)
	if !ok {
		c.t.Fatalf("nothing at %#x", pc)
	}
	in, err := disasm.Decode(c.arch, code, pc, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	switch {
	case in.Call:
		c.returns = append(c.returns, pc+uint64(in.Len))
	case in.Ret:
		c.returns = c.returns[:len(c.returns)-1]
	}
}

func (c *chase) compare(name string, pc uint64) {
	depth := len(c.returns) + 1
	c.checked++
	c.deepest = max(c.deepest, depth)
	frames, end := c.u.Stack(pc, c, c, depth)
	want := []uint64{pc}
	for i := range c.returns {
		want = append(want, c.returns[len(c.returns)-1-i])
	}
	if in, off, _ := c.m.Symbol(pc); in == "_dl_runtime_resolve" && off == 0 && c.arch == loader.ARM64 {
		return // wrong in glibc itself
	}
	for i, f := range frames {
		if i < depth && f.PC == want[i] && (i < 2 || f.How == unwind.CFI) {
			continue
		}
		sym, off, _ := c.m.Symbol(pc)
		c.t.Fatalf("%s: at %s+%d frame %d is %#x, by %v, of %#x; %v", name, sym, off, i, f.PC, f.How, want, end)
	}
	if len(frames) != depth {
		sym, off, _ := c.m.Symbol(pc)
		c.t.Fatalf("%s: at %s+%d %d frames of %#x; %v", name, sym, off, len(frames), want, end)
	}
	// The stack pointer out there stays the same during the whole call.
	sp, _ := unwind.RegisterNumber(c.arch, c.m.StackPointerName())
	v, ok := frames[depth-1].Get(sp)
	if !ok || c.outside != 0 && v != c.outside {
		c.t.Fatalf("%s: the outermost stack pointer is %#x, %v, after %#x", name, v, ok, c.outside)
	}
	c.outside = v
}

package flow

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"emurace/emu"
	"emurace/internal/testseed"
	"emurace/loader"
)

// made is a process of one image that was made of code.
type made struct {
	module emu.Module
	image  []byte // as it is in memory
	stack  []byte // at madeStack, nil for none
}

const madeStack = 0x7fff00000000

const madeBase = 0x555500000000

// process makes one whose functions f0, f1 and so on are the parts of some code.
func process(t testing.TB, arch loader.Arch, code []byte, parts ...uint64) *made {
	t.Helper()
	var symbols []loader.StubSymbol
	for i, off := range parts {
		end := uint64(len(code))
		if i+1 < len(parts) {
			end = parts[i+1]
		}
		symbols = append(symbols, loader.StubSymbol{Name: "f" + string(rune('0'+i)), Off: off, Size: end - off})
	}
	file, _, err := loader.Stub(loader.StubSpec{Arch: arch, Needed: []string{"libc.so.6"}, Code: code, Symbols: symbols})
	if err != nil {
		t.Fatal(err)
	}
	im, err := loader.Parse("program", file)
	if err != nil {
		t.Fatal(err)
	}
	lo, hi := im.Span()
	m := &made{module: emu.Module{Path: "/program", Image: im, Base: madeBase, Lo: madeBase + lo, Hi: madeBase + hi}, image: make([]byte, hi)}
	for _, s := range im.Load {
		copy(m.image[s.Vaddr:], file[s.Offset:][:s.Filesz])
	}
	return m
}

// start is the address of a function.
func (m *made) start(t testing.TB, name string) uint64 {
	t.Helper()
	list := m.module.Image.Named(name)
	if len(list) != 1 {
		t.Fatalf("%d symbols %s", len(list), name)
	}
	return madeBase + list[0].Addr
}

func (m *made) Arch() loader.Arch      { return m.module.Image.Arch }
func (m *made) Modules() []*emu.Module { return nil }
func (m *made) Program() *emu.Module   { return &m.module }
func (m *made) Module(addr uint64) (*emu.Module, bool) {
	return &m.module, addr >= m.module.Lo && addr < m.module.Hi
}

func (m *made) Symbol(addr uint64) (string, uint64, bool) {
	s, off, ok := m.module.Image.SymbolAt(addr - madeBase)
	return s.Name, off, ok
}

func (m *made) Read(addr, size uint64) ([]byte, bool) {
	off := addr - madeBase
	if at := addr - madeStack; at < uint64(len(m.stack)) && size <= uint64(len(m.stack))-at {
		return m.stack[at:][:size], true
	}
	if size > uint64(len(m.image)) || off > uint64(len(m.image))-size {
		return nil, false
	}
	return m.image[off:][:size], true
}

func (m *made) Peek(addr, size uint64) ([]byte, bool) { return m.Read(addr, size) }

// ask asks everything about a stack in a function.
func ask(t testing.TB, arch loader.Arch, m *made, offsets ...uint64) {
	t.Helper()
	fl, err := New(m)
	if err != nil {
		t.Fatal(err)
	}
	begin := m.start(t, "f0")
	var stack []Frame
	for i, off := range offsets {
		stack = append(stack, Frame{PC: begin + off, Return: i > 0, CFA: 0x7fff0000 + 64*uint64(i), Register: func(name string) (uint64, bool) {
			return begin + uint64(len(name))*8, len(name)%2 == i%2 || name == "sp"
		}})
	}
	for i := range stack {
		for _, name := range fl.abi.names {
			o := fl.Origin(stack[i], name)
			if o.How == "" || o.Kind == Unknown && o.Certain {
				t.Errorf("%+v", o)
			}
		}
		if n := len(fl.Arguments(stack, i, 99)); n != len(fl.abi.args) {
			t.Errorf("%d arguments", n)
		}
		fl.CalledArguments(stack, i, 3)
	}
	if fl.Origin(Frame{PC: 1, Register: stack[0].Register}, "x0").Kind != Unknown || len(fl.Arguments(stack, -1, -1)) != 0 {
		t.Error("something is known of nothing")
	}
}

func FuzzFlow(f *testing.F) {
	f.Add([]byte{0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0xc3}, uint16(4), uint16(8), false)
	f.Add([]byte{0x93, 0x8e, 0x40, 0xf8, 0xd3, 0xff, 0xff, 0xb5, 0xc0, 0x03, 0x5f, 0xd6}, uint16(4), uint16(8), true)
	f.Fuzz(func(t *testing.T, code []byte, inner, outer uint16, arm bool) {
		arch := loader.AMD64
		if arm {
			arch = loader.ARM64
		}
		if len(code) < 8 || len(code) > 3000 {
			return
		}
		code = append(code, make([]byte, -len(code)&3)...)
		ask(t, arch, process(t, arch, code, 0, uint64(len(code)/2)&^3), uint64(inner)%uint64(len(code)), uint64(outer)%uint64(len(code)))
	})
}

// TestRandomCode: whatever the code, an answer comes soon.
func TestRandomCode(t *testing.T) {
	r := rand.New(rand.NewPCG(testseed.Of(t, 0), 1))
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		longest := time.Duration(0)
		for range 60 {
			code := make([]byte, 4*(2+r.IntN(700)))
			for i := 0; i < len(code); i += 4 {
				w := r.Uint32()
				if arch == loader.ARM64 {
					w = someARM64(r, w)
				} else if r.IntN(3) == 0 {
					w = w&0xff00 | 0x70 | w&0xf // a conditional jump
					w |= r.Uint32() << 16
				}
				binary.LittleEndian.PutUint32(code[i:], w)
			}
			began := time.Now()
			ask(t, arch, process(t, arch, code, 0, uint64(len(code)/2)&^3), 4*r.Uint64N(uint64(len(code)/4)), r.Uint64N(uint64(len(code))))
			longest = max(longest, time.Since(began))
		}
		t.Logf("%v: at most %v", arch, longest)
		if longest > 10*time.Second {
			t.Errorf("%v took %v", arch, longest)
		}
	}
}

// someARM64 makes an instruction of kinds that matter here.
func someARM64(r *rand.Rand, w uint32) uint32 {
	switch r.IntN(9) {
	case 0:
		return 0x91000000 | w&0x3fffff // add
	case 1:
		return 0xf8400400 | w&0x1ff3ff // ldr, post-index
	case 2:
		return 0xf9000000 | w&0x7ffff // str
	case 3:
		return 0x54000000 | w&0x3ef // b.cond, forwards
	case 4:
		return 0x54800000 | 0x7fff00 | w&0xef // b.cond, backwards
	case 5:
		return 0x94000000 | w&0xf // bl
	case 6:
		return 0xaa0003e0 | w&0x1f001f // mov
	case 7:
		return 0xa9bf0000 | w&0x7fff // stp, pre-index
	}
	return w
}

// TestLarge: a function of the largest size with as many paths as it can have is refused or
// answered in bounded time.
func TestLarge(t *testing.T) {
	for _, size := range []int{maxCode - 4, maxCode + 4096} {
		code := make([]byte, size)
		for i := 0; i < size; i += 4 {
			// b.eq to the instruction after the next, b.ne to the first ones, and stores in between.
			w := []uint32{0x54000040, 0xf9000000 | uint32(i>>2&0x7f)<<10 | 31<<5, 0x54000001 | uint32(-i/4&0x7ffff)<<5}[i/4%3]
			binary.LittleEndian.PutUint32(code[i:], w)
		}
		code = append(code, 0xc0, 0x03, 0x5f, 0xd6)
		began := time.Now()
		ask(t, loader.ARM64, process(t, loader.ARM64, code, 0), 4, 8)
		took := time.Since(began)
		t.Logf("%d bytes: %v", size, took)
		if took > 20*time.Second {
			t.Errorf("%d bytes took %v", size, took)
		}
	}
}

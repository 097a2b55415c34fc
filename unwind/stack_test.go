package unwind

import (
	"strings"
	"testing"

	"emurace/loader"
)

// registerMap gives registers by name, so that tests read well.
type registerMap struct {
	arch   loader.Arch
	values map[string]uint64
}

func (r registerMap) Get(n uint64) (uint64, bool) {
	v, ok := r.values[RegisterName(r.arch, n)]
	return v, ok
}

// base is where the test image is mapped.
const base = 0x550000

// The functions of the test images, by address of the file.
const (
	leaf      = 0x1000 // saves nothing
	saving    = 0x1100 // has a frame of 32 bytes and a saved register
	outermost = 0x1200 // has no return address
	signing   = 0x1300 // arm64: as saving, but the return address is signed
	handler   = 0x1400 // a signal trampoline
	endless   = 0x1500 // its caller is itself
	spinning  = 0x1600 // amd64: has a frame of no size
	plain     = 0x8000 // without call frame information
)

func arm64Image(t testing.TB) *loader.Image {
	b := frameBuilder{vaddr: frameVaddr}
	cie := b.cie("zR", 4, 30, "\x0c\x1f\x00")
	b.fde(cie, leaf, 0x100, "")
	// stp x29, x30, [sp, #-32]!; str x19, [sp, #16]
	b.fde(cie, saving, 0x100, "\x41\x0e\x20\x9d\x04\x9e\x03\x41\x93\x02")
	b.fde(cie, outermost, 0x100, "\x07\x1e")
	// paciasp, then the same
	b.fde(cie, signing, 0x100, "\x41\x2d\x41\x0e\x20\x9d\x04\x9e\x03\x41\x93\x02")
	signal := b.cie("zRS", 4, 30, "\x0c\x1f\x00")
	b.fde(signal, handler, 0x100, "\x0e\x10\x9e\x01")
	b.fde(cie, endless, 0x100, "")
	return testImage(t, loader.ARM64, append(b.data, 0, 0, 0, 0))
}

func amd64Image(t testing.TB) *loader.Image {
	b := frameBuilder{vaddr: frameVaddr}
	cie := b.cie("zR", 1, 16, "\x0c\x07\x08\x90\x01")
	b.fde(cie, leaf, 0x100, "")
	// push rbx; sub rsp, 16, one byte each here
	b.fde(cie, saving, 0x100, "\x41\x0e\x10\x83\x02\x41\x0e\x20")
	b.fde(cie, outermost, 0x100, "\x07\x10")
	b.fde(cie, endless, 0x100, "\x14\x10\x00")
	b.fde(cie, spinning, 0x100, "\x0e\x00")
	return testImage(t, loader.AMD64, append(b.data, 0, 0, 0, 0))
}

// wantFrame is a frame as tests spell it: PC as an address of the file.
type wantFrame struct {
	pc, cfa uint64
	how     How
	regs    map[string]uint64
}

type stackCase struct {
	name string
	pc   uint64 // of the file, or of the guest if absolute
	regs map[string]uint64
	mem  words
	max  int
	want []wantFrame
	end  Reason
}

const absolute = 1 << 40 // marks an address that is not relative to base

func runStackCases(t *testing.T, a loader.Arch, im *loader.Image, cases []stackCase) {
	address := func(v uint64) uint64 {
		if v&absolute != 0 {
			return v &^ absolute
		}
		return v + base
	}
	u, err := New(a, []Module{{Lo: base, Hi: base + imageSize, Base: base, Image: im}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if tc.max == 0 {
				tc.max = 10
			}
			got, end := u.Stack(address(tc.pc), registerMap{a, tc.regs}, tc.mem, tc.max)
			if end.Reason != tc.end {
				t.Errorf("end %v, want %v", end, tc.end)
			}
			if len(got) != len(tc.want) {
				t.Fatalf("%d frames, want %d: %+v", len(got), len(tc.want), got)
			}
			for i, w := range tc.want {
				f := &got[i]
				if f.PC != address(w.pc) || f.CFA != w.cfa || f.How != w.how {
					t.Errorf("frame %d: pc %#x, cfa %#x, %v, want %#x, %#x, %v", i, f.PC, f.CFA, f.How, address(w.pc), w.cfa, w.how)
				}
				for name, value := range w.regs {
					n, ok := RegisterNumber(a, name)
					if v, known := f.Get(n); !ok || !known || v != value {
						t.Errorf("frame %d: %s = %#x, %v, want %#x", i, name, v, known, value)
					}
				}
			}
		})
	}
}

func TestStackARM64(t *testing.T) {
	regs := func(pairs ...any) map[string]uint64 {
		m := map[string]uint64{"sp": 0x7000, "x19": 19, "x20": 20, "x29": 0, "x30": base + outermost + 8, "x0": 1}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = uint64(pairs[i+1].(int))
		}
		return m
	}
	frame := words{0x7000: 0x7100, 0x7008: base + outermost + 8, 0x7010: 1919}
	inside := map[string]uint64{"x19": 1919, "x20": 20, "x29": 0x7100, "sp": 0x7020}
	runStackCases(t, loader.ARM64, arm64Image(t), []stackCase{
		{"outermost", outermost + 4, regs(), nil, 0,
			[]wantFrame{{outermost + 4, 0x7000, Current, nil}}, Outermost},
		{"leaf", leaf + 4, regs(), nil, 0,
			[]wantFrame{{leaf + 4, 0x7000, Current, map[string]uint64{"x0": 1}},
				{outermost + 8, 0x7000, CFI, map[string]uint64{"x19": 19, "sp": 0x7000}}}, Outermost},
		{"before the prologue", saving, regs(), nil, 0,
			[]wantFrame{{saving, 0x7000, Current, nil}, {outermost + 8, 0x7000, CFI, nil}}, Outermost},
		{"between its instructions", saving + 4, regs(), frame, 0,
			[]wantFrame{{saving + 4, 0x7020, Current, nil},
				{outermost + 8, 0x7020, CFI, map[string]uint64{"x19": 19, "x29": 0x7100}}}, Outermost},
		{"after the prologue", saving + 8, regs("x30", 0), frame, 0,
			[]wantFrame{{saving + 8, 0x7020, Current, nil}, {outermost + 8, 0x7020, CFI, inside}}, Outermost},
		{"three deep", leaf, regs("x30", base+saving+0x40), frame, 0,
			[]wantFrame{{leaf, 0x7000, Current, nil}, {saving + 0x40, 0x7020, CFI, map[string]uint64{"x19": 19}},
				{outermost + 8, 0x7020, CFI, inside}}, Outermost},
		// The last instruction of saving calls something that does not return.
		{"call at a function's end", leaf, regs("x30", base+saving+0x100), frame, 0,
			[]wantFrame{{leaf, 0x7000, Current, nil}, {saving + 0x100, 0x7020, CFI, nil},
				{outermost + 8, 0x7020, CFI, inside}}, Outermost},
		{"max", leaf, regs("x30", base+saving+0x40), frame, 2,
			[]wantFrame{{leaf, 0x7000, Current, nil}, {saving + 0x40, 0x7020, CFI, nil}}, TooDeep},
		{"signed", signing + 12, regs(),
			words{0x7000: 0x7100, 0x7008: 0x1234<<48 | base + outermost + 8, 0x7010: 1919}, 0,
			[]wantFrame{{signing + 12, 0x7020, Current, nil}, {outermost + 8, 0x7020, CFI, inside}}, Outermost},
		{"return address 0", leaf, regs("x30", 0), nil, 0,
			[]wantFrame{{leaf, 0x7000, Current, nil}}, Outermost},
		{"return address in no module", leaf, regs("x30", 0x4000), nil, 0,
			[]wantFrame{{leaf, 0x7000, Current, nil}, {absolute | 0x4000, 0, CFI, nil}}, NoModule},
		{"unreadable return address", saving + 8, regs(), words{0x7000: 1}, 0,
			[]wantFrame{{saving + 8, 0x7020, Current, nil}}, Unreadable},
		{"unreadable saved register", saving + 8, regs(), words{0x7008: base + outermost + 8}, 0,
			[]wantFrame{{saving + 8, 0x7020, Current, nil}, {outermost + 8, 0x7020, CFI, nil}}, Outermost},
		{"stack pointer unknown", leaf, map[string]uint64{"x30": base + leaf}, nil, 0,
			[]wantFrame{{leaf, 0, Current, nil}}, Unreadable},
		{"its own caller", endless, regs("x30", base+endless+4), nil, 0,
			[]wantFrame{{endless, 0x7000, Current, nil}, {endless + 4, 0x7000, CFI, nil}}, Unreadable},
		// An interrupted function can be at its first instruction: what comes
		// before it does not matter.
		{"signal", handler, regs(), words{0x7008: base + outermost}, 0,
			[]wantFrame{{handler, 0x7010, Current, nil}, {outermost, 0x7010, CFI, map[string]uint64{"x0": 1}}}, Outermost},
		{"without information", plain, regs(), nil, 0,
			[]wantFrame{{plain, 0x7000, Current, nil}, {outermost + 8, 0x7000, Entry, nil}}, Outermost},
		{"a chain of frame pointers", plain, regs("x30", 0, "x29", 0x7100),
			words{0x7100: 0x7200, 0x7108: base + plain + 8, 0x7200: 0, 0x7208: base + outermost + 8}, 0,
			[]wantFrame{{plain, 0x7110, Current, nil}, {plain + 8, 0x7210, FramePointer, nil},
				{outermost + 8, 0x7210, FramePointer, map[string]uint64{"sp": 0x7210}}}, Outermost},
		{"a chain into itself", plain, regs("x30", 0, "x29", 0x7100),
			words{0x7100: 0x7100, 0x7108: base + plain + 8}, 0,
			[]wantFrame{{plain, 0x7110, Current, nil}, {plain + 8, 0, FramePointer, nil}}, NoInformation},
		{"no frame pointer", plain, regs("x30", 0, "x29", 0x101), nil, 0,
			[]wantFrame{{plain, 0, Current, nil}}, NoInformation},
		{"a jump to nowhere", absolute, regs("x30", base+outermost+8), nil, 0,
			[]wantFrame{{absolute, 0x7000, Current, nil}, {outermost + 8, 0x7000, Entry, nil}}, Outermost},
		{"lost", absolute, regs("x30", 0), nil, 0,
			[]wantFrame{{absolute, 0, Current, nil}}, NoModule},
	})
}

func TestStackAMD64(t *testing.T) {
	regs := func(pairs ...any) map[string]uint64 {
		m := map[string]uint64{"rsp": 0x7000, "rbx": 3, "rbp": 0, "rax": 1}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = uint64(pairs[i+1].(int))
		}
		return m
	}
	runStackCases(t, loader.AMD64, amd64Image(t), []stackCase{
		{"outermost", outermost + 4, regs(), nil, 0,
			[]wantFrame{{outermost + 4, 0x7008, Current, nil}}, Outermost},
		{"leaf", leaf, regs(), words{0x7000: base + outermost + 8}, 0,
			[]wantFrame{{leaf, 0x7008, Current, map[string]uint64{"rax": 1, "rip": base + leaf}},
				{outermost + 8, 0x7010, CFI, map[string]uint64{"rbx": 3, "rsp": 0x7008, "rip": base + outermost + 8}}}, Outermost},
		{"after the prologue", saving + 2, regs(), words{0x7010: 333, 0x7018: base + outermost + 8}, 0,
			[]wantFrame{{saving + 2, 0x7020, Current, nil},
				{outermost + 8, 0x7028, CFI, map[string]uint64{"rbx": 333, "rsp": 0x7020}}}, Outermost},
		{"unreadable return address", leaf, regs(), nil, 0,
			[]wantFrame{{leaf, 0x7008, Current, nil}}, Unreadable},
		{"return address 0", leaf, regs(), words{0x7000: 0}, 0,
			[]wantFrame{{leaf, 0x7008, Current, nil}}, Outermost},
		{"return address in no module", leaf, regs(), words{0x7000: 0x4000}, 0,
			[]wantFrame{{leaf, 0x7008, Current, nil}, {absolute | 0x4000, 0, CFI, nil}}, NoModule},
		{"return address is an address", endless, regs(), words{}, 0,
			[]wantFrame{{endless, 0x7008, Current, nil}, {absolute | 0x7008, 0, CFI, nil}}, NoModule},
		{"the same frame again", spinning, regs(), words{0x6ff8: base + spinning + 4}, 0,
			[]wantFrame{{spinning, 0x7000, Current, nil}, {spinning + 4, 0x7000, CFI, nil}}, NoProgress},
		{"a chain of frame pointers", plain, regs("rbp", 0x7100),
			words{0x7100: 0x7200, 0x7108: base + outermost + 8}, 0,
			[]wantFrame{{plain, 0x7110, Current, nil},
				{outermost + 8, 0x7118, FramePointer, map[string]uint64{"rbp": 0x7200, "rsp": 0x7110}}}, Outermost},
		{"a chain that goes down", plain, regs("rbp", 0x7100),
			words{0x7100: 0x6000, 0x7108: base + plain}, 0,
			[]wantFrame{{plain, 0x7110, Current, nil}, {plain, 0, FramePointer, nil}}, NoInformation},
		{"an unreadable chain", plain, regs("rbp", 0x7100), nil, 0,
			[]wantFrame{{plain, 0, Current, nil}}, Unreadable},
		{"a call to nowhere", absolute, regs(), words{0x7000: base + outermost + 8}, 0,
			[]wantFrame{{absolute, 0x7008, Current, nil}, {outermost + 8, 0x7010, Entry, nil}}, Outermost},
	})
}

func TestUnknownArchitecture(t *testing.T) {
	if _, err := New(0, nil); err == nil || !strings.Contains(err.Error(), "architecture") {
		t.Errorf("New(0): %v", err)
	}
	if frames := Stack(0, 1, registerMap{}, words{}, nil, 10); frames != nil {
		t.Errorf("Stack(0): %v", frames)
	}
	if frames := Stack(loader.ARM64, 1, registerMap{}, words{}, nil, 10); len(frames) != 1 || frames[0].PC != 1 {
		t.Errorf("Stack without modules: %v", frames)
	}
}

func TestRegisterNames(t *testing.T) {
	for _, a := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for n := range archOf(a).general {
			if got, ok := RegisterNumber(a, RegisterName(a, n)); !ok || got != n {
				t.Errorf("%v: register %d is %q is %d, %v", a, n, RegisterName(a, n), got, ok)
			}
		}
		for _, name := range []string{"", "eflags", "v0"} {
			if n, ok := RegisterNumber(a, name); ok {
				t.Errorf("%v: %q is register %d", a, name, n)
			}
		}
	}
	if name := RegisterName(loader.AMD64, 1<<63); name != "" {
		t.Errorf("register 1<<63 is %q", name)
	}
}

// FuzzStack: with any call frame information, registers and memory the stack
// ends, is no deeper than asked and begins where the thread is.
func FuzzStack(f *testing.F) {
	for _, im := range []*loader.Image{arm64Image(f), amd64Image(f)} {
		data, _, _ := im.EHFrame()
		f.Add(data, uint64(saving+8), uint64(0x7000), im.Arch == loader.ARM64)
		f.Add(data, uint64(endless), uint64(base+endless), im.Arch == loader.ARM64)
	}
	f.Fuzz(func(t *testing.T, frames []byte, at, value uint64, arm bool) {
		a := loader.AMD64
		if arm {
			a = loader.ARM64
		}
		if len(frames) > 1<<16 {
			frames = frames[:1<<16]
		}
		modules := []Module{{Lo: base, Hi: base + imageSize, Base: base, Image: testImage(t, a, frames)}}
		const depth = 50
		got := Stack(a, base+at, everywhere(value), everywhere(value), modules, depth)
		if len(got) == 0 || len(got) > depth || got[0].PC != base+at || got[0].How != Current {
			t.Fatalf("%d frames: %+v", len(got), got)
		}
		for i := 2; i < len(got)-1; i++ {
			if got[i].CFA != 0 && got[i].CFA < got[i-1].CFA && !got[i].Interrupted {
				t.Fatalf("frame %d at %#x is below frame %d at %#x", i, got[i].CFA, i-1, got[i-1].CFA)
			}
		}
	})
}

// everywhere is registers and memory that hold one value, a little moved.
type everywhere uint64

func (e everywhere) Get(n uint64) (uint64, bool)       { return uint64(e) + 8*n, true }
func (e everywhere) Read64(addr uint64) (uint64, bool) { return uint64(e) + addr%64, addr%7 != 0 }

package depend

import (
	"testing"

	"emurace/loader"
)

func TestArm64Flags(t *testing.T) {
	for _, c := range []struct {
		name string
		w    uint32
		want Flags
	}{
		{"ldr x0,[x1]", 0xf9400020, Flags{}},
		{"ldar x0,[x1]", 0xc8dffc20, Flags{Acquire: true}},
		{"ldapr x0,[x1]", 0xf8bfc020, Flags{AcquirePC: true}},
		{"stlr x0,[x1]", 0xc89ffc20, Flags{Release: true}},
		{"ldxr x0,[x1]", 0xc85f7c20, Flags{LoadExclusive: true}},
		{"ldaxr x0,[x1]", 0xc85ffc20, Flags{LoadExclusive: true, Acquire: true}},
		{"ldxp x0,x2,[x1]", 0xc87f0820, Flags{LoadExclusive: true}},
		{"stxr w2,x0,[x1]", 0xc8027c20, Flags{StoreExclusive: true}},
		{"stlxr w2,x0,[x1]", 0xc802fc20, Flags{StoreExclusive: true, Release: true}},
		{"cas x0,x2,[x1]", 0xc8a07c22, Flags{Atomic: true}},
		{"casa", 0xc8e07c22, Flags{Atomic: true, Acquire: true}},
		{"casl", 0xc8a0fc22, Flags{Atomic: true, Release: true}},
		{"casal", 0xc8e0fc22, Flags{Atomic: true, Acquire: true, Release: true}},
		{"ldadd x0,x2,[x1]", 0xf8200022, Flags{Atomic: true, Swap: true}},
		{"ldadda", 0xf8a00022, Flags{Atomic: true, Swap: true, Acquire: true}},
		{"ldaddal", 0xf8e00022, Flags{Atomic: true, Swap: true, Acquire: true, Release: true}},
		{"stadd x0,[x1]", 0xf820003f, Flags{Atomic: true, Swap: true, NoReturn: true}},
		{"staddl x0,[x1]", 0xf860003f, Flags{Atomic: true, Swap: true, NoReturn: true, Release: true}},
		{"swpal x0,x2,[x1]", 0xf8e08022, Flags{Atomic: true, Swap: true, Acquire: true, Release: true}},
		{"isb", 0xd5033fdf, Flags{Fence: FenceISB}},
	} {
		b := []byte{byte(c.w), byte(c.w >> 8), byte(c.w >> 16), byte(c.w >> 24)}
		got, err := Decode(loader.ARM64, b, 0)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
	// Every named option: osh, nsh, ish, sy with ld, st and both.
	for option := uint32(1); option < 16; option++ {
		want := [4]Kind{FenceFull, FenceLoad, FenceStore, FenceFull}[option&3]
		if got := arm64Flags(0xd50330bf | option<<8).Fence; got != want {
			t.Errorf("dmb #%d: %v, want %v", option, got, want)
		}
	}
}

func TestAMD64Flags(t *testing.T) {
	for _, c := range []struct {
		code string
		want Flags
	}{
		{"\x0f\xae\xf0", Flags{Fence: FenceFull}},
		{"\x0f\xae\xf8", Flags{Fence: FenceStore}},
		{"\x0f\xae\xe8", Flags{Fence: FenceLoad}},
		{"\xf0\x48\x01\x03", Flags{Full: true, Atomic: true}}, // lock add [rbx], rax
		{"\x48\x87\x03", Flags{Full: true, Atomic: true}},     // xchg [rbx], rax
		{"\x48\x01\x03", Flags{}},
		{"\x48\x0f\xc3\x03", Flags{NonTemporal: true}}, // movnti
	} {
		if got, err := Decode(loader.AMD64, []byte(c.code), 0); err != nil || got != c.want {
			t.Errorf("% x: %+v, %v", c.code, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x22, 0, 0xe0, 0xf8})
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
			_, _ = Decode(arch, b, 0x1000)
		}
	})
}

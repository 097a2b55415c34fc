package oracle

import (
	"testing"

	"emurace/disasm"
	"emurace/loader"
)

func TestOrderingOf(t *testing.T) {
	rmw := ordering{atomic: true, rmw: true}
	full := ordering{atomic: true, rmw: true, acquire: true, release: true}
	swap := full
	swap.compares = true
	for _, c := range []struct {
		arch loader.Arch
		code []byte
		text string
		want ordering
	}{
		{loader.ARM64, []byte{0x20, 0xfc, 0x5f, 0x88}, "ldaxr w0, [x1]", ordering{atomic: true, acquire: true}},
		{loader.ARM64, []byte{0x20, 0x7c, 0x5f, 0x88}, "ldxr w0, [x1]", ordering{atomic: true}},
		{loader.ARM64, []byte{0x20, 0xfc, 0x02, 0x88}, "stlxr w2, w0, [x1]", ordering{atomic: true, rmw: true, compares: true, release: true}},
		{loader.ARM64, []byte{0x20, 0xfc, 0xdf, 0x88}, "ldar w0, [x1]", ordering{atomic: true, acquire: true}},
		{loader.ARM64, []byte{0x20, 0xfc, 0x9f, 0x88}, "stlr w0, [x1]", ordering{atomic: true, release: true}},
		{loader.ARM64, []byte{0x41, 0x00, 0xe0, 0xb8}, "ldaddal w0, w1, [x2]", full},
		{loader.ARM64, []byte{0x41, 0x00, 0x20, 0xb8}, "ldadd w0, w1, [x2]", rmw},
		{loader.ARM64, []byte{0x41, 0xfc, 0xe0, 0x88}, "casal w0, w1, [x2]", swap},
		{loader.ARM64, []byte{0x20, 0x00, 0x40, 0xb9}, "ldr w0, [x1]", ordering{}},
		{loader.ARM64, []byte{0x01, 0x00, 0x00, 0xd4}, "svc #0x0", ordering{kernel: true}},
		{loader.AMD64, []byte{0xf0, 0x0f, 0xb1, 0x0f}, "lock cmpxchg dword ptr [rdi], ecx", swap},
		{loader.AMD64, []byte{0x0f, 0xb1, 0x0f}, "cmpxchg dword ptr [rdi], ecx", ordering{plainRMW: true}},
		{loader.AMD64, []byte{0x87, 0x07}, "xchg dword ptr [rdi], eax", full},
		{loader.AMD64, []byte{0x87, 0xd0}, "xchg eax, edx", ordering{}},
		{loader.AMD64, []byte{0x66, 0x90}, "xchg ax, ax", ordering{}},
		{loader.AMD64, []byte{0xf0, 0xff, 0x0f}, "lock dec dword ptr [rdi]", full},
		{loader.AMD64, []byte{0xff, 0x07}, "inc dword ptr [rdi]", ordering{plainRMW: true}},
		{loader.AMD64, []byte{0x8b, 0x07}, "mov eax, dword ptr [rdi]", ordering{}},
		{loader.AMD64, []byte{0x0f, 0x05}, "syscall", ordering{kernel: true}},
	} {
		in, err := disasm.Decode(c.arch, c.code, 0, nil)
		must(t, err)
		if got := orderingOf(c.arch, in); got != c.want {
			t.Errorf("%v %s (as decoded: %s): %+v, want %+v", c.arch, c.text, in.Text, got, c.want)
		}
	}
}

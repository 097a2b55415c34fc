package loader

import (
	"bytes"
	"debug/elf"
	"testing"
)

// Where the tests put .eh_frame_hdr and .eh_frame.
const ehHdrAt, ehFrameAt = 0x1800, 0x1900

func ehImage(t *testing.T, hdr []byte, sections []testSection) *Image {
	t.Helper()
	phdrs := []phdr{
		load(0x1000, 0x1000, 0, 0x1000, elf.PF_R|elf.PF_X),
		{kind: elf.PT_GNU_EH_FRAME, Segment: Segment{Vaddr: ehHdrAt, Offset: 0x800, Filesz: 8, Memsz: 8, Align: 4}},
	}
	data := buildELF(AMD64, elf.ET_DYN, phdrs, make([]byte, 0x1000))
	copy(data[0x800:], hdr)
	copy(data[0x900:], "frames")
	return mustParse(t, "x", withSections(data, sections))
}

func TestEHFrame(t *testing.T) {
	rel := func(enc byte, value int32) []byte {
		return le.AppendUint32([]byte{1, enc, 3, 0x3b}, uint32(value))
	}
	for _, tc := range []struct {
		what string
		hdr  []byte
		ok   bool
	}{
		{"pc-relative, signed", rel(ehPCRel|ehSdata4, ehFrameAt-ehHdrAt-4), true},
		{"pc-relative, unsigned", rel(ehPCRel|ehUdata4, ehFrameAt-ehHdrAt-4), true},
		{"relative to the header", rel(ehDataRel|ehSdata4, ehFrameAt-ehHdrAt), true},
		{"absolute", rel(ehUdata4, ehFrameAt), true},
		{"outside", rel(ehPCRel|ehSdata4, -0x7fffffff), false},
		{"omitted", rel(0xff, 0), false},
		{"an encoding that is not used here", rel(0x1c, 0), false},
		{"relative to a function", rel(0x40|ehUdata4, 0), false},
		{"another version", append([]byte{2}, rel(ehUdata4, ehFrameAt)[1:]...), false},
	} {
		data, addr, ok := ehImage(t, tc.hdr, nil).EHFrame()
		if ok != tc.ok || ok && (addr != ehFrameAt || !bytes.HasPrefix(data, []byte("frames"))) {
			t.Errorf("%s: %q at %#x, %v", tc.what, data, addr, ok)
		}
	}
}

// A section header is exact about the size, but only one that agrees with what
// is loaded counts.
func TestEHFrameSection(t *testing.T) {
	section := testSection{name: ".eh_frame", kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC, addr: ehFrameAt, data: []byte("frames")}
	data, addr, ok := ehImage(t, nil, []testSection{section}).EHFrame()
	if !ok || addr != ehFrameAt || string(data) != "frames" {
		t.Errorf("EHFrame() = %q at %#x, %v", data, addr, ok)
	}
	section.addr = 0x500000
	if data, addr, ok := ehImage(t, nil, []testSection{section}).EHFrame(); ok {
		t.Errorf("from nowhere: %q at %#x", data, addr)
	}
	if data, addr, ok := mustParse(t, "x", textImage(ARM64)).EHFrame(); ok {
		t.Errorf("from a file without frames: %q at %#x", data, addr)
	}
}

func TestDebugFrame(t *testing.T) {
	frame := testSection{name: ".debug_frame", kind: elf.SHT_PROGBITS, data: []byte("own")}
	im := mustParse(t, "x", withSections(textImage(ARM64), []testSection{frame}))
	if data, err := im.debugFrame(); err != nil || string(data) != "own" {
		t.Errorf("DebugFrame() = %q, %v", data, err)
	}
	if data, err := mustParse(t, "x", textImage(ARM64)).debugFrame(); err != nil || data != nil {
		t.Errorf("without one: %q, %v", data, err)
	}
}

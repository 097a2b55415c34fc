package unwind

import (
	"encoding/binary"
	"testing"

	"emurace/loader"
)

var le = binary.LittleEndian

// frameBuilder assembles an .eh_frame section.
type frameBuilder struct {
	data  []byte
	vaddr uint64
}

// entry appends an entry, padded with DW_CFA_nop, and returns its offset.
func (b *frameBuilder) entry(body []byte) int {
	at := len(b.data)
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	b.data = le.AppendUint32(b.data, uint32(len(body)))
	b.data = append(b.data, body...)
	return at
}

// cie appends a CIE with addresses as GCC encodes them.
func (b *frameBuilder) cie(augmentation string, codeAlign, returnColumn byte, program string) int {
	body := []byte{0, 0, 0, 0, 1}
	body = append(append(body, augmentation...), 0, codeAlign, 0x78, returnColumn, 1, 0x1b)
	return b.entry(append(body, program...))
}

// fde appends the entry of a function.
func (b *frameBuilder) fde(cie int, begin, size uint64, program string) {
	at := len(b.data)
	body := le.AppendUint32(nil, uint32(at+4-cie))
	body = le.AppendUint32(body, uint32(begin-(b.vaddr+uint64(at)+8)))
	body = append(le.AppendUint32(body, uint32(size)), 0)
	b.entry(append(body, program...))
}

// The layout of test images: code without bytes of its own, as only addresses
// matter, and the call frame information before it.
const (
	frameVaddr = 0x200
	imageSize  = 0x10000
)

// testImage makes a shared object with this .eh_frame section.
func testImage(t testing.TB, a loader.Arch, frames []byte) *loader.Image {
	t.Helper()
	header := make([]byte, frameVaddr)
	copy(header, "\x7fELF\x02\x01\x01")
	le.PutUint16(header[16:], 3) // ET_DYN
	le.PutUint16(header[18:], uint16(a.Machine()))
	le.PutUint32(header[20:], 1)
	le.PutUint64(header[32:], 64) // e_phoff
	le.PutUint16(header[52:], 64)
	le.PutUint16(header[54:], 56)
	le.PutUint16(header[56:], 2) // e_phnum
	segment := func(at int, kind, flags uint32, vaddr, filesz, memsz uint64) {
		le.PutUint32(header[at:], kind)
		le.PutUint32(header[at+4:], flags)
		for i, v := range []uint64{vaddr, vaddr, vaddr, filesz, memsz, 4096} {
			le.PutUint64(header[at+8+8*i:], v)
		}
	}
	const ehHeader = frameVaddr - 16
	size := uint64(frameVaddr + len(frames))
	segment(64, 1, 5, 0, size, max(imageSize, size))
	segment(120, 0x6474e550, 4, ehHeader, 8, 8)
	copy(header[ehHeader:], "\x01\x1b\xff\xff\x0c\x00\x00\x00") // its pointer is 12 before .eh_frame
	im, err := loader.Parse("test.so", append(header, frames...))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestImageHasFrames(t *testing.T) {
	im := testImage(t, loader.ARM64, []byte("frames"))
	data, vaddr, ok := im.EHFrame()
	if !ok || vaddr != frameVaddr || string(data) != "frames" {
		t.Fatalf("EHFrame() = %q, %#x, %v", data, vaddr, ok)
	}
}

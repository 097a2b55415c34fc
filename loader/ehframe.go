package loader

import "debug/elf"

// Encodings of pointers in .eh_frame_hdr (DW_EH_PE_*), from the Linux Standard
// Base, "DWARF Extensions".
const (
	ehUdata4  = 0x03
	ehSdata4  = 0x0b
	ehPCRel   = 0x10
	ehDataRel = 0x30
)

// EHFrame returns the image's call frame information, .eh_frame, and its
// address. It is found by section header or, in a file without, through
// PT_GNU_EH_FRAME, as an unwinder at run time does; then it may have bytes of
// what follows it, after its terminating zero length.
func (im *Image) EHFrame() (data []byte, vaddr uint64, ok bool) {
	if s, found := findSection(im.sections(), ".eh_frame"); found && s.flags&elf.SHF_ALLOC != 0 {
		// The loaded bytes count, so the header is believed only where it
		// agrees with them.
		if data, ok = im.fileRange(s.addr, s.size); ok {
			return data, s.addr, true
		}
	}
	if vaddr, ok = im.ehFrameAddr(); !ok {
		return nil, 0, false
	}
	data = im.fileAt(vaddr)
	return data, vaddr, len(data) > 0
}

// ehFrameAddr reads the address of .eh_frame from .eh_frame_hdr: a version, 1,
// the encodings of this pointer, of the count and of the table, the pointer.
func (im *Image) ehFrameAddr() (uint64, bool) {
	if im.ehHdr == nil {
		return 0, false
	}
	h, ok := im.fileRange(im.ehHdr.Vaddr, 8)
	if !ok || h[0] != 1 {
		return 0, false
	}
	var value uint64
	switch h[1] & 0x0f {
	case ehUdata4:
		value = uint64(le.Uint32(h[4:]))
	case ehSdata4:
		value = uint64(int64(int32(le.Uint32(h[4:]))))
	default:
		return 0, false
	}
	switch h[1] & 0xf0 {
	case 0:
	case ehPCRel:
		value += im.ehHdr.Vaddr + 4
	case ehDataRel:
		value += im.ehHdr.Vaddr
	default:
		return 0, false
	}
	return value, true
}

// debugFrame returns .debug_frame, the call frame information for debuggers
// only, of the debug file or of the image itself; nil when neither has it.
func (im *Image) debugFrame() ([]byte, error) {
	im.mu.Lock()
	src := im.debug
	im.mu.Unlock()
	if src != nil {
		if data, err := src.section(".debug_frame"); data != nil || err != nil {
			return data, err
		}
	}
	return im.own().section(".debug_frame")
}

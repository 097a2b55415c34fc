package loader

import (
	"debug/elf"
	"encoding/hex"
	"iter"
)

// Notes named "GNU", of binutils and the processors' ABI supplements: the build-id, and
// properties of the whole program.
const (
	noteBuildID  = 3 // NT_GNU_BUILD_ID
	noteProperty = 5 // NT_GNU_PROPERTY_TYPE_0
)

// maxBuildID bounds the length of a build-id. Linkers write 8 to 32 bytes.
const maxBuildID = 64

// parseNotes looks for the build-id and for what processor is needed. Notes are information
// only: one that is cut short ends the search and is no reason to refuse the file.
func (im *Image) parseNotes(p phdr) error {
	if err := im.checkFile(p); err != nil {
		return err
	}
	for kind, desc := range gnuNotes(im.data[p.Offset:p.Offset+p.Filesz], p.Align) {
		switch {
		case kind == noteBuildID && im.BuildID == "":
			im.BuildID = idText(desc)
		case kind == noteProperty && im.Arch == AMD64:
			im.isa |= isaNeeded(desc)
		}
	}
	return nil
}

// buildID is the first build-id among notes, in hex, or "".
func buildID(notes []byte, align uint64) string {
	for kind, desc := range gnuNotes(notes, align) {
		if id := idText(desc); kind == noteBuildID && id != "" {
			return id
		}
	}
	return ""
}

// sectionBuildID is the build-id of a file in which no program header leads to it, "" for none.
func (im *Image) sectionBuildID() string {
	for _, s := range im.sections() {
		if notes, ok := s.raw(im.data); ok && s.kind == elf.SHT_NOTE {
			if id := buildID(notes, 4); id != "" {
				return id
			}
		}
	}
	return ""
}

// idText is a build-id in hex, "" for what is none by its length.
func idText(id []byte) string {
	if len(id) < 2 || len(id) > maxBuildID {
		return ""
	}
	return hex.EncodeToString(id)
}

// gnuNotes are the types and descriptors of those named "GNU". A note is three 32-bit words
// (name size, descriptor size, type), then name and descriptor, each padded to align, which
// is 4 unless it says 8.
func gnuNotes(notes []byte, align uint64) iter.Seq2[uint32, []byte] {
	if align != 8 {
		align = 4
	}
	return func(yield func(uint32, []byte) bool) {
		for len(notes) >= 12 {
			nameSize, descSize, kind := uint64(le.Uint32(notes)), uint64(le.Uint32(notes[4:])), le.Uint32(notes[8:])
			at := (12 + nameSize + align - 1) &^ (align - 1)
			name, ok := part(notes, 12, nameSize)
			if !ok {
				return
			}
			desc, ok := part(notes, at, descSize)
			if !ok {
				return
			}
			if string(name) == "GNU\x00" && !yield(kind, desc) {
				return
			}
			next := (at + descSize + align - 1) &^ (align - 1)
			if next > uint64(len(notes)) {
				return
			}
			notes = notes[next:]
		}
	}
}

// isaNeeded is the value of GNU_PROPERTY_X86_ISA_1_NEEDED among properties, 0 without one
// (x86-64 psABI, 5.1): each is a type, a size, and its data padded to 8 bytes.
func isaNeeded(properties []byte) uint32 {
	const x86ISA1Needed = 0xc0008002
	for len(properties) >= 8 {
		kind, size := le.Uint32(properties), uint64(le.Uint32(properties[4:]))
		data, ok := part(properties, 8, size)
		if !ok {
			return 0
		}
		if kind == x86ISA1Needed && size == 4 {
			return le.Uint32(data)
		}
		next := 8 + (size+7)&^7
		if next > uint64(len(properties)) {
			return 0
		}
		properties = properties[next:]
	}
	return 0
}

// NeedsISA names what an amd64 image says that it cannot do without and the emulated
// processor does not have: a level of the x86-64 psABI above the second. It is "" for none.
func (im *Image) NeedsISA() string {
	const v3, v4 = 1 << 2, 1 << 3
	switch {
	case im.isa&v4 != 0:
		return "AVX-512 (x86-64-v4)"
	case im.isa&v3 != 0:
		return "AVX2 (x86-64-v3)"
	}
	return ""
}

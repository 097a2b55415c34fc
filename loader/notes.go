package loader

import (
	"encoding/hex"
)

// noteBuildID is NT_GNU_BUILD_ID of binutils, a note named "GNU".
const noteBuildID = 3

// maxBuildID bounds the length of a build-id. Linkers write 8 to 32 bytes.
const maxBuildID = 64

// parseNotes looks for the build-id. Notes are information only: one that is
// cut short ends the search and is no reason to refuse the file.
func (im *Image) parseNotes(p phdr) error {
	if err := im.checkFile(p); err != nil {
		return err
	}
	if im.BuildID == "" {
		im.BuildID = buildID(im.data[p.Offset:p.Offset+p.Filesz], p.Align)
	}
	return nil
}

// buildID finds NT_GNU_BUILD_ID among notes and returns it in hex, or "".
// A note is three 32-bit words (name size, descriptor size, type), then name
// and descriptor, each padded to align, which is 4 unless it says 8.
func buildID(notes []byte, align uint64) string {
	if align != 8 {
		align = 4
	}
	for len(notes) >= 12 {
		nameSize, descSize, kind := uint64(le.Uint32(notes)), uint64(le.Uint32(notes[4:])), le.Uint32(notes[8:])
		desc := (12 + nameSize + align - 1) &^ (align - 1)
		name, ok := part(notes, 12, nameSize)
		if !ok {
			return ""
		}
		id, ok := part(notes, desc, descSize)
		if !ok {
			return ""
		}
		if kind == noteBuildID && string(name) == "GNU\x00" && descSize >= 2 && descSize <= maxBuildID {
			return hex.EncodeToString(id)
		}
		next := (desc + descSize + align - 1) &^ (align - 1)
		if next > uint64(len(notes)) {
			return ""
		}
		notes = notes[next:]
	}
	return ""
}

package loader

import (
	"debug/elf"
	"errors"
	"io/fs"
)

// debugRoot is where Debian, like gdb, keeps separate debug files by build-id.
const debugRoot = "/usr/lib/debug/.build-id/"

// debugFile is a file with symbols and lines for an image: a separate debug
// file, or the image's own. Of a separate one only the section headers count;
// its program headers describe the image that it was split from.
type debugFile struct {
	name     string
	data     []byte
	sections []section
}

// own returns the image seen as its own debug file.
func (im *Image) own() *debugFile {
	return &debugFile{name: im.Name, data: im.data, sections: im.sections()}
}

// section returns the content of the named section, nil when there is none.
func (d *debugFile) section(name string) ([]byte, error) {
	s, ok := findSection(d.sections, name)
	if !ok {
		return nil, nil
	}
	return s.content(d.name, d.data)
}

// DebugPath returns the guest path of the image's separate debug file, or ""
// when the image has no build-id.
func (im *Image) DebugPath() string {
	if len(im.BuildID) < 4 {
		return ""
	}
	return debugRoot + im.BuildID[:2] + "/" + im.BuildID[2:] + ".debug"
}

// LoadDebug attaches the separate debug file that the sysroot has for the
// image's build-id. A missing one is no error: found is false, and names and
// lines stay as poor as the image's own.
func (im *Image) LoadDebug(s *Sysroot) (found bool, err error) {
	path := im.DebugPath()
	if path == "" {
		return false, nil
	}
	data, err := s.ReadFile(path, MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := im.attachDebug(path, data); err != nil {
		return false, err
	}
	return true, nil
}

// attachDebug adds the symbols and lines of a separate debug file, which it
// keeps; it replaces one attached before. The file must be for the image's
// architecture and have its build-id. name is used in errors.
func (im *Image) attachDebug(name string, data []byte) error {
	if err := checkIdent(name, data); err != nil {
		return err
	}
	if m := elf.Machine(le.Uint16(data[18:])); m != im.Arch.Machine() {
		return fieldError(name, "e_machine", "%d (%v) is not %v of %s", uint16(m), m, im.Arch.Machine(), im.Name)
	}
	d := &debugFile{name: name, data: data, sections: readSections(data)}
	if d.sections == nil {
		return fieldError(name, "e_shoff", "no valid section headers")
	}
	id := ""
	for _, s := range d.sections {
		if notes, ok := s.raw(data); ok && s.kind == elf.SHT_NOTE && id == "" {
			id = buildID(notes, 4)
		}
	}
	if id == "" {
		return fieldError(name, "build-id", "none")
	}
	if id != im.BuildID {
		return fieldError(name, "build-id", "%s is not %s of %s", id, im.BuildID, im.Name)
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	im.debug, im.symbols, im.lines, im.types = d, nil, nil, nil
	if im.exports != nil && !im.exports.dynamic {
		im.exports = nil
	}
	return nil
}

// HasDebug reports whether a debug file is attached.
func (im *Image) HasDebug() bool {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.debug != nil
}

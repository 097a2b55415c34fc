package loader

// Constants of symbol versioning, from the GNU extensions in the Linux
// Standard Base, "Symbol Versioning".
const (
	versionLocal  = 0      // VER_NDX_LOCAL: not for others
	versionGlobal = 1      // VER_NDX_GLOBAL: no version
	versionHidden = 0x8000 // bound only by name@version
	verdefSize    = 20
)

// setVersions fills in Version and Default. Without version tables every
// symbol is the default one of its name.
func (im *Image) setVersions(list []rawSymbol) {
	var versym []byte
	if im.dyn.versym != 0 {
		versym = im.fileAt(im.dyn.versym)
	}
	names := im.versionNames()
	for i := range list {
		s := &list[i]
		entry, ok := part(versym, 2*uint64(s.index), 2)
		if !ok {
			s.Default = true
			continue
		}
		v := le.Uint16(entry)
		number := v &^ versionHidden
		s.Default = v&versionHidden == 0 && number != versionLocal
		if number > versionGlobal {
			s.Version = names[number]
		}
	}
}

// versionNames reads the version definitions: a list of records, each with its
// distance to the next one, and a first auxiliary record that has the name.
func (im *Image) versionNames() map[uint16]string {
	names := make(map[uint16]string)
	if im.dyn.verdef == 0 {
		return names
	}
	rest := im.fileAt(im.dyn.verdef)
	for n := uint64(0); n < im.dyn.verdefn && len(rest) >= verdefSize; n++ {
		number := le.Uint16(rest[4:])
		if aux, ok := part(rest, uint64(le.Uint32(rest[12:])), 8); ok {
			if name, ok := cstring(im.dyn.strtab, uint64(le.Uint32(aux)), 256); ok {
				names[number&^versionHidden] = name
			}
		}
		next := uint64(le.Uint32(rest[16:]))
		if next == 0 || next > uint64(len(rest)) {
			break
		}
		rest = rest[next:]
	}
	return names
}

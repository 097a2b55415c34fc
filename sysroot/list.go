package sysroot

import (
	"path/filepath"
	"slices"
)

// Entry is one Debian sysroot that is in the cache, or could be. Two entries may
// be of the same folder: one for each libc in it.
type Entry struct {
	Spec   Spec
	Arch   string // "arm64" or "amd64"
	Pulled bool   // whether it is in the cache; if not, the rest but Libc is empty

	LibcName string // "glibc" or "musl"
	Libc     string // upstream version of its libc, such as "2.36"
	BuildID  string // of the libc, in hex; "" if it has none
	Packages []Package
	Source   *Source // of its glibc, nil if that was not pulled
	Size     int64   // of all its files, in bytes
	Path     string  // the folder to read, as Dir returns it

	Generation int          // the number of the current one, 0 for a folder of before there were any
	Held       bool         // whether a process uses it
	Older      []Generation // those that are still there since somebody uses, or used, them
}

// Generation is one state of a sysroot: what a pull made.
type Generation struct {
	Number int    `json:"generation"`
	Held   bool   `json:"in_use"` // whether a process uses it
	Path   string `json:"path"`   // of its folder
}

// generation describes a generation of an entry.
func (c *Cache) generation(name string, number int) Generation {
	path := filepath.Join(c.store(), generationName(name, number))
	return Generation{Number: number, Held: isHeld(path), Path: path}
}

// List returns an entry for each suite and architecture that can be pulled,
// oldest suite first, and tells which are in the cache. Folders without a valid
// manifest, such as those of a pull under way, count as not there. Musl is listed,
// behind the glibc of its suite, where it has been pulled.
func (c *Cache) List() ([]Entry, error) {
	var entries []Entry
	for _, s := range suites {
		for _, arch := range arches {
			entry, err := c.entry(s.name, arch)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
			if musl, ok := c.muslEntry(entry); ok {
				entries = append(entries, musl)
			}
		}
	}
	return entries, nil
}

// entry describes one Debian sysroot, there or not.
func (c *Cache) entry(suite, arch string) (Entry, error) {
	e := Entry{Spec: Spec{Kind: Debian, Suite: suite}, Arch: arch, LibcName: "glibc"}
	name := entryName(suite, arch)
	number, current := c.currentNumber(name)
	numbers, err := c.generations(name)
	if err != nil {
		return e, err
	}
	for _, n := range numbers {
		if !current || n != number {
			e.Older = append(e.Older, c.generation(name, n))
		}
	}
	path := c.entryPath(suite, arch)
	m, err := readManifest(path, suite, arch)
	if err != nil {
		s, _ := findSuite(suite)
		e.Libc = s.libc
		return e, nil
	}
	e.Pulled, e.Libc, e.BuildID, e.Packages, e.Source = true, m.Libc, m.BuildID, m.Packages, m.Source
	e.Path = filepath.Join(path, rootName)
	e.Generation, e.Held = number, isHeld(path)
	e.Size, err = treeSize(path)
	return e, err
}

// muslPackage is Debian's package of musl: ld.so and libc in one file.
const muslPackage = "musl"

// muslEntry is the entry of the musl in a pulled folder, false without one.
func (c *Cache) muslEntry(e Entry) (Entry, bool) {
	i := slices.IndexFunc(e.Packages, func(p Package) bool { return p.Name == muslPackage })
	if !e.Pulled || i < 0 {
		return Entry{}, false
	}
	e.Spec.Libc, e.LibcName = Musl, "musl"
	libc, err := findLibc("package musl", e.Path, e.Arch, Musl)
	if err != nil {
		return Entry{}, false // the folder was changed; Dir says so when it is asked for
	}
	// Neither of these decides anything; what cannot be read is left out.
	e.Libc, _ = upstreamVersion(e.Packages[i].Version)
	e.BuildID, _ = buildIDOf(e.Path, libc)
	return e, true
}

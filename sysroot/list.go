package sysroot

import (
	"path/filepath"
)

// Entry is one Debian sysroot that is in the cache, or could be.
type Entry struct {
	Spec   Spec
	Arch   string // "arm64" or "amd64"
	Pulled bool   // whether it is in the cache; if not, the rest but Libc is empty

	Libc     string // upstream version of its glibc, such as "2.36"
	BuildID  string // of libc.so.6, in hex; "" if it has none
	Packages []Package
	Size     int64  // of all its files, in bytes
	Path     string // the folder to read, as Dir returns it
}

// List returns an entry for each suite and architecture that can be pulled,
// oldest suite first, and tells which are in the cache. Folders without a valid
// manifest, such as those of a pull under way, count as not there.
func (c *Cache) List() ([]Entry, error) {
	var entries []Entry
	for _, s := range suites {
		for _, arch := range arches {
			entry, err := c.entry(s.name, arch)
			if err != nil {
				return nil, err
			}
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// entry describes one Debian sysroot, there or not.
func (c *Cache) entry(suite, arch string) (Entry, error) {
	e := Entry{Spec: Spec{Kind: Debian, Suite: suite}, Arch: arch}
	path := c.entryPath(suite, arch)
	m, err := readManifest(path, suite, arch)
	if err != nil {
		s, _ := findSuite(suite)
		e.Libc = s.libc
		return e, nil
	}
	e.Pulled, e.Libc, e.BuildID, e.Packages = true, m.Libc, m.BuildID, m.Packages
	e.Path = filepath.Join(path, rootName)
	e.Size, err = treeSize(path)
	return e, err
}

package sysroot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"emurace/internal/files"
)

// The names inside an entry's folder.
const (
	manifestName = "manifest.json"
	rootName     = "root"
)

// manifestFormat is the version of the manifest's layout. An entry with
// another one counts as not pulled.
const manifestFormat = 1

// manifestLimit bounds what is read of a manifest, in bytes; a real one has
// about 200 bytes a package.
const manifestLimit = 1 << 20

// Package is one Debian package of a sysroot.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"` // Debian's, such as 2.36-9+deb12u10
	SHA256  string `json:"sha256"`  // of the .deb file, in hex
}

// manifest describes an entry. It holds no date and no path, so that the same
// packages give the same bytes on any machine.
type manifest struct {
	Format   int       `json:"format"`
	Spec     string    `json:"spec"`
	Arch     string    `json:"arch"`
	Libc     string    `json:"libc"`               // upstream version of libc6
	BuildID  string    `json:"build_id,omitempty"` // of libc.so.6, in hex
	Packages []Package `json:"packages"`           // by name
	Source   *Source   `json:"source,omitempty"`   // of libc6, if it was pulled too
}

// has tells whether the entry was made from all the packages named, of each that has several names from one.
func (m *manifest) has(names []string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(m.Packages, func(p Package) bool { return slices.Contains(strings.Split(name, ","), p.Name) }) {
			return false
		}
	}
	return true
}

// encode returns the manifest as it is written to disk.
func (m *manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	return append(data, '\n'), nil
}

// parseManifest reads and checks the manifest of the entry of a suite and
// architecture. Unknown fields are refused: they mean another format.
func parseManifest(data []byte, suite, arch string) (*manifest, error) {
	var m manifest
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one value", manifestName)
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("%s: format: %d, not %d", manifestName, m.Format, manifestFormat)
	}
	if want := "debian:" + suite; m.Spec != want {
		return nil, fmt.Errorf("%s: spec: %q, not %q", manifestName, m.Spec, want)
	}
	if m.Arch != arch {
		return nil, fmt.Errorf("%s: arch: %q, not %q", manifestName, m.Arch, arch)
	}
	if !m.has(basePackages) {
		return nil, fmt.Errorf("%s: packages: %s is not among them", manifestName, strings.Join(basePackages, " or "))
	}
	return &m, nil
}

// readManifest reads the manifest of the entry in the folder dir and checks
// that the sysroot it speaks of is there. The error is fs.ErrNotExist when
// there is no entry at all.
func readManifest(dir, suite, arch string) (*manifest, error) {
	data, err := files.Read(filepath.Join(dir, manifestName), manifestLimit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifestName, err)
	}
	m, err := parseManifest(data, suite, arch)
	if err != nil {
		return nil, err
	}
	if err := checkLibc(entryName(suite, arch), filepath.Join(dir, rootName), arch); err != nil {
		return nil, err
	}
	return m, nil
}

// basePackages are in every Debian sysroot: glibc, and its debug files.
var basePackages = []string{"libc6", "libc6-dbg"}

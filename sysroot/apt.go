package sysroot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// packageName is the grammar of Debian Policy, section 5.6.1. A name of this
// shape is no option to apt and selects no version, release or architecture.
var packageName = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// packageNameLimit is far above the longest name in the archive, in bytes.
const packageNameLimit = 200

func checkPackageName(name string) error {
	if packageName.MatchString(name) && len(name) <= packageNameLimit {
		return nil
	}
	return &Error{
		what: fmt.Sprintf("package %q", name),
		why:  "not the name of a Debian package",
		hint: "names are of lower-case letters, digits, + - and ., such as zlib1g or libc-bin",
		kind: ErrInvalid,
	}
}

// apt is the system's apt with a configuration, lists and cache of its own.
type apt struct {
	dir   string // all its files
	suite string
	arch  string
}

// deb is a fetched package file.
type deb struct {
	Package
	path string
}

// newApt lays out the folders of a private apt below dir, which fetches lists of packages.
func newApt(dir string, a archive, suite, arch string) (*apt, error) {
	return layApt(dir, aptConfig(dir, arch, os.Geteuid() == 0), a.sourcesFile(suite, arch, "Packages"), suite, arch)
}

// newContentsApt is newApt for lists of what the packages have.
func newContentsApt(dir string, a archive, suite, arch string) (*apt, error) {
	return layApt(dir, aptConfig(dir, arch, os.Geteuid() == 0)+contentsConfig, a.sourcesFile(suite, arch, contentsTarget), suite, arch)
}

// newSourceApt is newApt for sources.
func newSourceApt(dir string, a archive, suite, arch string) (*apt, error) {
	return layApt(dir, aptConfig(dir, arch, os.Geteuid() == 0), a.sourcesOf(suite), suite, arch)
}

func layApt(dir, config, sources, suite, arch string) (*apt, error) {
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "log", "sources", "debs"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{
		"apt.conf":               config,
		"sources/debian.sources": sources,
		"state/status":           "", // no package is installed
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return &apt{dir: dir, suite: suite, arch: arch}, nil
}

// run runs apt-get with the private configuration.
func (a *apt) run(ctx context.Context, args ...string) error {
	args = append([]string{"-c", filepath.Join(a.dir, "apt.conf"), "-qq"}, args...)
	_, err := command(ctx, filepath.Join(a.dir, "debs"), "apt-get", args...)
	return err
}

// update fetches the package lists and checks their signatures.
func (a *apt) update(ctx context.Context) error {
	return a.run(ctx, "update")
}

// choose is the first of a package's names that the lists have; the last where they have none.
func (a *apt) choose(ctx context.Context, names string) (string, error) {
	list := strings.Split(names, ",")
	for _, name := range list[:len(list)-1] {
		out, err := command(ctx, a.dir, "apt-cache", "-c", filepath.Join(a.dir, "apt.conf"), "pkgnames", name)
		if err != nil {
			return "", err
		}
		if slices.Contains(strings.Fields(string(out)), name) {
			return name, nil
		}
	}
	return list[len(list)-1], nil
}

// download fetches the packages named and checks them against the lists, which
// are signed. They are returned in the order of names.
func (a *apt) download(ctx context.Context, names []string) ([]deb, error) {
	if err := a.run(ctx, append([]string{"download"}, names...)...); err != nil {
		if name, ok := unlocatable(err.Error(), names); ok {
			return nil, &Error{
				what:  "package " + name,
				why:   fmt.Sprintf("not in debian:%s for %s", a.suite, a.arch),
				hint:  "check its name with: apt-cache search NAME",
				kind:  ErrInvalid,
				cause: err,
			}
		}
		return nil, err
	}
	debs := make([]deb, len(names))
	files, err := filepath.Glob(filepath.Join(a.dir, "debs", "*.deb"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		d, err := a.inspect(ctx, file)
		if err != nil {
			return nil, err
		}
		// apt takes a name that it does not know for a regular expression, so
		// what came is not always what was asked for.
		if i := slices.Index(names, d.Name); i >= 0 {
			debs[i] = d
		}
	}
	for i, d := range debs {
		if d.path == "" {
			return nil, &Error{
				what: "package " + names[i],
				why:  fmt.Sprintf("not in debian:%s for %s", a.suite, a.arch),
				hint: "check its name with: apt-cache search NAME",
				kind: ErrInvalid,
			}
		}
	}
	return debs, nil
}

// unlocatable finds the package that apt says it does not know.
func unlocatable(complaint string, names []string) (string, bool) {
	if !strings.Contains(complaint, "Unable to locate package") && !strings.Contains(complaint, "no installation candidate") &&
		!strings.Contains(complaint, "Can't find a source to download") && !strings.Contains(complaint, "Couldn't find any package") {
		return "", false
	}
	words := strings.FieldsFunc(complaint, func(r rune) bool { return strings.ContainsRune(" '\"", r) })
	for _, name := range names {
		if slices.Contains(words, name) {
			return name, true
		}
	}
	return "", false
}

// inspect reads a package file's own fields and hashes it.
func (a *apt) inspect(ctx context.Context, file string) (deb, error) {
	out, err := command(ctx, a.dir, "dpkg-deb", "--showformat", "${Package}\n${Version}\n${Architecture}\n", "--show", file)
	if err != nil {
		return deb{}, err
	}
	fields := strings.Fields(string(out))
	if len(fields) != 3 {
		return deb{}, fmt.Errorf("%s: has no package name, version and architecture", filepath.Base(file))
	}
	if fields[2] != a.arch && fields[2] != "all" {
		return deb{}, fmt.Errorf("%s: architecture: %s, not %s", filepath.Base(file), fields[2], a.arch)
	}
	sum, err := hashFile(file)
	if err != nil {
		return deb{}, err
	}
	return deb{Package: Package{Name: fields[0], Version: fields[1], SHA256: sum}, path: file}, nil
}

// hashFile returns the SHA-256 of a file, in hex.
func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it is only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

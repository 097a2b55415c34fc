package sysroot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// Cache is a folder of pulled sysroots. Any number of processes may use the
// same one at a time.
type Cache struct {
	dir string // absolute path; need not exist

	mu     sync.Mutex
	held   map[string]holding // by the entry's name: what Dir returns
	former []holding          // what it returned before a pull
}

// Open names the cache folder: dir itself, or, when dir is "", $EMURACE_CACHE,
// else $XDG_CACHE_HOME/emurace, else ~/.cache/emurace. It creates nothing. As
// the XDG base directory specification asks, a relative XDG_CACHE_HOME is
// ignored.
func Open(dir string) (*Cache, error) {
	if dir == "" {
		dir = os.Getenv("EMURACE_CACHE")
	}
	if dir == "" {
		if xdg := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(xdg) {
			dir = filepath.Join(xdg, "emurace")
		}
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, &Error{what: "cache folder", cause: err, hint: "set EMURACE_CACHE to a folder"}
		}
		dir = filepath.Join(home, ".cache", "emurace")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("cache folder %s: %w", dir, err)
	}
	return &Cache{dir: abs}, nil
}

// Path returns the absolute path of the cache folder, which need not exist.
func (c *Cache) Path() string { return c.dir }

// store is the folder that holds the entries.
func (c *Cache) store() string { return filepath.Join(c.dir, "sysroot") }

// entryName is the name of a Debian entry's folder below store.
func entryName(suite, arch string) string { return "debian-" + suite + "-" + arch }

// Dir returns the folder whose files are those of a complete sysroot: the root
// of a pulled one for debian:SUITE and debian:SUITE/musl, "/" for host (only for the architecture of
// the machine itself), the folder itself otherwise. A folder, and the host,
// must hold a libc of the architecture where ld.so would find it.
//
// A pulled one is held: it stays as it is until Close or the end of the process, whatever is
// pulled or removed meanwhile, and further calls return the same folder.
//
// Errors have the command that gets the sysroot as their hint when it is not there, and
// are ErrInvalid for an unknown architecture.
func (c *Cache) Dir(spec Spec, arch string) (string, error) {
	if err := checkArch(arch); err != nil {
		return "", err
	}
	switch spec.Kind {
	case Debian:
		return c.debianDir(spec, arch)
	case Host:
		if arch != runtime.GOARCH {
			return "", &Error{
				what: "sysroot host",
				why:  fmt.Sprintf("this machine is %s, not %s", runtime.GOARCH, arch),
				hint: "use --arch " + runtime.GOARCH + " or --sysroot debian:bookworm",
				kind: errMissing,
			}
		}
		return "/", checkLibc("sysroot host", "/", arch)
	case Folder:
		abs, err := filepath.Abs(spec.Path)
		if err != nil {
			return "", fmt.Errorf("sysroot %s: %w", spec.Path, err)
		}
		if err := checkLibc("sysroot "+spec.Path, abs, arch); err != nil {
			return "", err
		}
		return abs, nil
	}
	return "", &Error{what: "sysroot " + spec.String(), why: "not a spec that Parse made", kind: ErrInvalid}
}

// debianDir is Dir for an entry of the cache.
func (c *Cache) debianDir(spec Spec, arch string) (string, error) {
	path, err := c.use(spec.Suite, arch)
	var m *manifest
	if err == nil {
		m, err = readManifest(path, spec.Suite, arch)
	}
	if err == nil && (spec.Libc != Musl || m.has([]string{muslPackage})) {
		root := filepath.Join(path, rootName)
		if spec.Libc == Musl {
			_, err = findLibc("sysroot "+spec.String(), root, arch, Musl)
		}
		return root, err
	}
	missing := &Error{
		what: fmt.Sprintf("sysroot %s for %s", spec, arch),
		why:  "not pulled yet",
		hint: fmt.Sprintf("emurace sysroot pull %s --arch %s", spec, arch),
		kind: errMissing,
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		missing.why, missing.cause = "", err
	}
	return "", missing
}

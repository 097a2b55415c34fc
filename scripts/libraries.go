package scripts

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"emurace/loader"
	"emurace/scenario"
)

// Libraries finds a library of the user's own by its path below the folder of a scenario's
// file: it first, and then those that it needs and that lie beside it. See
// scenariolang.Host.
type Libraries func(name string) ([]scenario.Library, error)

// Bounds of what one library brings with it.
const (
	maxOwnLibraries = 64
	maxOwnBytes     = 48 << 20 // all together; emu takes a little more
)

// Beside finds the libraries that lie beside a scenario's file, or in folders below. Links are
// followed in that folder only. Each is read once: what is built meanwhile has no part in a
// search that has begun. It may be used by several goroutines.
func Beside(file string) Libraries {
	var mu sync.Mutex
	found := map[string][]scenario.Library{}
	return func(name string) ([]scenario.Library, error) {
		mu.Lock()
		defer mu.Unlock()
		if list, ok := found[name]; ok {
			return list, nil
		}
		list, err := besides(filepath.Dir(file), name)
		if err == nil {
			found[name] = list
		}
		return list, err
	}
}

// besides reads a library and what it needs, breadth first, as ld.so does.
func besides(dir, name string) ([]scenario.Library, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, err := loader.OpenSysroot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	var list []scenario.Library
	var arch loader.Arch
	size := 0
	for names := []string{name}; len(names) > 0; names = names[1:] {
		data, err := root.ReadFile("/"+names[0], maxOwnBytes)
		if errors.Is(err, fs.ErrNotExist) && len(list) > 0 {
			continue // the sysroot's, and if it is not there either ld.so says so
		}
		if err != nil {
			return nil, fmt.Errorf("./%s: %w", names[0], bare(err))
		}
		im, err := loader.Parse("./"+names[0], data)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			arch = im.Arch
		}
		if size += len(data); im.Arch != arch || size > maxOwnBytes || len(list) == maxOwnLibraries {
			return nil, fmt.Errorf("./%s: for another architecture than ./%s, or more than %d libraries or %d MiB with all that it needs", names[0], name, maxOwnLibraries, maxOwnBytes>>20)
		}
		list = append(list, scenario.Library{At: path.Join(scenario.LibraryRoot, names[0]), Host: filepath.Join(abs, filepath.FromSlash(names[0])), Content: data})
		for _, needed := range im.Needed {
			beside := path.Join(path.Dir(names[0]), needed)
			isKnown := slices.Contains(names, beside) || slices.ContainsFunc(list, func(l scenario.Library) bool { return l.At == path.Join(scenario.LibraryRoot, beside) })
			if !strings.Contains(needed, "/") && !ofTheSystem(needed) && !isKnown {
				names = append(names, beside)
			}
		}
	}
	return list, nil
}

// ofTheSystem tells whether a library is the sysroot's in any case: the C library and its
// dynamic linker, which a file of the same name beside a scenario must not take the place of.
func ofTheSystem(name string) bool {
	return strings.HasPrefix(name, "libc.") || strings.HasPrefix(name, "ld-") || strings.HasPrefix(name, "ld64.") || strings.HasPrefix(name, "libpthread.")
}

// bare is what went wrong with a file, without its name.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

package emu

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"emurace/loader"
)

// Folder is a folder of the host's that processes see, read-only, at a path of theirs: of
// any number of machines at the same time. It is confined as a sysroot is.
type Folder struct{ system *System }

// OpenFolder opens a folder of the host's for processes of an architecture. Close it after
// the machines that have it.
func OpenFolder(dir string, arch loader.Arch) (*Folder, error) {
	root, err := loader.OpenSysroot(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{newSystem(root, arch, 0)}, nil
}

// Close lets go of the folder.
func (f *Folder) Close() error { return f.system.Close() }

// maxFolders bounds Options.Folders.
const maxFolders = 64

// addFolders puts folders over the sysroot's files. One may lie in the sysroot, in place of
// what that has, or elsewhere; not in another one.
func (o *overlay) addFolders(given map[string]*Folder) error {
	if len(given) > maxFolders {
		return fmt.Errorf("folders: %d, at most %d", len(given), maxFolders)
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		err := checkVirtual(name)
		at := o.place(name)
		if _, _, within := o.foldered(at); err == nil && within {
			err = errors.New("lies in another folder that was given")
		}
		if err == nil {
			err = o.addDirs(at)
		}
		if err != nil {
			return fmt.Errorf("folders: %q: %w", name, err)
		}
		o.folders[at], o.dirs[at] = given[name], true
	}
	return nil
}

// foldered is the given folder that a path lies in, with the path there.
func (o *overlay) foldered(name string) (in systemFiles, rest string, ok bool) {
	if len(o.folders) == 0 {
		return systemFiles{}, "", false
	}
	for at := path.Clean(name); at != "/"; at = path.Dir(at) {
		if f := o.folders[at]; f != nil {
			return systemFiles{f.system}, "/" + strings.TrimPrefix(name[len(at):], "/"), true
		}
	}
	return systemFiles{}, "", false
}

package emu

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"emurace/emu/internal/linux"
	"emurace/loader"
)

// Bounds of Options.Files: far more than a scenario needs.
const (
	maxVirtualFiles = 256
	maxVirtualBytes = 64 << 20
	maxVirtualPath  = 1024
)

// overlay is the files that a process sees: the sysroot's, and over them those that
// it was given. All is read-only; what the process writes the kernel keeps. Paths that come from the guest are cleaned.
type overlay struct {
	systemFiles
	files   map[string][]byte // by the folder's real path and the name
	dirs    map[string]bool   // folders that were given, and those that are there only for what was given
	images  map[string]*loader.Image
	folders map[string]*Folder    // that were given, by their real paths
	infos   map[infoKey]infoValue // what was asked about a path, nil before all files are known
	opened  map[string][]byte     // what was read, nil as long as nobody wants to know
}

// newOverlay checks the files and finds out where in the sysroot they lie. A file
// takes the place of one that the sysroot has, or of a link.
func newOverlay(sys *System, given map[string][]byte, folders map[string]*Folder) (*overlay, error) {
	o := &overlay{systemFiles: systemFiles{sys}, files: map[string][]byte{}, dirs: map[string]bool{}, images: map[string]*loader.Image{},
		folders: map[string]*Folder{}}
	if err := o.addFolders(folders); err != nil {
		return nil, err
	}
	if len(given) > maxVirtualFiles {
		return nil, fmt.Errorf("files: %d, at most %d", len(given), maxVirtualFiles)
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if err := checkVirtual(name); err != nil {
			return nil, fmt.Errorf("files: %q: %w", name, err)
		}
		if total += len(given[name]); total > maxVirtualBytes {
			return nil, fmt.Errorf("files: %q: more than %d bytes in all", name, maxVirtualBytes)
		}
		if err := o.add(name, given[name]); err != nil {
			return nil, fmt.Errorf("files: %q: %w", name, err)
		}
	}
	o.infos = map[infoKey]infoValue{}
	return o, nil
}

func checkVirtual(name string) error {
	switch {
	case name == "" || name[0] != '/' || name == "/" || path.Clean(name) != name:
		return errors.New("not an absolute path in its shortest form")
	case len(name) > maxVirtualPath:
		return fmt.Errorf("%d bytes, at most %d", len(name), maxVirtualPath)
	case strings.IndexByte(name, 0) >= 0:
		return errors.New("contains NUL")
	case name == programPath || name == linux.NullDevice:
		return errors.New("there is something else of that name")
	}
	return nil
}

// add places one file. The folders above it must not be files, nor it a folder.
func (o *overlay) add(name string, content []byte) error {
	key := o.place(name)
	if _, taken := o.files[key]; taken {
		return fmt.Errorf("given twice: it is %s", key)
	}
	if info, err := o.Info(key, true); err == nil && info.Dir {
		return errors.New("is a folder")
	}
	if err := o.addDirs(key); err != nil {
		return err
	}
	o.files[key] = content
	return nil
}

// addDirs makes the folders above a path.
func (o *overlay) addDirs(key string) error {
	for dir := path.Dir(key); dir != "/"; dir = path.Dir(dir) {
		if info, err := o.Info(dir, true); err == nil {
			if !info.Dir {
				return fmt.Errorf("%s is a file", dir)
			}
			continue
		}
		o.dirs[dir] = true
	}
	return nil
}

// place is a path without links in its folder, as far as the sysroot has that.
func (o *overlay) place(name string) string {
	parts := strings.Split(strings.TrimPrefix(path.Clean("/"+name), "/"), "/")
	at := "/"
	for i, part := range parts[:len(parts)-1] {
		real, err := o.Root.Resolve(path.Join(at, part))
		if err != nil {
			return path.Join(at, path.Join(parts[i:]...))
		}
		at = real
	}
	return path.Join(at, parts[len(parts)-1])
}

// find is the given file at a path, also where a link of the sysroot leads to it.
func (o *overlay) find(name string) (key string, content []byte, ok bool) {
	if len(o.files) == 0 {
		return "", nil, false
	}
	key = o.place(name)
	if content, ok = o.files[key]; ok {
		return key, content, true
	}
	if real, err := o.Root.Resolve(key); err == nil {
		content, ok = o.files[real]
		return real, content, ok
	}
	return "", nil, false
}

// File returns the content of a regular file; it must not be written.
func (o *overlay) File(name string) ([]byte, error) {
	content, err := o.read(name)
	if err == nil && o.opened != nil {
		o.opened[name] = content
	}
	return content, err
}

func (o *overlay) read(name string) ([]byte, error) {
	if _, content, ok := o.find(name); ok {
		return content, nil
	}
	if in, rest, ok := o.foldered(name); ok {
		return in.File(rest)
	}
	return o.systemFiles.File(name)
}

// Info describes what is at a guest path.
func (o *overlay) Info(name string, follow bool) (linux.FileInfo, error) {
	if len(o.files)+len(o.folders) == 0 {
		return o.systemFiles.Info(name, follow)
	}
	key := infoKey{name, follow}
	v, ok := o.infos[key]
	if !ok {
		if v.info, v.err = o.ask(name, follow); o.infos != nil && len(o.infos) < maxInfos {
			o.infos[key] = v
		}
	}
	return v.info, v.err
}

func (o *overlay) ask(name string, follow bool) (linux.FileInfo, error) {
	key, content, ok := o.find(name)
	if ok && (follow || key == o.place(name)) {
		return linux.FileInfo{Size: int64(len(content))}, nil
	}
	if in, rest, ok := o.foldered(name); ok {
		return in.Info(rest, follow)
	}
	if len(o.dirs) > 0 && o.dirs[o.place(name)] {
		return linux.FileInfo{Dir: true}, nil
	}
	return o.systemFiles.Info(name, follow)
}

// List returns the names in a folder, in order.
func (o *overlay) List(name string) ([]string, error) {
	dir := o.place(name)
	if real, err := o.Root.Resolve(dir); err == nil {
		dir = real
	}
	in, rest := o.systemFiles, dir
	if f, at, ok := o.foldered(dir); ok {
		in, rest = f, at
	}
	names, err := in.List(rest)
	if err != nil && !o.dirs[dir] {
		return nil, err
	}
	if len(o.files)+len(o.folders) == 0 {
		return names, nil
	}
	names = slices.Clone(names)
	given := func(p string) {
		if path.Dir(p) == dir {
			names = append(names, path.Base(p))
		}
	}
	for p := range o.files {
		given(p)
	}
	for p := range o.dirs {
		given(p)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Readlink returns the target of a link. A given file is none.
func (o *overlay) Readlink(name string) (string, error) {
	if len(o.files) > 0 {
		if _, ok := o.files[o.place(name)]; ok {
			return "", fs.ErrInvalid
		}
	}
	if in, rest, ok := o.foldered(name); ok {
		return in.Readlink(rest)
	}
	return o.systemFiles.Readlink(name)
}

// Image returns the ELF file at a guest path, parsed once.
func (o *overlay) Image(name string) (*loader.Image, error) {
	key, content, ok := o.find(name)
	if !ok {
		in, rest, ok := o.foldered(name)
		if !ok {
			return o.System.image(name)
		}
		if key = path.Clean(name); o.images[key] == nil {
			var err error
			if content, err = in.File(rest); err != nil {
				return nil, err
			}
		}
	}
	if im := o.images[key]; im != nil {
		return im, nil
	}
	im, err := loader.Parse(key, content)
	if err != nil {
		return nil, err
	}
	if im.Arch != o.Arch {
		return nil, fmt.Errorf("%s: e_machine: %v, not %v", key, im.Arch, o.Arch)
	}
	o.images[key] = im
	return im, nil
}

// VirtualFile is the content of a file that the process was given by Options.Files,
// false when there is none at that path; it must not be written.
func (p *Process) VirtualFile(name string) ([]byte, bool) {
	_, content, ok := p.files.find(name)
	return content, ok
}

// Content is the content of a regular file as the process found it, whatever it has written to
// it since; it must not be written. To look is not to open it.
func (p *Process) Content(name string) ([]byte, error) { return p.files.read(name) }

// Opened is a file that the process has read.
type Opened struct {
	Path    string // in the guest
	Content []byte // which must not be written
}

// Opened lists the files that a program of its own, as of NewProgram, has opened, in order of
// their paths, also those that a rewind has taken back.
func (p *Process) Opened() []Opened {
	var list []Opened
	for _, name := range slices.Sorted(maps.Keys(p.files.opened)) {
		list = append(list, Opened{name, p.files.opened[name]})
	}
	return list
}

package emu

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"
	"sync/atomic"

	"emurace/emu/internal/linux"
	"emurace/emu/internal/shim"
	"emurace/internal/logging"
	"emurace/loader"
)

// System is a sysroot with what was read from it, for any number of machines
// at the same time.
type System struct {
	Root *loader.Sysroot
	Arch loader.Arch
	Libc loader.Libc // what processes run on: Glibc or Musl

	interp string // the dynamic linker's guest path, as PT_INTERP names it
	mu     sync.Mutex
	files  map[string][]byte
	images map[string]*loader.Image
	infos  map[infoKey]infoValue
	lists  map[string][]string
	debug  bool // see LoadDebug

	interrupt atomic.Pointer[func() error] // see Interrupt
	log       *logging.Log                 // see SetLog
	made      atomic.Int64                 // machines so far
}

// maxFile bounds what is read of one file of the sysroot: far more than any
// library, and little enough not to hurt.
const maxFile = 256 << 20

// OpenSystem opens a folder that holds a dynamic linker and a C library for
// the architecture: glibc, or musl in a folder without a glibc.
func OpenSystem(dir string, arch loader.Arch) (*System, error) { return OpenLibc(dir, arch, 0) }

// OpenLibc is OpenSystem for a folder that may hold several C libraries: processes
// run on the one given.
func OpenLibc(dir string, arch loader.Arch, libc loader.Libc) (*System, error) {
	root, err := loader.OpenSysroot(dir)
	if err != nil {
		return nil, err
	}
	s := newSystem(root, arch, libc)
	if err := s.findInterp(); err != nil {
		_ = root.Close() // the error that matters is the first one
		return nil, fmt.Errorf("sysroot %s: no dynamic linker for %v: %w", dir, arch, err)
	}
	return s, nil
}

func newSystem(root *loader.Sysroot, arch loader.Arch, libc loader.Libc) *System {
	return &System{Root: root, Arch: arch, Libc: libc, files: map[string][]byte{}, images: map[string]*loader.Image{},
		infos: map[infoKey]infoValue{}, lists: map[string][]string{}}
}

// findInterp finds the dynamic linker, and by it which libc there is when none was
// asked for.
func (s *System) findInterp() error {
	if s.Libc == 0 {
		s.Libc = loader.Glibc
		_, glibc := s.find(loader.Glibc.Soname())
		_, musl := s.find(path.Base(loader.Musl.Interp(s.Arch)))
		if !glibc && musl {
			s.Libc = loader.Musl
		}
	}
	s.interp = s.Libc.Interp(s.Arch)
	_, err := s.image(s.interp)
	if errors.Is(err, fs.ErrNotExist) {
		// A folder of packages unpacked, without the links /lib and /lib64 that the system
		// itself brings.
		if other, ok := s.find(path.Base(s.interp)); ok {
			s.interp = other
			_, err = s.image(other)
		}
	}
	return err
}

// libraryFolders are where systems have their C library and dynamic linker: Debian and its
// kin, then those that have lib64, as Fedora, CentOS and SUSE, then others; each with and
// without a merged /usr.
func libraryFolders(arch loader.Arch) []string {
	var list []string
	for _, dir := range []string{"/lib/" + arch.Triplet(), "/lib64", "/lib"} {
		list = append(list, dir, "/usr"+dir)
	}
	return list
}

// find looks for a library in the folders that systems have for them.
func (s *System) find(name string) (string, bool) {
	for _, dir := range libraryFolders(s.Arch) {
		at := path.Join(dir, name)
		if _, err := s.Root.Resolve(at); err == nil {
			return at, true
		}
	}
	return "", false
}

// Close lets go of the folder.
func (s *System) Close() error { return s.Root.Close() }

// File returns the content of a regular file; it must not be written.
func (s *System) File(path string) ([]byte, error) {
	real, err := s.Root.Resolve(path)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.files[real]; ok {
		return b, nil
	}
	b, err := s.Root.ReadFile(real, maxFile)
	if err != nil {
		return nil, err
	}
	s.files[real] = b
	s.log.Printf(logging.Boot, "read %s, %d bytes", real, len(b))
	return b, nil
}

// image returns the ELF file at a guest path, parsed once.
func (s *System) image(path string) (*loader.Image, error) {
	real, err := s.Root.Resolve(path)
	if err != nil {
		return nil, err
	}
	data, err := s.File(real)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if im, ok := s.images[real]; ok {
		return im, nil
	}
	im, err := loader.Parse(real, data)
	if err != nil {
		return nil, err
	}
	if im.Arch != s.Arch {
		return nil, fmt.Errorf("%s: e_machine: %v, not %v", real, im.Arch, s.Arch)
	}
	if s.debug {
		_, _ = im.LoadDebug(s.Root) // see LoadDebug
	}
	s.log.Printf(logging.Boot, "image %s, build ID %s, debug information: %t", real, im.BuildID, im.HasDebug())
	s.images[real] = im
	return im, nil
}

// systemFiles is the System as the kernel sees it.
type systemFiles struct{ *System }

// What was once asked about a path is kept, up to so many answers: the kernel asks about
// each part of each path.
const maxInfos = 1 << 16

type infoKey struct {
	path   string
	follow bool
}

type infoValue struct {
	info linux.FileInfo
	err  error
}

// Info describes what is at a guest path.
func (s systemFiles) Info(path string, follow bool) (linux.FileInfo, error) {
	key := infoKey{path, follow}
	s.mu.Lock()
	v, ok := s.infos[key]
	s.mu.Unlock()
	if ok {
		return v.info, v.err
	}
	v.info, v.err = s.ask(path, follow)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.infos) < maxInfos {
		s.infos[key] = v
	}
	return v.info, v.err
}

func (s systemFiles) ask(path string, follow bool) (linux.FileInfo, error) {
	stat := s.Root.Lstat
	if follow {
		stat = s.Root.Stat
	}
	fi, err := stat(path)
	if err != nil {
		return linux.FileInfo{}, err
	}
	m := fi.Mode()
	if !m.IsRegular() && !m.IsDir() && m&fs.ModeSymlink == 0 {
		return linux.FileInfo{}, fs.ErrPermission
	}
	// That every file may be executed is the same for all copies of a sysroot,
	// however they were made; the host's modes would get into the guest's
	// memory, and so into digests.
	return linux.FileInfo{Size: fi.Size(), Dir: m.IsDir(), Symlink: m&fs.ModeSymlink != 0, Exec: true}, nil
}

// maxList bounds the names of a folder, and maxLists how many folders' names are kept.
const (
	maxList  = 1 << 16
	maxLists = 1 << 12
)

// List returns the names in a folder, in order; what is neither a file, a folder nor a
// link is left out.
func (s systemFiles) List(path string) ([]string, error) {
	s.mu.Lock()
	names, ok := s.lists[path]
	s.mu.Unlock()
	if ok {
		return names, nil
	}
	entries, err := s.Root.ReadDir(path)
	if err != nil {
		return nil, err
	}
	if len(entries) > maxList {
		return nil, fmt.Errorf("%s: %d entries, at most %d", path, len(entries), maxList)
	}
	for _, e := range entries {
		if t := e.Type(); t.IsRegular() || t.IsDir() || t == fs.ModeSymlink {
			names = append(names, e.Name())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lists) < maxLists {
		s.lists[path] = names
	}
	return names, nil
}

// Readlink returns the target of a link.
func (s systemFiles) Readlink(path string) (string, error) { return s.Root.Readlink(path) }

// LoadDebug attaches the separate debug files that the sysroot has, to all
// images that machines have loaded or are going to load. Without them names are
// poorer, and nothing else changes; so a file that cannot be read is as good as none.
func (s *System) LoadDebug() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.debug = true
	for _, im := range s.images {
		if !im.HasDebug() {
			_, _ = im.LoadDebug(s.Root)
		}
	}
}

// UnicornVersion is the version of the emulator library linked in.
func UnicornVersion() string { return shim.UnicornVersion }

// UnicornPatched tells whether it has our patches: without them instructions run with
// hooks alone, and the guest has a kernel's rights on its processor.
func UnicornPatched() bool { return shim.UserMode }

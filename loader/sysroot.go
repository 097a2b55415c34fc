package loader

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// Limits of path lookup, as in Linux: MAXSYMLINKS in include/linux/namei.h and
// PATH_MAX in include/uapi/linux/limits.h.
const (
	maxLinks = 40
	maxPath  = 4096
)

// Sysroot is a folder that stands for the guest's root directory. All its
// methods take guest paths: absolute, with "/" as separator. Symbolic links,
// also those with absolute targets and those through "..", are followed inside
// the folder, as after chroot; os.Root is the net below should the folder
// change while it is walked.
//
// Errors are *fs.PathError with the guest path and, where there is one, the
// errno that Linux would give, so that errors.Is(err, fs.ErrNotExist) works.
// A Sysroot may be used by several goroutines.
type Sysroot struct {
	dir  string
	root *os.Root
}

// OpenSysroot opens the folder dir of the host. Close it after use.
func OpenSysroot(dir string) (*Sysroot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("sysroot %s: %w", dir, cause(err))
	}
	return &Sysroot{dir: dir, root: root}, nil
}

// Dir returns the host folder that OpenSysroot was given.
func (s *Sysroot) Dir() string { return s.dir }

// Close releases the folder. Files opened through it stay open.
func (s *Sysroot) Close() error { return s.root.Close() }

// Resolve follows every link in name and returns the path of the file itself:
// absolute, clean, without a link in it. The file has to exist.
func (s *Sysroot) Resolve(name string) (string, error) {
	at, _, err := s.walk("resolve", name, true)
	return at, err
}

// Open opens a regular file for reading. A folder, device, socket or FIFO is
// an error and is never opened, so that Open cannot block or disturb the host.
func (s *Sysroot) Open(name string) (*os.File, error) {
	at, info, err := s.walk("open", name, true)
	if err != nil {
		return nil, err
	}
	if err := regular(info); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	// O_NONBLOCK and the second look matter only when somebody swaps the file
	// between the walk and here.
	f, err := s.root.OpenFile(inside(at), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: cause(err)}
	}
	info, err = f.Stat()
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.Join(cause(err), f.Close())}
	}
	return f, nil
}

// ReadFile returns the content of a regular file of at most limit bytes; a
// longer one is an error and is not read.
func (s *Sysroot) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := s.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := readLimited(f, limit)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: cause(err)}
	}
	return data, nil
}

// readLimited reads f to its end, checking limit both against the size that
// the file states and against what really arrives.
func readLimited(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%d bytes, at most %d are read: %w", info.Size(), limit, syscall.EFBIG)
	}
	// One byte more than stated, so that a file that grew is noticed.
	data := make([]byte, 0, info.Size()+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if int64(len(data)) > limit {
			return nil, fmt.Errorf("more than %d bytes: %w", limit, syscall.EFBIG)
		}
		if errors.Is(err, io.EOF) {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
	}
}

// Stat describes the file that name leads to, after following links.
func (s *Sysroot) Stat(name string) (fs.FileInfo, error) {
	_, info, err := s.walk("stat", name, true)
	return info, err
}

// Lstat describes name itself: when its last component is a link, the link.
func (s *Sysroot) Lstat(name string) (fs.FileInfo, error) {
	_, info, err := s.walk("lstat", name, false)
	return info, err
}

// Readlink returns the target of a link, as it is written there.
func (s *Sysroot) Readlink(name string) (string, error) {
	at, info, err := s.walk("readlink", name, false)
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: syscall.EINVAL}
	}
	target, err := s.root.Readlink(inside(at))
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: cause(err)}
	}
	return target, nil
}

// ReadDir lists the folder that name leads to, sorted by file name.
func (s *Sysroot) ReadDir(name string) ([]fs.DirEntry, error) {
	at, info, err := s.walk("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: syscall.ENOTDIR}
	}
	list, err := fs.ReadDir(s.root.FS(), inside(at))
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: cause(err)}
	}
	return list, nil
}

// walk goes from the root to name, one component at a time, as path_walk does
// in Linux's fs/namei.c. It returns where it arrived, a clean absolute path,
// and what is there. The last component's link is followed only on demand, or
// when a slash after it asks for a folder.
func (s *Sysroot) walk(op, name string, follow bool) (string, fs.FileInfo, error) {
	fail := func(err error) (string, fs.FileInfo, error) {
		return "", nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	switch {
	case name == "":
		return fail(syscall.ENOENT)
	case name[0] != '/':
		return fail(errors.New("not an absolute path"))
	case len(name) >= maxPath:
		return fail(syscall.ENAMETOOLONG)
	case strings.IndexByte(name, 0) >= 0:
		return fail(syscall.EINVAL)
	}
	info, err := s.root.Lstat(".")
	if err != nil {
		return fail(cause(err))
	}
	at, links, rest := "/", 0, name
	for {
		var part string
		if part, rest = nextComponent(rest); part == "" {
			return at, info, nil
		}
		if !info.IsDir() {
			return fail(syscall.ENOTDIR)
		}
		next := path.Join(at, part) // also drops "." and keeps ".." below "/"
		nextInfo, err := s.root.Lstat(inside(next))
		if err != nil {
			return fail(cause(err))
		}
		last := rest == ""
		if nextInfo.Mode()&fs.ModeSymlink == 0 || last && !follow {
			at, info = next, nextInfo
			continue
		}
		if links++; links > maxLinks {
			return fail(syscall.ELOOP)
		}
		target, err := s.root.Readlink(inside(next))
		if err != nil {
			return fail(cause(err))
		}
		if target == "" || len(target)+len(rest) >= 2*maxPath {
			return fail(syscall.ENAMETOOLONG)
		}
		if target[0] == '/' {
			at = "/"
			if info, err = s.root.Lstat("."); err != nil {
				return fail(cause(err))
			}
		}
		rest = target + rest
	}
}

// nextComponent splits the first component off p. What follows a slash is kept
// with its slash, so that "name/" leaves "/" and is known to want a folder; a
// path of slashes only becomes ".", which has that effect at its end.
func nextComponent(p string) (part, rest string) {
	if p == "" {
		return "", ""
	}
	p = strings.TrimLeft(p, "/")
	if p == "" {
		return ".", ""
	}
	if i := strings.IndexByte(p, '/'); i >= 0 {
		return p[:i], p[i:]
	}
	return p, ""
}

// inside turns a clean absolute guest path into a name for os.Root.
func inside(at string) string {
	if at == "/" {
		return "."
	}
	return at[1:]
}

// regular says why a file that is none cannot be read.
func regular(info fs.FileInfo) error {
	switch {
	case info.Mode().IsRegular():
		return nil
	case info.IsDir():
		return syscall.EISDIR
	}
	return fmt.Errorf("not a regular file (%s): %w", info.Mode().Type(), syscall.EINVAL)
}

// cause strips the host's path from an error, which would only confuse beside
// the guest's path.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

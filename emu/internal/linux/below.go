package linux

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"syscall"
)

// What lies below the overlay: files of the sysroot, read-only, and a few that a Linux has
// and a sysroot lacks. Nothing of it changes, so that to look at it is no use of anything.

// NullDevice is the path of the device that is always empty.
const NullDevice = "/dev/null"

// devices are always there, others only where the sysroot has nothing of the name.
var devices = map[string]nodeKind{
	NullDevice: nodeNull, "/dev/zero": nodeZero, "/dev/full": nodeFull, "/dev/random": nodeRandom, "/dev/urandom": nodeRandom,
}

// builtin are folders, with their permissions, and links.
var builtin = map[string]inode{
	"/dev": {kind: nodeDir, mode: 0o755}, "/dev/shm": {kind: nodeDir, mode: 0o1777}, "/tmp": {kind: nodeDir, mode: 0o1777},
	"/proc": {kind: nodeDir, mode: 0o555}, "/proc/self": {kind: nodeDir, mode: 0o555}, "/proc/self/fd": {kind: nodeDir, mode: 0o500},
	"/proc/self/exe": {kind: nodeLink},
	"/dev/fd":        {kind: nodeLink, target: descriptorFolder}, "/dev/stdin": {kind: nodeLink, target: descriptorFolder + "/0"},
	"/dev/stdout": {kind: nodeLink, target: descriptorFolder + "/1"}, "/dev/stderr": {kind: nodeLink, target: descriptorFolder + "/2"},
}

const (
	descriptorFolder = "/proc/self/fd"
	exeLink          = "/proc/self/exe"
	pidLink          = "/proc/1000" // FirstTID
)

// below is what is at a path without links in it.
func (k *Kernel) below(p string) (*inode, Errno) {
	i := inode{links: 1, atime: fileTime{sec: FileTime}, mtime: fileTime{sec: FileTime}}
	if kind, ok := devices[p]; ok {
		i.kind, i.mode = kind, 0o666
		return &i, 0
	}
	b, ok := builtin[p]
	if kind, is := k.reportAt(p); is && !ok {
		b, ok = inode{kind: kind, mode: 0o555}, true
		if kind == nodeFile {
			b.mode = reportMode(p)
		}
	}
	if p == pidLink && !k.Plain {
		b, ok = inode{kind: nodeLink, target: "self"}, true
	}
	if p == exeLink {
		if b.target = k.Exe; k.Exe == "" {
			return nil, ENOENT
		}
	}
	info, err := FileInfo{}, fs.ErrNotExist
	if !k.virtualPath(p) {
		info, err = k.Files.Info(p, false)
	}
	switch {
	case err != nil && ok:
		i.kind, i.mode, i.target = b.kind, b.mode, b.target
	case err != nil:
		return nil, fsErrno(err)
	case info.Dir:
		i.kind, i.mode = nodeDir, 0o755
	case info.Symlink:
		target, err := k.Files.Readlink(p)
		if err != nil {
			return nil, fsErrno(err)
		}
		i.kind, i.target = nodeLink, target
	default:
		i.kind, i.mode, i.size, i.base, i.shows = nodeFile, 0o644, info.Size, p, info.Size
		if info.Exec {
			i.mode = 0o755
		}
	}
	if i.kind == nodeLink {
		i.mode, i.size = 0o777, int64(len(i.target))
	}
	if i.kind == nodeDir {
		i.size = blockSize
		if k.Plain {
			i.size = info.Size
		}
		i.parent, i.name = path.Split(p)
		i.parent = path.Clean(i.parent)
	}
	return &i, 0
}

// namesBelow lists a folder, in order. Of one that cannot be read there is nothing.
func (k *Kernel) namesBelow(dir string) []string {
	var names []string
	if list, err := k.Files.List(dir); err == nil {
		names = slices.Clone(list)
	}
	for p := range builtin {
		if path.Dir(p) == dir {
			names = append(names, path.Base(p))
		}
	}
	if !k.Plain {
		_, same := ofThread(dir)
		for p := range reports {
			if path.Dir(p) == dir || same != dir && path.Dir(p) == same {
				names = append(names, path.Base(p))
			}
		}
		for p := range reportFolders {
			if path.Dir(p) == dir {
				names = append(names, path.Base(p))
			}
		}
	}
	for p := range devices {
		if path.Dir(p) == dir {
			names = append(names, path.Base(p))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fsErrno turns an error of the file source into the number Linux would give.
func fsErrno(err error) Errno {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, errno) {
			return Errno(errno)
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return EACCES
	case errors.Is(err, fs.ErrInvalid):
		return EINVAL
	}
	return ENOENT
}

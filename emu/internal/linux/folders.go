package linux

import (
	"fmt"
	"path"
)

// listing is what is in a folder, as it was when its reading began. It does not change: what
// comes or goes while a folder is read need not be seen, as readdir(3) says.
type listing struct{ entries []listed }

type listed struct {
	name string
	ino  uint64
	kind nodeKind
}

// listingOf reads a folder.
func (k *Kernel) listingOf(r *Result, f file) *listing {
	t := k.tree(r)
	parent := t.parent(f.node)
	l := &listing{[]listed{{".", k.number(f.node, f.path), nodeDir}, {"..", k.number(parent, path.Dir(f.path)), nodeDir}}}
	if f.node == descriptorFolder {
		for _, n := range k.descriptors(r).numbers() {
			name := fmt.Sprint(n)
			l.entries = append(l.entries, listed{name, k.number(path.Join(f.node, name), path.Join(f.path, name)), nodeLink})
		}
		return l
	}
	if f.node == taskFolder {
		for _, tid := range k.tasks(r).numbers() {
			name := fmt.Sprint(tid)
			l.entries = append(l.entries, listed{name, k.number(path.Join(f.node, name), path.Join(f.path, name)), nodeDir})
		}
		return l
	}
	for _, name := range t.names(f.node) {
		if n, ok := t.entry(f.node, name); ok {
			l.entries = append(l.entries, listed{name, k.number(n.id, path.Join(f.path, name)), n.kind})
		}
	}
	return l
}

// sysGetdents64 fills a series of struct linux_dirent64 of include/linux/dirent.h. The
// position is the number of the next entry.
func sysGetdents64(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	switch {
	case !ok || f.flags&oPath != 0:
		return fail(EBADF)
	case f.kind != fdDir:
		return fail(ENOTDIR)
	case k.tree(r).attributes(f.node).links == 0:
		return fail(ENOENT)
	}
	at, l := f.offset(), f.listing()
	if l == nil {
		l = k.listingOf(r, f)
	}
	size := min(c.Args[2]&0xffffffff, 1<<16)
	var b []byte
	next := at
	for ; next < int64(len(l.entries)); next++ {
		e := l.entries[next]
		length := (19 + uint64(len(e.name)) + 1 + 7) &^ 7
		if uint64(len(b))+length > size {
			break
		}
		b = le.AppendUint64(b, e.ino)
		b = le.AppendUint64(b, uint64(next)+1)
		b = le.AppendUint16(b, uint16(length))
		b = append(b, direntType(e.kind))
		b = append(b, e.name...)
		b = append(b, make([]byte, (length-uint64(len(e.name))-19))...)
	}
	if len(b) == 0 && next < int64(len(l.entries)) {
		return fail(EINVAL)
	}
	if len(b) > 0 {
		if v, err := k.put(r, c.Args[1], b); err != nil || v != 0 {
			return v, err
		}
	}
	f.list(l, next)
	return uint64(len(b)), nil
}

// direntType is the kind of file in an entry: the type bits of its mode, shifted.
func direntType(kind nodeKind) byte { return byte(typeBits(kind) >> 12) }

func sysGetcwd(k *Kernel, c *Call, r *Result) (uint64, error) {
	t := k.tree(r)
	p, errno := t.path(t.workingFolder())
	switch {
	case errno != 0:
		return fail(errno)
	case len(p) >= pathMax:
		return fail(ENAMETOOLONG)
	case uint64(len(p)) >= c.Args[1]:
		return fail(ERANGE)
	}
	return k.give(r, c.Args[0], append([]byte(p), 0))
}

func sysChdir(k *Kernel, c *Call, r *Result) (uint64, error) {
	p, errno := k.existing(r, atFdcwd, c.Args[0], follow)
	if errno != 0 {
		return fail(errno)
	}
	return k.chdir(r, p.node)
}

func sysFchdir(k *Kernel, c *Call, r *Result) (uint64, error) {
	f, ok := k.descriptors(r).get(int(int32(c.Args[0])))
	if !ok {
		return fail(EBADF)
	}
	if f.kind != fdDir {
		return fail(ENOTDIR)
	}
	return k.chdir(r, node{id: f.node, kind: nodeDir})
}

func (k *Kernel) chdir(r *Result, n node) (uint64, error) {
	if errno := k.enter(r, n); errno != 0 {
		return fail(errno)
	}
	return 0, nil
}

func (k *Kernel) enter(r *Result, n node) Errno {
	t := k.tree(r)
	switch {
	case n.kind != nodeDir:
		return ENOTDIR
	case !t.may(n, 1):
		return EACCES
	}
	t.setWorkingFolder(n.id)
	return 0
}

func sysReadlinkat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.readlink(r, int(int32(c.Args[0])), c.Args[1], c.Args[2], c.Args[3])
}

func sysReadlink(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.readlink(r, atFdcwd, c.Args[0], c.Args[1], c.Args[2])
}

func (k *Kernel) readlink(r *Result, dirfd int, name, buf, size uint64) (uint64, error) {
	if int32(size) <= 0 {
		return fail(EINVAL)
	}
	p, errno := k.existingOr(r, dirfd, name, noFollow, true)
	if errno != 0 {
		return fail(errno)
	}
	target := ""
	switch p.node.kind {
	case nodeLink:
		target = k.tree(r).look(p.node.id).target
	case nodeOpen:
		f, _ := k.descriptors(r).get(p.node.fd)
		if target = f.path; target == "" {
			target = fmt.Sprintf("pipe:[%d]", f.kind)
		}
	default:
		if p.dir == "" && p.text == "" {
			return fail(ENOENT) // an empty path is good for links alone
		}
		return fail(EINVAL)
	}
	return k.give(r, buf, []byte(target)[:min(uint64(len(target)), size)])
}

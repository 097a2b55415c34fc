package linux

import "strings"

// Making, taking away and renaming what is in folders.

// canMake is why nothing can be made at a place, 0 when something can.
func (t tree) canMake(p place) Errno {
	switch dir := (node{id: p.dir, kind: nodeDir}); {
	case p.long:
		return ENAMETOOLONG
	case p.there || p.dir == "":
		return EEXIST
	case t.attributes(p.dir).links == 0:
		return ENOENT // the folder was removed
	case !t.may(dir, 2):
		return EACCES
	case virtual(p.dir):
		return ENOENT
	}
	return 0
}

// virtual tells whether a folder is the kernel's own, in which nothing can be made.
func virtual(dir string) bool {
	return dir == "/proc" || dir == "/sys" || strings.HasPrefix(dir, "/proc/") || strings.HasPrefix(dir, "/sys/")
}

func sysMkdirat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.mkdir(r, int(int32(c.Args[0])), c.Args[1], c.Args[2])
}

func sysMkdir(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.mkdir(r, atFdcwd, c.Args[0], c.Args[1])
}

func (k *Kernel) mkdir(r *Result, dirfd int, name, mode uint64) (uint64, error) {
	p, errno := k.find(r, dirfd, name, lastName)
	if errno != 0 {
		return fail(errno)
	}
	t := k.tree(r)
	if errno := t.canMake(p); errno != 0 {
		return fail(errno)
	}
	n := t.add(inode{kind: nodeDir, mode: uint32(mode) & 0o1777 &^ t.umask(), links: 1, content: content{size: blockSize},
		parent: p.dir, name: p.name})
	t.setEntry(p.dir, p.name, n.id)
	return 0, nil
}

func sysSymlinkat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.symlink(r, c.Args[0], int(int32(c.Args[1])), c.Args[2])
}

func sysSymlink(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.symlink(r, c.Args[0], atFdcwd, c.Args[1])
}

func (k *Kernel) symlink(r *Result, text uint64, dirfd int, name uint64) (uint64, error) {
	target, errno := k.cstring(r, text)
	if errno != 0 {
		return fail(errno)
	}
	if target == "" {
		return fail(ENOENT)
	}
	p, errno := k.find(r, dirfd, name, lastName)
	if errno != 0 {
		return fail(errno)
	}
	t := k.tree(r)
	if errno := t.canMake(p); errno != 0 {
		return fail(errno)
	}
	if p.slash {
		return fail(ENOENT)
	}
	n := t.add(inode{kind: nodeLink, mode: 0o777, links: 1, target: target, content: content{size: int64(len(target))}})
	t.setEntry(p.dir, p.name, n.id)
	return 0, nil
}

func sysLinkat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.link(r, int(int32(c.Args[0])), c.Args[1], int(int32(c.Args[2])), c.Args[3], c.Args[4])
}

func sysLink(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.link(r, atFdcwd, c.Args[0], atFdcwd, c.Args[1], 0)
}

func (k *Kernel) link(r *Result, fromDir int, from uint64, toDir int, to, flags uint64) (uint64, error) {
	if flags&^(atFollow|atEmpty) != 0 {
		return fail(EINVAL)
	}
	old, errno := k.existingOr(r, fromDir, from, following(flags&atFollow != 0), flags&atEmpty != 0)
	if errno != 0 {
		return fail(errno)
	}
	p, errno := k.find(r, toDir, to, lastName)
	if errno != 0 {
		return fail(errno)
	}
	t := k.tree(r)
	if errno := t.canMake(p); errno != 0 {
		return fail(errno)
	}
	switch {
	case p.slash:
		return fail(ENOENT)
	case old.node.kind == nodeDir || old.node.kind == nodeOpen:
		return fail(EPERM)
	case t.attributes(old.node.id).links == 0:
		return fail(ENOENT) // as vfs_link of fs/namei.c has it
	}
	t.setAttributes(old.node.id, func(i *inode) { i.links++ })
	t.setEntry(p.dir, p.name, old.node.id)
	return 0, nil
}

func sysUnlinkat(k *Kernel, c *Call, r *Result) (uint64, error) {
	if c.Args[2]&^atRemove != 0 {
		return fail(EINVAL)
	}
	return k.unlink(r, int(int32(c.Args[0])), c.Args[1], c.Args[2] != 0)
}

func sysUnlink(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.unlink(r, atFdcwd, c.Args[0], false)
}

func sysRmdir(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.unlink(r, atFdcwd, c.Args[0], true)
}

// unlink takes away a name, or a folder.
func (k *Kernel) unlink(r *Result, dirfd int, name uint64, folder bool) (uint64, error) {
	p, errno := k.existing(r, dirfd, name, lastName)
	if errno != 0 {
		return fail(errno)
	}
	t := k.tree(r)
	dir := p.node.kind == nodeDir
	switch {
	case p.dir == "" && !folder:
		return fail(EISDIR)
	case p.dir == "":
		return fail(map[string]Errno{".": EINVAL, "..": ENOTEMPTY, "": EBUSY}[p.name])
	case !t.may(node{id: p.dir, kind: nodeDir}, 2):
		return fail(EACCES)
	case dir && !folder:
		return fail(EISDIR)
	case !dir && (folder || p.slash):
		return fail(ENOTDIR)
	case virtual(p.dir) || virtual(p.node.id):
		return fail(EPERM)
	case dir && len(t.names(p.node.id)) > 0:
		return fail(ENOTEMPTY)
	}
	t.remove(p)
	return 0, nil
}

// remove takes away what is at a place.
func (t tree) remove(p place) {
	t.setEntry(p.dir, p.name, "")
	t.setAttributes(p.node.id, func(i *inode) { i.links-- })
}

// Flags of renameat2, include/uapi/linux/fs.h.
const renameNoreplace = 1

func sysRename(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.rename(r, atFdcwd, c.Args[0], atFdcwd, c.Args[1], 0)
}

func sysRenameat(k *Kernel, c *Call, r *Result) (uint64, error) {
	return k.rename(r, int(int32(c.Args[0])), c.Args[1], int(int32(c.Args[2])), c.Args[3], 0)
}

func sysRenameat2(k *Kernel, c *Call, r *Result) (uint64, error) {
	const exchange, whiteout = 2, 4
	flags := c.Args[4]
	switch {
	case flags&^(renameNoreplace|exchange|whiteout) != 0 || flags&renameNoreplace != 0 && flags&exchange != 0:
		return fail(EINVAL)
	case flags&whiteout != 0:
		return fail(EPERM) // it takes CAP_MKNOD
	case flags&exchange != 0:
		r.Missing = "renameat2 with RENAME_EXCHANGE"
		return fail(EINVAL)
	}
	return k.rename(r, int(int32(c.Args[0])), c.Args[1], int(int32(c.Args[2])), c.Args[3], flags)
}

func (k *Kernel) rename(r *Result, fromDir int, from uint64, toDir int, to, flags uint64) (uint64, error) {
	old, errno := k.find(r, fromDir, from, lastName)
	if errno != 0 {
		return fail(errno)
	}
	p, errno := k.find(r, toDir, to, lastName)
	if errno != 0 {
		return fail(errno)
	}
	if errno := k.tree(r).cannotMove(old, p, flags&renameNoreplace != 0); errno != 0 {
		return fail(errno)
	}
	if p.there && p.node.id == old.node.id {
		return 0, nil // two names of one file
	}
	t := k.tree(r)
	if p.there {
		t.remove(p)
	}
	t.setEntry(old.dir, old.name, "")
	t.setEntry(p.dir, p.name, old.node.id)
	if old.node.kind == nodeDir {
		t.setAttributes(old.node.id, func(i *inode) { i.parent, i.name = p.dir, p.name })
	}
	return 0, nil
}

// cannotMove is why something cannot be renamed, in the order of do_renameat2 of
// fs/namei.c.
func (t tree) cannotMove(old, p place, noreplace bool) Errno {
	dir := old.node.kind == nodeDir
	switch {
	case old.dir != "" && p.dir == "" && noreplace:
		return EEXIST
	case old.dir == "" || p.dir == "":
		return EBUSY
	case !old.there:
		return old.missing()
	case p.long:
		return ENAMETOOLONG
	case p.there && noreplace:
		return EEXIST
	case !dir && (old.slash || p.slash):
		return ENOTDIR
	case dir && t.inside(p.dir, old.node.id):
		return EINVAL
	case p.there && p.node.kind == nodeDir && t.inside(old.dir, p.node.id):
		return ENOTEMPTY
	case p.there && p.node.id == old.node.id:
		return 0
	case !t.may(node{id: old.dir, kind: nodeDir}, 2) || !t.may(node{id: p.dir, kind: nodeDir}, 2):
		return EACCES
	case t.attributes(p.dir).links == 0:
		return ENOENT
	case virtual(old.dir) || virtual(p.dir) || virtual(old.node.id):
		return EPERM
	case dir && p.there && p.node.kind != nodeDir:
		return ENOTDIR
	case !dir && p.there && p.node.kind == nodeDir:
		return EISDIR
	case dir && p.there && len(t.names(p.node.id)) > 0:
		return ENOTEMPTY
	}
	return 0
}

// inside tells whether a folder is another one or below it.
func (t tree) inside(id, top string) bool {
	for id != top {
		if id == rootNode || t.attributes(id).links == 0 {
			return false
		}
		id = t.parent(id)
	}
	return true
}

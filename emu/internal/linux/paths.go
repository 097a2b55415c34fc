package linux

import (
	"path"
	"strings"
)

// Limits of paths: MAXSYMLINKS of include/linux/namei.h, NAME_MAX of
// include/uapi/linux/limits.h.
const (
	maxLinks = 40
	nameMax  = 255
)

// place is where a path leads to.
type place struct {
	node  node
	there bool
	// dir and name are the folder and the name in it that the path ends at, where a file
	// can be made, taken away or renamed. A path that ends in the root, "." or ".." has no
	// dir, and that for its name.
	dir, name string
	slash     bool // a slash is behind it
	long      bool // the name is longer than one can be; of lastName only

	from, text string // where the path began, "" for the working folder, and the path
	open       fdKind // of a descriptor that is of no file, what it is of
	object     uint64
	bent       bool // ".." came behind a link, so that names alone do not say where it leads
}

// how says what becomes of a path's last name.
type how uint8

const (
	follow   how = iota // a link is followed
	noFollow            // unless a slash is behind it
	lastName            // it is not looked into, for calls that make, take away or rename it

	// creating is for open, which may make a file: where a slash is behind its name, also in
	// the text of a link, that fails, as open_last_lookups of fs/namei.c has it.
	creating how = 1 << 4
)

// following is follow, if a call is to follow links.
func following(yes bool) how {
	if yes {
		return follow
	}
	return noFollow
}

// missing is why there is nothing at a place.
func (p place) missing() Errno {
	if p.long {
		return ENAMETOOLONG
	}
	return ENOENT
}

// find is the place that a path argument leads to.
func (k *Kernel) find(r *Result, dirfd int, addr uint64, h how) (place, Errno) {
	name, errno := k.cstring(r, addr)
	if errno != 0 {
		return place{}, errno
	}
	return k.lookUp(r, dirfd, name, h)
}

// existing is find of something that has to be there.
func (k *Kernel) existing(r *Result, dirfd int, addr uint64, h how) (place, Errno) {
	p, errno := k.find(r, dirfd, addr, h)
	if errno == 0 && !p.there {
		return p, p.missing()
	}
	return p, errno
}

func (k *Kernel) lookUp(r *Result, dirfd int, name string, h how) (place, Errno) {
	if name == "" {
		return place{}, ENOENT
	}
	w := walker{kernel: k, r: r, tree: k.tree(r)}
	start, from := node{id: rootNode, kind: nodeDir}, "/"
	switch {
	case name[0] == '/':
	case dirfd == atFdcwd:
		if start.id = w.tree.workingFolder(); start.id != rootNode {
			from = ""
		}
	default:
		f, ok := k.descriptors(r).get(dirfd)
		if !ok {
			return place{}, EBADF
		}
		if f.kind != fdDir {
			return place{}, ENOTDIR
		}
		start.id, from = f.node, f.path
	}
	p, errno := w.walk(start, name, h)
	p.from, p.text, p.bent = from, name, w.bent
	return p, errno
}

// shown is a place's absolute path, for who shows it: as it was asked for, where that says
// where it leads.
func (k *Kernel) shown(r *Result, p place) string {
	if p.from != "" && !p.bent && !p.node.made() {
		return path.Join(p.from, p.text)
	}
	at, errno := k.tree(r).pathTo(p)
	if errno != 0 {
		return "/(unreachable)"
	}
	return at
}

// pathTo is a place's path without links.
func (t tree) pathTo(p place) (string, Errno) {
	if p.dir == "" && p.node.kind == nodeDir {
		return t.path(p.node.id)
	}
	dir, errno := t.path(p.dir)
	return path.Join(dir, p.name), errno
}

// path is where a folder is: ENOENT of one that was removed, ENAMETOOLONG where that is too
// long to be told.
func (t tree) path(id string) (string, Errno) {
	at := ""
	for id != rootNode {
		i := t.attributes(id)
		switch {
		case i.links == 0:
			return "", ENOENT
		case len(at) >= pathMax:
			return "", ENAMETOOLONG
		}
		id, at = i.parent, "/"+i.name+at
	}
	return path.Clean("/" + at), 0
}

// walker goes along a path, one name after the other, as fs/namei.c has it.
type walker struct {
	kernel *Kernel
	r      *Result
	tree   tree
	links  int
	bent   bool // see place
}

func (w *walker) walk(at node, rest string, h how) (place, Errno) {
	if rest[0] == '/' {
		at = node{id: rootNode, kind: nodeDir}
	}
	create := h&creating != 0
	h &^= creating
	p := place{node: at, there: true}
	for {
		rest = strings.TrimLeft(rest, "/")
		if rest == "" {
			return p, 0
		}
		if at.kind != nodeDir {
			return p, ENOTDIR
		}
		if !w.tree.may(at, 1) {
			return p, EACCES
		}
		part, _, _ := strings.Cut(rest, "/")
		rest = rest[len(part):]
		last := strings.Trim(rest, "/") == ""
		p = place{node: at, there: true, name: part, slash: rest != ""}
		if len(part) > nameMax {
			if p.dir, p.there, p.long = at.id, false, true; last && h == lastName {
				return p, 0
			}
			return p, ENAMETOOLONG
		}
		switch part {
		case ".":
			continue
		case "..":
			w.bent = w.bent || w.links > 0
			at.id = w.tree.parent(at.id)
			p.node = at
			continue
		}
		p.dir = at.id
		if create && last && p.slash {
			return p, EISDIR
		}
		p.node, p.there = w.entry(at.id, part)
		goesOn := !last || h == follow || p.slash && h == noFollow
		switch {
		case !p.there && last, p.there && !goesOn && (h == lastName || p.node.kind == nodeLink):
			return p, 0
		case !p.there:
			return p, ENOENT
		case p.node.kind == nodeOpen && goesOn:
			var ok bool
			if at, ok = w.kernel.opened(w.r, p.node.fd); !ok {
				return p, ENXIO // such as standard output, which is no file
			}
			p.node = at
			if last && p.slash && at.kind != nodeDir {
				return p, ENOTDIR
			}
		case p.node.kind == nodeLink && goesOn:
			if w.links++; w.links > maxLinks {
				return p, ELOOP
			}
			target := w.tree.look(p.node.id).target
			if target == "" {
				return p, ENOENT
			}
			if len(target)+len(rest) >= 2*pathMax {
				return p, ENAMETOOLONG
			}
			if target[0] == '/' {
				at = node{id: rootNode, kind: nodeDir}
			}
			rest = target + rest
			if strings.Trim(target, "/") == "" {
				p = place{node: at, there: true}
			}
		case last && p.slash && p.node.kind != nodeDir:
			return p, ENOTDIR
		default:
			at = p.node
		}
	}
}

// entry is what a folder has under a name.
func (w *walker) entry(dir, name string) (node, bool) {
	if dir == taskFolder {
		tid, _ := ofThread(path.Join(dir, name))
		return node{id: path.Join(dir, name), kind: nodeDir}, tid != 0 && w.kernel.tasks(w.r).there(tid)
	}
	if dir != descriptorFolder {
		return w.tree.entry(dir, name)
	}
	n := 0
	for _, c := range name {
		if n = 10*n + int(c-'0'); c < '0' || c > '9' || n >= w.kernel.Limits.Files || name[0] == '0' && len(name) > 1 {
			return node{}, false
		}
	}
	_, ok := w.kernel.descriptors(w.r).get(n)
	return node{id: path.Join(dir, name), kind: nodeOpen, fd: n}, ok
}

// opened is what a descriptor is of, where that is a file.
func (k *Kernel) opened(r *Result, fd int) (node, bool) {
	f, ok := k.descriptors(r).get(fd)
	if !ok || f.node == "" {
		return node{}, false
	}
	return k.tree(r).node(f.node)
}

// parent is the folder that a folder is in.
func (t tree) parent(id string) string {
	if id == rootNode {
		return id
	}
	if p := t.attributes(id).parent; p != "" {
		return p
	}
	return rootNode
}

// may tells whether the user has all permissions that are asked for, of 4 to read, 2 to
// write, 1 to execute or look for names. All files are the user's own.
func (t tree) may(n node, want uint32) bool {
	if n.kind == nodeLink || n.kind == nodeOpen {
		return true
	}
	return t.attributes(n.id).mode>>6&want == want
}

package linux

import (
	"fmt"
	"hash/fnv"
	"io"
	"path"
	"strings"
	"syscall"
)

// overlay is what the process has made of its files: all that differs from the sysroot's,
// which is never written. A file of the sysroot's is told apart by its path there, one that
// was made by who made it and how many that one had made before, so that it has its number
// whatever others make in between. A folder that is renamed so keeps what is in it.
type overlay struct {
	names pmap[string, string] // of a folder and a name what is there, "" for what was there
	nodes pmap[string, *inode]
	loose pmap[string, bool] // nodes without a name, which are there while they are open
	cwd   string             // the working folder, "" for the root
	umask *uint32            // nil for the usual one
	pages int                // of all nodes
}

// rootNode is the root folder.
const rootNode = "/"

// madeNode is what the name of a node begins with that is not of the sysroot.
const madeNode = "+"

// node is what a path leads to.
type node struct {
	id   string
	kind nodeKind
	fd   int // of an entry of /proc/self/fd
}

func (n node) made() bool { return strings.HasPrefix(n.id, madeNode) }

// entryKey is a name in a folder as the overlay has it: names of a folder are neighbours.
func entryKey(dir, name string) string { return dir + "\x00" + name }

// objectOf is the number of an object that belongs to some text. That two have one does no
// harm: their calls then do not count as independent.
func objectOf(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text)) // a hash never fails to write
	return h.Sum64()
}

// A listing depends on each name in a folder, but who makes a name should not be kept in
// order with who makes another one. So what is in a folder is some objects, each for some
// of all names.
const listParts = 8

func listObject(dir string, part uint64) uint64 {
	return objectOf(dir)&^(listParts-1) | part&(listParts-1)
}

// tree is the files as a system call sees them.
type tree struct{ access }

func (k *Kernel) tree(r *Result) tree { return tree{access{k, r}} }

// entry is what a folder has under a name; false for nothing.
func (t tree) entry(dir, name string) (node, bool) {
	key := entryKey(dir, name)
	s := t.reads(ObjectName, objectOf(key))
	if id, ok := s.files.names.get(key); ok {
		if id == "" {
			return node{}, false
		}
		return t.node(id)
	}
	if dir[0] != '/' {
		return node{}, false
	}
	return t.node(path.Join(dir, name))
}

// node is a node by its name. What it is, it is for good.
func (t tree) node(id string) (node, bool) {
	i, errno := t.k.inode(id)
	if errno != 0 {
		return node{}, false
	}
	return node{id: id, kind: i.kind}, true
}

// inode is a node as it is now.
func (k *Kernel) inode(id string) (*inode, Errno) {
	if i, ok := k.s.files.nodes.get(id); ok {
		return i, 0
	}
	if id == "" || id[0] != '/' {
		return nil, ENOENT
	}
	return k.below(id)
}

// setEntry gives a name in a folder to a node, or to none.
func (t tree) setEntry(dir, name string, id string) {
	key := entryKey(dir, name)
	t.writes(ObjectFolder, listObject(dir, objectOf(name)))
	s := t.writes(ObjectName, objectOf(key))
	if id == "" && !t.shown(dir, name) {
		s.files.names = s.files.names.without(key)
	} else if id == path.Join(dir, name) && dir[0] == '/' {
		s.files.names = s.files.names.without(key) // it is where it was
	} else {
		s.files.names = s.files.names.with(key, id)
	}
	t.bound(s)
}

// shown tells whether the sysroot has a name in a folder.
func (t tree) shown(dir, name string) bool {
	if dir[0] != '/' {
		return false
	}
	_, errno := t.k.below(path.Join(dir, name))
	return errno == 0
}

// names lists what is in a folder, in order.
func (t tree) names(dir string) (list []string) {
	for part := range uint64(listParts) {
		t.reads(ObjectFolder, listObject(dir, part))
	}
	var below []string
	if dir[0] == '/' {
		below = t.k.namesBelow(dir)
	}
	prefix := entryKey(dir, "")
	for key, id := range t.k.s.files.names.from(prefix) {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok {
			break
		}
		for len(below) > 0 && below[0] < name {
			list, below = append(list, below[0]), below[1:]
		}
		if len(below) > 0 && below[0] == name {
			below = below[1:]
		}
		if id != "" {
			list = append(list, name)
		}
	}
	return append(list, below...)
}

// attributes is a node for who looks at its mode, links and times, and where it is.
func (t tree) attributes(id string) *inode {
	t.reads(ObjectAttributes, objectOf(id))
	return t.look(id)
}

// content is a node for who looks at its size and what it holds.
func (t tree) content(id string) *inode {
	t.reads(ObjectContent, objectOf(id))
	return t.look(id)
}

// look is a node that is there, which what leads to it has shown.
func (t tree) look(id string) *inode {
	if i, errno := t.k.inode(id); errno == 0 {
		return i
	}
	return &inode{} // the host's folder has changed under our hands
}

// setAttributes changes a node.
func (t tree) setAttributes(id string, f func(*inode)) {
	t.writes(ObjectAttributes, objectOf(id))
	t.change(id, f)
}

// setContent changes what a node holds.
func (t tree) setContent(id string, f func(*inode)) {
	t.writes(ObjectContent, objectOf(id))
	t.change(id, f)
}

// change puts a changed node into the place of the one there was.
func (t tree) change(id string, f func(*inode)) {
	i := *t.look(id)
	before := i.pages.n
	f(&i)
	s := t.k.mut()
	s.files.nodes = s.files.nodes.with(id, &i)
	s.files.pages += i.pages.n - before
	if i.links == 0 {
		s.files.loose = s.files.loose.with(id, true)
	}
	t.bound(s)
}

// add makes a node, which has no name yet.
func (t tree) add(i inode) node {
	own := t.changeOwn()
	own.Made++
	id := fmt.Sprintf("%s%d.%d", madeNode, own.TID, own.Made)
	i.atime, i.mtime = fileTime{sec: FileTime}, fileTime{sec: FileTime}
	s := t.k.mut()
	s.files.nodes = s.files.nodes.with(id, &i)
	if i.links == 0 {
		s.files.loose = s.files.loose.with(id, true)
	}
	t.bound(s)
	return node{id: id, kind: i.kind}
}

// bound ends a process whose files take as much as they may. What they take in all is looked
// at without a note: at the limit the run is over, and before it nobody can see it.
func (t tree) bound(s *State) {
	if s.files.pages >= MaxFilePages || s.files.names.n+s.files.nodes.n >= MaxFiles {
		t.r.exceeds(FileLimit)
	}
}

// sweep takes away nodes without a name that nobody has open any more, which nobody can see.
func (k *Kernel) sweep() {
	if k.s.files.loose.n == 0 {
		return
	}
	var gone []string
	for id := range k.s.files.loose.from("") {
		if !k.s.holds(id) {
			gone = append(gone, id)
		}
	}
	for _, id := range gone {
		s := k.mut()
		if i, ok := s.files.nodes.get(id); ok {
			s.files.pages -= i.pages.n
		}
		s.files.nodes = s.files.nodes.without(id)
		s.files.loose = s.files.loose.without(id)
	}
}

// holds tells whether a node is open, mapped, or the working folder.
func (s *State) holds(id string) bool {
	for _, f := range s.FDs {
		if f.Node == id {
			return true
		}
	}
	for _, v := range s.VMAs {
		if v.Node == id {
			return true
		}
	}
	return s.files.cwd == id
}

// workingFolder is where relative paths begin.
func (t tree) workingFolder() string {
	if cwd := t.reads(ObjectPlace, placeFolder).files.cwd; cwd != "" {
		return cwd
	}
	return rootNode
}

// SetFolder makes a folder the working one: for exec, which is no system call.
func (k *Kernel) SetFolder(path string) error {
	r := &Result{}
	p, errno := k.lookUp(r, atFdcwd, path, follow)
	if errno == 0 && !p.there {
		errno = ENOENT
	}
	if errno == 0 {
		errno = k.enter(r, p.node)
	}
	if errno != 0 {
		return syscall.Errno(errno)
	}
	return nil
}

func (t tree) setWorkingFolder(id string) {
	s := t.writes(ObjectPlace, placeFolder)
	if s.files.cwd = id; id == rootNode {
		s.files.cwd = ""
	}
}

// usualUmask is what a login has.
const usualUmask = 0o022

// umask is which permissions new files do not have.
func (t tree) umask() uint32 {
	if u := t.reads(ObjectPlace, placeUmask).files.umask; u != nil {
		return *u
	}
	return usualUmask
}

func (t tree) setUmask(u uint32) {
	s := t.writes(ObjectPlace, placeUmask)
	if s.files.umask = &u; u == usualUmask {
		s.files.umask = nil
	}
}

// The objects of class ObjectPlace.
const (
	placeFolder = 0
	placeUmask  = 1
)

// HashFiles writes down what the process has made of its files and the folder that it works
// in, for a digest: nothing when that is nothing, so that digests of processes that write no
// files are as they were.
func (s *State) HashFiles(w io.Writer) {
	o := &s.files
	var b []byte
	put := func(vs ...int64) {
		for _, v := range vs {
			b = le.AppendUint64(b, uint64(v))
		}
	}
	text := func(list ...string) {
		for _, t := range list {
			put(int64(len(t)))
			b = append(b, t...)
		}
	}
	if o.cwd != "" || o.umask != nil {
		text("place", o.cwd)
		if o.umask != nil {
			put(int64(*o.umask))
		}
	}
	for key, id := range o.names.from("") {
		text("name", key, id)
	}
	for id, i := range o.nodes.from("") {
		text("node", id, i.target, i.parent, i.name, i.base)
		put(int64(i.kind), int64(i.mode), int64(i.links), i.atime.sec, i.atime.nsec, i.mtime.sec, i.mtime.nsec, i.size, i.shows, int64(i.pages.n))
		for n, p := range i.pages.from(0) {
			put(n)
			b = append(b, p[:]...)
			_, _ = w.Write(b) // a hash never fails to write
			b = b[:0]
		}
	}
	for n, f := range s.FDs {
		if len(f.Node) > 0 && f.Node[0] != '/' {
			text("open", f.Node)
		}
		if f.Lock != lockNone {
			put(int64(n), int64(f.Lock))
		}
		if f.List != nil {
			put(int64(n))
			for _, e := range f.List.entries {
				text(e.name)
				put(int64(e.ino), int64(e.kind))
			}
		}
	}
	for _, v := range s.VMAs {
		if v.Shared != sharesNothing {
			text("shared", v.Node)
			put(int64(v.Start), int64(v.Shared))
		}
	}
	_, _ = w.Write(b)
}

// Changed tells whether a file that is mapped is another one than the sysroot's.
func (s *State) Changed(v VMA) bool {
	if v.Node == "" {
		return false
	}
	i, ok := s.files.nodes.get(v.Node)
	return v.Node[0] != '/' || ok && (i.pages.n > 0 || i.shows != i.size)
}

package linux

import (
	"fmt"

	"emurace/loader"
)

// Flags of mmap, include/uapi/asm-generic/mman-common.h and mman.h.
const (
	mapPrivate        = 2
	mapFixed          = 0x10
	mapAnonymous      = 0x20
	mapFixedNoreplace = 0x100000
	protMask          = 7
	mremapMaymove     = 1
	mremapFlags       = 7 // with MREMAP_FIXED and MREMAP_DONTUNMAP
)

func pageUp(v uint64) uint64 { return (v + loader.PageSize - 1) &^ (loader.PageSize - 1) }

func sysMmap(k *Kernel, c *Call, r *Result) (uint64, error) {
	addr, length, prot, flags := c.Args[0], c.Args[1], c.Args[2], c.Args[3]
	fd, offset := int(int32(c.Args[4])), c.Args[5]
	size := pageUp(length)
	if length == 0 || addr%loader.PageSize != 0 && flags&mapFixed != 0 || offset%loader.PageSize != 0 {
		return fail(EINVAL)
	}
	if size < length || size > 1<<46 {
		return fail(ENOMEM)
	}
	v := VMA{Prot: loader.Prot(prot & protMask)}
	var content []piece
	if flags&mapAnonymous == 0 {
		f, ok := k.descriptors(r).get(fd)
		if !ok {
			return fail(EBADF)
		}
		if errno := f.mappable(prot, flags); errno != 0 {
			return fail(errno)
		}
		v.Path, v.Offset, v.Node = f.path, offset, f.node
		if flags&mapPrivate == 0 {
			v.Shared = sharesReads
			if f.writable() {
				v.Shared = sharesWrites
			}
		}
		var errno Errno
		if content, errno = k.contentOf(r, v, size); errno != 0 {
			return fail(EACCES)
		}
	}
	if flags&(mapAnonymous|mapPrivate) == mapAnonymous {
		v.Shared = sharesReads
	}
	m := k.mappings(r)
	start, errno := m.where(addr, size, flags)
	if errno != 0 {
		return fail(errno)
	}
	v.Start, v.End = start, start+size
	if v.Shared != sharesNothing && v.Node != "" && m.twice(v) {
		r.Missing = "a second shared mapping of a part of a file that is stored to"
	}
	return start, m.set(v, content)
}

// mappable is why a file cannot be mapped, as do_mmap of mm/mmap.c has it.
func (f file) mappable(prot, flags uint64) Errno {
	switch {
	case f.kind == fdPath:
		return EBADF
	case f.kind != fdFile:
		return ENODEV
	case !f.readable() || flags&mapPrivate == 0 && prot&uint64(loader.ProtWrite) != 0 && !f.writable():
		return EACCES
	}
	return 0
}

// contentOf is what a mapping of a file holds; behind the file's end there is nothing.
func (k *Kernel) contentOf(r *Result, v VMA, size uint64) ([]piece, Errno) {
	if v.Node == "" { // of exec
		data, err := k.Files.File(v.Path)
		if err != nil {
			return nil, fsErrno(err)
		}
		if v.Offset >= uint64(len(data)) {
			return nil, 0
		}
		return []piece{{0, data[v.Offset:min(uint64(len(data)), v.Offset+size)]}}, 0
	}
	i := k.tree(r).content(v.Node)
	base, errno := k.base(i)
	if errno != 0 {
		return nil, errno
	}
	if v.Offset >= uint64(i.size) {
		return nil, 0
	}
	m := k.mappings(r)
	list := i.pieces(int64(v.Offset), int64(size), base)
	return append(list, m.stored(v.Node, int64(v.Offset), min(int64(size), i.size-int64(v.Offset)))...), 0
}

// where decides the address of a new mapping.
func (m mappings) where(addr, size, flags uint64) (uint64, Errno) {
	if flags&(mapFixed|mapFixedNoreplace) != 0 {
		if addr%loader.PageSize != 0 {
			return 0, EINVAL
		}
		if !m.allowed(addr, size) {
			return 0, ENOMEM
		}
		if flags&mapFixedNoreplace != 0 && !m.free(addr, addr+size) {
			return 0, EEXIST
		}
		return addr, 0
	}
	hint := pageUp(addr)
	if addr != 0 && m.allowed(hint, size) && m.free(hint, hint+size) {
		return hint, 0
	}
	start, ok := m.place(size)
	if !ok {
		return 0, ENOMEM
	}
	return start, 0
}

func sysMunmap(k *Kernel, c *Call, r *Result) (uint64, error) {
	addr, size := c.Args[0], pageUp(c.Args[1])
	if addr%loader.PageSize != 0 || size == 0 || addr+size < addr {
		return fail(EINVAL)
	}
	return 0, k.mappings(r).remove(addr, addr+size)
}

func sysMprotect(k *Kernel, c *Call, r *Result) (uint64, error) {
	addr, size, prot := c.Args[0], pageUp(c.Args[1]), loader.Prot(c.Args[2]&protMask)
	if addr%loader.PageSize != 0 || addr+size < addr {
		return fail(EINVAL)
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	m := k.mappings(r)
	if size == 0 || !m.covered(addr, addr+size) { // 0: rounding up went past the end
		return fail(ENOMEM)
	}
	for _, v := range m.parts(addr, addr+size) {
		if v.Node != "" && v.Shared == sharesReads && prot&loader.ProtWrite != 0 {
			return fail(EACCES) // the file was opened to be read
		}
	}
	return 0, m.protect(addr, addr+size, prot)
}

func sysBrk(k *Kernel, c *Call, r *Result) (uint64, error) {
	m, want := k.mappings(r), c.Args[0]
	end, lowest, highest := m.heapEnd()
	if want < lowest || want > highest {
		return end, nil
	}
	oldEnd, newEnd := pageUp(end), pageUp(want)
	if newEnd > oldEnd {
		if !m.free(oldEnd, newEnd) {
			return end, nil
		}
		v := VMA{Start: oldEnd, End: newEnd, Prot: loader.ProtRead | loader.ProtWrite, Path: "[heap]"}
		if err := m.set(v, nil); err != nil {
			return 0, err
		}
	} else if newEnd < oldEnd {
		if err := m.remove(newEnd, oldEnd); err != nil {
			return 0, err
		}
	}
	m.setHeapEnd(want)
	return want, nil
}

func sysMremap(k *Kernel, c *Call, r *Result) (uint64, error) {
	addr, oldSize, newSize, flags := c.Args[0], pageUp(c.Args[1]), pageUp(c.Args[2]), c.Args[3]
	if addr%loader.PageSize != 0 || newSize == 0 || addr+oldSize < addr {
		return fail(EINVAL)
	}
	if flags&^mremapMaymove != 0 {
		if flags&^mremapFlags != 0 {
			return fail(EINVAL)
		}
		r.Missing = fmt.Sprintf("mremap with flags %#x", flags)
		return fail(EINVAL)
	}
	m := k.mappings(r)
	v, ok := m.at(addr)
	if !ok || oldSize == 0 || v.End < addr+oldSize {
		return fail(EFAULT)
	}
	if newSize <= oldSize {
		return addr, m.remove(addr+newSize, addr+oldSize)
	}
	grown := v
	if m.allowed(addr, newSize) && m.free(addr+oldSize, addr+newSize) && v.End == addr+oldSize {
		grown.Start, grown.End = addr+oldSize, addr+newSize
		if v.fromFile() {
			grown.Offset += grown.Start - v.Start
		}
		content, errno := k.grownContent(r, grown)
		if errno != 0 {
			return fail(errno)
		}
		return addr, m.set(grown, content)
	}
	if flags&mremapMaymove == 0 {
		return fail(ENOMEM)
	}
	start, found := m.place(newSize)
	if !found {
		return fail(ENOMEM)
	}
	if v.fromFile() {
		grown.Offset += addr - v.Start
	}
	grown.Start, grown.End = start, start+newSize
	content, errno := k.grownContent(r, grown)
	if errno != 0 {
		return fail(errno)
	}
	if err := m.set(grown, content); err != nil {
		return 0, err
	}
	if err := m.copy(start, addr, oldSize); err != nil {
		return 0, err
	}
	return start, m.remove(addr, addr+oldSize)
}

// grownContent is what a mapping holds that has grown or moved.
func (k *Kernel) grownContent(r *Result, v VMA) ([]piece, Errno) {
	if v.Node == "" {
		return nil, 0
	}
	return k.contentOf(r, v, v.End-v.Start)
}

// madvDontneed is MADV_DONTNEED: afterwards anonymous pages read as zero, and those of
// files as the file.
const madvDontneed = 4

// madvRemove is MADV_REMOVE, which makes a hole in the file that is mapped.
const madvRemove = 9

func sysMadvise(k *Kernel, c *Call, r *Result) (uint64, error) {
	addr, size, advice := c.Args[0], pageUp(c.Args[1]), c.Args[2]
	if addr%loader.PageSize != 0 || addr+size < addr || size < c.Args[1] {
		return fail(EINVAL)
	}
	m := k.mappings(r)
	if !m.covered(addr, addr+size) {
		return fail(ENOMEM)
	}
	if advice == madvRemove {
		r.Missing = "madvise with MADV_REMOVE"
		return fail(EINVAL)
	}
	if advice != madvDontneed {
		return 0, nil
	}
	for _, v := range m.parts(addr, addr+size) {
		if v.Shared != sharesNothing {
			continue // it holds what it held
		}
		var content []piece
		if v.fromFile() {
			var errno Errno
			if content, errno = k.contentOf(r, v, v.End-v.Start); errno != 0 {
				return fail(EACCES)
			}
		}
		if err := m.renew(v, content); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

package linux

import (
	"bytes"

	"emurace/loader"
)

// Shared mappings of files. While a mapping that can be stored to is there, its memory is
// what the file holds: who reads the file reads that, who writes the file writes both, and
// what was stored goes into the inode when the mapping goes. Two such mappings of one part of
// a file would each have to be the other's memory, which there is not: mmap says so.
//
// Whether there is a mapping is looked at without a note of the list: the file reads the same
// with it and without. What then counts is the memory, and the inode, and these are noted.

// sharing is the mappings of a file that share it at least so far.
func (m mappings) sharing(id string, least sharing) (list []VMA) {
	for _, v := range m.k.s.VMAs {
		if v.Node == id && v.Shared >= least {
			list = append(list, v)
		}
	}
	return list
}

// within is the part of [at, at+size) of a file that a mapping has: where it is in the file
// and in memory.
func (v VMA) within(at, size int64) (from int64, addr, n uint64) {
	lo := max(at, int64(v.Offset))
	hi := min(at+size, int64(v.Offset+v.End-v.Start))
	if lo >= hi {
		return 0, 0, 0
	}
	return lo, v.Start + uint64(lo) - v.Offset, uint64(hi - lo)
}

// overlay puts what mappings hold over what was read of a file at an offset.
func (m mappings) overlay(list []VMA, b []byte, at int64) {
	for _, v := range list {
		if from, addr, n := v.within(at, int64(len(b))); n > 0 {
			m.k.touch(m.r, addr, n)
			copy(b[from-at:], m.k.Memory.View(addr, n))
		}
	}
}

// stored is what mappings hold of [at, at+size) of a file, as pieces of that.
func (m mappings) stored(id string, at, size int64) (list []piece) {
	for _, v := range m.sharing(id, sharesWrites) {
		from, addr, n := v.within(at, size)
		for off := uint64(0); off < n; {
			part := min(loader.PageSize-(addr+off)%loader.PageSize, n-off)
			// That nothing was stored there is something that is seen, too.
			m.k.touch(m.r, addr+off, part)
			if m.k.Memory.Touched(addr + off) {
				list = append(list, piece{uint64(from-at) + off, bytes.Clone(m.k.Memory.View(addr+off, part))})
			}
			off += part
		}
	}
	return list
}

// spread stores what is written to a file into its mappings.
func (m mappings) spread(id string, b []byte, at int64) error {
	list := m.sharing(id, sharesReads)
	if len(list) == 0 {
		return nil
	}
	b = bytes.Clone(b) // which may be of memory that changes now
	for _, v := range list {
		if from, addr, n := v.within(at, int64(len(b))); n > 0 {
			if err := m.k.Memory.Store(m.r.thread, addr, b[from-at:uint64(from-at)+n]); err != nil {
				return err
			}
		}
	}
	return nil
}

// blank is spread of zeros, to the end of the mappings.
func (m mappings) blank(id string, at, to int64) error {
	for _, v := range m.sharing(id, sharesReads) {
		_, addr, n := v.within(at, to-at)
		for end := addr + n; n > 0 && addr < end; {
			part := min(loader.PageSize-addr%loader.PageSize, end-addr)
			// Where nothing was stored there is nothing to change, which depends on who comes first.
			m.k.touch(m.r, addr, part)
			if m.k.Memory.Touched(addr) {
				if err := m.k.Memory.Store(m.r.thread, addr, make([]byte, part)); err != nil {
					return err
				}
			}
			addr += part
		}
	}
	return nil
}

// mapped tells whether a file has a mapping that goes on behind a size.
func (m mappings) mapped(id string, size int64) bool {
	for _, v := range m.sharing(id, sharesNothing) {
		if v.Offset+v.End-v.Start > pageUp(uint64(size)) {
			return true
		}
	}
	return false
}

// twice tells whether a file's part is mapped so that what is stored in one mapping should
// be seen in another.
func (m mappings) twice(v VMA) bool {
	for _, o := range m.list().VMAs {
		if o.Node != v.Node || o.Shared == sharesNothing || max(o.Shared, v.Shared) < sharesWrites {
			continue
		}
		if o.Offset < v.Offset+v.End-v.Start && v.Offset < o.Offset+o.End-o.Start && (o.End <= v.Start || v.End <= o.Start) {
			return true
		}
	}
	return false
}

// absorb takes what was stored in a part of a mapping, which is going to be removed, into
// the file. To remove it is a use of all it holds.
func (m mappings) absorb(v VMA) {
	if v.Shared != sharesWrites {
		return
	}
	t := m.k.tree(m.r)
	i := t.content(v.Node)
	base, errno := m.k.base(i)
	if errno != 0 {
		return // which could be read when it was mapped
	}
	changed := *i
	_, addr, n := v.within(0, i.size)
	for off := uint64(0); off < n; off += loader.PageSize {
		if !m.k.Memory.Touched(addr + off) {
			continue
		}
		now := m.k.Memory.View(addr+off, min(loader.PageSize, n-off))
		var was filePage
		at := int64(v.Offset + addr - v.Start + off)
		i.read(was[:len(now)], at, base)
		if !bytes.Equal(now, was[:len(now)]) {
			changed.write(now, at, base)
		}
	}
	t.setContent(v.Node, func(i *inode) { i.content = changed.content })
}

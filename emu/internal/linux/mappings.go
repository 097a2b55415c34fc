package linux

import (
	"slices"
	"sort"

	"emurace/loader"
)

// VMA is one mapping: whole pages with one protection and one origin.
type VMA struct {
	Start, End uint64
	Prot       loader.Prot
	Path       string // guest path of the file; "[heap]", "[stack]" or "" for none
	Offset     uint64 // of Start in the file
	Node       string // the file's inode, where a call has mapped it
	Shared     sharing
}

// sharing is what a mapping has to do with the file that it shows.
type sharing uint8

const (
	sharesNothing sharing = iota // it is a copy
	sharesReads                  // it shows what is written to the file
	sharesWrites                 // and what is stored there is the file's
)

// VMA returns the mapping that covers addr.
func (s *State) VMA(addr uint64) (VMA, bool) {
	i := sort.Search(len(s.VMAs), func(i int) bool { return s.VMAs[i].End > addr })
	if i < len(s.VMAs) && s.VMAs[i].Start <= addr {
		return s.VMAs[i], true
	}
	return VMA{}, false
}

// free tells whether nothing is mapped in [start, end).
func (s *State) free(start, end uint64) bool {
	i := sort.Search(len(s.VMAs), func(i int) bool { return s.VMAs[i].End > start })
	return i == len(s.VMAs) || s.VMAs[i].Start >= end
}

// place finds room for size bytes as high as possible below MmapTop, as the
// kernel does with its default top-down layout.
func (s *State) place(size uint64) (uint64, bool) {
	top := s.MmapTop
	for i := len(s.VMAs) - 1; i >= 0; i-- {
		v := s.VMAs[i]
		if v.Start >= top {
			continue
		}
		if v.End <= top && top-v.End >= size {
			break
		}
		top = v.Start
	}
	if top < s.MmapEnd || top-s.MmapEnd < size {
		return 0, false
	}
	return top - size, true
}

// cut removes [start, end) from the list, splitting what straddles a bound.
func (s *State) cut(start, end uint64) {
	if start >= end {
		return // else it would split what lies there
	}
	var out []VMA
	for _, v := range s.VMAs {
		if v.End <= start || v.Start >= end {
			out = append(out, v)
			continue
		}
		if v.Start < start {
			left := v
			left.End = start
			out = append(out, left)
		}
		if v.End > end {
			right := v
			right.Start = end
			if v.fromFile() {
				right.Offset += end - v.Start
			}
			out = append(out, right)
		}
	}
	s.VMAs = out
}

func (v VMA) fromFile() bool { return v.Path != "" && v.Path[0] == '/' }

// insert adds a mapping where there is none, joining equal neighbours so that
// the list does not grow with every brk.
func (s *State) insert(v VMA) {
	i := sort.Search(len(s.VMAs), func(i int) bool { return s.VMAs[i].Start >= v.End })
	s.VMAs = slices.Insert(s.VMAs, i, v)
	for i > 0 && i < len(s.VMAs) && s.joins(i) {
		s.join(i)
		i--
	}
	if i+1 < len(s.VMAs) && s.joins(i+1) {
		s.join(i + 1)
	}
}

func (s *State) joins(i int) bool {
	a, b := s.VMAs[i-1], s.VMAs[i]
	return a.End == b.Start && a.Prot == b.Prot && a.Path == b.Path && a.Node == b.Node && a.Shared == b.Shared &&
		(!a.fromFile() || a.Offset+(a.End-a.Start) == b.Offset)
}

func (s *State) join(i int) {
	s.VMAs[i-1].End = s.VMAs[i].End
	s.VMAs = slices.Delete(s.VMAs, i, i+1)
}

// parts are the mappings' pieces inside [start, end), ascending.
func (s *State) parts(start, end uint64) []VMA {
	var out []VMA
	for _, v := range s.VMAs {
		if v.End <= start || v.Start >= end {
			continue
		}
		if v.Start < start {
			if v.fromFile() {
				v.Offset += start - v.Start
			}
			v.Start = start
		}
		v.End = min(v.End, end)
		out = append(out, v)
	}
	return out
}

// covered tells whether [start, end) has no hole.
func (s *State) covered(start, end uint64) bool {
	for _, v := range s.parts(start, end) {
		if v.Start > start {
			return false
		}
		start = v.End
	}
	return start >= end
}

// mappings is the process's address space as a system call sees it. The list is one
// object: where a mapping comes to lie depends on all others.
type mappings struct{ access }

func (k *Kernel) mappings(r *Result) mappings { return mappings{access{k, r}} }

func (m mappings) list() *State { return m.reads(ObjectMappings, 0) }

// at is the mapping that covers addr.
func (m mappings) at(addr uint64) (VMA, bool) { return m.list().VMA(addr) }

// free tells whether nothing is mapped in [start, end).
func (m mappings) free(start, end uint64) bool { return m.list().free(start, end) }

// covered tells whether [start, end) has no hole.
func (m mappings) covered(start, end uint64) bool { return m.list().covered(start, end) }

// parts are the mappings' pieces inside [start, end), ascending.
func (m mappings) parts(start, end uint64) []VMA { return m.list().parts(start, end) }

// place finds room for size bytes.
func (m mappings) place(size uint64) (uint64, bool) {
	start, ok := m.list().place(size)
	return start, ok && m.k.exists(start, size)
}

// allowed tells whether there may be a mapping of [start, start+size), whatever is there
// now. The answer never changes.
func (m mappings) allowed(start, size uint64) bool {
	end := start + size
	return end >= start && end <= m.k.s.Top && start >= lowestAddress && m.k.exists(start, size)
}

// lowestAddress is Linux's default vm.mmap_min_addr.
const lowestAddress = 0x10000

// set makes a mapping at a fixed place, replacing what was there, and fills it from
// content.
func (m mappings) set(v VMA, content []piece) error {
	if !m.free(v.Start, v.End) {
		if err := m.remove(v.Start, v.End); err != nil {
			return err
		}
	}
	s := m.writes(ObjectMappings, 0)
	s.insert(v)
	m.bound(s)
	return m.fill(v, content)
}

// remove takes away whatever is mapped in [start, end).
func (m mappings) remove(start, end uint64) error {
	if start >= end || m.free(start, end) {
		return nil
	}
	for _, v := range m.parts(start, end) {
		m.absorb(v)
	}
	s := m.writes(ObjectMappings, 0)
	for _, v := range s.VMAs {
		lo, hi := max(v.Start, start), min(v.End, end)
		if lo < hi {
			if err := m.k.Memory.Unmap(lo, hi-lo); err != nil {
				return err
			}
		}
	}
	s.cut(start, end)
	m.bound(s)
	return nil
}

// bound ends a process that has as many mappings as it may.
func (m mappings) bound(s *State) {
	if len(s.VMAs) >= MaxMappings {
		m.r.exceeds(MappingLimit)
	}
}

// protect changes what the pages of [start, end), which has no hole, allow.
func (m mappings) protect(start, end uint64, prot loader.Prot) error {
	s := m.writes(ObjectMappings, 0)
	parts := s.parts(start, end)
	s.cut(start, end)
	for _, v := range parts {
		v.Prot = prot
		s.insert(v)
	}
	m.bound(s)
	return m.k.Memory.Protect(start, end-start, prot)
}

// renew makes the pages of a mapping's part hold content and nothing else. The list stays
// as it is.
func (m mappings) renew(v VMA, content []piece) error {
	if err := m.k.Memory.Unmap(v.Start, v.End-v.Start); err != nil {
		return err
	}
	return m.fill(v, content)
}

// fill makes the pages of a mapping's part, which are not there, hold content.
func (m mappings) fill(v VMA, content []piece) error {
	if err := m.k.Memory.Map(v.Start, v.End-v.Start, v.Prot); err != nil {
		return err
	}
	for _, p := range content {
		if err := m.k.Memory.Store(m.r.thread, v.Start+p.off, p.data); err != nil {
			return err
		}
	}
	return nil
}

// copy copies the pages of [from, from+size) that hold something. They must be going to
// be removed, which is a use of all they hold.
func (m mappings) copy(to, from, size uint64) error {
	for off := uint64(0); off < size; off += loader.PageSize {
		if !m.k.Memory.Touched(from + off) {
			continue
		}
		if err := m.k.Memory.Store(m.r.thread, to+off, m.k.Memory.View(from+off, loader.PageSize)); err != nil {
			return err
		}
	}
	return nil
}

// heapEnd is the end of the heap, and the bounds between which it may lie.
func (m mappings) heapEnd() (end, lowest, highest uint64) {
	s := m.reads(ObjectBreak, 0)
	return s.Brk, s.Layout.Brk, s.BrkEnd
}

// setHeapEnd moves the end of the heap; its pages are another matter.
func (m mappings) setHeapEnd(end uint64) { m.writes(ObjectBreak, 0).Brk = end }

// Map makes a mapping at a fixed place, replacing what was there, and fills it
// from content: for exec, which is no system call of a thread's yet.
func (k *Kernel) Map(thread int, v VMA, content []byte) error {
	var pieces []piece
	if len(content) > 0 {
		pieces = []piece{{0, content}}
	}
	return k.mappings(&Result{thread: thread}).set(v, pieces)
}

// SetBrk says where the heap of the new process is, empty at first.
func (k *Kernel) SetBrk(start, end uint64) {
	s := k.mut()
	s.Layout.Brk, s.Brk, s.BrkEnd = pageUp(start), pageUp(start), end
}

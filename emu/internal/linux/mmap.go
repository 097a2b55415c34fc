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
}

// Flags of mmap, include/uapi/asm-generic/mman-common.h and mman.h.
const (
	mapFixed          = 0x10
	mapAnonymous      = 0x20
	mapFixedNoreplace = 0x100000
	protMask          = 7
	mremapMaymove     = 1
)

func pageUp(v uint64) uint64 { return (v + loader.PageSize - 1) &^ (loader.PageSize - 1) }

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
	return a.End == b.Start && a.Prot == b.Prot && a.Path == b.Path &&
		(!a.fromFile() || a.Offset+(a.End-a.Start) == b.Offset)
}

func (s *State) join(i int) {
	s.VMAs[i-1].End = s.VMAs[i].End
	s.VMAs = slices.Delete(s.VMAs, i, i+1)
}

// Map makes a mapping at a fixed place, replacing what was there, and fills it
// from content. It serves exec as well as mmap.
func (k *Kernel) Map(thread int, v VMA, content []byte) error {
	s := k.mut()
	if !s.free(v.Start, v.End) {
		if err := k.unmap(v.Start, v.End); err != nil {
			return err
		}
	}
	if err := k.Memory.Map(v.Start, v.End-v.Start, v.Prot); err != nil {
		return err
	}
	s.insert(v)
	if len(content) == 0 {
		return nil
	}
	return k.Memory.Store(thread, v.Start, content)
}

func (k *Kernel) unmap(start, end uint64) error {
	s := k.mut()
	for _, v := range s.VMAs {
		lo, hi := max(v.Start, start), min(v.End, end)
		if lo < hi {
			if err := k.Memory.Unmap(lo, hi-lo); err != nil {
				return err
			}
		}
	}
	s.cut(start, end)
	return nil
}

func (s *State) inLayout(start, size uint64) bool {
	end := start + size
	return end >= start && end <= s.Top && start >= lowest
}

// lowest is Linux's default vm.mmap_min_addr.
const lowest = 0x10000

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
	var content []byte
	if flags&mapAnonymous == 0 {
		f, ok := k.fd(r, fd)
		if ok && f.Kind != fdFile {
			return fail(ENODEV)
		}
		if !ok {
			return fail(EBADF)
		}
		data, err := k.Files.File(f.Path)
		if err != nil {
			return fail(EACCES)
		}
		if offset < uint64(len(data)) {
			content = data[offset:min(uint64(len(data)), offset+size)]
		}
		v.Path, v.Offset = f.Path, offset
	}
	start, errno := k.where(addr, size, flags)
	if errno != 0 {
		return fail(errno)
	}
	v.Start, v.End = start, start+size
	return start, k.Map(c.Thread, v, content)
}

// where decides the address of a new mapping.
func (k *Kernel) where(addr, size, flags uint64) (uint64, Errno) {
	s := k.s
	if flags&(mapFixed|mapFixedNoreplace) != 0 {
		if addr%loader.PageSize != 0 {
			return 0, EINVAL
		}
		if !s.inLayout(addr, size) || k.Memory.View(addr, size) == nil {
			return 0, ENOMEM
		}
		if flags&mapFixedNoreplace != 0 && !s.free(addr, addr+size) {
			return 0, EEXIST
		}
		return addr, 0
	}
	hint := pageUp(addr)
	if addr != 0 && s.inLayout(hint, size) && s.free(hint, hint+size) && k.Memory.View(hint, size) != nil {
		return hint, 0
	}
	start, ok := s.place(size)
	if !ok || k.Memory.View(start, size) == nil {
		return 0, ENOMEM
	}
	return start, 0
}

func sysMunmap(k *Kernel, c *Call, _ *Result) (uint64, error) {
	addr, size := c.Args[0], pageUp(c.Args[1])
	if addr%loader.PageSize != 0 || size == 0 || addr+size < addr {
		return fail(EINVAL)
	}
	return 0, k.unmap(addr, addr+size)
}

func sysMprotect(k *Kernel, c *Call, _ *Result) (uint64, error) {
	addr, size, prot := c.Args[0], pageUp(c.Args[1]), loader.Prot(c.Args[2]&protMask)
	if addr%loader.PageSize != 0 || addr+size < addr {
		return fail(EINVAL)
	}
	if c.Args[1] == 0 {
		return 0, nil
	}
	s := k.s
	if size == 0 || !s.covered(addr, addr+size) { // 0: rounding up went past the end
		return fail(ENOMEM)
	}
	s = k.mut()
	parts := s.parts(addr, addr+size)
	s.cut(addr, addr+size)
	for _, v := range parts {
		v.Prot = prot
		s.insert(v)
	}
	return 0, k.Memory.Protect(addr, size, prot)
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

func sysBrk(k *Kernel, c *Call, _ *Result) (uint64, error) {
	s, want := k.s, c.Args[0]
	if want < s.Layout.Brk || want > s.BrkEnd {
		return s.Brk, nil
	}
	oldEnd, newEnd := pageUp(s.Brk), pageUp(want)
	if newEnd > oldEnd && !s.free(oldEnd, newEnd) {
		return s.Brk, nil
	}
	s = k.mut()
	if newEnd > oldEnd {
		v := VMA{Start: oldEnd, End: newEnd, Prot: loader.ProtRead | loader.ProtWrite, Path: "[heap]"}
		if err := k.Map(c.Thread, v, nil); err != nil {
			return 0, err
		}
	} else if newEnd < oldEnd {
		if err := k.unmap(newEnd, oldEnd); err != nil {
			return 0, err
		}
	}
	s.Brk = want
	return want, nil
}

func sysMremap(k *Kernel, c *Call, _ *Result) (uint64, error) {
	addr, oldSize, newSize, flags := c.Args[0], pageUp(c.Args[1]), pageUp(c.Args[2]), c.Args[3]
	if addr%loader.PageSize != 0 || newSize == 0 || flags&^mremapMaymove != 0 || addr+oldSize < addr {
		return fail(EINVAL)
	}
	v, ok := k.s.VMA(addr)
	if !ok || oldSize == 0 || v.End < addr+oldSize {
		return fail(EFAULT)
	}
	if newSize <= oldSize {
		return addr, k.unmap(addr+newSize, addr+oldSize)
	}
	grown := v
	if k.s.inLayout(addr, newSize) && k.s.free(addr+oldSize, addr+newSize) && v.End == addr+oldSize && k.Memory.View(addr, newSize) != nil {
		grown.Start, grown.End = addr+oldSize, addr+newSize
		if v.fromFile() {
			grown.Offset += grown.Start - v.Start
		}
		return addr, k.Map(c.Thread, grown, nil)
	}
	start, found := k.s.place(newSize)
	if flags&mremapMaymove == 0 || !found {
		return fail(ENOMEM)
	}
	if v.fromFile() {
		grown.Offset += addr - v.Start
	}
	grown.Start, grown.End = start, start+newSize
	if err := k.Map(c.Thread, grown, nil); err != nil {
		return 0, err
	}
	for off := uint64(0); off < oldSize; off += loader.PageSize {
		if !k.Memory.Touched(addr + off) {
			continue
		}
		if err := k.Memory.Store(c.Thread, start+off, k.Memory.View(addr+off, loader.PageSize)); err != nil {
			return 0, err
		}
	}
	return start, k.unmap(addr, addr+oldSize)
}

// madvDontneed is MADV_DONTNEED: anonymous pages read as zero afterwards.
const madvDontneed = 4

func sysMadvise(k *Kernel, c *Call, _ *Result) (uint64, error) {
	addr, size, advice := c.Args[0], pageUp(c.Args[1]), c.Args[2]
	if addr%loader.PageSize != 0 || addr+size < addr || size < c.Args[1] {
		return fail(EINVAL)
	}
	if !k.s.covered(addr, addr+size) {
		return fail(ENOMEM)
	}
	if advice != madvDontneed {
		return 0, nil
	}
	for _, v := range k.s.parts(addr, addr+size) {
		if v.fromFile() {
			return fail(EINVAL)
		}
		if err := k.Memory.Unmap(v.Start, v.End-v.Start); err != nil {
			return 0, err
		}
		if err := k.Memory.Map(v.Start, v.End-v.Start, v.Prot); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// SetBrk says where the heap of the new process is, empty at first.
func (k *Kernel) SetBrk(start, end uint64) {
	s := k.mut()
	s.Layout.Brk, s.Brk, s.BrkEnd = pageUp(start), pageUp(start), end
}

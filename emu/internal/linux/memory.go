package linux

import (
	"slices"

	"emurace/loader"
)

// Toucher is a Memory that wants to know of the kernel's own reads: they are accesses
// of the thread that made the call, as its loads are.
type Toucher interface {
	// Touch notes a read of a range that lies in memory.
	Touch(thread int, addr, size uint64) error
}

// touch notes a read. An error of it, which is the emulator's own, ends the call when
// it is through.
func (k *Kernel) touch(r *Result, addr, size uint64) {
	t, ok := k.Memory.(Toucher)
	if !ok || size == 0 || r.failed != nil {
		return
	}
	r.failed = t.Touch(r.thread, addr, size)
}

// allows tells whether the guest may access all of a range. Where it may not, the
// first byte of the page that refuses is touched: another thread may be about to
// change what that page allows.
func (k *Kernel) allows(r *Result, addr, size uint64, p loader.Prot) bool {
	if k.Memory.Allows(addr, size, p) {
		return true
	}
	for at := addr; at-addr < size; at = at - at%loader.PageSize + loader.PageSize {
		if k.Memory.Allows(at, 1, p) {
			continue
		}
		if k.exists(at, 1) {
			k.touch(r, at, 1)
		}
		break
	}
	return false
}

// exists tells whether a range of addresses can have memory, which never changes.
func (k *Kernel) exists(addr, size uint64) bool { return k.Memory.View(addr, size) != nil }

// read returns guest memory, if the guest may read it.
func (k *Kernel) read(r *Result, addr, size uint64) ([]byte, bool) {
	b, ok := k.view(r, addr, size)
	if ok {
		k.touch(r, addr, size)
	}
	return b, ok
}

// readUpTo is read of a range of which only the first bytes matter, all of which the
// guest must be allowed to read: of what is behind them the pages count.
func (k *Kernel) readUpTo(r *Result, addr, size uint64, most int) ([]byte, bool) {
	b, ok := k.view(r, addr, size)
	if !ok {
		return nil, false
	}
	b = b[:min(len(b), most)]
	k.touch(r, addr, uint64(len(b)))
	at := addr + uint64(len(b))
	if len(b) > 0 {
		at = pageUp(at)
	}
	for ; at < addr+size; at = pageUp(at + 1) {
		k.touch(r, at, 1)
	}
	return b, true
}

// view is read for those who note themselves what of it they look at.
func (k *Kernel) view(r *Result, addr, size uint64) ([]byte, bool) {
	if !k.allows(r, addr, size, loader.ProtRead) {
		return nil, false
	}
	return k.Memory.View(addr, size), true
}

// write stores into guest memory, if the guest may write it; false is EFAULT.
func (k *Kernel) write(r *Result, addr uint64, b []byte) (bool, error) {
	if !k.allows(r, addr, uint64(len(b)), loader.ProtWrite) {
		return false, nil
	}
	return true, k.Memory.Store(r.thread, addr, b)
}

// put stores a result structure and returns 0 or EFAULT.
func (k *Kernel) put(r *Result, addr uint64, b []byte) (uint64, error) {
	ok, err := k.write(r, addr, b)
	if err != nil || ok {
		return 0, err
	}
	return fail(EFAULT)
}

// peek is memory that the guest may read, for who shows it: a debugger's look, and no use of
// it by the guest. It is nil where there is none.
func (k *Kernel) peek(addr, size uint64) []byte {
	if !k.Memory.Allows(addr, size, loader.ProtRead) {
		return nil
	}
	return k.Memory.View(addr, size)
}

// pathMax is PATH_MAX of include/uapi/linux/limits.h, with its NUL.
const pathMax = 4096

// cstring reads a NUL-terminated string of at most pathMax bytes.
func (k *Kernel) cstring(r *Result, addr uint64) (string, Errno) {
	s, errno := k.shortString(r, addr, pathMax)
	if errno == 0 && len(s) == pathMax {
		return "", ENAMETOOLONG
	}
	return s, errno
}

// shortString reads a string up to its NUL, or so many bytes of it.
func (k *Kernel) shortString(r *Result, addr uint64, most int) (string, Errno) {
	var b []byte
	for len(b) < most {
		n := min(loader.PageSize-addr%loader.PageSize, uint64(most-len(b)))
		part, ok := k.view(r, addr, n)
		if !ok {
			return "", EFAULT
		}
		i := slices.Index(part, 0)
		if i >= 0 {
			n = uint64(i) + 1
		}
		k.touch(r, addr, n)
		if i >= 0 {
			return string(append(b, part[:i]...)), 0
		}
		b = append(b, part...)
		addr += n
	}
	return string(b), 0
}

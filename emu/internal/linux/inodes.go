package linux

import "emurace/loader"

// nodeKind is what an inode is of.
type nodeKind uint8

const (
	nodeFile nodeKind = iota + 1
	nodeDir
	nodeLink
	nodeNull // the devices
	nodeZero
	nodeFull
	nodeRandom
	nodeOpen // an entry of /proc/self/fd, which leads to what the descriptor is of
	nodeSocket
)

// fileTime is a time of a file's, since 1970.
type fileTime struct{ sec, nsec int64 }

// FileTime is the time, in seconds since 1970, that all files have which no call has given
// another one: that at which the virtual clock begins. A write does not change it, so that
// it depends on no clock.
const FileTime = bootTime / second

// inode is a file, a folder or a link that the process has made or changed. It never
// changes: who changes a file puts another inode in its place, which shares its pages.
type inode struct {
	kind nodeKind
	mode uint32 // permissions
	// links are the names that it has; a folder has 1, as on btrfs, and 0 when it was removed.
	links        int
	atime, mtime fileTime
	target       string // of a link
	parent, name string // where a folder is
	content
}

// filePage is what a page of a file holds.
type filePage [loader.PageSize]byte

// content is what a file holds: the pages that were written, over the beginning of a file
// of the sysroot, over zeros.
type content struct {
	size  int64
	base  string // of the sysroot, "" for none
	shows int64  // so many of its bytes are there
	pages pmap[int64, *filePage]
}

// page is what a page holds as far as the file's bytes go, base being what the file of the
// sysroot holds; nil for zeros. It must not be written.
func (c *content) page(n int64, base []byte) []byte {
	if p, ok := c.pages.get(n); ok {
		return p[:]
	}
	from, to := n*loader.PageSize, min((n+1)*loader.PageSize, c.shows, int64(len(base)))
	if from >= to {
		return nil
	}
	return base[from:to]
}

// read copies what is at an offset; behind the end are zeros.
func (c *content) read(b []byte, at int64, base []byte) {
	clear(b)
	if at >= c.size {
		return
	}
	b = b[:min(int64(len(b)), c.size-at)]
	for len(b) > 0 {
		in := at % loader.PageSize
		n := min(int64(len(b)), loader.PageSize-in)
		if p := c.page(at/loader.PageSize, base); int64(len(p)) > in {
			copy(b[:n], p[in:])
		}
		b, at = b[n:], at+n
	}
}

// write puts bytes at an offset.
func (c *content) write(b []byte, at int64, base []byte) {
	c.size = max(c.size, at+int64(len(b)))
	for len(b) > 0 {
		n, in := at/loader.PageSize, at%loader.PageSize
		var p filePage
		copy(p[:], c.page(n, base))
		did := copy(p[in:], b)
		c.pages = c.pages.with(n, &p)
		b, at = b[did:], at+int64(did)
	}
}

// resize cuts the file or lets it grow. What is cut off reads as zeros when it is there again.
func (c *content) resize(size int64) {
	if size < c.size {
		n := size / loader.PageSize
		if p, ok := c.pages.get(n); ok && size%loader.PageSize != 0 {
			var cut filePage
			copy(cut[:size%loader.PageSize], p[:])
			c.pages = c.pages.with(n, &cut)
		}
		c.shows = min(c.shows, size)
		var gone []int64
		for n := range c.pages.from((size + loader.PageSize - 1) / loader.PageSize) {
			gone = append(gone, n)
		}
		if len(gone) == c.pages.n {
			c.pages = pmap[int64, *filePage]{}
		} else {
			for _, n := range gone {
				c.pages = c.pages.without(n)
			}
		}
	}
	c.size = size
}

// zero makes bytes of the file zeros, up to its end.
func (c *content) zero(at, to int64, base []byte) {
	to = min(to, c.size)
	for at < to {
		n, in := at/loader.PageSize, at%loader.PageSize
		did := min(to-at, loader.PageSize-in)
		if p := c.page(n, base); p != nil {
			var cut filePage
			copy(cut[:], p)
			clear(cut[in : in+did])
			c.pages = c.pages.with(n, &cut)
		} else if next, ok := c.next(n + 1); !ok {
			return
		} else if next > n+1 && next*loader.PageSize > at+did {
			did = next*loader.PageSize - at
		}
		at += did
	}
}

// next is the first page from one on that may hold something, false when there is none.
func (c *content) next(n int64) (int64, bool) {
	if n*loader.PageSize < c.shows {
		return n, true
	}
	for at := range c.pages.from(n) {
		return at, true
	}
	return 0, false
}

// pieces are the parts of [at, at+size) that may hold something.
func (c *content) pieces(at, size int64, base []byte) (list []piece) {
	end := min(at+size, c.size)
	if at >= end {
		return nil
	}
	if c.pages.n == 0 {
		if at < min(c.shows, int64(len(base))) {
			list = append(list, piece{0, base[at:min(end, c.shows, int64(len(base)))]})
		}
		return list
	}
	for n, ok := c.next(at / loader.PageSize); ok && n*loader.PageSize < end; n, ok = c.next(n + 1) {
		p, from := c.page(n, base), n*loader.PageSize
		lo, hi := max(at-from, 0), min(end-from, int64(len(p)))
		if lo < hi {
			list = append(list, piece{uint64(from + lo - at), p[lo:hi]})
		}
	}
	return list
}

// piece is bytes at an offset, which must not be written.
type piece struct {
	off  uint64
	data []byte
}

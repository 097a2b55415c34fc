package corefile

import (
	"encoding/binary"
	"errors"
	"io"
)

// A core is read by pages: a heap has little in most of its pages, and a walk along it touches few.
// So many are kept, and so many are read at once while the reading goes on from one to the next.
const (
	pageSize = 4 << 10
	keptPage = 8 << 10 // a power of 2
	mostRead = 16
	// direct is from how many bytes on a part is read past what is kept.
	direct = 8 * pageSize
)

// blocks keeps pages of a file that were read.
type blocks struct {
	r       io.ReaderAt
	size    uint64
	kept    []kept // by page number, modulo keptPage
	next    uint64 // page behind those that were read last
	ahead   uint64 // pages that were read then
	scratch []byte
	last    *Range // that a word was last read from
}

// kept is a page: its number plus 1, 0 for none.
type kept struct {
	number uint64
	data   []byte
}

// page is a page by its number, shorter at the end of the file, nil when it cannot be read. It
// stays as it is until the next call.
func (b *blocks) page(number uint64) []byte {
	if b.kept != nil {
		if k := &b.kept[number%keptPage]; k.number == number+1 {
			return k.data
		}
	}
	return b.load(number)
}

// load reads a page, and those behind it if the one before it was read last.
func (b *blocks) load(number uint64) []byte {
	off := number * pageSize
	if number >= 1<<52 || off >= b.size {
		return nil
	}
	if b.kept == nil {
		b.kept, b.scratch = make([]kept, keptPage), make([]byte, mostRead*pageSize)
	}
	if number == b.next {
		b.ahead = min(max(2*b.ahead, 1), mostRead)
	} else {
		b.ahead = 1
	}
	whole := min(pageSize, b.size-off)
	n, _ := b.r.ReadAt(b.scratch[:min(b.ahead*pageSize, b.size-off)], int64(off)) // what was not read is seen by n
	if uint64(n) < whole {
		b.ahead = 0
		return nil
	}
	b.next = number
	for at := uint64(0); at < uint64(n); at += pageSize {
		page := b.scratch[at:min(at+pageSize, uint64(n))]
		if uint64(len(page)) < min(pageSize, b.size-off-at) {
			break
		}
		k := &b.kept[b.next%keptPage]
		b.next++
		k.number, k.data = b.next, append(k.data[:0], page...)
	}
	return b.kept[number%keptPage].data
}

// copy fills out with the file's bytes at an offset.
func (b *blocks) copy(out []byte, off uint64) bool {
	if len(out) >= direct {
		if off > b.size || uint64(len(out)) > b.size-off {
			return false
		}
		n, err := b.r.ReadAt(out, int64(off))
		return n == len(out) && (err == nil || errors.Is(err, io.EOF))
	}
	for len(out) > 0 {
		page := b.page(off / pageSize)
		at := off % pageSize
		if at >= uint64(len(page)) {
			return false
		}
		n := copy(out, page[at:])
		out, off = out[n:], off+uint64(n)
	}
	return true
}

// word is the word at an offset.
func (b *blocks) word(off uint64) (uint64, bool) {
	if at := off % pageSize; at <= pageSize-8 {
		page := b.page(off / pageSize)
		if at+8 > uint64(len(page)) {
			return 0, false
		}
		return binary.LittleEndian.Uint64(page[at:]), true
	}
	var w [8]byte
	ok := b.copy(w[:], off)
	return binary.LittleEndian.Uint64(w[:]), ok
}

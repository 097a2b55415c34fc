package corefile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// MaxSpooled is how long a core may be, in bytes, that is unpacked or comes through a pipe. Its
// pages of zeros take no room.
const MaxSpooled = 256 << 30

// maxWindow bounds the memory that unpacking zstd takes, in bytes. Zstd's own default level has 8 MiB
// at most, and --long 128 MiB.
const maxWindow = 512 << 20

// magics are how files that are compressed begin: RFC 8878, lz4's frame format, the .xz
// format, RFC 1952.
var magics = []struct{ name, magic string }{
	{"zstd", "\x28\xb5\x2f\xfd"},
	{"lz4", "\x04\x22\x4d\x18"},
	{"xz", "\xfd7zXZ\x00"},
	{"gzip", "\x1f\x8b"},
}

func kindOf(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.name
		}
	}
	return ""
}

// compression names how a file is compressed, "" for not at all.
func compression(r io.ReaderAt) string {
	head := make([]byte, 8)
	n, _ := r.ReadAt(head, 0) // what cannot be read is not compressed
	return kindOf(head[:n])
}

// unpacked is the content of what is compressed, as its first bytes say.
func unpacked(r *bufio.Reader) (io.Reader, string, error) {
	head, _ := r.Peek(8) // fewer at the end of the file
	switch kind := kindOf(head); kind {
	case "zstd":
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, kind, err
		}
		return d.IOReadCloser(), kind, nil
	case "lz4":
		return lz4.NewReader(r), kind, nil
	case "xz":
		// What is set is the least: the file says how large its dictionary is, at most 4 GiB, of
		// which only what it fills takes memory.
		d, err := xz.ReaderConfig{DictCap: 1 << 16}.NewReader(r)
		return d, kind, err
	case "gzip":
		d, err := gzip.NewReader(r)
		return d, kind, err
	}
	return r, "", nil
}

// spooled reads a core that comes from front to back. It is put into a temporary file, which
// has no name any more, with holes for zeros. A stream that ends in the middle is a core that is
// cut short.
func spooled(r io.Reader) (*File, error) {
	content, kind, err := unpacked(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if c, ok := content.(io.Closer); ok {
		defer func() { _ = c.Close() }() // it is only read
	}
	file, err := os.CreateTemp("", "emurace-core-")
	if err != nil {
		return nil, err
	}
	size, broken, err := spool(file, content)
	err = errors.Join(err, os.Remove(file.Name()))
	if err != nil {
		_ = file.Close() // the first error counts
		return nil, err
	}
	f, err := Parse(file, size)
	if err != nil {
		_ = file.Close() // the first error counts
		if broken != nil {
			return nil, fmt.Errorf("%s: %w", kind, broken)
		}
		return nil, err
	}
	f.Compressed, f.close = kind, file.Close
	if broken != nil {
		f.problem("%s: %v", kind, broken)
	}
	return f, nil
}

// spool copies a stream into a file, with holes for zeros. Broken is why the stream ended
// where it did, nil at its end.
func spool(file *os.File, r io.Reader) (size uint64, broken, err error) {
	block := make([]byte, blockSize)
	for {
		n, end := io.ReadFull(r, block)
		if n > 0 {
			for at := 0; at < n; at += 4096 {
				page := block[at:min(at+4096, n)]
				if zero(page) {
					continue
				}
				if _, err := file.WriteAt(page, int64(size)+int64(at)); err != nil {
					return 0, nil, fmt.Errorf("unpack the core: %w", err)
				}
			}
			if size += uint64(n); size > MaxSpooled {
				return 0, nil, fmt.Errorf("unpack the core: it is longer than %d GiB", MaxSpooled>>30)
			}
		}
		switch {
		case end == nil:
		case errors.Is(end, io.EOF) || errors.Is(end, io.ErrUnexpectedEOF) && n > 0 && ended(r):
			return size, nil, file.Truncate(int64(size))
		default:
			return size, end, file.Truncate(int64(size))
		}
	}
}

// ended tells whether a stream is at its end: io.ReadFull says of a short last block the same
// as of one that broke off.
func ended(r io.Reader) bool {
	n, err := r.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, io.EOF)
}

// zero tells whether there is nothing but zeros.
func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

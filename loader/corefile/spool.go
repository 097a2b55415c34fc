package corefile

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// MaxSpooled is how long a core may be, in bytes, that is unpacked or comes through a pipe. Its
// pages of zeros take no room. One that is longer can be unpacked into a file, and opened there.
const MaxSpooled = 64 << 30

// maxWindow bounds what the format lets a file ask for to be unpacked, in bytes of memory: zstd's window, xz's
// dictionary. The program zstd takes no more without --long, and xz -9 writes 64 MiB.
const maxWindow = 128 << 20

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
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, kind, err
		}
		return d.IOReadCloser(), kind, nil
	case "lz4":
		return lz4.NewReader(r), kind, nil
	case "xz":
		// Of several streams behind one another only the first one's blocks are looked at.
		d, err := xz.ReaderConfig{DictCap: 1 << 16, SingleStream: true}.NewReader(newXZGuard(r, maxWindow))
		return d, kind, err
	case "gzip":
		d, err := gzip.NewReader(r)
		return d, kind, err
	}
	return r, "", nil
}

// spooled reads a core that comes from front to back. It returns when the context ends, also while
// it waits for a stream that says nothing.
func spooled(ctx context.Context, r io.Reader) (*File, error) {
	type result struct {
		f   *File
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := unpack(ctx, r)
		done <- result{f, err}
	}()
	select {
	case got := <-done:
		return got.f, got.err
	case <-ctx.Done():
		go func() {
			if got := <-done; got.f != nil {
				_ = got.f.Close() // nobody has it
			}
		}()
		return nil, ctx.Err()
	}
}

// unpack puts a stream into a temporary file, which has no name any more, with holes for zeros.
// A stream that ends in the middle is a core that is cut short.
func unpack(ctx context.Context, r io.Reader) (*File, error) {
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
	f, err := unpackTo(ctx, file, content, kind)
	if err != nil {
		_ = file.Close() // the first error counts
	}
	return f, err
}

func unpackTo(ctx context.Context, file *os.File, content io.Reader, kind string) (*File, error) {
	if err := os.Remove(file.Name()); err != nil {
		return nil, err
	}
	size, broken, err := spool(ctx, file, content, MaxSpooled)
	if err != nil {
		return nil, err
	}
	f, err := Parse(file, size)
	if broken != nil {
		broken = fmt.Errorf("%s: %w", cmp.Or(kind, "input"), broken)
	}
	if err != nil {
		return nil, cmp.Or(broken, err)
	}
	f.Compressed, f.close = kind, file.Close
	if broken != nil {
		f.problem("%v", broken)
	}
	return f, nil
}

// spooledAtOnce is how much of a stream is read at once, in bytes.
const spooledAtOnce = 64 << 10

// zeros is a page of them.
var zeros [pageSize]byte

// spool copies a stream into a file, with holes for zeros. Broken is why the stream ended where
// it did, nil at its end. What does not begin as a core is not read further.
func spool(ctx context.Context, file *os.File, r io.Reader, most uint64) (size uint64, broken, err error) {
	block := make([]byte, spooledAtOnce)
	for broken == nil {
		if err := ctx.Err(); err != nil {
			return 0, nil, err
		}
		n := 0
		for n < len(block) && broken == nil {
			var k int
			k, broken = r.Read(block[n:])
			n += k
		}
		if size == 0 && n >= ehdrSize {
			if err := (&File{}).header(block[:ehdrSize]); err != nil {
				return 0, nil, err
			}
		}
		for at := 0; at < n; at += pageSize {
			page := block[at:min(at+pageSize, n)]
			if bytes.Equal(page, zeros[:len(page)]) {
				continue
			}
			if _, err := file.WriteAt(page, int64(size)+int64(at)); err != nil {
				return 0, nil, fmt.Errorf("unpack the core: %w", err)
			}
		}
		if size += uint64(n); size > most {
			return 0, nil, fmt.Errorf("unpack the core: %w: more than %d GiB", ErrTooLong, most>>30)
		}
	}
	if errors.Is(broken, io.EOF) {
		broken = nil
	}
	return size, broken, file.Truncate(int64(size))
}

// ErrTooLong is the error about a stream that is longer than [MaxSpooled].
var ErrTooLong = errors.New("it is too long")

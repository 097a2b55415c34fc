package gdb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"syscall"
)

// maxFiles bounds how many files a client has open.
const maxFiles = 64

// openFile is a file of the sysroot, or the program.
type openFile struct {
	io.ReaderAt
	size  int64
	close func() error
}

// The numbers of errors in gdb's File-I/O protocol (gdb manual, E.13.9.1).
const (
	fileNotThere   = 2
	fileBadHandle  = 9
	fileDenied     = 13
	fileIsFolder   = 21
	fileInvalid    = 22
	fileTooMany    = 24
	fileReadOnly   = 30
	fileLongName   = 91
	fileOtherError = 9999
)

func fileError(n int) string { return fmt.Sprintf("F-1,%x", n) }

// fileErrorOf is the reply for an error of the sysroot.
func fileErrorOf(err error) string {
	for _, known := range []struct {
		err error
		n   int
	}{
		{fs.ErrNotExist, fileNotThere}, {fs.ErrPermission, fileDenied}, {syscall.EISDIR, fileIsFolder}, {syscall.ENOTDIR, 20},
		{syscall.EINVAL, fileInvalid}, {syscall.ENAMETOOLONG, fileLongName},
	} {
		if errors.Is(err, known.err) {
			return fileError(known.n)
		}
	}
	return fileError(fileOtherError)
}

// fileRequest answers vFile: what gdb needs to read files of the sysroot. There is
// nothing that writes.
func (c *client) fileRequest(arg string) string {
	op, arg, _ := strings.Cut(arg, ":")
	switch op {
	case "setfs": // which process's view of files: there is one
		return "F0"
	case "open":
		return c.fileOpen(arg)
	case "close":
		n, err := parseHex(arg)
		f, ok := c.files[n]
		if err != nil || !ok {
			return fileError(fileBadHandle)
		}
		delete(c.files, n)
		_ = f.close() // it was only read
		return "F0"
	case "pread":
		return c.fileRead(arg)
	case "fstat":
		n, err := parseHex(arg)
		f, ok := c.files[n]
		if err != nil || !ok {
			return fileError(fileBadHandle)
		}
		return fileStat(f.size)
	case "readlink":
		return c.fileLink(arg)
	case "unlink", "pwrite":
		return fileError(fileReadOnly)
	}
	return ""
}

// fileOpen takes "name,flags,mode", the name in hexadecimal.
func (c *client) fileOpen(arg string) string {
	parts := strings.Split(arg, ",")
	name, err := hex.DecodeString(parts[0])
	if err != nil || len(parts) != 3 {
		return fileError(fileInvalid)
	}
	if flags, err := parseHex(parts[1]); err != nil || flags != 0 { // O_RDONLY
		return fileError(fileReadOnly)
	}
	if len(c.files) >= maxFiles {
		return fileError(fileTooMany)
	}
	f, err := c.open(string(name))
	if err != nil {
		return fileErrorOf(err)
	}
	n := uint64(3)
	for ; c.files[n] != nil; n++ {
	}
	c.files[n] = f
	return fmt.Sprintf("F%x", n)
}

func (c *client) open(name string) (*openFile, error) {
	if name == c.m.Program().Path {
		return &openFile{strings.NewReader(string(c.program)), int64(len(c.program)), func() error { return nil }}, nil
	}
	if b, ok := c.m.VirtualFile(name); ok {
		return &openFile{bytes.NewReader(b), int64(len(b)), func() error { return nil }}, nil
	}
	f, err := c.Root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &openFile{f, info.Size(), f.Close}, nil
}

// fileRead takes "handle,count,offset".
func (c *client) fileRead(arg string) string {
	handle, rest, _ := strings.Cut(arg, ",")
	n, err := parseHex(handle)
	f, ok := c.files[n]
	if err != nil || !ok {
		return fileError(fileBadHandle)
	}
	count, off, err := twoHex(rest)
	if err != nil || off > math.MaxInt64 {
		return fileError(fileInvalid)
	}
	b := make([]byte, min(count, packetSize))
	got, err := f.ReadAt(b, int64(off))
	if err != nil && !errors.Is(err, io.EOF) {
		return fileErrorOf(err)
	}
	return fileData(b[:got])
}

// fileData is a reply with bytes, as many as fit.
func fileData(b []byte) string {
	const head = 16 // F, the count, and a semicolon
	b = b[:fitting(b, packetSize-head)]
	return fmt.Sprintf("F%x;%s", len(b), b)
}

func (c *client) fileLink(arg string) string {
	name, err := hex.DecodeString(arg)
	if err != nil {
		return fileError(fileInvalid)
	}
	target, err := c.Root.Readlink(string(name))
	if err != nil {
		return fileErrorOf(err)
	}
	return fileData([]byte(target))
}

// fileStat is gdb's struct stat of a regular file that can be read (gdb manual,
// E.13.9.3), big-endian. What could tell something of the host is zero.
func fileStat(size int64) string {
	const regular, readable = 0o100000, 0o444
	be := binary.BigEndian
	b := make([]byte, 64)
	be.PutUint32(b[8:], regular|readable)
	be.PutUint32(b[12:], 1) // links
	be.PutUint64(b[28:], uint64(size))
	be.PutUint64(b[36:], uint64(os.Getpagesize()))
	be.PutUint64(b[44:], uint64(size+511)/512)
	return fileData(b)
}

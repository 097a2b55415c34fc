package loader

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"sync"
)

// MaxFile is the size in bytes of the largest file that LoadImage and
// LoadDebug read.
const MaxFile = 256 << 20

// Segment is one program header. Vaddr is as in the file, before a load bias
// is added; Memsz and Filesz are in bytes.
type Segment struct {
	Vaddr, Memsz, Offset, Filesz, Align uint64
	Flags                               elf.ProgFlag
}

// End returns the address after the segment's last byte of memory.
func (s Segment) End() uint64 { return s.Vaddr + s.Memsz }

// Image is an ELF file that passed Parse. Its fields are what the file says
// and do not change; all addresses are those of the file, so that an image
// mapped with load bias b has them at b + address. The methods may be called
// from several goroutines.
type Image struct {
	Name      string    // as given to Parse, for messages
	Arch      Arch      // from e_machine
	Type      elf.Type  // ET_EXEC or ET_DYN
	Entry     uint64    // e_entry
	Phoff     uint64    // file offset of the program headers
	Phnum     int       // how many there are
	Phentsize int       // size of one: 56
	PhdrVaddr uint64    // where they are in memory (AT_PHDR), 0 when in no PT_LOAD
	Interp    string    // path from PT_INTERP, "" without
	Load      []Segment // PT_LOAD with memory, ascending, no two on one page
	TLS       *Segment  // PT_TLS, nil without
	Relro     *Segment  // PT_GNU_RELRO, nil without
	ExecStack bool      // PT_GNU_STACK asks for an executable stack
	Soname    string    // DT_SONAME, "" without
	Needed    []string  // DT_NEEDED in order
	BuildID   string    // lower-case hex of the NT_GNU_BUILD_ID note, "" without

	data     []byte
	isa      uint32 // see NeedsISA
	dyn      dynamic
	ehHdr    *Segment // PT_GNU_EH_FRAME
	hash     func() string
	musl     func() (version string, is bool)
	sections func() []section // nil when the file has none that are valid

	mu      sync.Mutex   // guards what follows
	debug   *debugFile   // nil until attached
	symbols *symbolTable // nil until asked for; dropped when debug changes
	exports *exportTable // nil until asked for; dropped likewise where it depends on debug
	lines   *lineIndex   // likewise
	types   *typeIndex   // likewise
}

// HasText tells whether the file holds a text as C stores one, with a zero byte behind it.
func (im *Image) HasText(text string) bool {
	return bytes.Contains(im.data, append([]byte(text), 0))
}

// LoadImage reads, through the sysroot, the file that the guest path name
// leads to, and parses it. The image is named name.
func LoadImage(s *Sysroot, name string) (*Image, error) {
	data, err := s.ReadFile(name, MaxFile)
	if err != nil {
		return nil, err
	}
	return Parse(name, data)
}

// Data returns the whole file. It is shared: do not write to it.
func (im *Image) Data() []byte { return im.data }

// SHA256 returns the hash of the whole file in lower-case hex.
func (im *Image) SHA256() string { return im.hash() }

func hashOf(data []byte) func() string {
	return sync.OnceValue(func() string {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:])
	})
}

// Span returns the extent of all PT_LOADs, rounded outwards to whole pages.
func (im *Image) Span() (lo, hi uint64) {
	return pageDown(im.Load[0].Vaddr), pageUp(im.Load[len(im.Load)-1].End())
}

// segmentAt returns the PT_LOAD that has vaddr in its memory.
func (im *Image) segmentAt(vaddr uint64) (Segment, bool) {
	for _, s := range im.Load {
		if vaddr >= s.Vaddr && vaddr < s.End() {
			return s, true
		}
	}
	return Segment{}, false
}

// fileAt returns the file's bytes that are mapped from vaddr on, up to the end
// of the segment's part of the file. It is empty for an address in no segment
// or in a bss.
func (im *Image) fileAt(vaddr uint64) []byte {
	for _, s := range im.Load {
		if vaddr >= s.Vaddr && vaddr-s.Vaddr < s.Filesz {
			return im.data[s.Offset+vaddr-s.Vaddr : s.Offset+s.Filesz]
		}
	}
	return nil
}

// fileRange returns exactly size bytes mapped at vaddr.
func (im *Image) fileRange(vaddr, size uint64) ([]byte, bool) {
	return part(im.fileAt(vaddr), 0, size)
}

// part returns data[off:off+size] when that lies inside data.
func part(data []byte, off, size uint64) ([]byte, bool) {
	n := uint64(len(data))
	if off > n || size > n-off {
		return nil, false
	}
	return data[off : off+size : off+size], true
}

func pageDown(v uint64) uint64 { return v &^ (PageSize - 1) }
func pageUp(v uint64) uint64   { return (v + PageSize - 1) &^ (PageSize - 1) }

// fieldError is the form of every complaint about a file: name, field, why.
func fieldError(name, field, format string, args ...any) error {
	return fmt.Errorf("%s: %s: %s", name, field, fmt.Sprintf(format, args...))
}

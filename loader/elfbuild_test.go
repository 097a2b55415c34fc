package loader

import (
	"debug/elf"
	"strings"
	"testing"
)

// buildELF makes a file with the given program headers, which start right
// after the ELF header, followed by body. Offsets in phdrs count from the
// start of the file; bodyOffset says where body begins.
func buildELF(arch Arch, kind elf.Type, phdrs []phdr, body []byte) []byte {
	out := make([]byte, bodyOffset(len(phdrs)), bodyOffset(len(phdrs))+len(body))
	putStubHeader(out, arch, 0)
	le.PutUint16(out[16:], uint16(kind))
	le.PutUint16(out[56:], uint16(len(phdrs)))
	for i, p := range phdrs {
		putPhdr(out[ehdrSize+i*phdrSize:], p)
	}
	return append(out, body...)
}

func bodyOffset(phdrs int) int { return ehdrSize + phdrs*phdrSize }

// load describes a PT_LOAD; its file offset is congruent when it equals vaddr
// within the page.
func load(vaddr, memsz, offset, filesz uint64, flags elf.ProgFlag) phdr {
	return phdr{kind: elf.PT_LOAD, Segment: Segment{Vaddr: vaddr, Memsz: memsz, Offset: offset, Filesz: filesz, Flags: flags, Align: PageSize}}
}

// mustStub returns a stub with two libraries, some code and data.
func mustStub(t testing.TB, arch Arch) ([]byte, StubLayout) {
	t.Helper()
	data, layout, err := Stub(StubSpec{
		Arch:     arch,
		Needed:   []string{"libpthread.so.0", "libc.so.6"},
		Code:     []byte("not code, but nobody runs it here"),
		DataSize: 3*PageSize + 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	return data, layout
}

func mustParse(t testing.TB, name string, data []byte) *Image {
	t.Helper()
	im, err := Parse(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// checkError checks the form that all errors about a file have: one line that
// starts with the file's name and contains want.
func checkError(t *testing.T, err error, name, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", want)
	}
	text := err.Error()
	if !strings.HasPrefix(text, name+": ") || strings.Contains(text, "\n") || !strings.Contains(text, want) {
		t.Errorf("error %q, want one line with %q that starts with %q", text, want, name+": ")
	}
}

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

// testSection is a section for withSections. link is an index into the list
// plus one, for the null section that comes first.
type testSection struct {
	name  string
	kind  elf.SectionType
	flags elf.SectionFlag
	addr  uint64
	data  []byte
	link  uint32
}

// withSections appends sections and their headers to a file.
func withSections(file []byte, list []testSection) []byte {
	names := []byte{0}
	list = append(list, testSection{name: ".shstrtab", kind: elf.SHT_STRTAB})
	headers := make([]byte, (len(list)+1)*shdrSize)
	for i, s := range list {
		h := headers[(i+1)*shdrSize:]
		le.PutUint32(h, uint32(len(names)))
		names = append(append(names, s.name...), 0)
		if i == len(list)-1 {
			s.data = names
		}
		file = alignTo(file, 8)
		le.PutUint32(h[4:], uint32(s.kind))
		le.PutUint64(h[8:], uint64(s.flags))
		le.PutUint64(h[16:], s.addr)
		le.PutUint64(h[24:], uint64(len(file)))
		le.PutUint64(h[32:], uint64(len(s.data)))
		le.PutUint32(h[40:], s.link)
		le.PutUint64(h[48:], 1) // alignment
		if s.kind == elf.SHT_SYMTAB {
			le.PutUint64(h[56:], symSize)
		}
		file = append(file, s.data...)
	}
	file = alignTo(file, 8)
	le.PutUint64(file[40:], uint64(len(file)))
	le.PutUint16(file[60:], uint16(len(list)+1))
	le.PutUint16(file[62:], uint16(len(list)))
	return append(file, headers...)
}

// testSymbol is an entry for symbolSections.
type testSymbol struct {
	name       string
	addr, size uint64
	kind       elf.SymType
	bind       elf.SymBind
	shndx      elf.SectionIndex // 1 when 0
}

// symbolSections encodes symbols as .symtab and .strtab, the first two
// sections of a file.
func symbolSections(list []testSymbol) []testSection {
	table, names := make([]byte, symSize), []byte{0}
	for _, s := range list {
		table = le.AppendUint32(table, uint32(len(names)))
		names = append(append(names, s.name...), 0)
		table = append(table, byte(s.bind)<<4|byte(s.kind), 0)
		table = le.AppendUint16(table, uint16(max(s.shndx, 1)))
		table = le.AppendUint64(table, s.addr)
		table = le.AppendUint64(table, s.size)
	}
	return []testSection{
		{name: ".symtab", kind: elf.SHT_SYMTAB, data: table, link: 2},
		{name: ".strtab", kind: elf.SHT_STRTAB, data: names},
	}
}

// textImage is a file with code at 0x1000-0x3000 and data at 0x4000-0x5000.
func textImage(arch Arch) []byte {
	return buildELF(arch, elf.ET_DYN, []phdr{
		load(0x1000, 0x2000, 0, 0x100, elf.PF_R|elf.PF_X),
		load(0x4000, 0x1000, 0, 0x10, elf.PF_R|elf.PF_W),
	}, make([]byte, 0x100))
}

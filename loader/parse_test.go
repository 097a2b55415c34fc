package loader

import (
	"debug/elf"
	"fmt"
	"math"
	"testing"
)

// Offsets in a stub, whose program headers follow the ELF header.
const (
	offInterp  = ehdrSize + 1*phdrSize
	offLoad1   = ehdrSize + 2*phdrSize
	offLoad2   = ehdrSize + 3*phdrSize
	offDynamic = ehdrSize + 4*phdrSize
	offStack   = ehdrSize + 5*phdrSize

	pOffset, pVaddr, pFilesz, pMemsz, pAlign = 8, 16, 32, 40, 48
)

func TestParseBroken(t *testing.T) {
	u8 := func(off int, v uint8) func([]byte) { return func(b []byte) { b[off] = v } }
	u16 := func(off int, v uint16) func([]byte) { return func(b []byte) { le.PutUint16(b[off:], v) } }
	u32 := func(off int, v uint32) func([]byte) { return func(b []byte) { le.PutUint32(b[off:], v) } }
	u64 := func(off int, v uint64) func([]byte) { return func(b []byte) { le.PutUint64(b[off:], v) } }
	const dynamicAt = PageSize // where the stub's dynamic section is

	for _, tc := range []struct {
		what  string
		spoil func([]byte)
		want  string
	}{
		{"not ELF", u8(0, 'M'), "e_ident: not an ELF file"},
		{"32-bit", u8(elf.EI_CLASS, 1), "EI_CLASS: 1 (ELFCLASS32) is not 64-bit"},
		{"big-endian", u8(elf.EI_DATA, 2), "EI_DATA: 2 (ELFDATA2MSB) is not little-endian"},
		{"ident version", u8(elf.EI_VERSION, 0), "EI_VERSION: 0 is not 1"},
		{"another system", u8(elf.EI_OSABI, 9), "EI_OSABI: 9 (ELFOSABI_FREEBSD)"},
		{"object file", u16(16, 1), "e_type: 1 (ET_REL)"},
		{"core file", u16(16, 4), "e_type: 4 (ET_CORE)"},
		{"another machine", u16(18, 40), "e_machine: 40 (EM_ARM) is not AArch64 or x86-64"},
		{"version", u32(20, 2), "e_version: 2 is not 1"},
		{"program header size", u16(54, 32), "e_phentsize: 32 is not 56"},
		{"no program headers", u16(56, 0), "e_phnum: 0"},
		{"too many program headers", u16(56, 0xffff), "e_phnum: 65535"},
		{"program headers outside", u64(32, 1<<20), "e_phoff:"},
		{"program headers wrap around", u64(32, math.MaxUint64-8), "e_phoff:"},
		{"fixed address without entry", func(b []byte) { u16(16, 2)(b); u64(24, 0x123456)(b) }, "e_entry: 0x123456"},
		{"no PT_LOAD", func(b []byte) { u32(offLoad1, 0)(b); u32(offLoad2, 0)(b) }, "PT_LOAD: none"},
		{"file size beyond file", u64(offLoad1+pFilesz, 1<<20), "PT_LOAD 2: p_filesz"},
		{"offset beyond file", u64(offLoad1+pOffset, 1<<40), "PT_LOAD 2: p_filesz"},
		{"offset wraps around", u64(offLoad1+pOffset, math.MaxUint64-0xfff), "PT_LOAD 2: p_filesz"},
		{"more file than memory", u64(offLoad1+pMemsz, 1), "PT_LOAD 2: p_filesz"},
		{"huge memory", u64(offLoad2+pMemsz, 1<<46), "PT_LOAD 3: p_memsz: 0x400000000000 bytes"},
		{"memory wraps around", u64(offLoad2+pMemsz, math.MaxUint64), "PT_LOAD 3: p_memsz"},
		{"address in the kernel's half", u64(offLoad2+pVaddr, 1<<63), "PT_LOAD 3: p_memsz"},
		{"alignment", u64(offLoad2+pAlign, 3), "PT_LOAD 3: p_align: 0x3"},
		{"incongruent", u64(offLoad2+pVaddr, 0x2010), "PT_LOAD 3: p_vaddr: 0x2010 and p_offset 0x1000"},
		{"overlap", func(b []byte) { u64(offLoad1+pMemsz, 2*PageSize)(b) }, "PT_LOAD 3: p_vaddr: 0x1000 overlaps"},
		{"descending", func(b []byte) { u64(offLoad1+pVaddr, 1<<20)(b) }, "PT_LOAD 3: p_vaddr: 0x1000 is below"},
		{"interpreter without NUL", func(b []byte) {
			u64(offInterp+pFilesz, le.Uint64(b[offInterp+pFilesz:])-1)(b)
		}, "PT_INTERP 1: path: does not end with NUL"},
		{"interpreter empty", func(b []byte) { u8(int(le.Uint64(b[offInterp+pOffset:])), 0)(b) }, "PT_INTERP 1: path: empty"},
		{"interpreter short", u64(offInterp+pFilesz, 1), "PT_INTERP 1: p_filesz: 1"},
		{"interpreter outside", u64(offInterp+pOffset, 1<<30), "PT_INTERP 1: p_filesz"},
		{"two interpreters", u32(offStack, uint32(elf.PT_INTERP)), "PT_INTERP 5: p_type: there is another one"},
		{"headers nowhere", u64(ehdrSize+pVaddr, 1<<30), "PT_PHDR 0: p_vaddr"},
		{"dynamic in no segment", u64(offDynamic+pVaddr, 1<<30), "PT_DYNAMIC 4: p_vaddr"},
		{"dynamic outside the file", u64(offDynamic+pFilesz, 1<<30), "PT_DYNAMIC 4: p_filesz"},
		{"dynamic not terminated", u64(offDynamic+pFilesz, 160), "PT_DYNAMIC: not terminated"},
		{"name outside", u64(dynamicAt+8, 1<<30), "DT_NEEDED: no name at 0x40000000"},
		{"names outside", u64(dynamicAt+3*dynSize+8, 1<<30), "DT_STRTAB:"},
		{"names in the bss", u64(dynamicAt+3*dynSize+8, 2*PageSize), "DT_STRTAB:"},
		{"symbol size", u64(dynamicAt+6*dynSize+8, 16), "DT_SYMENT: 16 is not 24"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			for _, arch := range []Arch{ARM64, AMD64} {
				data, _ := mustStub(t, arch)
				tc.spoil(data)
				_, err := Parse("x.so", data)
				checkError(t, err, "x.so", tc.want)
			}
		})
	}
}

// A file cut at any length is refused: every byte of a stub is used.
func TestParseTruncated(t *testing.T) {
	whole, _ := mustStub(t, ARM64)
	for n := range whole {
		im, err := Parse("cut.so", whole[:n:n])
		if err == nil {
			t.Fatalf("%d of %d bytes: parsed as %+v", n, len(whole), im)
		}
		want := ""
		switch {
		case n < 4:
			want = "not an ELF file"
		case n < ehdrSize:
			want = "truncated"
		case n < ehdrSize+6*phdrSize:
			want = "e_phoff"
		}
		checkError(t, err, "cut.so", want)
	}
}

func TestParseSegments(t *testing.T) {
	const rx, rw = elf.PF_R | elf.PF_X, elf.PF_R | elf.PF_W
	body := make([]byte, 3*PageSize)
	tls := phdr{kind: elf.PT_TLS, Segment: Segment{Vaddr: 0x2100, Memsz: 0x900000, Offset: 0x1100, Filesz: 0x10, Align: 64}}
	relro := phdr{kind: elf.PT_GNU_RELRO, Segment: Segment{Vaddr: 0x2100, Memsz: 0xf00, Offset: 0x1100, Filesz: 0xf00, Align: 1}}
	stack := phdr{kind: elf.PT_GNU_STACK, Segment: Segment{Flags: rw | elf.PF_X}}
	first, second := load(0, 0x1000, 0, 0x1000, rx), load(0x2100, 0xf00, 0x1100, 0xf00, rw)

	im := mustParse(t, "ok", buildELF(AMD64, elf.ET_DYN, []phdr{first, second, tls, relro, stack}, body))
	if im.TLS == nil || *im.TLS != tls.Segment || im.Relro == nil || *im.Relro != relro.Segment || !im.ExecStack {
		t.Errorf("TLS %+v, relro %+v, executable stack %v", im.TLS, im.Relro, im.ExecStack)
	}
	if lo, hi := im.Span(); lo != 0 || hi != 0x3000 {
		t.Errorf("span %#x-%#x, want 0-0x3000", lo, hi)
	}
	if im.PhdrVaddr != ehdrSize {
		t.Errorf("program headers at %#x, want %#x", im.PhdrVaddr, ehdrSize)
	}

	outside := tls
	outside.Vaddr = 0x5100
	empty := load(0x700000, 0, 0, 0, rw)
	for _, tc := range []struct {
		what  string
		phdrs []phdr
		want  string // "" when it is fine
	}{
		{"shared page", []phdr{load(0, 0x1100, 0, 0x1100, rx), load(0x1200, 0x10, 0x1200, 0x10, rw)}, "PT_LOAD 1: p_vaddr: 0x1200 shares a page"},
		{"next page", []phdr{load(0, 0x1000, 0, 0x1000, rx), load(0x1000, 0x10, 0x1000, 0x10, rw)}, ""},
		{"empty segment", []phdr{first, empty}, ""},
		{"only empty", []phdr{empty}, "PT_LOAD: none"},
		{"too large together", []phdr{first, load(maxSpan, 0x1000, 0, 0, rw)}, "PT_LOAD 1: p_memsz"},
		{"TLS elsewhere", []phdr{first, second, outside}, "PT_TLS 2: p_vaddr"},
		{"two TLS", []phdr{first, second, tls, tls}, "PT_TLS 3: p_type"},
		{"program headers in no segment", []phdr{load(0x1000, 0x1000, 0x1000, 0x1000, rx)}, ""},
	} {
		im, err := Parse("x", buildELF(AMD64, elf.ET_DYN, tc.phdrs, body))
		if tc.want != "" {
			checkError(t, err, "x", tc.want)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.what, err)
		} else if covered := tc.phdrs[0].Offset == 0; covered != (im.PhdrVaddr != 0) {
			t.Errorf("%s: program headers at %#x", tc.what, im.PhdrVaddr)
		}
	}
}

func TestBuildID(t *testing.T) {
	note := func(name string, kind uint32, desc string, align int) []byte {
		b := le.AppendUint32(nil, uint32(len(name)))
		b = le.AppendUint32(b, uint32(len(desc)))
		b = le.AppendUint32(b, kind)
		b = alignTo(append(b, name...), align)
		return alignTo(append(b, desc...), align)
	}
	id := note("GNU\x00", noteBuildID, "\x01\xab\xcd\xef\x02", 4)
	for _, tc := range []struct {
		what  string
		notes []byte
		align uint64
		want  string
	}{
		{"alone", id, 4, "01abcdef02"},
		{"after another", append(note("GNU\x00", 1, "abcd", 4), id...), 4, "01abcdef02"},
		{"after an odd name", append(note("Xen", 1, "abc", 4), id...), 0, "01abcdef02"},
		{"aligned to 8", append(note("GNU\x00", 5, "abcd", 8), note("GNU\x00", noteBuildID, "\x12\x34", 8)...), 8, "1234"},
		{"another's", note("Go\x00\x00", noteBuildID, "abcd", 4), 4, ""},
		{"too long", note("GNU\x00", noteBuildID, string(make([]byte, maxBuildID+1)), 4), 4, ""},
		{"cut", id[:len(id)-4], 4, ""},
		{"name size beyond", append(le.AppendUint32(nil, math.MaxUint32), id[4:]...), 4, ""},
		{"empty", nil, 4, ""},
	} {
		if got := buildID(tc.notes, tc.align); got != tc.want {
			t.Errorf("%s: build-id %q, want %q", tc.what, got, tc.want)
		}
	}
}

// Many entries that name one long string must not make copies of it.
func TestNeededBounded(t *testing.T) {
	const entries = 5000
	var dyn []byte
	add := func(tag elf.DynTag, v uint64) { dyn = le.AppendUint64(le.AppendUint64(dyn, uint64(tag)), v) }
	for range entries {
		add(elf.DT_NEEDED, 0)
	}
	size := uint64((entries+3)*dynSize) + 64
	at := uint64(bodyOffset(2))
	add(elf.DT_STRTAB, at+size-64)
	add(elf.DT_STRSZ, 64)
	add(elf.DT_NULL, 0)
	dyn = append(dyn, fmt.Sprintf("%063d\x00", 0)...)
	first := load(0, at+size, 0, at+size, elf.PF_R)
	dynamic := phdr{kind: elf.PT_DYNAMIC, Segment: Segment{Vaddr: at, Memsz: size, Offset: at, Filesz: size, Align: 8}}
	_, err := Parse("many", buildELF(ARM64, elf.ET_DYN, []phdr{first, dynamic}, dyn))
	checkError(t, err, "many", "DT_NEEDED: 5000 of them")
}

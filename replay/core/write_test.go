package core

import (
	"bytes"
	"debug/elf"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/emu"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// checkMemory: every byte that the process has mapped is in the core at its
// address, with its mapping's permissions, and nothing else is. Where a segment has
// no bytes in the core there are zeros, and its mapping shows no file that would be
// read instead.
func checkMemory(t rapid.TB, f parsed, mappings []emu.Mapping, page func(uint64) []byte) {
	t.Helper()
	var zero [loader.PageSize]byte
	segs := f.Progs[1:]
	off := uint64(0)
	for _, g := range mappings {
		for a := g.Start; a < g.End; a += loader.PageSize {
			for len(segs) > 0 && a >= segs[0].Vaddr+segs[0].Memsz {
				segs = segs[1:]
			}
			if len(segs) == 0 || a < segs[0].Vaddr {
				t.Fatalf("no segment for %#x", a)
			}
			s := segs[0]
			want := page(a)
			if want == nil {
				want = zero[:]
			}
			if a == s.Vaddr {
				if s.Type != elf.PT_LOAD || s.Flags != flagsAre(g.Prot) || s.Off%4096 != 0 || s.Filesz%4096 != 0 || s.Memsz%4096 != 0 || s.Align != 4096 || s.Off < off || s.Paddr != 0 {
					t.Fatalf("segment %+v of %+v behind %#x", s.ProgHeader, g, off)
				}
				off = s.Off + s.Filesz
			}
			if at := a - s.Vaddr; at < s.Filesz {
				if got := f.data[s.Off+at:][:loader.PageSize]; !bytes.Equal(got, want) {
					t.Fatalf("the page at %#x is another one", a)
				}
			} else if !bytes.Equal(want, zero[:]) || g.OfFile() {
				t.Fatalf("the page at %#x (%q) is not in the core", a, g.Path)
			}
		}
	}
	total := uint64(0)
	for _, s := range f.Progs[1:] {
		total += s.Memsz
	}
	for _, g := range mappings {
		total -= g.End - g.Start
	}
	if total != 0 {
		t.Errorf("the segments hold %#x bytes more than is mapped", total)
	}
	if last := f.Progs[len(f.Progs)-1]; uint64(len(f.data)) != last.Off+last.Filesz {
		t.Errorf("%d bytes, the last segment ends at %d", len(f.data), last.Off+last.Filesz)
	}
}

func flagsAre(p loader.Prot) (f elf.ProgFlag) {
	if p&loader.ProtRead != 0 {
		f |= elf.PF_R
	}
	if p&loader.ProtWrite != 0 {
		f |= elf.PF_W
	}
	if p&loader.ProtExec != 0 {
		f |= elf.PF_X
	}
	return f
}

// TestMemory: the whole memory of real processes.
func TestMemory(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s, _ := crash(t, arch)
		f := written(t, of(t, s, 0))
		// Here the pages come from the machine in another way than to the core.
		checkMemory(t, f, s.Process().Mappings(), func(addr uint64) []byte {
			b, ok := s.Process().Read(addr, loader.PageSize)
			if !ok {
				t.Fatalf("%#x is not mapped", addr)
			}
			return b
		})
		if len(f.data) > 4<<20 {
			t.Errorf("the core takes %d bytes", len(f.data))
		}
		// What the process could not write is as in the file that NT_FILE names.
		compared := 0
		for _, g := range s.Process().Mappings() {
			if g.Prot != loader.ProtRead|loader.ProtExec || g.Path == s.Process().Program().Path {
				continue
			}
			file, err := s.Process().System().File(g.Path)
			must(t, err)
			i := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_LOAD && p.Vaddr == g.Start })
			got := f.data[f.Progs[i].Off:][:g.End-g.Start]
			n := copy(bytes.Clone(got), file[g.Offset:])
			if !bytes.Equal(got[:n], file[g.Offset:][:n]) {
				t.Errorf("the code at %#x is not that of %s", g.Start, g.Path)
			}
			compared++
		}
		if compared != 2 {
			t.Errorf("code of %d libraries, want libc and ld.so", compared)
		}
	})
}

// synthetic is a process of the given mappings with a thread that has no registers.
func synthetic(mappings []emu.Mapping, pages map[uint64][]byte) *Process {
	return &Process{Arch: loader.ARM64, Threads: []Thread{{ID: 1}}, Path: "/p", Mappings: mappings, Auxv: make([]byte, 16),
		Page: func(a uint64) []byte { return pages[a] }}
}

// TestAnyMemory: the same for any mappings with any pages in them.
func TestAnyMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var mappings []emu.Mapping
		pages := map[uint64][]byte{}
		addr := uint64(0x10000)
		for range rapid.IntRange(1, 6).Draw(t, "mappings") {
			addr += loader.PageSize * rapid.Uint64Range(0, 2).Draw(t, "gap")
			g := emu.Mapping{
				Start: addr, Prot: loader.Prot(rapid.IntRange(0, 7).Draw(t, "prot")),
				Path:   rapid.SampledFrom([]string{"", "[heap]", "/lib/x", "/lib/y"}).Draw(t, "path"),
				Offset: loader.PageSize * rapid.Uint64Range(0, 3).Draw(t, "offset"),
			}
			for _, filled := range rapid.SliceOfN(rapid.Bool(), 1, 8).Draw(t, "pages") {
				if filled {
					pages[addr] = bytes.Repeat([]byte{byte(addr >> 12)}, loader.PageSize)
				}
				addr += loader.PageSize
			}
			g.End = addr
			mappings = append(mappings, g)
		}
		f := written(t, synthetic(mappings, pages))
		checkMemory(t, f, mappings, func(a uint64) []byte { return pages[a] })
		// No zeros are stored at either end of what shows no file.
		for _, g := range mappings {
			for _, s := range f.Progs[1:] {
				if g.OfFile() || s.Vaddr < g.Start || s.Vaddr >= g.End || s.Filesz == 0 {
					continue
				}
				if pages[s.Vaddr] == nil || pages[s.Vaddr+s.Filesz-loader.PageSize] == nil {
					t.Fatalf("zeros at an end of %+v", s.ProgHeader)
				}
			}
		}
	})
}

// TestManyMappings: with more program headers than e_phnum can tell, their number is
// in the first section header (System V ABI, "ELF Header", PN_XNUM).
func TestManyMappings(t *testing.T) {
	for _, n := range []int{manySegments - 2, manySegments - 1, manySegments, manySegments + 1000} {
		var mappings []emu.Mapping
		for i := range n {
			at := uint64(i+16) * 2 * loader.PageSize
			mappings = append(mappings, emu.Mapping{Start: at, End: at + loader.PageSize, Prot: loader.ProtRead})
		}
		last := mappings[n-1].Start
		var b bytes.Buffer
		must(t, synthetic(mappings, map[uint64][]byte{last: bytes.Repeat([]byte{7}, loader.PageSize)}).Write(&b))
		data := b.Bytes()
		count, shoff, shnum := uint64(le.Uint16(data[56:])), le.Uint64(data[40:]), le.Uint16(data[60:])
		if n+1 < 0xffff {
			if count != uint64(n+1) || shoff != 0 || shnum != 0 {
				t.Errorf("%d mappings: e_phnum %d, e_shoff %d, e_shnum %d", n, count, shoff, shnum)
			}
		} else {
			if count != 0xffff || shnum != 1 || le.Uint16(data[58:]) != 64 {
				t.Fatalf("%d mappings: e_phnum %d, e_shnum %d", n, count, shnum)
			}
			count = uint64(le.Uint32(data[shoff+44:]))
			if count != uint64(n+1) || shoff != 64+56*count {
				t.Errorf("%d mappings: sh_info %d, e_shoff %d", n, count, shoff)
			}
		}
		phdr := data[64+56*(count-1):]
		off := le.Uint64(phdr[8:])
		if le.Uint64(phdr[16:]) != last || off+loader.PageSize != uint64(len(data)) || data[off] != 7 {
			t.Errorf("%d mappings: the last one is at %#x, offset %#x of %#x", n, le.Uint64(phdr[16:]), off, len(data))
		}
	}
}

// failing is a writer that takes n bytes.
type failing struct{ n int }

var errFull = errors.New("full")

func (f *failing) Write(b []byte) (int, error) {
	n := min(f.n, len(b))
	if f.n -= n; n < len(b) {
		return n, errFull
	}
	return n, nil
}

// TestWriteFails: an error of the writer comes through from wherever it was.
func TestWriteFails(t *testing.T) {
	at := uint64(0x10000)
	pages := map[uint64][]byte{}
	for i := range uint64(64) {
		if i%8 != 3 {
			pages[at+i*loader.PageSize] = bytes.Repeat([]byte{1}, loader.PageSize)
		}
	}
	p := synthetic([]emu.Mapping{{Start: at, End: at + 64*loader.PageSize}}, pages)
	var whole bytes.Buffer
	must(t, p.Write(&whole))
	for n := 0; n < whole.Len(); n += 1021 {
		if err := p.Write(&failing{n}); !errors.Is(err, errFull) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	must(t, p.Write(&failing{whole.Len()}))
}

// TestWriteStreams: the core is handed on piece by piece and never held as a whole.
func TestWriteStreams(t *testing.T) {
	s, _ := crash(t, loader.ARM64)
	var largest, total int
	must(t, of(t, s, 0).Write(writer(func(b []byte) {
		largest, total = max(largest, len(b)), total+len(b)
	})))
	if largest > bufferSize || total < 1<<20 {
		t.Errorf("%d bytes, at most %d at a time", total, largest)
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) {
	w(slices.Clone(b))
	return len(b), nil
}

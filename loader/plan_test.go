package loader

import (
	"bytes"
	"debug/elf"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// memoryOf carries a plan out, as a loader would, and returns the content of
// every mapped page.
func memoryOf(im *Image, plan []Mapping) map[uint64][]byte {
	pages := make(map[uint64][]byte)
	for _, m := range plan {
		content := make([]byte, m.Size)
		copy(content, im.data[m.FileOffset:m.FileOffset+m.FileSize])
		for off := uint64(0); off < m.Size; off += PageSize {
			pages[m.Addr+off] = content[off : off+PageSize]
		}
	}
	return pages
}

// checkPlan checks what must hold for every plan of every image.
func checkPlan(t interface{ Fatalf(string, ...any) }, im *Image, base uint64, plan []Mapping) {
	end := uint64(0)
	for i, m := range plan {
		if m.Addr%PageSize != 0 || m.Size%PageSize != 0 || m.Size == 0 || m.FileOffset%PageSize != 0 {
			t.Fatalf("mapping %d is not made of pages: %+v", i, m)
		}
		if m.Addr < end {
			t.Fatalf("mapping %d at %#x overlaps the one before, which ends at %#x", i, m.Addr, end)
		}
		end = m.Addr + m.Size
		if m.FileSize > m.Size || m.FileOffset+m.FileSize > uint64(len(im.data)) {
			t.Fatalf("mapping %d takes bytes that the file does not have: %+v", i, m)
		}
	}
	if lo, hi := im.Span(); plan[0].Addr != base+lo || end != base+hi {
		t.Fatalf("plan from %#x to %#x, span %#x-%#x at base %#x", plan[0].Addr, end, lo, hi, base)
	}
}

func TestPlan(t *testing.T) {
	const r, rx, rw = elf.PF_R, elf.PF_R | elf.PF_X, elf.PF_R | elf.PF_W
	body := bytes.Repeat([]byte("file"), 0x1000)
	im := mustParse(t, "x", buildELF(ARM64, elf.ET_DYN, []phdr{
		load(0, 0x1800, 0, 0x1800, rx),           // two pages, the second used in part
		load(0x4010, 0x20, 0x3010, 0x20, r),      // one page, neither start nor end on an edge
		load(0x6100, 0x3000, 0x2100, 0x100, rw),  // bss in the last file page and after
		load(0xa000, 0x1001, 0, 0, rw),           // bss only
		load(0x10f00, 0x100, 0x3f00, 0x100, r|1), // ends with its page
		load(0x12000, 0x900, 0x1000, 0x800, rw),  // bss that needs no page of its own
	}, body))
	got, err := im.Plan(0x100000)
	if err != nil {
		t.Fatal(err)
	}
	want := []Mapping{
		{Addr: 0x100000, Size: 0x2000, FileOffset: 0, FileSize: 0x2000, Prot: ProtRead | ProtExec},
		{Addr: 0x104000, Size: 0x1000, FileOffset: 0x3000, FileSize: 0x1000, Prot: ProtRead},
		{Addr: 0x106000, Size: 0x1000, FileOffset: 0x2000, FileSize: 0x200, Prot: ProtRead | ProtWrite},
		{Addr: 0x107000, Size: 0x3000, Prot: ProtRead | ProtWrite},
		{Addr: 0x10a000, Size: 0x2000, Prot: ProtRead | ProtWrite},
		{Addr: 0x110000, Size: 0x1000, FileOffset: 0x3000, FileSize: 0x1000, Prot: ProtRead | ProtExec},
		{Addr: 0x112000, Size: 0x1000, FileOffset: 0x1000, FileSize: 0x800, Prot: ProtRead | ProtWrite},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestPlanBase(t *testing.T) {
	body := make([]byte, PageSize)
	phdrs := []phdr{load(0x1000, 0x100, 0, 0x100, elf.PF_R|elf.PF_X)}
	dyn := mustParse(t, "dyn", buildELF(AMD64, elf.ET_DYN, phdrs, body))
	fixed := buildELF(AMD64, elf.ET_EXEC, phdrs, body)
	le.PutUint64(fixed[24:], 0x1010)
	exec := mustParse(t, "exec", fixed)
	for _, tc := range []struct {
		im   *Image
		base uint64
		want string
	}{
		{dyn, 0, ""},
		{dyn, addressLimit - 0x2000, ""},
		{dyn, addressLimit - 0x1000, "base: 0x7ffffffff000 puts the image beyond"},
		{dyn, 1<<64 - PageSize, "base:"},
		{dyn, 0x800, "base: 0x800 is not a multiple"},
		{exec, 0, ""},
		{exec, PageSize, "base: 0x1000 for an executable"},
	} {
		plan, err := tc.im.Plan(tc.base)
		if tc.want != "" {
			checkError(t, err, tc.im.Name, tc.want)
		} else if err != nil {
			t.Errorf("%s at %#x: %v", tc.im.Name, tc.base, err)
		} else {
			checkPlan(t, tc.im, tc.base, plan)
		}
	}
}

// Whatever the segments, the mapped memory has the file's bytes where the
// segments say so and zeroes in every bss.
func TestPlanMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(t, "segments")
		body := rapid.SliceOfN(rapid.ByteRange(1, 255), 5*PageSize, 5*PageSize).Draw(t, "body")
		size := uint64(bodyOffset(n) + len(body))
		var phdrs []phdr
		at := uint64(0)
		for range n {
			offset := rapid.Uint64Range(0, size).Draw(t, "offset")
			filesz := rapid.Uint64Range(0, size-offset).Draw(t, "filesz")
			bss := rapid.Uint64Range(0, 2*PageSize+1).Draw(t, "bss")
			gap := rapid.Uint64Range(0, 2).Draw(t, "gap") * PageSize
			vaddr := at + gap + offset%PageSize
			phdrs = append(phdrs, load(vaddr, filesz+bss, offset, filesz, elf.PF_R))
			if filesz+bss > 0 {
				at = pageUp(vaddr + filesz + bss)
			}
		}
		im, err := Parse("random", buildELF(ARM64, elf.ET_DYN, phdrs, body))
		if at == 0 {
			if err == nil {
				t.Fatalf("an image without memory was accepted")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		base := rapid.Uint64Range(0, 100).Draw(t, "base") * PageSize
		plan, err := im.Plan(base)
		if err != nil {
			t.Fatal(err)
		}
		checkPlan(t, im, base, plan)
		pages := memoryOf(im, plan)
		for _, s := range im.Load {
			for i := uint64(0); i < s.Memsz; i++ {
				addr := base + s.Vaddr + i
				page := pages[pageDown(addr)]
				if page == nil {
					t.Fatalf("nothing is mapped at %#x", addr)
				}
				want := byte(0)
				if i < s.Filesz {
					want = im.data[s.Offset+i]
				}
				if got := page[addr%PageSize]; got != want {
					t.Fatalf("byte %#x is %#x, want %#x", addr, got, want)
				}
			}
		}
	})
}

func TestProtString(t *testing.T) {
	for p, want := range map[Prot]string{0: "---", ProtRead: "r--", ProtRead | ProtExec: "r-x", ProtRead | ProtWrite: "rw-", 7: "rwx"} {
		if got := p.String(); got != want {
			t.Errorf("Prot(%d) = %q, want %q", p, got, want)
		}
	}
}

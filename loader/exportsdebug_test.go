package loader

import (
	"debug/elf"
	"testing"
)

// Where there is no .dynsym, the global symbols of a debug file count as exported, also when
// it is attached after the first question.
func TestExportsOfDebugFile(t *testing.T) {
	im := strippedImage(t)
	if s, ok := im.Symbol("late"); ok {
		t.Fatalf("%+v before there is a debug file", s)
	}
	list := symbolSections([]testSymbol{
		{"late", im.Load[0].Vaddr, 4, elf.STT_FUNC, elf.STB_GLOBAL, 0},
		{"late", im.Load[0].Vaddr, 8, elf.STT_FUNC, elf.STB_GLOBAL, 0}, // said twice
		{"local", im.Load[0].Vaddr, 4, elf.STT_FUNC, elf.STB_LOCAL, 0},
	})
	list = append(list, testSection{name: ".note.gnu.build-id", kind: elf.SHT_NOTE, flags: elf.SHF_ALLOC, data: idNote(testID)})
	debug := withSections(buildELF(ARM64, elf.ET_DYN, []phdr{load(0x1000, 0x2000, 1<<40, 0x2000, elf.PF_R|elf.PF_X)}, nil), list)
	if err := im.attachDebug("lib.debug", debug); err != nil {
		t.Fatal(err)
	}
	if s, ok := im.Symbol("late"); !ok || s.Addr != im.Load[0].Vaddr || s.Size != 4 || !s.Default || s.Dynamic {
		t.Errorf("%+v, %t", s, ok)
	}
	if s, ok := im.Symbol("local"); ok {
		t.Errorf("%+v is exported", s)
	}
	if list := im.Named("late"); len(list) != 1 {
		t.Errorf("listed as %+v", list)
	}
}

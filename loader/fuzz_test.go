package loader

import (
	"debug/elf"
	"math"
	"strings"
	"testing"
)

// Whatever the bytes, Parse answers or complains in one line; and what it
// accepts keeps the promises that the rest of the program relies on.
func FuzzParse(f *testing.F) {
	for _, arch := range []Arch{ARM64, AMD64} {
		data, _ := mustStub(f, arch)
		f.Add(data)
		symbols := symbolSections([]testSymbol{
			{"f", 0x1000, 8, elf.STT_FUNC, elf.STB_GLOBAL, 0}, {"g@@V1", 0x1010, 0, elf.STT_FUNC, 0, 0}, {"d", 0x4000, 8, elf.STT_OBJECT, 0, 0},
		})
		f.Add(withSections(textImage(arch), symbols))
		f.Add(withSections(data, symbols))
	}
	f.Add(dynamicImage())
	f.Add(separateDebug(testID, testSection{name: ".debug_line", kind: elf.SHT_PROGBITS, flags: elf.SHF_COMPRESSED, data: compressed(elf.COMPRESS_ZLIB, 7, zlibStream(f, []byte("nothing")))}))

	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := Parse("fuzz", data)
		if err != nil {
			if text := err.Error(); !strings.HasPrefix(text, "fuzz: ") || strings.ContainsAny(text, "\n") {
				t.Errorf("error %q", text)
			}
			// The same bytes as a debug file must be refused or taken too.
			if err := strippedImage(t).attachDebug("fuzz", data); err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		checkSegments(t, im)
		for _, base := range []uint64{0, 0x5555000000} {
			plan, err := im.Plan(base)
			_, hi := im.Span()
			possible := base == 0 || im.Type == elf.ET_DYN && base <= addressLimit-hi
			if possible != (err == nil) {
				t.Errorf("plan at %#x for an image up to %#x: %v", base, hi, err)
			} else if err == nil {
				checkPlan(t, im, base, plan)
			}
		}
		checkSymbols(t, im)
		if frames, addr, ok := im.EHFrame(); ok {
			if _, mapped := im.segmentAt(addr); !mapped || len(frames) > len(data) {
				t.Errorf("%d bytes of frames at %#x", len(frames), addr)
			}
		}
		im.LineAt(im.Load[0].Vaddr)
	})
}

func checkSegments(t *testing.T, im *Image) {
	t.Helper()
	size, end := uint64(len(im.Data())), uint64(0)
	for _, s := range im.Load {
		if s.Offset > size || s.Filesz > size-s.Offset || s.Filesz > s.Memsz || s.Memsz == 0 {
			t.Errorf("segment %+v in a file of %#x bytes", s, size)
		}
		if s.Vaddr < end || s.End() < s.Vaddr || s.End() > addressLimit {
			t.Errorf("segment %+v after %#x", s, end)
		}
		end = s.End()
	}
	for _, s := range []*Segment{im.TLS, im.Relro, im.ehHdr} {
		if s != nil && (s.Offset > size || s.Filesz > size-s.Offset) {
			t.Errorf("segment %+v in a file of %#x bytes", s, size)
		}
	}
	if len(im.Interp) >= maxPath || strings.Contains(im.Interp, "\x00") {
		t.Errorf("interpreter %q", im.Interp)
	}
}

func checkSymbols(t *testing.T, im *Image) {
	t.Helper()
	list := im.Symbols()
	for i, s := range list {
		segment, ok := im.segmentAt(s.Addr)
		if !ok || s.Name == "" || i > 0 && compareSymbols(list[i-1], s) > 0 {
			t.Errorf("symbol %d: %+v", i, s)
		}
		for _, addr := range []uint64{s.Addr, s.Addr + s.Size - 1, s.Addr + s.Size} {
			got, off, ok := im.SymbolAt(addr)
			if ok && (got.Addr+off != addr || got.Addr > addr || got.Size > 0 && off >= got.Size) {
				t.Errorf("SymbolAt(%#x) = %+v+%#x", addr, got, off)
			}
			if !ok && s.Size > 0 && addr == s.Addr {
				t.Errorf("SymbolAt(%#x) does not find %+v in %+v", addr, s, segment)
			}
		}
	}
	for _, addr := range []uint64{0, addressLimit, math.MaxUint64} {
		if s, off, ok := im.SymbolAt(addr); ok && s.Addr+off != addr {
			t.Errorf("SymbolAt(%#x) = %+v+%#x", addr, s, off)
		}
	}
}

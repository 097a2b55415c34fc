package loader

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"testing"
)

var testID = []byte{0xab, 0xcd, 0xef, 0x01, 0x23}

func idNote(id []byte) []byte {
	b := le.AppendUint32(nil, 4)
	b = le.AppendUint32(b, uint32(len(id)))
	b = append(le.AppendUint32(b, noteBuildID), "GNU\x00"...)
	return alignTo(append(b, id...), 4)
}

// strippedImage has a build-id and no symbols.
func strippedImage(t testing.TB) *Image {
	t.Helper()
	note := idNote(testID)
	const at = 0x800
	phdrs := []phdr{
		load(0x1000, 0x2000, 0, 0x2000, elf.PF_R|elf.PF_X),
		{kind: elf.PT_NOTE, Segment: Segment{Offset: at, Vaddr: 0x1000 + at, Filesz: uint64(len(note)), Memsz: uint64(len(note)), Align: 4}},
	}
	data := buildELF(ARM64, elf.ET_DYN, phdrs, make([]byte, 0x2000))
	copy(data[at:], note)
	im := mustParse(t, "lib.so", data)
	if im.BuildID != hex.EncodeToString(testID) {
		t.Fatalf("build-id %q", im.BuildID)
	}
	return im
}

// separateDebug is a debug file with a local function and, as its program
// headers, ones that make no sense, as objcopy leaves them.
func separateDebug(id []byte, more ...testSection) []byte {
	list := symbolSections([]testSymbol{{"local_function", 0x1100, 0x40, elf.STT_FUNC, elf.STB_LOCAL, 0}})
	list = append(list, testSection{name: ".note.gnu.build-id", kind: elf.SHT_NOTE, flags: elf.SHF_ALLOC, data: idNote(id)})
	phdrs := []phdr{load(0x1000, 0x2000, 1<<40, 0x2000, elf.PF_R|elf.PF_X)}
	return withSections(buildELF(ARM64, elf.ET_DYN, phdrs, nil), append(list, more...))
}

func TestLoadDebug(t *testing.T) {
	const path = "/usr/lib/debug/.build-id/ab/cdef0123.debug"
	im := strippedImage(t)
	if got := im.DebugPath(); got != path {
		t.Fatalf("debug path %q, want %q", got, path)
	}
	if found, err := im.LoadDebug(tree(t, nil)); found || err != nil || im.HasDebug() {
		t.Errorf("without a debug file: %v, %v", found, err)
	}
	if sym, off, ok := im.SymbolAt(0x1104); ok {
		t.Errorf("without a debug file: %v+%d", sym, off)
	}
	if found, err := im.LoadDebug(tree(t, map[string]string{path: "->" + path})); found || err == nil {
		t.Errorf("a link to itself: %v, %v", found, err)
	}
	found, err := im.LoadDebug(tree(t, map[string]string{path: "->/elsewhere", "elsewhere": string(separateDebug([]byte("other")))}))
	if found || im.HasDebug() {
		t.Error("another file's debug file was attached")
	}
	checkError(t, err, path, "build-id: 6f74686572 is not abcdef0123 of lib.so")
	if found, err := im.LoadDebug(tree(t, map[string]string{path: string(separateDebug(testID))})); !found || err != nil || !im.HasDebug() {
		t.Fatalf("with a debug file: %v, %v", found, err)
	}
	if sym, off, ok := im.SymbolAt(0x1104); !ok || sym.Name != "local_function" || off != 4 {
		t.Errorf("SymbolAt = %v+%d, %v", sym, off, ok)
	}
	if sym, ok := im.Symbol("local_function"); ok {
		t.Errorf("a local function is exported: %v", sym)
	}
	noID := mustParse(t, "x", textImage(ARM64))
	if found, err := noID.LoadDebug(tree(t, nil)); found || err != nil || noID.DebugPath() != "" {
		t.Errorf("without a build-id: %v, %v", found, err)
	}
}

func TestAttachDebugErrors(t *testing.T) {
	good := separateDebug(testID)
	patch := func(off int, b ...byte) []byte {
		data := slices.Clone(good)
		copy(data[off:], b)
		return data
	}
	for _, tc := range []struct {
		what string
		data []byte
		want string
	}{
		{"empty", nil, "not an ELF file"},
		{"cut", good[:40], "truncated"},
		{"32-bit", patch(elf.EI_CLASS, 1), "EI_CLASS"},
		{"another machine", patch(18, 62), "e_machine: 62 (EM_X86_64) is not EM_AARCH64 of lib.so"},
		{"no sections", patch(40, 0, 0, 0, 0, 0, 0, 0, 0), "e_shoff"},
		{"sections cut off", good[:len(good)-1], "e_shoff"},
		{"no build-id", withSections(textImage(ARM64), nil), "build-id: none"},
	} {
		im := strippedImage(t)
		checkError(t, im.attachDebug("lib.debug", tc.data), "lib.debug", tc.want)
		if im.HasDebug() {
			t.Errorf("%s: attached all the same", tc.what)
		}
	}
}

// zstdFrame wraps data, up to 255 bytes, as a zstd frame with one raw block
// (RFC 8878, sections 3.1.1.1 and 3.1.1.2).
func zstdFrame(data []byte) []byte {
	out := le.AppendUint32(nil, 0xfd2fb528)
	out = append(out, 0x20, byte(len(data))) // single segment, one byte of size
	header := uint32(len(data))<<3 | 1       // raw, last
	out = append(out, byte(header), byte(header>>8), byte(header>>16))
	return append(out, data...)
}

func zlibStream(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compressed puts the header of SHF_COMPRESSED sections before data.
func compressed(kind elf.CompressionType, size uint64, data []byte) []byte {
	out := le.AppendUint64(nil, uint64(kind))
	out = le.AppendUint64(out, size)
	return append(le.AppendUint64(out, 1), data...)
}

func TestCompressedSections(t *testing.T) {
	text := []byte(strings.Repeat("call frames ", 20))
	n := uint64(len(text))
	zlibbed, zstded := zlibStream(t, text), zstdFrame(text)
	bomb := zlibStream(t, make([]byte, 1<<20))
	for _, tc := range []struct {
		what string
		data []byte
		want string // error, "" when it is fine
	}{
		{"zlib", compressed(elf.COMPRESS_ZLIB, n, zlibbed), ""},
		{"zstd", compressed(elf.COMPRESS_ZSTD, n, zstded), ""},
		{"unknown", compressed(77, n, text), ".debug_frame:"},
		{"cut header", zlibbed[:8], ".debug_frame:"},
		{"cut zlib", compressed(elf.COMPRESS_ZLIB, n, zlibbed[:len(zlibbed)-6]), ".debug_frame:"},
		{"cut zstd", compressed(elf.COMPRESS_ZSTD, n, zstded[:50]), ".debug_frame:"},
		{"not zlib", compressed(elf.COMPRESS_ZLIB, n, text), ".debug_frame:"},
		{"claims less", compressed(elf.COMPRESS_ZLIB, n-1, zlibbed), ".debug_frame:"},
		{"claims more", compressed(elf.COMPRESS_ZLIB, n+1, zlibbed), ".debug_frame:"},
		{"claims much more", compressed(elf.COMPRESS_ZLIB, 1<<50, zlibbed), "inflates to 1125899906842624 bytes, more than"},
		{"holds more than it claims", compressed(elf.COMPRESS_ZLIB, 10, bomb), ".debug_frame:"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			im := strippedImage(t)
			debug := separateDebug(testID, testSection{name: ".debug_frame", kind: elf.SHT_PROGBITS, flags: elf.SHF_COMPRESSED, data: tc.data})
			if err := im.attachDebug("lib.debug", debug); err != nil {
				t.Fatal(err)
			}
			got, err := im.debugFrame()
			if tc.want != "" {
				checkError(t, err, "lib.debug", tc.want)
			} else if err != nil || !bytes.Equal(got, text) {
				t.Errorf("DebugFrame() = %q, %v", got, err)
			}
		})
	}
}

// Several machines share one image: asking from many goroutines while a debug
// file is attached must be safe, and end with the richer names.
func TestImageConcurrent(t *testing.T) {
	im := strippedImage(t)
	debug := separateDebug(testID)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if i == 4 {
				if err := im.attachDebug("lib.debug", debug); err != nil {
					t.Error(err)
				}
			}
			for range 50 {
				if sym, _, ok := im.SymbolAt(0x1110); ok && sym.Name != "local_function" {
					t.Errorf("SymbolAt = %v", sym)
				}
				im.LineAt(0x1110)
				im.SHA256()
				im.EHFrame()
			}
		})
	}
	wg.Wait()
	if _, _, ok := im.SymbolAt(0x1110); !ok {
		t.Error("the debug file's symbols are missing")
	}
}

package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStubRoundTrip(t *testing.T) {
	for _, arch := range []Arch{ARM64, AMD64} {
		for _, tc := range []StubSpec{
			{Arch: arch, Code: []byte{1}},
			{Arch: arch, Code: bytes.Repeat([]byte{0xc3}, 3*PageSize), Needed: []string{"libc.so.6"}},
			{Arch: arch, Code: []byte("code"), Needed: []string{"libpthread.so.0", "libc.so.6", "libz.so.1"}, DataSize: 1},
			{Arch: arch, Code: []byte("code"), Needed: []string{"libc.so"}, Interp: "/lib/ld-musl.so.1", DataSize: maxStubData},
		} {
			data, layout, err := Stub(tc)
			if err != nil {
				t.Fatal(err)
			}
			im := mustParse(t, "stub", data)
			wantInterp := tc.Interp
			if wantInterp == "" {
				wantInterp = arch.Interp()
			}
			if im.Arch != arch || im.Type != elf.ET_DYN || im.Interp != wantInterp || im.ExecStack || im.PhdrVaddr != ehdrSize {
				t.Errorf("%v: %+v", arch, im)
			}
			if diff := cmp.Diff(tc.Needed, im.Needed); diff != "" {
				t.Errorf("needed (-want +got):\n%s", diff)
			}
			if im.Entry != layout.CodeVaddr || layout.CodeVaddr%64 != 0 {
				t.Errorf("entry %#x, code at %#x", im.Entry, layout.CodeVaddr)
			}
			if got, ok := im.fileRange(layout.CodeVaddr, uint64(len(tc.Code))); !ok || !bytes.Equal(got, tc.Code) {
				t.Errorf("the code at %#x is %q", layout.CodeVaddr, got)
			}
			if s, ok := im.segmentAt(layout.CodeVaddr); !ok || s.Flags != elf.PF_R|elf.PF_X {
				t.Errorf("the code is in %+v", s)
			}
			checkStubData(t, im, layout, tc.DataSize)
			if n := len(im.Symbols()); n != 0 {
				t.Errorf("%d symbols", n)
			}
			if n := im.dynamicCount(); n != 1 {
				t.Errorf("%d dynamic symbols, want the null one", n)
			}
		}
	}
}

func checkStubData(t *testing.T, im *Image, layout StubLayout, size uint64) {
	t.Helper()
	if size == 0 {
		if layout.DataVaddr != 0 {
			t.Errorf("data at %#x, but none was asked for", layout.DataVaddr)
		}
		return
	}
	s, ok := im.segmentAt(layout.DataVaddr)
	if !ok || s.Flags != elf.PF_R|elf.PF_W || s.End() != layout.DataVaddr+size || layout.DataVaddr%PageSize != 0 {
		t.Errorf("data at %#x, %#x bytes, in %+v", layout.DataVaddr, size, s)
	}
	if got := im.fileAt(layout.DataVaddr); len(got) != 0 {
		t.Errorf("the data has %d bytes in the file", len(got))
	}
}

func TestStubErrors(t *testing.T) {
	for _, tc := range []struct {
		spec StubSpec
		want string
	}{
		{StubSpec{Code: []byte{1}}, "arch:"},
		{StubSpec{Arch: ARM64}, "code: 0 bytes"},
		{StubSpec{Arch: ARM64, Code: make([]byte, maxStubCode+1)}, "code: 1048577 bytes"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, DataSize: maxStubData + 1}, "data: 0x20000001 bytes"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Needed: make([]string, 257)}, "needed: 257 libraries"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Needed: []string{"a", ""}}, "needed[1]: empty"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Needed: []string{"a\x00b"}}, "needed[0]: contains NUL"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, RPath: "/a\x00b"}, "rpath: contains NUL"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Interp: strings.Repeat("/", maxPath)}, "interp: 4096 bytes"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Symbols: make([]StubSymbol, 257)}, "symbols: 257"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Symbols: make([]StubSymbol, 1)}, "symbols[0]: empty"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Symbols: []StubSymbol{{"f", 0, 1}, {"g", 0, 2}}}, "symbols[1]: g: 2 bytes at 0 of 1"},
		{StubSpec{Arch: ARM64, Code: []byte{1}, Symbols: []StubSymbol{{"f", 1, 0}}}, "symbols[0]: f: 0 bytes at 1 of 1"},
	} {
		_, _, err := Stub(tc.spec)
		checkError(t, err, "stub", tc.want)
	}
}

// readelf is the second opinion on the file's form.
func TestStubReadelf(t *testing.T) {
	for _, arch := range []Arch{ARM64, AMD64} {
		data, _ := mustStub(t, arch)
		out := readelf(t, data)
		for _, want := range []string{"Shared library: [libpthread.so.0]", "Shared library: [libc.so.6]", arch.Interp()} {
			if !strings.Contains(out, want) {
				t.Errorf("%v: readelf does not show %q:\n%s", arch, want, out)
			}
		}
	}
}

// TestStubRPath: the folders are there for ld.so, as DT_RPATH, and only where there are any.
func TestStubRPath(t *testing.T) {
	for _, rpath := range []string{"", "/scenario:/scenario/sub"} {
		data, _, err := Stub(StubSpec{Arch: AMD64, Code: make([]byte, 8), Needed: []string{"libc.so.6"}, RPath: rpath})
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(readelf(t, data), "Library rpath: [/scenario:/scenario/sub]"); has != (rpath != "") {
			t.Errorf("with %q: %t", rpath, has)
		}
	}
}

// readelf is all that readelf prints of a file; a complaint of it is an error.
func readelf(t *testing.T, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stub")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("readelf", "--all", "--wide", file)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("readelf of binutils is needed: %v\n%s", err, &stderr)
	}
	if stderr.Len() > 0 || bytes.Contains(bytes.ToLower(out), []byte("warning")) {
		t.Errorf("readelf complains: %s\n%s", &stderr, out)
	}
	return string(out)
}

// TestStubSymbols: the names are there for who looks for them, in the file and for
// readelf, and not for ld.so, whose work must not grow with them.
func TestStubSymbols(t *testing.T) {
	for _, arch := range []Arch{ARM64, AMD64} {
		spec := StubSpec{Arch: arch, Code: make([]byte, 100), DataSize: 1, Symbols: []StubSymbol{{"first", 0, 8}, {"a.second", 48, 52}}}
		data, layout, err := Stub(spec)
		if err != nil {
			t.Fatal(err)
		}
		im := mustParse(t, "stub", data)
		if n := im.dynamicCount(); n != 1 {
			t.Errorf("%d dynamic symbols, want the null one", n)
		}
		for _, s := range spec.Symbols {
			got, ok := im.Symbol(s.Name)
			if !ok || got.Addr != layout.CodeVaddr+s.Off || got.Size != s.Size || got.Type != elf.STT_FUNC {
				t.Errorf("%s is %+v, %v", s.Name, got, ok)
			}
			if got, off, ok := im.SymbolAt(layout.CodeVaddr + s.Off + s.Size - 1); !ok || got.Name != s.Name || off != s.Size-1 {
				t.Errorf("the last byte of %s is %s+%d, %v", s.Name, got.Name, off, ok)
			}
		}
		if got, _, ok := im.SymbolAt(layout.CodeVaddr + 8); ok {
			t.Errorf("between the two is %s", got.Name)
		}
		plain := spec
		plain.Symbols = nil
		bare, _, err := Stub(plain)
		if err != nil {
			t.Fatal(err)
		}
		// The section header's place and counts are all that is different in what is mapped.
		mapped := bytes.Clone(data[:len(bare)])
		copy(mapped[40:48], bare[40:])
		copy(mapped[60:64], bare[60:])
		if !bytes.Equal(mapped, bare) {
			t.Error("names change what is mapped")
		}
		if out := readelf(t, data); !strings.Contains(out, "FUNC    GLOBAL DEFAULT    1 a.second") {
			t.Errorf("readelf does not show the name:\n%s", out)
		}
	}
}

// exitCode7 is code for Linux that ends the process with status 7.
var exitCode7 = map[string]StubSpec{
	"arm64": {Arch: ARM64, Code: []byte{
		0xe0, 0x00, 0x80, 0xd2, // mov x0, #7
		0xa8, 0x0b, 0x80, 0xd2, // mov x8, #93
		0x01, 0x00, 0x00, 0xd4, // svc #0
	}},
	"amd64": {Arch: AMD64, Code: []byte{
		0xb8, 60, 0, 0, 0, // mov $60, %eax
		0xbf, 7, 0, 0, 0, // mov $7, %edi
		0x0f, 0x05, // syscall
	}},
}

// The host's own kernel and ld.so run the stub: they load libc for it and then
// enter its code.
func TestStubRuns(t *testing.T) {
	spec, ok := exitCode7[runtime.GOARCH]
	if !ok {
		t.Fatalf("no code for %s", runtime.GOARCH)
	}
	spec.Needed = []string{"libc.so.6"}
	spec.DataSize = 100
	data, _, err := Stub(spec)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "stub")
	if err := os.WriteFile(file, data, 0o700); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if out, err := exec.Command(file).CombinedOutput(); !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("the stub ended with %v instead of status 7: %s", err, out)
	}
}

package emu

import (
	"bytes"
	"compress/zlib"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"

	"emurace/internal/guestcode"
)

// TestZlib: a library of a package beside libc's, found by ld.so, with functions that
// the crc32 and the zlib of Go can judge.
func TestZlib(t *testing.T) {
	const text = "the quick brown fox jumps over the lazy dog, the quick brown fox jumps over the lazy dog"
	eachSystem(t, func(t *testing.T, p *process) {
		p = bootWith(t, suiteOf(t), p.Arch(), Options{Libs: []string{"libz.so.1", "libm.so.6", "libpthread.so.0"}})
		in := p.str(text)
		if got := p.call(0, "crc32", 0, in, uint64(len(text))); uint32(got) != crc32.ChecksumIEEE([]byte(text)) {
			t.Errorf("crc32: %#x", got)
		}
		version := p.call(0, "zlibVersion")
		const streamSize, level, finish, streamEnd = 112, 6, 4, 1 // sizeof(z_stream), Z_FINISH, Z_STREAM_END
		z, out := p.call(0, "calloc", 1, streamSize), p.call(0, "malloc", 1000)
		if rc := int32(p.call(0, "deflateInit_", z, level, version, streamSize)); rc != 0 {
			t.Fatalf("deflateInit_: %d", rc)
		}
		// next_in, avail_in; next_out, avail_out at 24 and 32; total_out at 40.
		for off, v := range map[uint64]uint64{0: in, 8: uint64(len(text)), 24: out, 32: 1000} {
			if err := p.Write(0, z+off, le.AppendUint64(nil, v)); err != nil {
				t.Fatal(err)
			}
		}
		if rc := int32(p.call(0, "deflate", z, finish)); rc != streamEnd {
			t.Fatalf("deflate: %d", rc)
		}
		n := p.word(z + 40)
		if rc := int32(p.call(0, "deflateEnd", z)); rc != 0 {
			t.Errorf("deflateEnd: %d", rc)
		}
		packed, _ := p.Read(out, n)
		if got := inflated(t, packed); got != text || n >= uint64(len(text)) {
			t.Errorf("%d bytes, which are %q", n, got)
		}
		if mod, ok := p.Module(p.fn("deflate")); !ok || mod.Image.Soname != "libz.so.1" {
			t.Errorf("deflate is in %+v", mod)
		}
		if mod, ok := p.Module(p.fn("fma")); !ok || mod.Image.Soname != "libm.so.6" {
			t.Errorf("fma is in %+v", mod)
		}
		// In a library of its own before 2.34, and since then in libc, as its stub has none.
		mod, ok := p.Module(p.fn("pthread_mutex_trylock"))
		libc, _ := p.Libc()
		if !ok || (mod == libc) == (suiteOf(t) == "bullseye") {
			t.Errorf("pthread_mutex_trylock is in %+v", mod)
		}
		if u := p.unknownSyscalls(); len(u) != 0 {
			t.Errorf("unknown system calls: %v", u)
		}
	})
}

// inflated is what Go's zlib unpacks.
func inflated(t *testing.T, packed []byte) string {
	t.Helper()
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const ours = `
extern void *malloc(unsigned long);
extern unsigned long strlen(const char *);
extern char *strcpy(char *, const char *);
static int made;
static char greeting[16];
__attribute__((constructor)) static void begin(void) { strcpy(greeting, "made"); made = 1; }
int was_made(void) { return made; }
char *copy(const char *s) { return strcpy(malloc(strlen(s) + 1), s); }
const char *hello(void) { return greeting; }
`

// TestOwnLibrary: a library of the user's, given as a file, by its path and by a
// name in a folder that ld.so looks at; its constructor has run, and it calls libc.
func TestOwnLibrary(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		for _, c := range []struct{ path, soname, lib string }{
			{"/opt/ours.so", "", "/opt/ours.so"},
			{"/opt/ours.so", "libours.so.1", "/opt/ours.so"},
			{"/lib/libours.so.1", "libours.so.1", "libours.so.1"},
		} {
			file := guestcode.Library(t, p.Arch(), c.soname, ours)
			p := bootWith(t, suiteOf(t), p.Arch(), Options{Libs: []string{c.lib}, Files: map[string][]byte{c.path: file}})
			if made := p.call(0, "was_made"); made != 1 {
				t.Errorf("%s: its constructor has not run", c.lib)
			}
			s := p.str("some text")
			if a := p.call(0, "copy", s); p.text(a) != "some text" || a == s {
				t.Errorf("%s: copy gives %q", c.lib, p.text(a))
			}
			if got := p.text(p.call(0, "hello")); got != "made" {
				t.Errorf("%s: hello gives %q", c.lib, got)
			}
			mod, ok := p.Module(p.fn("copy"))
			if !ok || !strings.HasSuffix(mod.Path, c.path) || mod.Image.Soname != c.soname {
				t.Errorf("%s: copy is in %+v", c.lib, mod)
			}
			if name, off, ok := p.Symbol(p.fn("copy") + 4); name != "copy" || off != 4 || !ok {
				t.Errorf("%s: the symbol of copy is %s+%d", c.lib, name, off)
			}
		}
	})
}

// TestMissingLibrary: the error names what is missing, be it asked for or needed by
// what was, and says what ld.so said.
func TestMissingLibrary(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		for _, c := range []struct {
			lib, missing, file string
			other              bool // another error: it is there, but broken
		}{
			{lib: "libnowhere.so.1", missing: "libnowhere.so.1"},
			{lib: "/opt/nowhere.so", missing: "/opt/nowhere.so"},
			{lib: "lib: \x1b[1m.so", missing: "lib: \x1b[1m.so"},
			{lib: "/opt/text.so", file: "not a library", other: true},
		} {
			files := map[string][]byte{}
			if c.file != "" {
				files[c.lib] = []byte(c.file)
			}
			_, err := New(Options{System: p.System(), Libs: []string{c.lib}, Files: files})
			var missing *MissingLibrary
			if is := errors.As(err, &missing); err == nil || is == c.other || is && missing.Library != c.missing {
				t.Errorf("%q: %v", c.lib, err)
				continue
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") || !strings.Contains(err.Error(), "error while loading shared libraries") || !strings.Contains(err.Error(), "boot") {
				t.Errorf("%q: %v", c.lib, err)
			}
		}
	})
}

package loader_test

import (
	"bytes"
	"testing"

	"emurace/internal/testroot"
	"emurace/loader"
)

// The version is what the dynamic linker's own text says, of each of Debian's; a
// library that is no musl has none, and where the text is not there once it is not
// known.
func TestMuslVersion(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		s, err := loader.OpenSysroot(testroot.Dir(t, "debian:bookworm/musl", arch.String()))
		if err != nil {
			t.Fatal(err)
		}
		im, err := loader.LoadImage(s, loader.Musl.Interp(arch))
		if err != nil {
			t.Fatal(err)
		}
		if v, musl := im.MuslVersion(); v != "1.2.3" || !musl {
			t.Errorf("%v: %q, %v", arch, v, musl)
		}
		version, usage := []byte("\x001.2.3\x00"), []byte("musl libc (")
		for _, c := range []struct {
			what, version string
			musl          bool
			old, new      []byte
		}{
			{"another version", "9.8.7", true, version, []byte("\x009.8.7\x00")},
			{"no version", "", true, version, []byte("\x00\x00\x00\x00\x00\x00\x00")},
			{"half a version", "", true, version, []byte("\x001.2.x\x00")},
			{"two versions", "", true, []byte("Dynamic Program Loader"), []byte("\x001.2.4\x00 Program Loader")},
			{"another program", "", false, usage, []byte("MUSL libc (")},
		} {
			data := bytes.Clone(im.Data())
			at := bytes.Index(data, c.old)
			if at < 0 {
				t.Fatalf("%s: %q is not in the file", c.what, c.old)
			}
			copy(data[at:], c.new)
			changed, err := loader.Parse("libc.so", data)
			if err != nil {
				t.Fatal(err)
			}
			if v, musl := changed.MuslVersion(); v != c.version || musl != c.musl {
				t.Errorf("%v, %s: %q, %v", arch, c.what, v, musl)
			}
		}
		glibc, err := loader.LoadImage(s, "/lib/"+arch.Triplet()+"/libc.so.6")
		if err != nil {
			t.Fatal(err)
		}
		if v, musl := glibc.MuslVersion(); v != "" || musl {
			t.Errorf("glibc is taken for musl %q", v)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLibcFamilies(t *testing.T) {
	for _, c := range []struct {
		libc                 loader.Libc
		name, soname, interp string // of arm64
	}{
		{loader.Glibc, "glibc", "libc.so.6", "/lib/ld-linux-aarch64.so.1"},
		{loader.Musl, "musl", "libc.so", "/lib/ld-musl-aarch64.so.1"},
	} {
		if c.libc.String() != c.name || c.libc.Soname() != c.soname || c.libc.Interp(loader.ARM64) != c.interp {
			t.Errorf("%v: %s, %s", c.libc, c.libc.Soname(), c.libc.Interp(loader.ARM64))
		}
		if c.libc.Interp(0) != "" {
			t.Errorf("%v of no architecture: %s", c.libc, c.libc.Interp(0))
		}
	}
	if loader.Libc(0).String() != "" || loader.Libc(9).String() != "Libc(9)" {
		t.Error("names of what is none")
	}
}

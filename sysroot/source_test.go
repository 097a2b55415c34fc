package sysroot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// archived is a tar.gz of the files named.
func archived(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// addSource enters a source package of glibc's, in the format 3.0 (quilt), with a patch.
func (m *mirror) addSource(t *testing.T, version string) {
	t.Helper()
	upstream, _, _ := strings.Cut(version, "-")
	orig := archived(t, map[string]string{
		"glibc/malloc/malloc.c": "one\ntwo\nthree\n", "glibc/include/a.h": "h", "glibc/sysdeps/aarch64/x.S": "a", "glibc/sysdeps/x86_64/x.S": "x", "glibc/sysdeps/mips/x.S": "m",
		"glibc/malloc/tst-malloc.c": "t", "glibc/manual/m.c": "m", "glibc/README": "r", "glibc/po/de.po": "p",
	})
	patch := "--- a/malloc/malloc.c\n+++ b/malloc/malloc.c\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"
	debian := archived(t, map[string]string{
		"debian/changelog":     "glibc (" + version + ") unstable; urgency=low\n\n  * x\n\n -- x <x@example.org>  Sun, 13 Sep 2020 12:26:40 +0000\n",
		"debian/source/format": "3.0 (quilt)\n", "debian/patches/series": "two.patch\n", "debian/patches/two.patch": patch, "debian/control": "Source: glibc\n", "debian/rules": "#!/usr/bin/make -f\n",
	})
	parts := map[string][]byte{"glibc_" + upstream + ".orig.tar.gz": orig, "glibc_" + version + ".debian.tar.gz": debian}
	list := func(all map[string][]byte, hash func([]byte) string) string {
		var b strings.Builder
		for _, name := range slices.Sorted(maps.Keys(all)) {
			fmt.Fprintf(&b, " %s %d %s\n", hash(all[name]), len(all[name]), name)
		}
		return b.String()
	}
	sum := func(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }
	old := func(data []byte) string { return fmt.Sprintf("%x", md5.Sum(data)) }
	head := fmt.Sprintf("Format: 3.0 (quilt)\nBinary: libc6\nArchitecture: any\nVersion: %s\nMaintainer: x <x@example.org>\n", version)
	dsc := []byte("Source: glibc\n" + head + "Checksums-Sha256:\n" + list(parts, sum) + "Files:\n" + list(parts, old))
	parts["glibc_"+version+".dsc"] = dsc
	for name, data := range parts {
		write(t, filepath.Join(m.dir, "pool", name), data)
	}
	m.sources = "Package: glibc\n" + head + "Directory: pool\nFiles:\n" + list(parts, old) + "Checksums-Sha256:\n" + list(parts, sum)
	m.publish(t)
}

// TestPullSource: the source of the very libc lies beside the sysroot, patched, without what no
// code is made of; it stays when packages are added, and can come later.
func TestPullSource(t *testing.T) {
	m := newMirror(t, "bookworm")
	m.addSource(t, "2.36-9+test1")
	c := openTemp(t)
	first := mustPull(t, c, m)
	if first.Source != nil || SourceDir(first.Path) != "" {
		t.Errorf("%+v has a source", first)
	}
	req := m.request()
	req.Source = true
	e, err := c.Pull(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	has := func(e Entry) {
		t.Helper()
		dir := SourceDir(e.Path)
		if e.Source == nil || e.Source.Version != "2.36-9+test1" || len(e.Source.SHA256) != 64 || dir == "" {
			t.Fatalf("%+v, in %q", e, dir)
		}
		if SourceDir(Lasting(e.Path)) == "" {
			t.Errorf("%s has none", Lasting(e.Path))
		}
	}
	has(e)
	again := mustPull(t, c, m, "tiny-a")
	has(again)
	machine := map[string]string{"arm64": "aarch64", "amd64": "x86_64"}[runtime.GOARCH]
	want := []string{"include/a.h", "malloc/malloc.c", "sysdeps/" + machine + "/x.S"}
	var got []string
	root := os.DirFS(SourceDir(again.Path))
	err = walkFiles(root, func(name string) { got = append(got, name) })
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if text, err := os.ReadFile(filepath.Join(SourceDir(again.Path), "malloc/malloc.c")); err != nil || string(text) != "one\nTWO\nthree\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestPullSourceErrors: another version's source is none, and neither is one that was changed;
// what was there before stays.
func TestPullSourceErrors(t *testing.T) {
	for name, test := range map[string]struct {
		version string
		spoil   func(*testing.T, *mirror)
		want    string
	}{
		"newer": {"2.36-10", func(*testing.T, *mirror) {}, "source glibc 2.36-9+test1: no more in the archive"},
		"changed": {"2.36-9+test1", func(t *testing.T, m *mirror) {
			spoilFile(t, filepath.Join(m.dir, "pool/glibc_2.36-9+test1.dsc"), "any", "all")
		}, ""},
		"unsigned": {"2.36-9+test1", func(t *testing.T, m *mirror) {
			if err := os.Remove(m.release() + ".gpg"); err != nil {
				t.Fatal(err)
			}
		}, ""},
	} {
		if testing.Short() && name != "newer" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			m, c := newMirror(t, "bookworm"), openTemp(t)
			m.addSource(t, test.version)
			before := mustPull(t, c, m)
			test.spoil(t, m)
			req := m.request()
			req.Source = true
			_, err := c.Pull(t.Context(), req)
			var hinted interface{ Hint() string }
			if !errors.As(err, &hinted) || hinted.Hint() == "" || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			if dir := mustDir(t, c); dir != before.Path {
				t.Errorf("%s, before %s", dir, before.Path)
			}
		})
	}
}

func TestUnneeded(t *testing.T) {
	for rel, want := range map[string]bool{
		"debian": true, "malloc": false, "manual": true, "sysdeps": false, "sysdeps/mips": true, "sysdeps/unix/sysv/linux/mips": true,
		"sysdeps/aarch64": false, "sysdeps/x86_64": true, "sysdeps/x86": true, "sysdeps/unix/sysv/linux/x86_64": true, "mach": false, "malloc/manual": false,
	} {
		if got := unneeded(rel, "arm64"); got != want {
			t.Errorf("%s: %t", rel, got)
		}
	}
	if unneeded("sysdeps/x86_64/multiarch", "amd64") || !unneeded("sysdeps/aarch64", "amd64") {
		t.Error("for amd64")
	}
}

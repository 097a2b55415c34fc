package sysroot

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, dir, own, xdg, home string
		want                      string // "" for an error
	}{
		{"named", "/a", "/b", "/c", "/d", "/a"},
		{"named, relative", "a", "", "", "", filepath.Join(here, "a")},
		{"EMURACE_CACHE", "", "/b", "/c", "/d", "/b"},
		{"XDG_CACHE_HOME", "", "", "/c", "/d", "/c/emurace"},
		{"XDG_CACHE_HOME, relative", "", "", "c", "/d", "/d/.cache/emurace"},
		{"HOME", "", "", "", "/d", "/d/.cache/emurace"},
		{"nothing", "", "", "", "", ""},
	} {
		t.Setenv("EMURACE_CACHE", test.own)
		t.Setenv("XDG_CACHE_HOME", test.xdg)
		t.Setenv("HOME", test.home)
		c, err := Open(test.dir)
		if test.want == "" {
			var known *Error
			if !errors.As(err, &known) || known.Hint() == "" {
				t.Errorf("%s: %v, want an error with a hint", test.name, err)
			}
			continue
		}
		if err != nil || c.Path() != test.want {
			t.Errorf("%s: %+v, %v; want %s", test.name, c, err, test.want)
		}
	}
}

func TestDirOfWhatIsNotPulled(t *testing.T) {
	c := openTemp(t)
	_, err := c.Dir(Spec{Kind: Debian, Suite: "trixie"}, "amd64")
	var known *Error
	if !errors.As(err, &known) || !errors.Is(err, errMissing) {
		t.Fatalf("%v", err)
	}
	if got, want := err.Error(), "sysroot debian:trixie for amd64: not pulled yet"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	if got, want := known.Hint(), "emurace sysroot pull debian:trixie --arch amd64"; got != want {
		t.Errorf("hint %q, want %q", got, want)
	}

	// One that was tampered with says why it does not count.
	write(t, filepath.Join(c.entryPath("trixie", "amd64"), manifestName), []byte("{}"))
	_, err = c.Dir(Spec{Kind: Debian, Suite: "trixie"}, "amd64")
	if !errors.Is(err, errMissing) || !strings.Contains(err.Error(), "manifest.json: format: 0") {
		t.Errorf("a broken one: %v", err)
	}
}

func TestDir(t *testing.T) {
	c := openTemp(t)
	own := runtime.GOARCH
	foreign := arches[0]
	if foreign == own {
		foreign = arches[1]
	}
	libc := hostLibc(t)
	folder := func(files map[string][]byte) string {
		dir := t.TempDir()
		for name, data := range files {
			write(t, filepath.Join(dir, name), data)
		}
		return dir
	}
	multiarch := folder(map[string][]byte{"lib/" + abis[own].triplet + "/libc.so.6": libc})
	lib64 := folder(map[string][]byte{"usr/lib64/libc.so.6": libc})
	musl := folder(map[string][]byte{"lib/" + abis[own].musl: libc})
	text := folder(map[string][]byte{"lib/libc.so.6": []byte("GROUP ( /lib/libc.so.6 )")})
	is32 := folder(map[string][]byte{"lib/libc.so.6": append([]byte("\x7fELF\x01\x01"), libc[6:64]...)})
	for _, link := range []struct{ dir, target string }{{"out", multiarch + "/lib"}, {"in", "usr/lib"}} {
		dir := filepath.Join(text, link.dir)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link.target, filepath.Join(dir, "lib")); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(text, "in/usr/lib/libc.so.6"), libc)

	for _, test := range []struct {
		name string
		spec Spec
		arch string
		want string // the folder, or "" for an error
		err  string
	}{
		{"Debian's layout", Spec{Kind: Folder, Path: multiarch}, own, multiarch, ""},
		{"another layout", Spec{Kind: Folder, Path: lib64}, own, lib64, ""},
		{"musl", Spec{Kind: Folder, Path: musl}, own, musl, ""},
		{"not clean", Spec{Kind: Folder, Path: multiarch + "/lib/../"}, own, multiarch, ""},
		{"the host", Spec{Kind: Host}, own, "/", ""},
		{"the host, foreign", Spec{Kind: Host}, foreign, "", "this machine is " + own},
		{"a link in the folder", Spec{Kind: Folder, Path: text + "/in"}, own, text + "/in", ""},
		{"a link out of the folder", Spec{Kind: Folder, Path: text + "/out"}, own, "", "holds no libc.so.6"},
		{"a linker script", Spec{Kind: Folder, Path: text}, own, "", "holds no libc.so.6"},
		{"32 bits", Spec{Kind: Folder, Path: is32}, own, "", "holds no libc.so.6"},
		{"foreign", Spec{Kind: Folder, Path: lib64}, foreign, "", "usr/lib64/libc.so.6 is for"},
		{"no folder", Spec{Kind: Folder, Path: "/nonexistent"}, own, "", "sysroot /nonexistent: no such file or directory"},
		{"a file", Spec{Kind: Folder, Path: multiarch + "/lib/" + abis[own].triplet + "/libc.so.6"}, own, "", "not a directory"},
	} {
		got, err := c.Dir(test.spec, test.arch)
		if test.err == "" {
			if err != nil || got != test.want {
				t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
			}
			continue
		}
		var known *Error
		if !errors.As(err, &known) || !errors.Is(err, errMissing) || known.Hint() == "" || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want ErrMissing with a hint and %q", test.name, err, test.err)
		}
	}
	for _, bad := range []struct {
		spec Spec
		arch string
	}{{Spec{Kind: Host}, "riscv64"}, {Spec{}, own}} {
		if _, err := c.Dir(bad.spec, bad.arch); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestList(t *testing.T) {
	m, c := newMirror(t, "bookworm"), openTemp(t)
	entries, err := c.List()
	if err != nil || len(entries) != len(suites)*len(arches) {
		t.Fatalf("an empty cache: %+v, %v", entries, err)
	}
	if _, err := c.Pull(t.Context(), m.request()); err != nil {
		t.Fatal(err)
	}
	// Nothing of these is a sysroot.
	store := c.store()
	write(t, filepath.Join(store, "debian-trixie-arm64", "root", "lib", "x"), nil)
	write(t, filepath.Join(store, "debian-trixie-amd64", manifestName), []byte(`{"format":1}`))
	write(t, filepath.Join(store, "debian-forky-amd64"), []byte("a file"))
	write(t, filepath.Join(store, tmpPrefix+"1", entryWork, manifestName), []byte(goodManifest))
	whole, err := os.ReadFile(filepath.Join(c.entryPath("bookworm", runtime.GOARCH), manifestName))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(store, "debian-bullseye-"+runtime.GOARCH, manifestName), whole)

	entries, err = c.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		isIt := e.Spec.Suite == "bookworm" && e.Arch == runtime.GOARCH
		if e.Pulled != isIt || (e.Path != "") != isIt || e.Libc == "" {
			t.Errorf("%+v", e)
		}
	}
}

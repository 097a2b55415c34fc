package emu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emurace/internal/guestcode"
	"emurace/loader"
)

// TestFolders: a given folder of the host's is seen, with links that lead nowhere else than
// in the guest, is listed, can be written to without being changed, and libraries in it are
// loaded.
func TestFolders(t *testing.T) {
	each(t, func(t *testing.T, p *process) {
		dir := t.TempDir()
		host := func(name, content string) {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
		host("a", "of the host")
		host("sub/b", "below")
		host("lib/libtwice.so.1", string(guestcode.Library(t, p.Arch(), "libtwice.so.1", "int twice(int n) { return 2 * n; }\n")))
		must(t, os.Symlink("/a/link/that/leads/out", filepath.Join(dir, "out")))
		must(t, os.Symlink("sub/b", filepath.Join(dir, "in")))
		folder, err := OpenFolder(dir, p.Arch())
		must(t, err)
		defer func() { must(t, folder.Close()) }()
		p = bootWith(t, "bookworm", p.Arch(), Options{
			Libs: []string{"/given/made/lib/libtwice.so.1"}, Folders: map[string]*Folder{"/given/made": folder},
			Files: map[string][]byte{"/given/made/sub/c": []byte("a file in it")},
		})
		if v := p.call(0, "twice", 21); v != 42 {
			t.Errorf("twice: %d", v)
		}
		if found := strings.Contains(strings.Join(p.Loads(), " "), "/given/made/lib/libtwice.so.1"); !found {
			t.Errorf("loaded: %q", p.Loads())
		}
		buf := p.call(0, "malloc", 100)
		read := func(name string) string {
			fd := p.call(0, "open", p.str(name), 0)
			if int32(fd) < 0 {
				return "none"
			}
			n := p.call(0, "read", fd, buf, 100)
			b, _ := p.Read(buf, n)
			return string(b)
		}
		for name, want := range map[string]string{"a": "of the host", "sub/b": "below", "in": "below", "sub/c": "a file in it", "out": "none", "../../../../" + dir + "/a": "none"} {
			if got := read("/given/made/" + name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		names := func(name string) (list []string) {
			d := p.call(0, "opendir", p.str(name))
			for e := p.call(0, "readdir", d); e != 0; e = p.call(0, "readdir", d) {
				list = append(list, p.text(e+19))
			}
			return list
		}
		for name, want := range map[string]string{"/given": ". .. made", "/given/made": ". .. a in lib out sub", "/given/made/sub": ". .. b c"} {
			if got := strings.Join(names(name), " "); got != want {
				t.Errorf("%s holds %s, want %s", name, got, want)
			}
		}
		fd := p.call(0, "open", p.str("/given/made/a"), 2)
		p.call(0, "write", fd, p.str("OF"), 2)
		p.call(0, "unlink", p.str("/given/made/sub/b"))
		if got := read("/given/made/a"); got != "OF the host" {
			t.Errorf("written: %q", got)
		}
		for name, want := range map[string]string{"a": "of the host", "sub/b": "below"} {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
				t.Errorf("%s on the host: %q, %v", name, b, err)
			}
		}
	})
}

func TestFoldersRefused(t *testing.T) {
	folder, err := OpenFolder(t.TempDir(), loader.AMD64)
	must(t, err)
	defer func() { must(t, folder.Close()) }()
	if _, err := OpenFolder("/none/such", loader.AMD64); err == nil {
		t.Error("a folder that is not there was opened")
	}
	for want, list := range map[string][]string{
		"not an absolute path":  {"made"},
		"lies in another":       {"/a", "/a/b"},
		"/etc/passwd is a file": {"/etc/passwd/x"},
		"something else":        {programPath},
	} {
		o := Options{System: system(t, "bookworm", loader.AMD64), Folders: map[string]*Folder{}, Files: map[string][]byte{}}
		if list[0] == "/etc/passwd/x" {
			o.System, list = system(t, "bookworm", loader.AMD64), []string{"/etc/ld.so.conf/x"}
			want = "/etc/ld.so.conf is a file"
		}
		for _, at := range list {
			o.Folders[at] = folder
		}
		m, err := New(o)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", list, err, want)
		}
	}
}

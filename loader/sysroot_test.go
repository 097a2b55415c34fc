package loader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// tree makes a folder to be a sysroot inside an outer folder that also has a
// file named secret. entries maps names to contents; "->" before the content
// makes a link, "/" at the end of the name a folder.
func tree(t testing.TB, entries map[string]string) *Sysroot {
	t.Helper()
	outer := t.TempDir()
	dir := filepath.Join(outer, "root")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(dir, 0o755))
	must(os.WriteFile(filepath.Join(outer, "secret"), []byte("secret"), 0o600))
	for name, content := range entries {
		at := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(at), 0o755))
		target, link := strings.CutPrefix(content, "->")
		switch {
		case strings.HasSuffix(name, "/"):
			must(os.MkdirAll(at, 0o755))
		case link:
			must(os.Symlink(target, at))
		default:
			must(os.WriteFile(at, []byte(content), 0o600))
		}
	}
	s, err := OpenSysroot(dir)
	must(err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mergedUsr(t testing.TB) *Sysroot {
	entries := map[string]string{
		"lib":                             "->usr/lib",
		"lib64":                           "->/usr/lib64",
		"usr/lib/triplet/libc.so.6":       "libc",
		"usr/lib/triplet/ld.so":           "ld",
		"usr/lib/triplet/up":              "->../../../../../../usr/lib/triplet/ld.so",
		"usr/lib64/ld-linux.so":           "->/lib/triplet/ld.so",
		"secret":                          "inside",
		"empty/":                          "",
		"links/out":                       "->../../secret",
		"links/abs":                       "->/secret",
		"links/deep":                      "->../../../../../../../../../../secret",
		"links/dot":                       "->./.././links/abs",
		"links/self":                      "->self",
		"links/a":                         "->b",
		"links/b":                         "->a",
		"links/dangling":                  "->/nowhere",
		"links/dir":                       "->/usr/lib/",
		"links/slash":                     "->/secret/",
		"links/root":                      "->/",
		"links/rooted":                    "->///..//../links//abs",
		"links/through":                   "->/secret/../secret",
		"links/null":                      "->/dev/null",
		"usr/share/" + "a b/ü \n/strange": "strange",
	}
	for i := range 41 { // chain/40 takes 40 links to its end, chain/41 41
		entries[fmt.Sprintf("chain/%d", i+1)] = fmt.Sprintf("->%d", i)
	}
	entries["chain/0"] = "end"
	return tree(t, entries)
}

func TestSysrootResolve(t *testing.T) {
	s := mergedUsr(t)
	for _, tc := range []struct {
		path, want string
		err        error
	}{
		{"/", "/", nil},
		{"///", "/", nil},
		{"/..", "/", nil},
		{"/../../secret", "/secret", nil},
		{"/./secret", "/secret", nil},
		{"/lib/triplet/libc.so.6", "/usr/lib/triplet/libc.so.6", nil},
		{"//lib//triplet//libc.so.6", "/usr/lib/triplet/libc.so.6", nil},
		{"/lib64/ld-linux.so", "/usr/lib/triplet/ld.so", nil},
		{"/lib/triplet/up", "/usr/lib/triplet/ld.so", nil},
		{"/lib/..", "/usr", nil}, // the folder that the link leads to has it
		{"/lib/../share/a b/ü \n/strange", "/usr/share/a b/ü \n/strange", nil},
		{"/links/out", "/secret", nil},
		{"/links/abs", "/secret", nil},
		{"/links/deep", "/secret", nil},
		{"/links/dot", "/secret", nil},
		{"/links/rooted", "/secret", nil},
		{"/links/root", "/", nil},
		{"/links/root/links/root/secret", "/secret", nil},
		{"/links/dir", "/usr/lib", nil},
		{"/links/dir/", "/usr/lib", nil},
		{"/links/dir/triplet/ld.so", "/usr/lib/triplet/ld.so", nil},
		{"/empty/", "/empty", nil},
		{"/empty/.", "/empty", nil},
		{"/chain/40", "/chain/0", nil},
		{"/chain/41", "", syscall.ELOOP},
		{"/links/self", "", syscall.ELOOP},
		{"/links/a", "", syscall.ELOOP},
		{"/links/dangling", "", syscall.ENOENT},
		{"/links/null", "", syscall.ENOENT},
		{"/links/through", "", syscall.ENOTDIR},
		{"/links/slash", "", syscall.ENOTDIR},
		{"/secret/", "", syscall.ENOTDIR},
		{"/secret/.", "", syscall.ENOTDIR},
		{"/secret/..", "", syscall.ENOTDIR},
		{"/secret/x", "", syscall.ENOTDIR},
		{"/nowhere/../secret", "", syscall.ENOENT},
		{"/empty/x", "", syscall.ENOENT},
		{"", "", syscall.ENOENT},
		{"/secret\x00", "", syscall.EINVAL},
		{"/" + strings.Repeat("x", 256), "", syscall.ENAMETOOLONG},
		{strings.Repeat("/", maxPath-1), "/", nil},
		{strings.Repeat("/", maxPath), "", syscall.ENAMETOOLONG},
	} {
		got, err := s.Resolve(tc.path)
		if got != tc.want || !errors.Is(err, tc.err) || (err == nil) != (tc.err == nil) {
			t.Errorf("Resolve(%.60q) = %q, %v, want %q, %v", tc.path, got, err, tc.want, tc.err)
		}
		var pe *fs.PathError
		if err != nil && (!errors.As(err, &pe) || pe.Path != tc.path || strings.Contains(err.Error(), s.Dir())) {
			t.Errorf("Resolve(%.60q): %v does not name the guest's path alone", tc.path, err)
		}
	}
	for _, path := range []string{"secret", "lib/triplet", "./secret", "../secret"} {
		if got, err := s.Resolve(path); err == nil || !strings.Contains(err.Error(), "not an absolute path") {
			t.Errorf("Resolve(%q) = %q, %v", path, got, err)
		}
	}
}

func TestSysrootReadFile(t *testing.T) {
	s := mergedUsr(t)
	for path, want := range map[string]string{
		"/links/out": "inside", "/links/deep": "inside", "/lib64/ld-linux.so": "ld", "/lib/triplet/libc.so.6": "libc",
	} {
		if got, err := s.ReadFile(path, 6); err != nil || string(got) != want {
			t.Errorf("ReadFile(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
	if got, err := s.ReadFile("/secret", 5); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("ReadFile with a limit of 5 bytes = %q, %v", got, err)
	}
	if _, err := s.ReadFile("/nowhere", 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadFile of no file: %v", err)
	}
}

// A file that states no size, as those in /proc, is still bounded.
func TestReadLimited(t *testing.T) {
	s, err := OpenSysroot("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if data, err := s.ReadFile("/status", 1<<16); err != nil || !strings.HasPrefix(string(data), "Name:") {
		t.Errorf("ReadFile = %q, %v", data, err)
	}
	if data, err := s.ReadFile("/status", 100); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("ReadFile with a limit = %q, %v", data, err)
	}
}

func TestSysrootInfo(t *testing.T) {
	s := mergedUsr(t)
	if info, err := s.Stat("/lib"); err != nil || !info.IsDir() {
		t.Errorf("Stat of a link to a folder: %v, %v", info, err)
	}
	for path, link := range map[string]bool{"/lib": true, "/lib/": false, "/lib/.": false, "/secret": false} {
		if info, err := s.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink != 0 != link {
			t.Errorf("Lstat(%q): %v, %v, want a link: %v", path, info, err, link)
		}
	}
	if target, err := s.Readlink("/lib/triplet/up"); err != nil || target != "../../../../../../usr/lib/triplet/ld.so" {
		t.Errorf("Readlink = %q, %v", target, err)
	}
	if target, err := s.Readlink("/secret"); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Readlink of a file = %q, %v", target, err)
	}
	list, err := s.ReadDir("/links/dir/triplet")
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); err != nil || got != "ld.so libc.so.6 up" {
		t.Errorf("ReadDir = %q, %v", got, err)
	}
	if _, err := s.ReadDir("/"); err != nil {
		t.Error(err)
	}
	if _, err := s.ReadDir("/secret"); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("ReadDir of a file: %v", err)
	}
}

// Only regular files are opened: a FIFO without a writer would block for ever.
func TestSysrootSpecialFiles(t *testing.T) {
	s := mergedUsr(t)
	if err := syscall.Mkfifo(filepath.Join(s.Dir(), "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{"/fifo": syscall.EINVAL, "/empty": syscall.EISDIR, "/": syscall.EISDIR} {
		if f, err := s.Open(path); !errors.Is(err, want) {
			t.Errorf("Open(%q) = %v, %v, want %v", path, f, err, want)
		}
		if data, err := s.ReadFile(path, 10); !errors.Is(err, want) {
			t.Errorf("ReadFile(%q) = %q, %v, want %v", path, data, err, want)
		}
	}
	devices, err := OpenSysroot("/dev")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := devices.Close(); err != nil {
			t.Error(err)
		}
	}()
	if f, err := devices.Open("/null"); !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("Open of a device = %v, %v", f, err)
	}
}

func TestOpenSysroot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "nowhere"), file} {
		s, err := OpenSysroot(path)
		if err == nil {
			t.Errorf("OpenSysroot(%q) = %v", path, s)
			continue
		}
		checkError(t, err, "sysroot "+path, "")
	}
}

// Whatever the links say and whatever is asked for, what is found lies inside,
// is no link, and is reached again under the name that Resolve returns.
func FuzzSysroot(f *testing.F) {
	f.Add("/a/b", "../b", "/a", "../../../secret")
	f.Add("/b/secret", "/", "a/../..", "./a")
	f.Add("/a/../c", "b", "c", "a")
	f.Add("/d/c/./../b//secret", "/d/..", "/..", "../d/./")
	f.Fuzz(func(t *testing.T, path, a, b, c string) {
		entries := map[string]string{"secret": "inside", "d/secret": "inside", "d/e/secret": "inside"}
		for name, target := range map[string]string{"a": a, "b": b, "d/c": c} {
			// What symlink(2) refuses cannot be in a sysroot.
			if target != "" && !strings.Contains(target, "\x00") && len(target) < maxPath {
				entries[name] = "->" + target
			}
		}
		s := tree(t, entries)
		at, err := s.Resolve(path)
		if err != nil {
			var pe *fs.PathError
			if !errors.As(err, &pe) {
				t.Errorf("%v is not a PathError", err)
			}
			return
		}
		if !filepath.IsAbs(at) || filepath.Clean(at) != at {
			t.Errorf("Resolve(%q) = %q", path, at)
		}
		if again, err := s.Resolve(at); err != nil || again != at {
			t.Errorf("Resolve(%q) = %q, and of that %q, %v", path, at, again, err)
		}
		info, err := s.Lstat(at)
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			t.Errorf("Lstat(%q): %v, %v", at, info, err)
		}
		if data, err := s.ReadFile(path, 100); err == nil && string(data) != "inside" {
			t.Errorf("ReadFile(%q) = %q, which is outside", path, data)
		} else if err != nil && !errors.Is(err, syscall.EISDIR) {
			t.Errorf("ReadFile(%q), which leads to %q: %v", path, at, err)
		}
	})
}

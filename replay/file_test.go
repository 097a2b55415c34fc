package replay

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"emurace/internal/testalone"
)

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWriteRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a.trace")
	for _, digest := range []string{"sha256:1", "sha256:2 which is longer", "3"} {
		want := sample()
		want.Digest = digest
		must(t, want.Write(name))
		got, err := Read(name)
		must(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	info, err := os.Stat(name)
	must(t, err)
	if info.Mode() != 0o644 {
		t.Errorf("mode %v", info.Mode())
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("in the folder: %q", got)
	}
}

// TestWriteLink: the file behind a link is written and the link stays.
func TestWriteLink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "real"), 0o755))
	file, link := filepath.Join(dir, "real", "a.trace"), filepath.Join(dir, "link")
	must(t, os.WriteFile(file, []byte("old"), 0o600))
	must(t, os.Symlink("real/a.trace", link))
	must(t, sample().Write(link))
	info, err := os.Lstat(link)
	must(t, err)
	if info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	if _, err := Read(file); err != nil {
		t.Error(err)
	}
}

// TestWritePipe: what is no file is not replaced by one.
func TestWritePipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	must(t, unix.Mkfifo(name, 0o600))
	read := make(chan string)
	go func() {
		b, err := os.ReadFile(name)
		if err != nil {
			b = []byte(err.Error())
		}
		read <- string(b)
	}()
	must(t, sample().Write(name))
	if got := <-read; got != string(encode(t, sample())) {
		t.Errorf("through the pipe came %q", got)
	}
	info, err := os.Lstat(name)
	must(t, err)
	if info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("it is now %v", info.Mode())
	}
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.trace")
	must(t, os.WriteFile(old, []byte("old"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	must(t, os.Symlink("loop", filepath.Join(dir, "loop")))
	before := names(t, dir)
	for _, c := range []struct {
		name string
		want string
		is   error
	}{
		{filepath.Join(dir, "none", "a.trace"), "no such file or directory", fs.ErrNotExist},
		{filepath.Join(old, "a.trace"), "not a directory", syscall.ENOTDIR},
		{filepath.Join(dir, "folder"), "it is a folder", nil},
		{filepath.Join(dir, strings.Repeat("n", 300)), "file name too long", syscall.ENAMETOOLONG},
		{"/proc/a.trace", "no such file or directory", fs.ErrNotExist},
		{"", "", nil},
	} {
		err := sample().Write(c.name)
		if c.name == "" {
			if err == nil {
				t.Error("a file without a name was written")
			}
			continue
		}
		if want := c.name + ": " + c.want; err == nil || err.Error() != want {
			t.Errorf("%v\n  want %s", err, want)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v is not %v", err, c.is)
		}
	}
	if d := cmp.Diff(before, names(t, dir)); d != "" {
		t.Errorf("something was left behind: %s", d)
	}
}

// TestWriteFull: when no more can be written, the old file stays as it was and
// nothing else is there.
func TestWriteFull(t *testing.T) {
	if testalone.Run(t) {
		return
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a.trace")
	must(t, os.WriteFile(name, []byte("old"), 0o644))
	err := testalone.FileSize(t, 100, func() error { return sample().Write(name) })
	if want := name + ": file too large"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "old" {
		t.Errorf("the old file is now %q, %v", b, err)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("in the folder: %q", got)
	}
	if err := sample().Write("/dev/full"); err == nil || err.Error() != "/dev/full: no space left on device" {
		t.Errorf("/dev/full: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	must(t, os.WriteFile(short, []byte("{"), 0o644))
	none := filepath.Join(dir, "none")
	for name, want := range map[string]string{
		dir:   dir + ": is a directory",
		none:  none + ": no such file or directory",
		short: short + ": not a readable trace: it ends too early, after 1 byte",
		"":    ": no such file or directory",
	} {
		if _, err := Read(name); err == nil || err.Error() != want {
			t.Errorf("%v\n  want %s", err, want)
		}
	}
	// A read error is not taken for a damaged trace.
	if _, err := Decode(broken{strings.NewReader("{")}); errors.Is(err, ErrFormat) || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a read error: %v", err)
	}
}

// TestCheckWritable: it says the same as Write, and leaves nothing behind.
func TestCheckWritable(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.trace")
	must(t, os.WriteFile(old, []byte("old"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	must(t, os.Symlink("old.trace", filepath.Join(dir, "link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	before := names(t, dir)
	for _, name := range []string{old, filepath.Join(dir, "new"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), "/dev/null"} {
		if err := CheckWritable(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{filepath.Join(dir, "folder"), filepath.Join(dir, "none", "x"), filepath.Join(old, "x"), "/proc/x"} {
		early, late := CheckWritable(name), sample().Write(name)
		if early == nil || late == nil || early.Error() != late.Error() {
			t.Errorf("%s: early %v, late %v", name, early, late)
		}
	}
	if d := cmp.Diff(before, names(t, dir)); d != "" {
		t.Errorf("something was left behind: %s", d)
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("the old file is now %q, %v", b, err)
	}
}

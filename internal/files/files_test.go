package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(at("file"), []byte("12345"), 0o600))
	must(t, os.WriteFile(at("empty"), nil, 0o600))
	must(t, os.Symlink("file", at("link")))
	must(t, os.Symlink("loop", at("loop")))
	must(t, unix.Mkfifo(at("pipe"), 0o600))
	for _, c := range []struct {
		name string
		most int64
		want string
		err  error
	}{
		{at("file"), 5, "12345", nil},
		{at("link"), 100, "12345", nil},
		{at("empty"), 0, "", nil},
		{at("none"), 5, "", fs.ErrNotExist},
		{at("loop"), 5, "", unix.ELOOP},
		{dir, 5, "", unix.EISDIR},
		{at("pipe"), 5, "", errIrregular}, // nobody writes to it
		{"/dev/zero", 5, "", errIrregular},
		{"/dev/null", 5, "", errIrregular},
		{at("file") + "/x", 5, "", unix.ENOTDIR},
		{at(strings.Repeat("n", 300)), 5, "", unix.ENAMETOOLONG},
	} {
		data, err := Read(c.name, c.most)
		if string(data) != c.want || !errors.Is(err, c.err) || err != nil && strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %q, %v", c.name, data, err)
		}
	}
	// Also what says that it is empty, as files of /proc do.
	for _, name := range []string{at("file"), "/proc/self/maps"} {
		var large *TooLarge
		if data, err := Read(name, 4); !errors.As(err, &large) || large.Most != 4 || data != nil || err.Error() != "larger than 4 bytes" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if text := (&TooLarge{64 << 20}).Error(); text != "larger than 64 MiB" {
		t.Error(text)
	}
}

// What a killed process has left is removed by the next one that writes there; what
// somebody is still writing stays, and so does what has another name.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".emurace-dead.tmp", ".emurace-other", "emurace-1.tmp", "a"} {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	must(t, os.Symlink("a", filepath.Join(dir, ".emurace-link.tmp")))
	must(t, os.Mkdir(filepath.Join(dir, ".emurace-folder.tmp"), 0o700))
	living, err := create(t.TempDir())
	must(t, err)
	defer func() { _ = living.Close() }()
	alive := ".emurace-alive.tmp"
	must(t, os.Rename(living.Name(), filepath.Join(dir, alive)))

	must(t, CheckWritable(filepath.Join(dir, "new")))
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{alive, ".emurace-folder.tmp", ".emurace-link.tmp", ".emurace-other", "a", "emurace-1.tmp"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// A pipe that nobody reads from, and a folder, are errors and no wait without end.
func TestSaveSpecial(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a reader")
	}
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	write := func(f *os.File) error { _, err := f.WriteString("x"); return err }
	if err := Save(pipe, write); !errors.Is(err, errUnread) {
		t.Errorf("%v", err)
	}
	if err := Save(dir, write); !errors.Is(err, errFolder) {
		t.Errorf("%v", err)
	}
	must(t, Save(os.DevNull, write))
}

// A write that fails leaves what was there, and nothing else.
func TestSaveFails(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	must(t, os.WriteFile(name, []byte("old"), 0o600))
	failed := errors.New("failed")
	if err := Save(name, func(*os.File) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("%v", err)
	}
	data, err := os.ReadFile(name)
	must(t, err)
	entries, err := os.ReadDir(dir)
	must(t, err)
	if string(data) != "old" || len(entries) != 1 {
		t.Errorf("%q, %v", data, entries)
	}
	must(t, Save(name, func(f *os.File) error { _, err := f.WriteString("new"); return err }))
	if data, err = os.ReadFile(name); string(data) != "new" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

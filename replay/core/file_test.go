package core

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"emurace/emu"
	"emurace/internal/testalone"
	"emurace/loader"
)

// small is a process of a few pages with a real program, and with zeros inside and
// at the end of a mapping of a file.
func small(t testing.TB) *Process {
	t.Helper()
	program, _, err := loader.Stub(loader.StubSpec{Arch: loader.ARM64, Needed: []string{"libc.so.6"}, Code: make([]byte, 48)})
	must(t, err)
	const at, n = 0x10000, 64
	pages := map[uint64][]byte{}
	for _, i := range []uint64{0, 1, 40} {
		pages[at+i*loader.PageSize] = bytes.Repeat([]byte{byte(i + 1)}, loader.PageSize)
	}
	p := synthetic([]emu.Mapping{{Start: at, End: at + n*loader.PageSize, Path: "/lib/x"}}, pages)
	p.Program = program
	return p
}

func names(t testing.TB, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// TestSave: the file holds what Write writes, with holes; and nothing else is there
// but the program, which is not newer.
func TestSave(t *testing.T) {
	p := small(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "a.core")
	must(t, os.WriteFile(name, []byte("old"), 0o600))
	f, err := p.Save(name)
	must(t, err)
	var want bytes.Buffer
	must(t, p.Write(&want))
	got, err := os.ReadFile(name)
	must(t, err)
	if !bytes.Equal(got, want.Bytes()) || f.Size != uint64(len(got)) {
		t.Errorf("%d bytes, said to be %d, streamed %d; the same: %v", len(got), f.Size, want.Len(), bytes.Equal(got, want.Bytes()))
	}
	var core, program syscall.Stat_t
	must(t, syscall.Stat(name, &core))
	must(t, syscall.Stat(f.Program, &program))
	if room := uint64(core.Blocks) * 512; room > f.Size/2 {
		t.Errorf("it takes %d bytes on disk of %d", room, f.Size)
	}
	if program.Mtim.Nano() > core.Mtim.Nano() {
		t.Error("the program is newer than the core")
	}
	if core.Mode != syscall.S_IFREG|0o644 || !slices.Equal(names(t, dir), []string{"a.core", "a.core.exe"}) {
		t.Errorf("mode %o, in the folder: %q", core.Mode, names(t, dir))
	}
}

// TestSavePipe: what is no regular file gets every byte, and no program beside it.
func TestSavePipe(t *testing.T) {
	p := small(t)
	dir := t.TempDir()
	name := filepath.Join(dir, "pipe")
	must(t, unix.Mkfifo(name, 0o600))
	read := make(chan []byte)
	go func() {
		b, err := os.ReadFile(name)
		if err != nil {
			b = []byte(err.Error())
		}
		read <- b
	}()
	f, err := p.Save(name)
	must(t, err)
	var want bytes.Buffer
	must(t, p.Write(&want))
	if got := <-read; !bytes.Equal(got, want.Bytes()) || f.Program != "" || f.Size != uint64(want.Len()) {
		t.Errorf("%d bytes through the pipe, want %d; %+v", len(got), want.Len(), f)
	}
	if got := names(t, dir); len(got) != 1 {
		t.Errorf("in the folder: %q", got)
	}
	if f, err := p.Save("/dev/null"); err != nil || f.Program != "" {
		t.Errorf("/dev/null: %+v, %v", f, err)
	}
}

// TestSaveErrors: a core that cannot be written leaves nothing, and what was there
// before as it was.
func TestSaveErrors(t *testing.T) {
	if testalone.Run(t) {
		return
	}
	p := small(t)
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	must(t, os.WriteFile(old, []byte("old"), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "folder"), 0o755))
	must(t, os.Mkdir(filepath.Join(dir, "a.core.exe"), 0o755))
	before := names(t, dir)
	for name, want := range map[string]string{
		filepath.Join(dir, "none", "a.core"):         "no such file or directory",
		filepath.Join(old, "a.core"):                 "not a directory",
		filepath.Join(dir, "folder"):                 "it is a folder",
		filepath.Join(dir, "a.core"):                 "it is a folder", // the program's place is taken
		filepath.Join(dir, strings.Repeat("n", 300)): "file name too long",
		"/proc/a.core":                               "no such file or directory",
		"/dev/full":                                  "no space left on device",
	} {
		if _, err := p.Save(name); err == nil || !strings.HasPrefix(err.Error(), name) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: %v\n  want %s", name, err, want)
		}
	}
	// The disk fills up behind the program.
	if err := testalone.FileSize(t, 16<<10, func() error { _, err := p.Save(old); return err }); err == nil || err.Error() != old+": file too large" {
		t.Error(err)
	}
	if got := names(t, dir); !slices.Equal(got, before) {
		t.Errorf("in the folder: %q, before %q", got, before)
	}
	if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
		t.Errorf("the old file is now %q, %v", b, err)
	}
}

// TestProgramErrors: what is no program that loader.Stub makes is refused.
func TestProgramErrors(t *testing.T) {
	p := small(t)
	for name, change := range map[string]func([]byte) []byte{
		"nothing":       func([]byte) []byte { return nil },
		"cut":           func(b []byte) []byte { return b[:100] },
		"entry outside": func(b []byte) []byte { le.PutUint64(b[24:], 1<<40); return b },
		"no segments":   func(b []byte) []byte { le.PutUint16(b[56:], 0); return b },
	} {
		bad := *p
		bad.Program = change(bytes.Clone(p.Program))
		if _, err := bad.ProgramFile(); err == nil || !strings.HasPrefix(err.Error(), "core: the program: ") {
			t.Errorf("%s: %v", name, err)
		}
		if f, err := bad.Save(filepath.Join(t.TempDir(), "a.core")); err == nil || names(t, filepath.Dir(f.Core)) != nil {
			t.Errorf("%s: saved %+v, %v", name, f, err)
		}
	}
}

// TestGDBCommand: a shell hands gdb the words that are meant.
func TestGDBCommand(t *testing.T) {
	for _, c := range []struct {
		root, source, program, file string
		libraries                   []string
		want                        string
	}{
		{"/r", "", "a.exe", "a", nil, "gdb-multiarch -iex 'set sysroot /r' -iex 'set debug-file-directory /r/usr/lib/debug' a.exe a"},
		{"/it's here", "", "-x y.exe", "-x y", nil, `gdb-multiarch -iex 'set sysroot /it'\''s here' -iex 'set debug-file-directory /it'\''s here/usr/lib/debug' './-x y.exe' './-x y'`},
		{"/r", "/r/s", "a.exe", "a", []string{"/l", "/m"}, "gdb-multiarch -iex 'set sysroot /r' -iex 'set debug-file-directory /r/usr/lib/debug' -iex 'directory /r/s' -iex 'set solib-search-path /l:/m' a.exe a"},
		{"/r", "", "", "$(a)", nil, "gdb-multiarch -iex 'set sysroot /r' -iex 'set debug-file-directory /r/usr/lib/debug' -iex 'set osabi GNU/Linux' -c '$(a)' -ex sharedlibrary"},
	} {
		if got := GDBCommand(c.root, c.source, c.program, c.file, c.libraries...); got != c.want {
			t.Errorf("%s\n  want %s", got, c.want)
		}
	}
}

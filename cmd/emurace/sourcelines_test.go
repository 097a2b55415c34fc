package main

import (
	"os"
	"path/filepath"
	"testing"

	"emurace/emu"
	"emurace/loader"
)

// TestSourceLines: the lines are those of the folder beside the sysroot, by names as debug
// information has them, and of no other file.
func TestSourceLines(t *testing.T) {
	gen := t.TempDir()
	for name, text := range map[string]string{"source/malloc/malloc.c": "one\n\ttwo\t/* x */ \nthree", "secret": "s", "root/x": ""} {
		at := filepath.Join(gen, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret", filepath.Join(gen, "source/link.c")); err != nil {
		t.Fatal(err)
	}
	root, err := loader.OpenSysroot(filepath.Join(gen, "root"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := openSource(&emu.System{Root: root})
	defer s.close()
	for _, c := range []struct {
		file string
		line int
		want string
	}{
		{"malloc/malloc.c", 1, "one"}, {"./malloc/malloc.c", 2, "two /* x */"}, {"csu/../malloc/./malloc.c", 3, "three"},
		{"malloc/malloc.c", 0, ""}, {"malloc/malloc.c", 4, ""}, {"malloc/none.c", 1, ""}, {"../secret", 1, ""}, {"link.c", 1, ""},
		{filepath.Join(gen, "secret"), 1, ""}, {"", 1, ""}, {"malloc", 1, ""},
	} {
		if got := s.line(c.file, c.line); got != c.want {
			t.Errorf("%s:%d: %q, want %q", c.file, c.line, got, c.want)
		}
	}
	var none *sourceLines
	if none.line("malloc/malloc.c", 1) != "" {
		t.Error("without a source there is a line")
	}
	none.close()
}

package scripts

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// library is an ELF file for an architecture that needs others.
func library(t *testing.T, arch loader.Arch, needs ...string) []byte {
	t.Helper()
	data, _, err := loader.Stub(loader.StubSpec{Arch: arch, Code: make([]byte, 16), Needed: needs})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestBeside: what a library needs comes with it, breadth first and each once, from its own
// folder; what is not there is the sysroot's, and so is the C library in any case.
func TestBeside(t *testing.T) {
	dir := t.TempDir()
	for name, needs := range map[string][]string{
		"a.so": {"b.so", "c.so", "libc.so.6", "none.so", "/etc/x.so"}, "b.so": {"d.so", "a.so"}, "c.so": {"d.so"}, "d.so": nil, "libc.so.6": nil,
		"sub/e.so": {"f.so", "a.so"}, "sub/f.so": nil,
	} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, library(t, loader.ARM64, needs...), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	find := Beside(filepath.Join(dir, "x.star"))
	for name, want := range map[string]string{"a.so": "a.so b.so c.so d.so", "d.so": "d.so", "sub/e.so": "sub/e.so sub/f.so"} {
		list, err := find(name)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range list {
			at := strings.TrimPrefix(l.At, scenario.LibraryRoot+"/")
			if l.Host != filepath.Join(dir, at) || len(l.Content) == 0 {
				t.Errorf("%s: %s, %d bytes", l.At, l.Host, len(l.Content))
			}
			got = append(got, at)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", name, got, want)
		}
	}
	// What is built later has no part in what has begun.
	before, err := find("d.so")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d.so"), library(t, loader.ARM64, "z.so"), 0o644); err != nil {
		t.Fatal(err)
	}
	if again, err := find("d.so"); err != nil || !bytes.Equal(again[0].Content, before[0].Content) {
		t.Errorf("it is read again: %v", err)
	}
}

// TestBesideErrors: one for another architecture beside it, what is no library, and what is
// not in the folder.
func TestBesideErrors(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "in")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"out.so": library(t, loader.ARM64), "in/a.so": library(t, loader.ARM64, "b.so"), "in/b.so": library(t, loader.AMD64), "in/text.so": []byte("text"), "in/empty.so": nil,
	} {
		if err := os.WriteFile(filepath.Join(outer, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link.so": "../out.so", "abs.so": filepath.Join(outer, "out.so"), "loop.so": "loop.so"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	find := Beside(filepath.Join(dir, "x.star"))
	for _, name := range []string{"a.so", "text.so", "empty.so", "none.so", "link.so", "abs.so", "loop.so", "."} {
		list, err := find(name)
		if err == nil || !strings.HasPrefix(err.Error(), "./") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %d libraries, %v", name, len(list), err)
		}
	}
}

// TestShippedHaveNone: a scenario without a file has no folder to look into.
func TestShippedHaveNone(t *testing.T) {
	const text = "\"\"\"x\"\"\"\nlib(\"./a.so\")\nthread(\"main\", lambda t: None)\n"
	s, err := Compile("x.star", text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Scenario(); err == nil || !strings.Contains(err.Error(), "only a scenario in a file of your own") {
		t.Errorf("%v", err)
	}
	// With a trace's libraries the very same script is one.
	s, err = FromSource([]scenario.File{{Name: "x.star", Text: text}}, func(name string) ([]scenario.Library, error) {
		return []scenario.Library{{At: scenario.LibraryRoot + "/" + name, Host: "/gone/a.so", Content: []byte("x")}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	sc, err := s.Scenario()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := sc.Build(scenario.Values{})
	if err != nil || len(plan.Libraries) != 1 || len(plan.Libs) != 1 || plan.Libs[0] != "/scenario/a.so" {
		t.Errorf("%+v, %v", plan, err)
	}
}

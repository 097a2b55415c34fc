package programs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestList: every program is there, says what it shows, and has a twin.
func TestList(t *testing.T) {
	list, err := List(filepath.Join("..", "..", "testdata", "programs"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[Language]int{}
	for _, p := range list {
		count[p.Language]++
		fixed := "FIXED"
		if p.Language == Rust {
			fixed = "cfg(fixed)"
		}
		if !strings.Contains(p.Source, fixed) {
			t.Errorf("%s has no repaired twin", p.File)
		}
		if strings.HasSuffix(p.Title, ".") || !strings.HasSuffix(p.Summary, ".") || strings.Contains(p.Title+p.Summary, "|") {
			t.Errorf("%s: title %q, summary %q: a heading, and sentences, which a table can show", p.File, p.Title, p.Summary)
		}
	}
	if count[C] < 18 || count[Cxx] < 2 || count[Rust] < 1 {
		t.Errorf("%v", count)
	}
	if !slices.IsSortedFunc(list, func(a, b Program) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not in the order of the names")
	}
}

func TestParse(t *testing.T) {
	p, err := parse("two.cc", "// Two of them\n//\n// Both\n// go.\n//\n// Fails: abort, exit code\n#include <mutex>\n// Not this\n")
	if err != nil || p.Name != "two" || p.Language != Cxx || p.Title != "Two of them" || p.Summary != "Both go." ||
		!slices.Equal(p.Fails, []Failure{Abort, ExitCode}) || p.FixedFlag() != "-DFIXED" {
		t.Errorf("%+v, %v", p, err)
	}
	if p.Language = Rust; p.FixedFlag() != "--cfg=fixed" {
		t.Error(p.FixedFlag())
	}
	for text, want := range map[string]string{
		"int x;\n": "head comment: not a title",
		"// A\n//\n// B.\n//\n// Fails: sometimes\n":     `"sometimes" is no way to fail`,
		"// A\n//\n// B.\n//\n// It fails: abort\n":      `does not begin with "Fails: "`,
		"// A\n// B\n//\n// C.\n//\n// Fails: abort\n":   "head comment: not a title",
		"// A\n//\n// C.\n//\n// Fails: abort\n//\n// D": "head comment: not a title",
		"// A\n//\n// C.\n//\n":                          "head comment: not a title",
	} {
		if _, err := parse("x.c", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	if _, err := parse("x.py", "# A"); err == nil || !strings.Contains(err.Error(), "not C, C++ or Rust") {
		t.Error(err)
	}
}

func TestListErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := List(dir); err == nil || !strings.Contains(err.Error(), "no programs") {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.c"), []byte("int x;"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := List(dir); err == nil || !strings.Contains(err.Error(), "bad.c: head comment") {
		t.Error(err)
	}
	if _, err := List(filepath.Join(dir, "nothing")); !os.IsNotExist(err) {
		t.Error(err)
	}
}

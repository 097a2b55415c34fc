package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"emurace/internal/testroot"
	"emurace/scripts/scenariolang"
	"emurace/scripts/strategylang"
)

var (
	block = regexp.MustCompile("(?s)```(python|console)(?: (\\S+))?\n(.*?)```")
	// unstable is what differs from one run, and from one update of a libc, to the next.
	unstable = regexp.MustCompile(`, [0-9.]+ s\b|build-id [0-9a-f]+`)
)

func writingScenarios(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "writing-scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWritingScenarios: the scripts of docs/writing-scenarios.md, in their order, do
// what the page shows: each line that it shows of a command's output begins that
// output.
func TestWritingScenarios(t *testing.T) {
	doc := writingScenarios(t)
	cache := testroot.Cache(t).Path()
	t.Chdir(t.TempDir())
	t.Setenv("EMURACE_CACHE", cache)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	ran := 0
	for _, b := range block.FindAllStringSubmatch(doc, -1) {
		if b[1] == "python" {
			if err := os.WriteFile(b[2], []byte(b[3]), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		for _, session := range strings.Split("\n"+b[3], "\n$ ")[1:] {
			command, want, _ := strings.Cut(session, "\n")
			if ran++; testing.Short() && ran > 6 {
				continue
			}
			var stdout, stderr bytes.Buffer
			doMain(context.Background(), strings.Fields(command), &stdout, &stderr)
			got := unstable.ReplaceAllString(stdout.String()+stderr.String(), "")
			if want = strings.TrimSpace(unstable.ReplaceAllString(want, "")); want == "" || !strings.HasPrefix(got, want) {
				t.Errorf("%s\nshows\n%s\nwant\n%s", command, got, want)
			}
		}
	}
	if ran < 6 {
		t.Errorf("%d commands", ran)
	}
}

// TestWritingReference: the page names every word of both languages.
func TestWritingReference(t *testing.T) {
	doc := writingScenarios(t)
	for _, names := range [][]string{scenariolang.Names().Keys(), strategylang.Names().Keys()} {
		for _, name := range names {
			if !regexp.MustCompile("`" + name + "\\b").MatchString(doc) {
				t.Errorf("%s is not there", name)
			}
		}
	}
	for of, names := range strategylang.Attributes() {
		for _, name := range names {
			if !regexp.MustCompile("`" + of + `\.` + name + "\\b").MatchString(doc) {
				t.Errorf("%s.%s is not there", of, name)
			}
		}
	}
	for of, names := range scenariolang.Attributes() {
		for _, name := range names {
			if !regexp.MustCompile("`" + of + `\.` + name + "\\b").MatchString(doc) {
				t.Errorf("%s.%s is not there", of, name)
			}
		}
	}
}

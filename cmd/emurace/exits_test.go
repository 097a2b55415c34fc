package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExitsAreTold: README has a row for each exit code with the program's own words, and
// docs/ERRORS.md one for each that is an error.
func TestExitsAreTold(t *testing.T) {
	for file, row := range map[string]func(code int, meaning string) string{
		"README.md": func(code int, meaning string) string {
			return fmt.Sprintf("| %d | %s |\n", code, strings.ReplaceAll(meaning, "explore", "`explore`"))
		},
		"docs/ERRORS.md": func(code int, _ string) string {
			if code <= exitFound {
				return ""
			}
			return fmt.Sprintf("| %d | ", code)
		},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range exits {
			if want := row(e.Code, e.Meaning); !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
	}
}

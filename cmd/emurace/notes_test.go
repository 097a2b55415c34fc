package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"emurace/scripts"
)

// claimed is what a note of a scenario says that a search shows: the command's words, and either
// that nothing fails or how many of how many schedules do.
var claimed = regexp.MustCompile(`emurace explore (.*?): (?:no schedule fails|([\d,]+) of ([\d,]+) schedules fail)\.`)

// TestNotes: what the notes of scenarios say of searches is so. The notes are in the lesson, too,
// where everything else is of the run that is told.
func TestNotes(t *testing.T) {
	atHome(t)
	t.Setenv("EMURACE_SYSROOT", "debian:bookworm")
	claims := 0
	for _, sc := range scripts.All() {
		for _, n := range sc.Notes {
			text := strings.Join(n.Text, "\n")
			found := claimed.FindAllStringSubmatch(text, -1)
			if len(found) != strings.Count(text, "emurace explore ") {
				t.Errorf("%s: a note has a search without what it shows: %s", sc.Name, text)
			}
			claims += len(found)
			if testing.Short() && sc.Name != scripts.Default {
				continue
			}
			for _, c := range found {
				t.Run(sc.Name+"/"+c[1], func(t *testing.T) {
					t.Parallel()
					checkClaim(t, c[0], strings.Fields(c[1]), grouped(t, c[2]), grouped(t, c[3]))
				})
			}
		}
	}
	if claims < 10 {
		t.Errorf("the notes have %d searches", claims)
	}
}

// grouped is a number with commas, 0 for none.
func grouped(t *testing.T, text string) uint64 {
	t.Helper()
	if text == "" {
		return 0
	}
	n, err := strconv.ParseUint(strings.ReplaceAll(text, ",", ""), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkClaim runs a search to its end. Without schedules it is one in which none fails.
func checkClaim(t *testing.T, claim string, words []string, failing, schedules uint64) {
	t.Helper()
	args := append([]string{"emurace", "explore"}, words...)
	args = append(args, "--json", "--minimize=false", "--jobs", "1", "--color", "never", "--output", filepath.Join(t.TempDir(), "trace"))
	var stdout, stderr bytes.Buffer
	code := doMain(t.Context(), args, &stdout, &stderr)
	var got struct {
		Verdict            string
		Complete           bool
		Failing, Schedules uint64
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%s\nexit code %d, %v\n%s%s", claim, code, err, &stdout, &stderr)
	}
	want := map[bool]string{true: "failing", false: "clean"}[failing > 0]
	if got.Verdict != want || !got.Complete || got.Failing != failing || schedules > 0 && got.Schedules != schedules {
		t.Errorf("%s\nit is %+v", claim, got)
	}
}

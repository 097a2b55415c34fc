package main

import (
	"path/filepath"
	"strings"
	"testing"

	"emurace/internal/testcores"
	"emurace/loader"
)

// TestDiagnoseSearch: from a core alone a scenario is drafted whose search comes to the same instruction
// again, or, of a deadlock, to the same ring: of cores that the kernel, gcore, qemu and the emulator wrote.
func TestDiagnoseSearch(t *testing.T) {
	t.Cleanup(testcores.Clean)
	_, run := newShell(t)
	for name, c := range map[string]struct {
		core func(t *testing.T) *testcores.Core
		end  string
		says []string // of the core, each in a sentence that is certain
		// itself tells that no thread was in a call that a scenario could make: the program is searched.
		itself bool
	}{
		"kernel": {func(t *testing.T) *testcores.Core {
			return testcores.Article(t, testcores.ArticleOptions{Writer: testcores.Kernel, Arch: testcores.NativeArch()})
		}, "a way to this crash (same instruction)", article, false},
		"gcore": {func(t *testing.T) *testcores.Core {
			return testcores.Article(t, testcores.ArticleOptions{Writer: testcores.GCore, Arch: testcores.NativeArch(), Full: true})
		}, "a way to this crash (same instruction)", article, false},
		"qemu": {func(t *testing.T) *testcores.Core {
			return testcores.Article(t, testcores.ArticleOptions{Writer: testcores.Qemu, Arch: loader.ARM64})
		}, "a way to this crash (same instruction)", article, false},
		"emulated": {func(t *testing.T) *testcores.Core {
			return testcores.FromShipped(t, "bookworm", loader.AMD64, "article")
		}, "a way to this crash (same instruction)", article, false},
		"deadlock of two": {func(t *testing.T) *testcores.Core {
			return testcores.Find("deadlock-two").Emulated(t, "bookworm", loader.ARM64)
		}, "a way to this deadlock", []string{"A deadlock of 2 threads"}, false},
		"deadlock of three": {func(t *testing.T) *testcores.Core {
			return testcores.Find("deadlock-three").Emulated(t, "bookworm", loader.AMD64)
		}, "a way to this deadlock", []string{"A deadlock of 3 threads"}, false},
		"a program's own code": {func(t *testing.T) *testcores.Core {
			return testcores.Find("null-member").Emulated(t, "bookworm", loader.AMD64)
		}, "a way to this crash (same instruction)", []string{"is NULL: the access is to what would be 40 (0x28) bytes behind it"}, true},
		"a wild jump": {func(t *testing.T) *testcores.Core {
			return testcores.Find("wild-jump").Emulated(t, "bookworm", loader.ARM64)
		}, "a way to this crash (same instruction)", []string{"where there is no code, called by dispatch"}, true},
		"a condition variable": {func(t *testing.T) *testcores.Core {
			return testcores.Find("stuck-condition").Emulated(t, "bookworm", loader.AMD64)
		}, "a way to this deadlock (same instruction)", []string{"No thread can go on", "waits for the condition variable filled"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "emulated" {
				t.Skip("one of them")
			}
			core := c.core(t)
			scenario := filepath.Join(t.TempDir(), "drafted.star")
			line := "emurace diagnose --search --time 60s --program " + core.Program
			if !c.itself {
				line += " --scenario " + scenario
			}
			if core.Arch == testcores.NativeArch() && core.Sysroot == "/" {
				line += " --sysroot host"
			}
			line += " " + core.Path
			text, code := run(line)
			if code != exitFound || !strings.Contains(text, "\nend       "+c.end) {
				t.Errorf("$ %s\n%s\nexit code %d", line, text, code)
			}
			for _, want := range c.says {
				if !certainly(text, want) {
					t.Errorf("%q is not among what is certain:\n%s", want, text)
				}
			}
		})
	}
}

// article is what the authors of the article found out by hand.
var article = []string{
	`in getenv("LANGUAGE"), called by __dcigettext`,
	"0x220 is the size of the free chunk that ",
	"which is word 66 of the block of 0x218 bytes",
	"environ was moved: main walks the array that it led to before, with 66 entries",
	"Entries 66, 67 are new: SSL_CERT_FILE, SSL_CERT_DIR.",
	"and of no other thread",
}

// certainly tells whether a sentence of a page that is certain has the words.
func certainly(page, words string) bool {
	for line := range strings.Lines(page) {
		if text, ok := strings.CutPrefix(line, "  certain   "); ok && strings.Contains(text, words) {
			return true
		}
	}
	return false
}

package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/internal/testcores"
	"emurace/loader"
)

// tells fails unless there is a certain fact of a kind that has all of the words.
func tells(t *testing.T, d *Diagnosis, kind Kind, words ...string) Fact {
	t.Helper()
	for _, f := range d.Facts {
		text := f.Text + strings.Join(f.Evidence, "\n")
		if f.Kind == kind && f.Certain && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			return f
		}
	}
	t.Errorf("no certain %s with %q", kind, words)
	return Fact{}
}

// articles are the ways to make the article's crash.
func articles() map[string]testcores.ArticleOptions {
	list := map[string]testcores.ArticleOptions{
		"arm64": {Arch: loader.ARM64}, "amd64": {Arch: loader.AMD64}, "full": {Arch: loader.ARM64, Full: true},
		"kernel": {Writer: testcores.Kernel}, "gcore": {Writer: testcores.GCore}, "qemu": {Writer: testcores.Qemu},
	}
	if testing.Short() {
		return map[string]testcores.ArticleOptions{"arm64": list["arm64"], "kernel": list["kernel"]}
	}
	return list
}

// TestArticle: without being told, the facts are those that the article's authors found by hand.
func TestArticle(t *testing.T) {
	for name, o := range articles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testcores.Article(t, o)
			d := explain(t, c, all(c))
			article(t, c, d)
			if t.Failed() {
				t.Log(told(d))
			}
		})
	}
}

func article(t *testing.T, c *testcores.Core, d *Diagnosis) {
	t.Helper()
	worker := uint32(0)
	for _, th := range d.Process.Threads {
		if th.TID != d.Process.Core.PID {
			worker = th.TID
		}
	}
	walker := map[loader.Arch]string{loader.ARM64: "x20", loader.AMD64: "rbp"}[c.Arch]
	if f, at := d.Fault, d.Dead.Registers[walker]; f == nil || f.Value != testcores.ArticleValue || f.Address != testcores.ArticleValue || at == 0 {
		t.Fatalf("%+v", d.Fault)
	}
	tells(t, d, Death, "SIGSEGV in getenv", "reads 0x220")
	tells(t, d, InCall, `Main was in getenv("LANGUAGE"), called by __dcigettext < `, "strerror", "main")
	tells(t, d, BadValue, fmt.Sprintf("0x220 is the size of the free chunk that %s walks", walker), "word 66 of the block of 0x218 bytes", fmt.Sprintf("[%s] = %#x", walker, d.Dead.Registers[walker]))
	tells(t, d, FreedBlock, "of the main arena (that of main)")
	tells(t, d, EnvironMoved, "environ was moved: main walks the array that it led to before, with 66 entries", "and has 68 entries", "words 0, 1 are others")
	added := testcores.ArticleAdded()
	tells(t, d, EnvironAdded, "Entries 66, 67 are new: SSL_CERT_FILE, SSL_CERT_DIR.", "environ[66] = ", `"`+added[0]+`"`, "environ[67] = ", `"`+added[1]+`"`)
	if f := tells(t, d, Whose, fmt.Sprintf("that of thread %d and of no other thread", worker)); f.Thread != worker {
		t.Errorf("of thread %d, not %d", f.Thread, worker)
	}
	if len(d.Calls) != 2 || d.Calls[0].Thread != worker || d.Calls[0].Function != "setenv" || d.Calls[1].Args[0].Text != "SSL_CERT_DIR" {
		t.Errorf("calls %+v", d.Calls)
	}
	if f, ok := d.Has(Cause); !ok || f.Certain || f.Thread != worker || !strings.Contains(f.Text, `setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")`) {
		t.Errorf("cause %+v", f)
	}
}

// TestLive: of the same process before anybody has died nothing is said that has not come to pass.
func TestLive(t *testing.T) {
	for name, o := range articles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Live = true
			c := testcores.Article(t, o)
			d := explain(t, c, all(c))
			for _, f := range d.Facts {
				if !slices.Contains([]Kind{Death, InCall, Where}, f.Kind) || strings.Contains(f.Text, "SEGV") {
					t.Errorf("%s: %s", f.Kind, f.Text)
				}
			}
			tells(t, d, InCall, "Main was in read(", "await < fault")
			if died := o.Writer == testcores.Kernel || o.Writer == testcores.Qemu; d.Alive() == died {
				t.Errorf("alive: %v", d.Alive())
			}
			if t.Failed() {
				t.Log(told(d))
			}
		})
	}
}

// TestInHand: at the end of the default scenario's run the worker is still in realloc of the very block.
func TestInHand(t *testing.T) {
	for _, arch := range testcores.Arches {
		if testing.Short() && arch != loader.ARM64 {
			continue
		}
		t.Run(arch.String(), func(t *testing.T) {
			t.Parallel()
			c := testcores.FromShipped(t, "bookworm", arch, "getenv-setenv")
			d := explain(t, c, all(c))
			tells(t, d, BadValue, "0x220 is the size of the free chunk", "word 66 of the block of 0x218 bytes")
			tells(t, d, FreedBlock, "environ")
			f := tells(t, d, InHand, "is at this moment in _int_free of the block", "realloc(", `__add_to_environ("SSL_CERT_FILE", "`)
			if role(d, c, f.Thread, testcores.Truth{}) != "worker" {
				t.Errorf("it is thread %d", f.Thread)
			}
			block := d.block.Block().Lo
			if !strings.Contains(f.Text, fmt.Sprintf("the block at %#x", block)) || d.Environ.Block != block {
				t.Errorf("the block is that at %#x", block)
			}
			if t.Failed() {
				t.Log(told(d))
			}
		})
	}
}

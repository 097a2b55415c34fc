package diagnose

import (
	"slices"
	"strings"
	"testing"

	"emurace/diagnose/process"
	"emurace/internal/testcores"
	"emurace/loader"
	"emurace/loader/corefile"
)

// poorer are ways to know less of a core: a worse core, other files, or both.
type poorer struct {
	name  string
	worse func(b []byte) ([]byte, error)
	files func(t *testing.T, c *testcores.Core) given
	none  bool // it is no core any more
	whole bool // nothing that is told need be less
}

func cut(part, of int) func(b []byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) { return testcores.Truncate(b, len(b)*part/of), nil }
}

func bare(suite string) func(t *testing.T, c *testcores.Core) given {
	return func(t *testing.T, c *testcores.Core) given {
		return given{[]string{testcores.Bare(t, suite, c.Arch)}, c.Program}
	}
}

var poorerWays = []poorer{
	{name: "no files", files: func(*testing.T, *testcores.Core) given { return given{} }},
	{name: "stripped", files: bare("bookworm"), whole: true},
	{name: "of another suite", files: bare("trixie")},
	{name: "cut to 9 in 10", worse: cut(9, 10)},
	{name: "cut to 1 in 2", worse: cut(1, 2)},
	{name: "cut to 1 in 4", worse: cut(1, 4)},
	{name: "cut to 1 in 10", worse: cut(1, 10)},
	{name: "no anonymous memory", worse: testcores.WithoutAnonymous},
	{name: "no mapped files", worse: func(b []byte) ([]byte, error) { return testcores.WithoutFileBacked(b, true) }},
	{name: "no mapped files, no headers", worse: func(b []byte) ([]byte, error) { return testcores.WithoutFileBacked(b, false) }},
	{name: "no mapped files, wrong ones", worse: func(b []byte) ([]byte, error) { return testcores.WithoutFileBacked(b, false) }, files: bare("trixie")},
	{name: "threads only", worse: func(b []byte) ([]byte, error) {
		return testcores.DropNotes(b, func(n testcores.Note) bool { return n.Type != testcores.NTPrstatus })
	}},
	{name: "no signal information", worse: func(b []byte) ([]byte, error) {
		return testcores.DropNotes(b, func(n testcores.Note) bool { return n.Type == testcores.NTSiginfo })
	}, whole: true},
	{name: "no list of files", worse: testcores.Unfile, whole: true},
	{name: "as qemu", worse: testcores.AsQemu, whole: true},
	{name: "as qemu, no files", worse: testcores.AsQemu, files: func(*testing.T, *testcores.Core) given { return given{} }},
	{name: "as qemu, wrong files", worse: testcores.AsQemu, files: bare("trixie")},
	{name: "no notes", worse: testcores.Unnote, none: true},
}

// TestPoorer: of less, less is told, and nothing that is false; the gap is said.
func TestPoorer(t *testing.T) {
	samples := map[string]func(t *testing.T) (*testcores.Core, testcores.Truth){
		"article": func(t *testing.T) (*testcores.Core, testcores.Truth) {
			return testcores.Article(t, testcores.ArticleOptions{Arch: loader.ARM64}), testcores.ArticleTruth()
		},
	}
	for i, name := range []string{"freed-own-content", "overrun", "deadlock-two", "wild-jump", "uncaught-exception", "malloc-next-safe"} {
		c, arch := testcores.Find(name), testcores.Arches[(i+1)%2]
		samples[name] = func(t *testing.T) (*testcores.Core, testcores.Truth) { return c.Emulated(t, "bookworm", arch), c.Truth }
	}
	for name, make := range samples {
		if testing.Short() && name != "article" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c, truth := make(t)
			full := explain(t, c, all(c))
			b := c.Bytes(t)
			for _, w := range poorerWays {
				t.Run(w.name, func(t *testing.T) { w.test(t, c, b, full, truth) })
			}
		})
	}
}

func (w poorer) test(t *testing.T, c *testcores.Core, b []byte, full *Diagnosis, truth testcores.Truth) {
	worse, files := c, all(c)
	if w.worse != nil {
		// Emurace's own note says of what is not stored that it is zeros.
		kernel, err := testcores.DropNotes(b, func(n testcores.Note) bool { return n.Owner == "EMURACE" })
		if err != nil {
			t.Fatal(err)
		}
		less, err := w.worse(kernel)
		worse = c.Worse(t, less, err)
	}
	if w.none || strings.HasPrefix(w.name, "cut") {
		core, err := corefile.Open(worse.Path, nil)
		if err == nil {
			err = core.Close()
		} else if !w.none && !strings.Contains(err.Error(), "missing") {
			t.Errorf("%v does not say that something is missing", err)
		} else {
			return
		}
		if w.none {
			t.Fatalf("it is a core: %v", err)
		}
	}
	if w.files != nil {
		files = w.files(t, c)
	}
	d := explain(t, worse, files)
	for _, f := range d.Facts {
		if !f.Certain || slices.ContainsFunc(full.Facts, func(g Fact) bool { return g.Certain && g.Text == f.Text }) {
			continue
		}
		if why := lie(full, c, f, truth); why != "" {
			t.Errorf("certain, and not so in the whole core: %s: %s", f.Text, why)
		}
		if f.Kind == Death && strings.Contains(f.Text, "nothing is mapped") && !strings.Contains(full.Facts[0].Text, "nothing is mapped") {
			t.Errorf("%s\nwhole: %s", f.Text, full.Facts[0].Text)
		}
	}
	if strings.Contains(w.name, "wrong") || strings.Contains(w.name, "another") {
		w.refused(t, d)
	}
	if !w.whole && len(d.Gaps) <= len(full.Gaps) {
		t.Errorf("the gap is not said")
	}
	if t.Failed() {
		t.Log(told(d))
	}
}

// refused: no file of the wrong suite is a module's, and each that has the name of one is named.
func (w poorer) refused(t *testing.T, d *Diagnosis) {
	t.Helper()
	others := 0
	for _, m := range d.Process.List() {
		others += len(m.Others)
		if m != d.Process.Main() && (m.Origin == process.SameBuildID || m.Origin == process.ByName) {
			t.Errorf("%s is taken for %s: %v", m.File, m.Path, m.Origin)
		}
	}
	if libc := d.Process.Libc(); libc != nil && others == 0 {
		t.Errorf("no other file is named")
	}
}

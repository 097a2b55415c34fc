package diagnose

import (
	"fmt"
	"strings"
	"testing"

	"emurace/diagnose/process"
	"emurace/internal/testcores"
	"emurace/loader"
	"emurace/loader/corefile"
)

func TestMain(m *testing.M) { testcores.Main(m) }

// given is where the files of a core's modules are looked for.
type given struct {
	dirs    []string // folders that stand for the process's root directory
	program string   // the program's file, "" for none
}

// all are the files that the process had.
func all(c *testcores.Core) given { return given{[]string{c.Sysroot}, c.Program} }

// explain reads a core and explains it.
func explain(t testing.TB, c *testcores.Core, g given) *Diagnosis {
	t.Helper()
	core, err := corefile.Open(c.Path, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = core.Close() })
	f := &process.Files{Program: g.program}
	for _, dir := range g.dirs {
		root, err := loader.OpenSysroot(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = root.Close() })
		f.Sources = append(f.Sources, process.Source{Name: dir, Root: root, Given: true})
	}
	p, err := process.New(core, f)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Explain(p, false)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// told writes all that a diagnosis says, for a test that fails.
func told(d *Diagnosis) string {
	var s strings.Builder
	for _, f := range d.Facts {
		sure := "likely "
		if f.Certain {
			sure = "certain"
		}
		fmt.Fprintf(&s, "\n  %s %-18s [%d] %s", sure, f.Kind, f.Thread, f.Text)
		for _, e := range f.Evidence {
			fmt.Fprintf(&s, "\n      %s", e)
		}
	}
	for _, g := range d.Gaps {
		fmt.Fprintf(&s, "\n  gap     %s", g)
	}
	return s.String()
}

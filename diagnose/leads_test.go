package diagnose

import (
	"strings"
	"testing"

	"emurace/internal/testcores"
	"emurace/loader"
)

// TestLeads: what the registers near the failure lead to is told of blocks in use and free, and objects of
// C++ have their class.
func TestLeads(t *testing.T) {
	for _, arch := range testcores.Arches {
		c := testcores.FromShipped(t, "bookworm", arch, "article")
		d := explain(t, c, all(c))
		register := map[loader.Arch]string{loader.ARM64: "x20", loader.AMD64: "rbp"}[arch]
		found := false
		for _, l := range d.Leads(6, 3) {
			if v := d.Dead.Registers[l.Register]; v != l.Value || l.Text == "" {
				t.Errorf("%v: %+v, and the register is %#x", arch, l, v)
			}
			if l.Register == register {
				found = strings.Contains(l.Text, "(free, in the unsorted bin), 0x210 bytes behind its beginning, of the main arena (main); before it ")
			}
		}
		if !found {
			t.Errorf("%v: %+v", arch, d.Leads(6, 3))
		}
	}
	c := testcores.Find("pure-virtual").Emulated(t, "bookworm", loader.AMD64)
	d := explain(t, c, all(c))
	classes := map[string]bool{}
	for _, r := range d.Process.Core.Ranges {
		for at := r.Lo; r.Writable && at < r.Known() && at < r.Lo+1<<20; at += 8 {
			if name := d.classOf(at); name != "" {
				classes[name] = true
			}
		}
	}
	if len(classes) == 0 {
		t.Error("no object of any class was found")
	}
	for name := range classes {
		if strings.HasPrefix(name, "_Z") {
			t.Errorf("%s is no class's name", name)
		}
	}
}

package guestcode

import (
	"strings"
	"testing"

	"emurace/loader"
)

func TestLibrary(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		for _, soname := range []string{"", "libours.so.1"} {
			im, err := loader.Parse("libours.so", Library(t, arch, soname, "int x = 7;\nint *where(void) { return &x; }\n"))
			if err != nil {
				t.Fatal(err)
			}
			where, ok := im.Symbol("where")
			if !ok || im.Arch != arch || im.Soname != soname || len(im.Needed) != 0 {
				t.Errorf("%v: soname %q, needs %v, where %+v", arch, im.Soname, im.Needed, where)
			}
			if file, line, ok := im.LineAt(where.Addr); !ok || !strings.HasSuffix(file, "guest.c") || line != 2 {
				t.Errorf("%v: where is at %s:%d, %v", arch, file, line, ok)
			}
			if _, _, ok := im.EHFrame(); !ok {
				t.Errorf("%v: no unwind tables", arch)
			}
		}
		if _, err := library(arch, "", "int x = ;"); err == nil || !strings.Contains(err.Error(), "guest.c:1") {
			t.Errorf("%v: a mistake in the source: %v", arch, err)
		}
	}
}

package loader_test

import (
	"debug/elf"
	"testing"

	"emurace/loader"
)

// What is exported is the same with a debug file and without one, and is what the list of
// all symbols says: the first of each name, those with an address before those without.
func TestExportsOfLibcs(t *testing.T) {
	everyLibc(t, func(t *testing.T, suite string, s *loader.Sysroot, libc *loader.Image) {
		check := func(libc *loader.Image) {
			t.Helper()
			want := map[string]loader.Symbol{}
			for _, sym := range libc.Symbols() {
				for name, means := range map[string]bool{sym.Name: sym.Default, sym.Name + "@" + sym.Version: sym.Dynamic} {
					if _, taken := want[name]; !taken && means {
						want[name] = sym
					}
				}
			}
			for name, w := range want {
				if got, ok := libc.Symbol(name); !ok || got != w {
					t.Errorf("%s: %+v, %t, not %+v", name, got, ok, w)
				}
			}
			for _, sym := range libc.Symbols() {
				got, ok := libc.Symbol(sym.Name)
				if _, is := want[sym.Name]; ok != is && got.Type != elf.STT_TLS {
					t.Errorf("%s: %+v", sym.Name, got)
				}
			}
			if len(want) < 1000 {
				t.Errorf("only %d names are exported", len(want))
			}
		}
		check(libc)
		if found, err := libc.LoadDebug(s); err != nil || !found {
			t.Skip("no debug file")
		}
		check(libc)
		again, err := loader.Parse(libc.Name, libc.Data())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.LoadDebug(s); err != nil {
			t.Fatal(err)
		}
		check(again) // asked for nothing before
	})
}

package replay

import (
	"errors"
	"testing"
)

// TestCheckLibraries: a trace's libraries are files below the scenario's folder of the guest,
// named with where they were and what they held.
func TestCheckLibraries(t *testing.T) {
	good := NewGiven("/scenario/sub/a.so", "/home/a.so", []byte("x"))
	if err := checkLibraries([]Given{good}); err != nil {
		t.Error(err)
	}
	if err := good.CheckLibrary([]byte("x")); err != nil {
		t.Error(err)
	}
	if err := good.CheckLibrary([]byte("y")); !errors.Is(err, ErrOtherLibc) {
		t.Errorf("another file: %v", err)
	}
	for name, change := range map[string]func(*Given){
		"elsewhere":    func(g *Given) { g.Path = "/lib/libc.so.6" },
		"the folder":   func(g *Given) { g.Path = "/scenario" },
		"above":        func(g *Given) { g.Path = "/scenario/../lib/libc.so.6" },
		"not shortest": func(g *Given) { g.Path = "/scenario//a.so" },
		"NUL":          func(g *Given) { g.Host = "/a\x00" },
		"relative":     func(g *Given) { g.Host = "a.so" },
		"no hash":      func(g *Given) { g.SHA256 = "" },
	} {
		bad := good
		change(&bad)
		if err := checkLibraries([]Given{bad}); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkLibraries(make([]Given, maxGiven+1)); !errors.Is(err, ErrFormat) {
		t.Errorf("many: %v", err)
	}
}

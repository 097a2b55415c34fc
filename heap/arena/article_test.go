package arena_test

import (
	"testing"

	"emurace/heap/arena"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
)

// TestArticle: of the process that the article found dead, memory alone tells that the value that
// getenv took for a string is the foot of the free chunk that its register walks, and whose blocks are near.
func TestArticle(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.ARM64)
	s := testrace.Start(t, sys, testrace.DefaultPlan(t))
	testrace.Crash(t, s)
	m := s.Process()
	value, _ := m.Register(0, "x19")
	walks, _ := m.Register(0, "x20")
	mal := arena.Read(dead(t, m, true))
	list := mal.Meaning(walks, value)
	if len(list) == 0 || list[0].Kind != arena.Foot || !list[0].Certain || list[0].Chunk.Size != value || !list[0].Chunk.State.Free() {
		t.Fatalf("%#x at %#x: %v; %v", value, walks, list, mal.Problems)
	}
	if near := mal.MeaningOf(value, walks+4); len(near) == 0 || near[0].Kind != arena.Foot || near[0].Certain {
		t.Errorf("%#x near %#x: %v", value, walks, near)
	}
	// What is in environ now, and was not in the old block: the strings are of the worker's arena.
	libc, _ := m.Libc()
	sym, _ := libc.Image.Symbol("environ")
	environ, _ := m.Read64(libc.Base + sym.Addr)
	o, ok := mal.Owners(environ)
	if !ok || !o.Certain {
		t.Errorf("environ %#x: %+v, %v", environ, o, ok)
	}
	t.Logf("%#x: %v; environ is of %+v", value, list[0], o)
}

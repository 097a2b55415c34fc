package main

import (
	"path"
	"slices"
	"testing"

	"emurace/explore"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// racing is a session of two threads that make a call each.
func racing(t *testing.T, arch loader.Arch) *scenario.Session {
	t.Helper()
	call := scenario.Thread{Name: scenario.Main, Body: scenario.Calls{{Func: "abs", Args: []scenario.Arg{scenario.Int(1)}}}}
	other := call
	other.Name = "setter"
	s, err := scenario.Start(testsystem.Of(t, "bookworm", arch), &scenario.Plan{Threads: []scenario.Thread{call, other}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// What a name is of is found in the process: the function that would be called, all of a library,
// the bytes of an object.
func TestAimNames(t *testing.T) {
	for _, arch := range []loader.Arch{loader.ARM64, loader.AMD64} {
		s := racing(t, arch)
		p := s.Process()
		libc, ok := p.Libc()
		if !ok {
			t.Fatal("no libc")
		}
		for _, name := range []string{"getenv", "__add_to_environ", "memcpy", "_int_free"} {
			n := newNames(s)
			if !n.code(name) || n.data(name) || n.thread(name) {
				t.Fatalf("%v: %s: %+v", arch, name, n.aim)
			}
			var of []string
			for _, r := range n.aim.Code {
				first, _, _ := p.Symbol(r.Lo)
				last, _, ok := p.Symbol(r.Hi - 1)
				if _, in := p.Module(r.Lo); !in || !ok || first != last || r.Hi-r.Lo > 1<<14 {
					t.Errorf("%v: %s: %#x is of %s, up to %#x of %s", arch, name, r.Lo, first, r.Hi, last)
				}
				of = append(of, first)
			}
			if at, err := p.Lookup(name); err == nil {
				in := slices.ContainsFunc(n.aim.Code, func(r explore.Range) bool { return r.Lo <= at && at < r.Hi })
				if !in {
					t.Errorf("%v: %s is at %#x, and not in %v", arch, name, at, of)
				}
			}
		}
		for _, name := range []string{"libc", "libc.so.6", libc.Path} {
			n := newNames(s)
			if !n.code(name) || len(n.aim.Code) != 1 || n.aim.Code[0].Lo != libc.Lo || n.aim.Code[0].Hi != libc.Hi {
				t.Errorf("%v: %s: %+v", arch, name, n.aim)
			}
		}
		n := newNames(s)
		if n.code("environ") || !n.data("environ") || n.aim.Data[0].Hi-n.aim.Data[0].Lo != 8 {
			t.Errorf("%v: environ: %+v", arch, n.aim)
		}
		if n = newNames(s); n.code("setter") || n.data("setter") || !n.thread("setter") || !slices.Equal(n.aim.Threads, []string{"setter"}) {
			t.Errorf("%v: a thread: %+v", arch, n.aim)
		}
		if n = newNames(s); n.code(path.Dir(libc.Path)) || n.code("lib") || n.code("") || n.data("") || n.thread("") {
			t.Errorf("%v: nothing: %+v", arch, n.aim)
		}
	}
}

package replay

import (
	"bytes"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/loader"
	"emurace/scenario"
)

// loading is a race whose worker makes calls that load libraries, and main one that
// does not.
type loading struct {
	name   string
	calls  func(results []uint64) (scenario.Call, bool)
	loaded string // a library that comes, by name
	stays  bool   // until the end
}

func zlibCalls(close bool) func([]uint64) (scenario.Call, bool) {
	return func(r []uint64) (scenario.Call, bool) {
		switch len(r) {
		case 0:
			return scenario.Call{Func: "dlopen", Args: []scenario.Arg{scenario.Str("libz.so.1"), scenario.Int(2)}}, true
		case 1:
			return scenario.Call{Func: "dlsym", Args: []scenario.Arg{scenario.Int(r[0]), scenario.Str("crc32")}}, true
		case 2:
			return scenario.Call{Func: "crc32", Addr: r[1], Args: []scenario.Arg{scenario.Int(0), scenario.Str("abc"), scenario.Int(3)}}, true
		case 3:
			return scenario.Call{Func: "dlclose", Args: []scenario.Arg{scenario.Int(r[0])}}, close
		}
		return scenario.Call{}, false
	}
}

var loadings = []loading{
	{"dlopen", zlibCalls(false), "libz.so.1", true},
	{"dlopen and dlclose", zlibCalls(true), "libz.so.1", false},
	{"pthread_exit", func(r []uint64) (scenario.Call, bool) {
		return scenario.Call{Func: "pthread_exit", Args: []scenario.Arg{scenario.Int(0)}}, len(r) == 0
	}, "libgcc_s.so.1", true},
	{"iconv_open", func(r []uint64) (scenario.Call, bool) {
		return scenario.Call{Func: "iconv_open", Args: []scenario.Arg{scenario.Str("UTF-16"), scenario.Str("UTF-8")}}, len(r) == 0
	}, "UTF-16.so", true},
}

type bodyFunc func([]uint64) (scenario.Call, bool)

func (f bodyFunc) Next(r []uint64) (scenario.Call, bool, error) {
	c, more := f(r)
	return c, more, nil
}

func (l loading) start(t *testing.T, sys *emu.System, libc string) (*scenario.Session, Recipe) {
	t.Helper()
	sc := &scenario.Scenario{Name: "loading", Summary: "libraries come", Build: func(scenario.Values) (*scenario.Plan, error) {
		p := &scenario.Plan{Threads: []scenario.Thread{
			{Name: scenario.Main, Body: scenario.Calls{{Func: "getpid"}}}, {Name: "worker", Body: bodyFunc(l.calls)}}}
		if libc == "bullseye" {
			p.Libs = []string{"libdl.so.2"}
		}
		return p, nil
	}}
	r := Recipe{Scenario: sc, Arch: sys.Arch, Source: "debian:" + libc, Seed: 1}
	plan, err := sc.Build(nil)
	must(t, err)
	s, err := scenario.Start(sys, plan, r.Seed)
	must(t, err)
	t.Cleanup(s.Close)
	return s, r
}

// A trace holds the libraries that are there when the race begins, and marks those
// that it loads, whether they stay or not. It is the same run elsewhere, from its
// file, and what ran in them has names.
func TestLoads(t *testing.T) {
	schedule := scenario.Schedule{{Thread: 0}, {Thread: 1}}
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, suite := range []string{"bookworm", "bullseye", "trixie", "forky"} {
			if testing.Short() && suite != "bookworm" {
				continue
			}
			sys := system(t, suite, arch)
			for _, l := range loadings {
				t.Run(suite+"/"+l.name, func(t *testing.T) {
					s, recipe := l.start(t, sys, suite)
					trace, err := Record(s, recipe, schedule)
					must(t, err)
					var late []string
					for i, f := range trace.Modules {
						if f.Loaded {
							late = append(late, path.Base(f.Path))
						}
						if i > 0 && trace.Modules[i-1].Loaded && !f.Loaded {
							t.Errorf("%s comes before %s", trace.Modules[i-1].Path, f.Path)
						}
					}
					if !slices.Contains(late, l.loaded) {
						t.Fatalf("the race ends with %v and loads %v, not %s", trace.Outcome, late, l.loaded)
					}
					var file bytes.Buffer
					must(t, trace.Encode(&file))
					read, err := Decode(&file)
					must(t, err)
					other, _ := l.start(t, sys, suite)
					if v, err := Verify(other, read); err != nil || !v.Match {
						t.Fatalf("%+v, %v", v, err)
					}
					checkPlaces(t, other, schedule, l)
				})
			}
		}
	})
}

// checkPlaces looks for an instruction of the library that a race loads in its
// history.
func checkPlaces(t *testing.T, s *scenario.Session, schedule scenario.Schedule, l loading) {
	t.Helper()
	h, err := NewHistory(s, schedule)
	must(t, err)
	if there := slices.ContainsFunc(s.Process().Modules(), func(m *emu.Module) bool { return path.Base(m.Path) == l.loaded }); there != l.stays {
		t.Errorf("%s is there at the end: %v", l.loaded, there)
	}
	for _, e := range h.Events() {
		at, in := h.Locate(e.PC), h.Inst(e.PC)
		if in.Undecoded {
			t.Fatalf("step %d, %s: %s", e.Step, at, in.Text)
		}
		if at.Module == l.loaded && at.Function != "" {
			return
		}
	}
	t.Errorf("nothing in %s ran, by name", l.loaded)
}

// Who changes the libraries of a trace is told what is wrong: where the files are
// others an error, where the race has loaded others a difference.
func TestLoadsDiffer(t *testing.T) {
	sys := system(t, "bookworm", loader.ARM64)
	l := loadings[0]
	s, recipe := l.start(t, sys, "bookworm")
	for _, c := range []struct {
		name   string
		change func(*Trace)
		err    string
		differ string
	}{
		{"as it is", func(*Trace) {}, "", ""},
		// Earlier traces have the libraries of the end, without a mark.
		{"not marked", func(c *Trace) { c.Modules[len(c.Modules)-1].Loaded = false }, "", ""},
		{"another file", func(c *Trace) { c.Modules[len(c.Modules)-1].SHA256 = "00" }, "libz.so.1 is another file", ""},
		{"nowhere", func(c *Trace) { c.Modules[len(c.Modules)-1].Path = "/lib/libz.so" }, "/lib/libz.so is not among those here", ""},
		{"left out", func(c *Trace) { c.Modules = c.Modules[:len(c.Modules)-1] }, "", "libz.so.1 is loaded here, and not in the trace"},
		{"marked before its time", func(c *Trace) { c.Modules[0].Loaded = true }, "", "is not loaded here"},
		{"one more", func(c *Trace) {
			im, err := s.Process().Image("/lib/aarch64-linux-gnu/libm.so.6")
			must(t, err)
			c.Modules = append(c.Modules, File{Path: "/lib/aarch64-linux-gnu/libm.so.6", SHA256: im.SHA256(), Loaded: true})
		}, "", "libm.so.6 is not loaded here"},
		{"one more before", func(c *Trace) {
			im, err := s.Process().Image("/lib/aarch64-linux-gnu/libm.so.6")
			must(t, err)
			c.Modules = append(c.Modules, File{Path: "/lib/aarch64-linux-gnu/libm.so.6", SHA256: im.SHA256()})
		}, "", "libm.so.6 is not loaded here"},
	} {
		trace, err := Record(s, recipe, scenario.Schedule{{Thread: 0}, {Thread: 1}})
		must(t, err)
		c.change(trace)
		v, err := Verify(s, trace)
		switch {
		case c.err != "":
			if !errors.Is(err, ErrOtherLibc) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.name, err, c.err)
			}
		case err != nil || v.Match != (c.differ == "") || !strings.Contains(v.Difference, c.differ):
			t.Errorf("%s: %+v, %v", c.name, v, err)
		}
	}
}

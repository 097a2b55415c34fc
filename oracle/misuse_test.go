package oracle

import (
	"slices"
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// sequence is a Body of calls, each made of what the calls before returned.
func sequence(list ...func(r []uint64) scenario.Call) scenario.Body {
	return body(func(results []uint64) (scenario.Call, bool) {
		if len(results) == len(list) {
			return scenario.Call{}, false
		}
		return list[len(results)](results), true
	})
}

// on is a call whose first argument is what an earlier call returned, and an
// offset.
func on(fn string, result int, offset uint64, args ...scenario.Arg) func([]uint64) scenario.Call {
	return func(r []uint64) scenario.Call {
		return call(fn, append([]scenario.Arg{scenario.Int(r[result] + offset)}, args...)...)
	}
}

func first(fn string, args ...uint64) func([]uint64) scenario.Call {
	return func([]uint64) scenario.Call {
		var list []scenario.Arg
		for _, a := range args {
			list = append(list, scenario.Int(a))
		}
		return call(fn, list...)
	}
}

// Right and wrong uses of the heap by one thread.
func TestMisuses(t *testing.T) {
	fill := func(result int, offset, n uint64) func([]uint64) scenario.Call {
		return on("memset", result, offset, scenario.Int('x'), scenario.Int(n))
	}
	malloc := func(n uint64) func([]uint64) scenario.Call { return first("malloc", n) }
	for name, c := range map[string]struct {
		calls []func([]uint64) scenario.Call
		want  scenario.Kind // "" for nothing wrong
	}{
		"all of a block":       {[]func([]uint64) scenario.Call{malloc(100), fill(0, 0, 100)}, ""},
		"one byte more":        {[]func([]uint64) scenario.Call{malloc(100), fill(0, 0, 101)}, OutOfBounds},
		"one byte before":      {[]func([]uint64) scenario.Call{malloc(40), malloc(40), fill(1, ^uint64(0), 1)}, OutOfBounds},
		"an empty block":       {[]func([]uint64) scenario.Call{malloc(8), malloc(0), fill(1, 0, 1)}, OutOfBounds},
		"a freed block":        {[]func([]uint64) scenario.Call{malloc(100), on("free", 0, 0), fill(0, 50, 1)}, UseAfterFree},
		"a freed block's edge": {[]func([]uint64) scenario.Call{malloc(40), malloc(40), on("free", 1, 0), on("memcpy", 1, ^uint64(3), scenario.Str("12345678"), scenario.Int(8))}, UseAfterFree},
		"a freed string":       {[]func([]uint64) scenario.Call{malloc(100), fill(0, 0, 99), on("free", 0, 0), on("atoi", 0, 20)}, UseAfterFree},
		"freed and given":      {[]func([]uint64) scenario.Call{malloc(100), on("free", 0, 0), malloc(100), fill(2, 0, 100)}, ""},
		"all of calloc's":      {[]func([]uint64) scenario.Call{first("calloc", 7, 9), fill(0, 0, 63)}, ""},
		"more than calloc's":   {[]func([]uint64) scenario.Call{first("calloc", 7, 9), fill(0, 63, 1)}, OutOfBounds},
		"grown":                {[]func([]uint64) scenario.Call{malloc(40), on("realloc", 0, 0, scenario.Int(400)), fill(1, 0, 400)}, ""},
		"shrunk":               {[]func([]uint64) scenario.Call{malloc(400), on("realloc", 0, 0, scenario.Int(40)), fill(1, 40, 1)}, OutOfBounds},
		"moved away":           {[]func([]uint64) scenario.Call{malloc(40), malloc(40), on("realloc", 0, 0, scenario.Int(4000)), fill(0, 20, 1)}, UseAfterFree},
		"freed by realloc":     {[]func([]uint64) scenario.Call{malloc(40), on("realloc", 0, 0, scenario.Int(0)), fill(0, 20, 1)}, UseAfterFree},
		"all of aligned_alloc": {[]func([]uint64) scenario.Call{first("aligned_alloc", 64, 128), fill(0, 0, 128)}, ""},
		"a large block":        {[]func([]uint64) scenario.Call{malloc(1 << 20), fill(0, 0, 4000), on("free", 0, 0)}, ""},
		"a string of its size": {[]func([]uint64) scenario.Call{malloc(3), fill(0, 0, 2), on("strlen", 0, 0), on("strchr", 0, 0, scenario.Int('y'))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			eachArch(t, func(t *testing.T, arch loader.Arch) {
				start := starter(system(t, "bookworm", arch), func() *scenario.Plan {
					return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: sequence(c.calls...)}}}
				})
				problems, err := begin(t, start).Inspect(scenario.Schedule{{Thread: 0}})
				must(t, err)
				var kinds []scenario.Kind
				for _, p := range problems {
					if !slices.Contains(kinds, p.Kind) {
						kinds = append(kinds, p.Kind)
					}
				}
				if c.want == "" && len(kinds) > 0 || c.want != "" && !slices.Equal(kinds, []scenario.Kind{c.want}) {
					t.Errorf("%v, want %q", problems, c.want)
				}
			})
		})
	}
}

func TestParseKind(t *testing.T) {
	for _, k := range Kinds() {
		if got, err := ParseKind(string(k)); got != k || err != nil {
			t.Errorf("%s: %s, %v", k, got, err)
		}
	}
	for _, name := range []string{"", "segv", "data race"} {
		if _, err := ParseKind(name); err == nil {
			t.Errorf("%q is a kind", name)
		}
	}
}

// A schedule that is not of the scenario is an error.
func TestInspectForeign(t *testing.T) {
	start := starter(system(t, "bookworm", loader.ARM64), environ(t))
	p := begin(t, start)
	for _, thread := range []int{-1, 2, 3} {
		if problems, err := p.Inspect(scenario.Schedule{{Thread: thread, N: 1}}); err == nil {
			t.Errorf("thread %d: %v", thread, problems)
		}
	}
}

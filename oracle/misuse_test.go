package oracle

import (
	"math/rand/v2"
	"slices"
	"testing"

	"emurace/internal/testseed"
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
		"freed twice":          {[]func([]uint64) scenario.Call{malloc(100), malloc(100), on("free", 0, 0), on("free", 1, 0), on("free", 0, 0)}, DoubleFree},
		"resized when freed":   {[]func([]uint64) scenario.Call{malloc(100), on("free", 0, 0), on("realloc", 0, 0, scenario.Int(200))}, DoubleFree},
		"freed when moved":     {[]func([]uint64) scenario.Call{malloc(40), malloc(40), on("realloc", 0, 0, scenario.Int(4000)), on("free", 0, 0)}, DoubleFree},
		"a large one twice":    {[]func([]uint64) scenario.Call{malloc(1 << 20), on("free", 0, 0), on("free", 0, 0)}, DoubleFree},
		"freed, given, freed":  {[]func([]uint64) scenario.Call{malloc(100), on("free", 0, 0), malloc(100), on("free", 2, 0)}, ""},
		"its inside freed":     {[]func([]uint64) scenario.Call{malloc(100), on("free", 0, 16)}, InvalidFree},
		"its inside resized":   {[]func([]uint64) scenario.Call{malloc(100), on("realloc", 0, 32, scenario.Int(10))}, InvalidFree},
		"a freed one's inside": {[]func([]uint64) scenario.Call{malloc(100), on("free", 0, 0), on("free", 0, 16)}, InvalidFree},
		"what is behind freed": {[]func([]uint64) scenario.Call{malloc(100), on("free", 0, 4096)}, InvalidFree},
		"a small number freed": {[]func([]uint64) scenario.Call{first("free", 0x1230)}, InvalidFree},
		"NULL freed":           {[]func([]uint64) scenario.Call{first("free", 0), first("realloc", 0, 20), on("free", 1, 0)}, ""},
		"an empty one freed":   {[]func([]uint64) scenario.Call{malloc(0), on("free", 0, 0), first("calloc", 0, 8), on("free", 2, 0)}, ""},
		"an empty one twice":   {[]func([]uint64) scenario.Call{malloc(0), on("free", 0, 0), on("free", 0, 0)}, DoubleFree},
		"all ways to get one": {[]func([]uint64) scenario.Call{first("memalign", 64, 100), on("free", 0, 0), first("valloc", 100), on("free", 2, 0),
			first("reallocarray", 0, 10, 10), on("free", 4, 0), call0("strdup", "text"), on("free", 6, 0)}, ""},
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
				problems, err := begin(t, start).inspect(scenario.Schedule{{Thread: 0}})
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

// call0 is a call with texts.
func call0(fn string, texts ...string) func([]uint64) scenario.Call {
	return func([]uint64) scenario.Call {
		var list []scenario.Arg
		for _, text := range texts {
			list = append(list, scenario.Str(text))
		}
		return call(fn, list...)
	}
}

// A report of a double free names both frees and the block, one of a pointer into a
// block the block that it points into.
func TestFreesExplained(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		var block uint64
		setup := func(u *scenario.Setup) (err error) {
			block, err = u.Call(scenario.Main, "malloc", scenario.Int(40))
			return err
		}
		frees := func(offset uint64) scenario.Body {
			return called(func() scenario.Calls { return scenario.Calls{call("free", scenario.Int(block+offset))} })
		}
		for _, c := range []struct {
			kind   scenario.Kind
			offset uint64
			detect scenario.Kind
		}{{DoubleFree, 0, DoubleFree}, {DoubleFree, 0, UseAfterFree}, {InvalidFree, 16, InvalidFree}} {
			schedule := scenario.Schedule{{Thread: 0}, {Thread: 1}}
			reports, err := Explain(starter(system(t, "bookworm", arch), calls(setup, frees(0), frees(c.offset))), nil, schedule, c.detect)
			must(t, err)
			if len(reports) != 1 {
				t.Fatalf("%s: %d reports", c.kind, len(reports))
			}
			r := reports[0]
			a, b := r.Accesses[0], r.Block
			if r.Kind != c.kind || len(r.Accesses) != 1 || a.Thread != "worker" || a.Access != "free" || a.Function != "free" || len(a.Backtrace) == 0 {
				t.Errorf("%s: %+v", c.kind, r)
			}
			if b == nil || b.Size != 40 || b.Allocated == nil || b.Freed == nil || b.Freed.Thread != scenario.Main || b.Offset != int64(c.offset) {
				t.Errorf("%s: the block is %+v", c.kind, b)
			}
		}
	})
}

// Random calls of the allocating functions, on blocks in use, freed ones and what is
// none: a plain table of them knows what is wrong with each.
func TestRandomFrees(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, suite := range suites() {
			sys := system(t, suite, arch)
			for seed := range uint64(12) {
				var double, invalid uint64
				b := randomFrees(testseed.Of(t, 1)+seed, &double, &invalid)
				p := begin(t, starter(sys, func() *scenario.Plan {
					return &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: b}}}
				}), UseAfterFree, OutOfBounds)
				problems, err := p.inspect(scenario.Schedule{{Thread: 0}})
				must(t, err)
				found := map[scenario.Kind]uint64{}
				for _, x := range problems {
					found[x.Kind] += x.Count
				}
				if found[DoubleFree] != double || found[InvalidFree] != invalid || found[UseAfterFree]+found[OutOfBounds] != 0 {
					t.Errorf("%s, seed %d: %v, want %d and %d", suite, seed, problems, double, invalid)
				}
				p.close()
			}
		}
	})
}

// randomFrees makes calls until one is wrong, since nothing is certain of a malloc
// behind that.
func randomFrees(seed uint64, double, invalid *uint64) scenario.Body {
	type block struct {
		addr, size uint64
		live       bool
	}
	return body(func(results []uint64) (scenario.Call, bool) {
		// It is asked anew for each call, and makes the same choices each time.
		random := rand.New(rand.NewPCG(seed, 7))
		var blocks []block
		*double, *invalid = 0, 0
		give := func(addr, size uint64) {
			for i := range blocks {
				// What is handed out again is another block.
				if b := &blocks[i]; !b.live && b.addr < addr+max(size, 1) && addr < b.addr+max(b.size, 1) {
					b.addr, b.size = 0, 0
				}
			}
			blocks = append(blocks, block{addr, size, true})
		}
		for n := 0; ; n++ {
			var c scenario.Call
			size := []uint64{0, 8, 24, 100, 1000, 5000, 200000}[random.IntN(7)]
			done, pick := n < len(results), -1
			if len(blocks) > 0 {
				pick = random.IntN(len(blocks))
			}
			wrong := random.IntN(12) == 0
			var result uint64
			if done {
				result = results[n]
			}
			switch what := random.IntN(5); {
			case pick < 0 || what < 2:
				if c = call("malloc", scenario.Int(size)); what == 1 {
					c = call("calloc", scenario.Int(1), scenario.Int(size))
				}
				if done {
					give(result, size)
				}
			case blocks[pick].live && wrong && blocks[pick].size > 16:
				*invalid++
				return call("free", scenario.Int(blocks[pick].addr+16)), !done
			case !blocks[pick].live && wrong && blocks[pick].addr != 0:
				*double++
				return call("free", scenario.Int(blocks[pick].addr)), !done
			case !blocks[pick].live:
				c = call("getpid")
			case what == 2 && size > 0:
				c = call("realloc", scenario.Int(blocks[pick].addr), scenario.Int(size))
				if done {
					blocks[pick].live = false
					if result == blocks[pick].addr {
						blocks[pick].addr, blocks[pick].size = 0, 0
					}
					give(result, size)
				}
			default:
				c = call("free", scenario.Int(blocks[pick].addr))
				if done {
					blocks[pick].live = false
				}
			}
			if !done {
				return c, n < 60
			}
		}
	})
}

// A thread that ends gives back what it has freed; that is the allocator's affair. So
// are the libraries that come with it, and their blocks.
func TestTeardown(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		for _, suite := range suites() {
			for name, end := range map[string]scenario.Call{
				"pthread_exit": call("pthread_exit", scenario.Int(0)),
				"exit":         call("syscall", scenario.Int(map[loader.Arch]uint64{loader.ARM64: 93, loader.AMD64: 60}[arch]), scenario.Int(0)),
			} {
				worker := body(func(r []uint64) (scenario.Call, bool) {
					sizes := []uint64{24, 24, 40, 100, 1000, 2000, 40}
					switch n := len(r); {
					case n < len(sizes):
						return call("malloc", scenario.Int(sizes[n])), true
					case n < 2*len(sizes)-1:
						return call("free", scenario.Int(r[n-len(sizes)])), true
					case n == 2*len(sizes)-1:
						return end, true
					}
					return scenario.Call{}, false
				})
				p := begin(t, starter(system(t, suite, arch), calls(nil, scenario.Calls{call("getpid")}, worker)))
				problems, err := p.inspect(scenario.Schedule{{Thread: 0}, {Thread: 1}})
				must(t, err)
				if len(problems) > 0 {
					t.Errorf("%s, %s: %v", suite, name, namesOf(p.s, problems))
				}
			}
		}
	})
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
		if problems, err := p.inspect(scenario.Schedule{{Thread: thread, N: 1}}); err == nil {
			t.Errorf("thread %d: %v", thread, problems)
		}
	}
}

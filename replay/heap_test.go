package replay

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/heap"
	"emurace/internal/testseed"
	"emurace/loader"
	"emurace/scenario"
)

// starter makes sessions of a plan.
func starter(sys *emu.System, plan *scenario.Plan) Starter {
	return func(prepare func(*emu.Process) error) (*scenario.Session, error) {
		return scenario.StartWith(sys, plan, 1, prepare)
	}
}

func traceHeap(t testing.TB, start Starter) *HeapTracer {
	t.Helper()
	tracer, err := NewHeapTracer(start)
	must(t, err)
	t.Cleanup(tracer.Close)
	return tracer
}

// eachLibc runs a test for the glibc of each suite and for the guest
// architectures.
func eachLibc(t *testing.T, suites []string, test func(t *testing.T, suite string, arch loader.Arch)) {
	if testing.Short() {
		suites = suites[len(suites)-1:]
	}
	for _, suite := range suites {
		for _, arch := range arches() {
			t.Run(suite+"/"+arch.String(), func(t *testing.T) { test(t, suite, arch) })
		}
	}
}

// heap is the heap of a find's run.
func (f find) heap(t testing.TB) *heap.History {
	t.Helper()
	plan, err := f.recipe.Scenario.Build(f.recipe.Values)
	must(t, err)
	h, err := traceHeap(t, starter(system(t, f.recipe.Source[len("debian:"):], f.recipe.Arch), plan)).Run(nil, f.schedule)
	must(t, err)
	return h
}

// TestHeapOfTheRace: environ's block of the default scenario, from its
// allocation in Setup to the realloc that moves it.
func TestHeapOfTheRace(t *testing.T) {
	eachLibc(t, []string{"bullseye", "bookworm"}, func(t *testing.T, suite string, arch loader.Arch) {
		f := findRace(t, suite, arch)
		x := explain(t, f.history(t))
		h := f.heap(t)
		load := x.hops[len(x.hops)-1].Step
		b := h.Owner(x.LoadAddr, load)
		if b == nil {
			t.Fatal("nobody owns the fatal word")
		}
		if b.Size != 0x218 || b.ChunkSize != 0x220 || x.LoadAddr-b.Addr != 0x210 {
			t.Errorf("the fatal word is %#x from the start of %+v", x.LoadAddr-b.Addr, b)
		}
		a := b.Allocated
		if a == nil || a.Thread != "main" || a.Call != `setenv("EMURACE_LAST", "1", 1)` || a.Step > f.Base() || a.Result != b.Addr {
			t.Fatalf("allocated by %+v", a)
		}
		fr := b.Freed
		if fr == nil || fr.Thread != "worker" || fr.Func != "realloc" || fr.Args[0] != b.Addr || fr.Step <= f.Base() || fr.Call != x.Writer.Call {
			t.Fatalf("freed by %+v", fr)
		}
		if got := functions(h.Backtrace(fr)); got != "realloc __add_to_environ" {
			t.Errorf("freed in %s", got)
		}
		write := x.Writer.Step + f.Base()
		if c := h.InCall(f.MachineThread(1), write); c != fr {
			t.Errorf("the word was written in %+v", c)
		}
		if c := h.InCall(f.MachineThread(0), write); c != nil {
			t.Errorf("main was in %+v", c)
		}
		if !b.FreedBy(load) || b.FreedBy(fr.Step-1) {
			t.Error("the block is free at the wrong time")
		}
	})
}

// churn is a Body that allocates, resizes and frees at random.
type churn struct {
	seed  uint64
	calls int
}

// made is a block as the caller of malloc knows it.
type made struct{ addr, size uint64 }

// Next is the next call; what the calls before it did is worked out anew.
func (c churn) Next(results []uint64) (scenario.Call, bool, error) {
	_, call, more := c.after(results)
	return call, more, nil
}

// after is what the thread has after the calls with these results, and its next
// call.
func (c churn) after(results []uint64) (live []made, next scenario.Call, more bool) {
	r := rand.New(rand.NewPCG(c.seed, 0))
	for i := 0; ; i++ {
		size := 1 + r.Uint64N(1<<r.IntN(12))
		op, k := r.IntN(8), 0
		if len(live) > 0 {
			k = r.IntN(len(live))
		} else if op >= 4 {
			op = 0
		}
		call := [...]func() scenario.Call{
			func() scenario.Call { return callOf("malloc", size) },
			func() scenario.Call { return callOf("calloc", 2, size) },
			func() scenario.Call { return callOf("aligned_alloc", 64, size*64) },
			func() scenario.Call { return callOf("reallocarray", 0, size, 3) },
			func() scenario.Call { return callOf("realloc", live[k].addr, size) },
			func() scenario.Call { return callOf("reallocarray", live[k].addr, 2, size) },
			func() scenario.Call { return callOf("free", live[k].addr) },
			func() scenario.Call { return callOf("realloc", live[k].addr, 0) },
		}[op]()
		if i == c.calls || i == len(results) {
			return live, call, i < c.calls
		}
		if op >= 4 {
			live = append(slices.Clone(live[:k]), live[k+1:]...)
		}
		if op < 6 {
			live = append(live, made{results[i], [...]uint64{size, 2 * size, 64 * size, 3 * size, size, 2 * size}[op]})
		}
	}
}

func callOf(fn string, args ...uint64) scenario.Call {
	c := scenario.Call{Func: fn}
	for _, a := range args {
		c.Args = append(c.Args, scenario.Int(a))
	}
	return c
}

// TestHeapKnowsEveryBlock: two threads allocate, resize and free at random while
// their calls are interleaved at random. At the end the heap's blocks in use are
// those that the threads have, no two of them share a byte, each lies in a chunk
// that can hold it, and the traced run was the same as one without.
func TestHeapKnowsEveryBlock(t *testing.T) {
	eachLibc(t, []string{"bullseye", "bookworm", "trixie", "forky"}, func(t *testing.T, suite string, arch loader.Arch) {
		seed := testseed.Of(t, 1)
		bodies := []churn{{seed, 60}, {seed + 1, 60}}
		plan := &scenario.Plan{Threads: []scenario.Thread{{Name: scenario.Main, Body: bodies[0]}, {Name: "worker", Body: bodies[1]}}}
		sys := system(t, suite, arch)
		s, err := scenario.Start(sys, plan, 1)
		must(t, err)
		defer s.Close()
		var schedule scenario.Schedule
		r := rand.New(rand.NewPCG(seed, 2))
		for {
			if _, over := s.Outcome(); over {
				break
			}
			i := r.IntN(2)
			ran, err := s.Run(i, 1+r.Uint64N(400))
			must(t, err)
			if ran > 0 {
				schedule = append(schedule, scenario.Slice{Thread: i, N: ran})
			}
		}
		want, err := s.Digest()
		must(t, err)

		tracer := traceHeap(t, starter(sys, plan))
		h, err := tracer.Run(nil, schedule)
		must(t, err)
		if got, err := tracer.s.Digest(); err != nil || got != want {
			t.Errorf("the traced run has the digest %s, %v, and not %s", got, err, want)
		}
		end := s.Process().Steps() + 1
		var inUse []made
		for _, b := range h.Blocks() {
			if b.Allocated != nil && b.Allocated.Step > s.Base() && b.Freed == nil {
				inUse = append(inUse, made{b.Addr, b.Size})
			}
			if b.Allocated != nil && b.Size+8 > b.ChunkSize {
				t.Errorf("%+v does not fit its chunk", b)
			}
			if b.FreedBy(end) {
				continue
			}
			lo, hi := b.Extent()
			for _, addr := range []uint64{lo, b.Addr, lo + (hi-lo)/2, hi - 8, hi - 1} {
				if owner := h.Owner(addr, end); owner != b {
					t.Fatalf("%#x belongs to %+v and to %+v", addr, b, owner)
				}
			}
		}
		var have []made
		for i, body := range bodies {
			live, _, _ := body.after(s.Results(i))
			have = append(have, live...)
		}
		byAddr := func(a, b made) int { return cmp.Compare(a.addr, b.addr) }
		slices.SortFunc(inUse, byAddr)
		slices.SortFunc(have, byAddr)
		if !slices.Equal(inUse, have) {
			t.Errorf("in use are %#x, and the threads have %#x", inUse, have)
		}

		again, err := tracer.Run(nil, schedule)
		must(t, err)
		if d := heapDiff(h, again); d != "" {
			t.Errorf("another run gives another heap: %s", d)
		}
		// A shorter run in between leaves the next one alone.
		_, err = tracer.Run(nil, schedule[:len(schedule)/2])
		must(t, err)
		again, err = tracer.Run(nil, schedule)
		must(t, err)
		if d := heapDiff(h, again); d != "" {
			t.Errorf("a run after a shorter one gives another heap: %s", d)
		}
	})
}

func heapDiff(a, b *heap.History) string {
	return gocmp.Diff(a.Blocks(), b.Blocks(), gocmp.AllowUnexported(heap.Call{}))
}

// TestHeapCalls: one call each of what takes or hands out blocks.
func TestHeapCalls(t *testing.T) {
	each := []struct {
		fn    string
		args  []uint64 // of ~0: the block that the call before handed out
		size  uint64   // of what is handed out, 0 for nothing
		freed bool     // the block before is freed, or resized
	}{
		{"malloc", []uint64{24}, 24, false},
		{"realloc", []uint64{prior, 24}, 24, true}, // in place
		{"realloc", []uint64{prior, 2000}, 2000, true},
		{"realloc", []uint64{prior, 1 << 62}, 0, false}, // there is no memory
		{"free", []uint64{prior}, 0, true},
		{"free", []uint64{0}, 0, false},
		{"calloc", []uint64{3, 100}, 300, false},
		{"realloc", []uint64{prior, 0}, 0, true},
		{"calloc", []uint64{1 << 40, 1 << 40}, 0, false},
		{"memalign", []uint64{128, 40}, 40, false},
		{"valloc", []uint64{40}, 40, false},
		{"pvalloc", []uint64{40}, 40, false},
		{"realloc", []uint64{0, 40}, 40, false},
		{"malloc", []uint64{1 << 20}, 1 << 20, false}, // a mapping of its own
		{"realloc", []uint64{prior, 1 << 21}, 1 << 21, true},
		{"free", []uint64{prior}, 0, true},
	}
	eachLibc(t, []string{"bullseye", "bookworm", "forky"}, func(t *testing.T, suite string, arch loader.Arch) {
		block, blocks := uint64(0), make([]uint64, len(each))
		plan := &scenario.Plan{
			Setup: func(u *scenario.Setup) error {
				for i, c := range each {
					call := callOf(c.fn, c.args...)
					for k := range call.Args {
						if call.Args[k].Value == prior {
							call.Args[k].Value = block
						}
					}
					p, err := u.Call(scenario.Main, c.fn, call.Args...)
					if err != nil {
						return err
					}
					if c.size != 0 {
						block, blocks[i] = p, p
					}
				}
				return nil
			},
			Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls{callOf("getpid")}}},
		}
		tracer := traceHeap(t, starter(system(t, suite, arch), plan))
		h, err := tracer.Run(nil, scenario.Schedule{{Thread: 0}})
		must(t, err)
		// What the program did itself: calls that no other of them makes.
		list := h.Blocks()
		list = list[slices.IndexFunc(list, func(b *heap.Block) bool { return b.Addr == blocks[0] && b.Size == each[0].size }):]
		var last *heap.Block
		n := 0
		for i, c := range each {
			if c.freed && (last == nil || last.Freed == nil || last.Freed.Func != c.fn) {
				t.Errorf("%d: %s(%#x): the block is %+v", i, c.fn, c.args, last)
			}
			if c.size == 0 {
				continue
			}
			if n == len(list) {
				t.Fatalf("%d: %s(%#x) handed out nothing", i, c.fn, c.args)
			}
			last = list[n]
			n++
			alias := c.fn == "memalign" && last.Allocated.Func == "aligned_alloc" // one function in older suites
			if last.Addr != blocks[i] || last.Size != c.size || last.Allocated.Func != c.fn && !alias || last.ChunkSize < c.size+8 || last.Allocated.Result != blocks[i] {
				t.Errorf("%d: %s(%#x) handed out %+v by %+v", i, c.fn, c.args, last, last.Allocated)
			}
			if want := scenario.Call.String(callOf(c.fn, c.args...)); !slices.Contains(c.args, uint64(prior)) && last.Allocated.Call != want {
				t.Errorf("%d: the call is %q, want %q", i, last.Allocated.Call, want)
			}
		}
		if n != len(list) {
			t.Errorf("%d blocks too many", len(list)-n)
		}
	})
}

// prior stands for the block of the call before.
const prior = ^uint64(0)

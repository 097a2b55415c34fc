package explore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/oracle"
	"emurace/scenario"
)

// heapProgram is a race for blocks of malloc's. Setup makes the blocks; a thread
// is a list of calls, each the name of a function of the source or of libc and
// its arguments, numbers, block names, or names of functions of libc's.
type heapProgram struct {
	name    string
	threads []string
	raw     uint64 // traces when only what instructions access is looked at
	traces  uint64
	freed   uint64 // of them, those with a use after free
	races   uint64 // of them, those with a data race
}

// The names of the blocks, of 64 bytes each.
var blockNames = []string{"p", "q"}

const usingBlocks = prelude + `
typedef void frees(void *);
typedef void *mallocs(u64);
typedef void *reallocs(void *, u64);
u64 get(volatile u64 *p, u32 i) { return p[i]; }
u64 peek(volatile u8 *p, u32 i) { return p[i]; }
u64 sum(volatile u64 *p, u32 i, u32 n) { u64 s = 0; while (n--) s += p[i++]; return s; }
void put(volatile u64 *p, u32 i) { p[i] = 1; }
void drop(void *p, frees *f) { f(p); }
void renew(void *p, frees *f, mallocs *m) { f(p); volatile u64 *q = m(64); asm volatile("nop"); q[4] = 7; }
u64 grow(void *p, reallocs *r) { volatile u64 *q = r(p, 4000); return q[4]; }
`

var heapPrograms = []heapProgram{
	{"a read in the middle", []string{"get p 4", "free p"}, 1, 2, 1, 2},
	{"a write in the middle", []string{"put p 4", "free p"}, 1, 2, 1, 2},
	{"the other way round", []string{"free p", "get p 4"}, 1, 2, 1, 2},
	{"freed by a function that calls free", []string{"get p 4", "drop p free"}, 1, 2, 1, 2},
	{"three reads", []string{"sum p 4 3", "free p"}, 1, 4, 3, 4},
	{"two readers", []string{"get p 4", "get p 5", "free p"}, 1, 4, 3, 4},
	{"another block", []string{"get q 4", "free p"}, 1, 1, 0, 0},
	{"both ways", []string{"get p 4;free q", "get q 4;free p"}, 1, 3, 2, 3},
	// What is freed last is handed out first, and then is no freed block.
	{"handed out again", []string{"get p 4", "free p;malloc 64"}, 1, 3, 1, 2},
	{"handed out again and written", []string{"get p 4", "renew p free malloc"}, 2, 4, 1, 4},
	// A block that realloc moves is given up when the call returns, and its
	// copying reads it.
	{"moved, read", []string{"get p 4", "realloc p 4000"}, 1, 2, 1, 2},
	{"moved, written", []string{"put p 2", "realloc p 4000"}, 2, 3, 1, 3},
	{"moved by a function that calls realloc", []string{"get p 4", "grow p realloc"}, 1, 2, 1, 2},
	{"grown", []string{"get p 4", "realloc p 72"}, 1, 2, 0, 0},
	{"calloc and memalign", []string{"get p 4", "calloc 1 64;memalign 64 64"}, 1, 1, 0, 0},
}

// plan is of the code for an architecture. Blocks are made anew for each session.
func (p heapProgram) plan(t testing.TB, code guestcode.Code, g *guest) *scenario.Plan {
	t.Helper()
	g.code = code
	values := map[string]uint64{}
	plan := &scenario.Plan{Setup: func(u *scenario.Setup) (err error) {
		if g.base, err = u.Code(g.code.Bytes, uint64(len(g.code.Bytes))); err != nil {
			return err
		}
		for _, name := range blockNames {
			if values[name], err = u.Call(scenario.Main, "malloc", scenario.Int(64)); err != nil {
				return err
			}
		}
		for _, name := range []string{"free", "malloc", "realloc"} {
			if values["&"+name], err = u.Lookup(name); err != nil {
				return err
			}
		}
		// Every thread has its cache and its arena when the race begins.
		for i := range p.threads {
			block, err := u.Call(threadName(i), "malloc", scenario.Int(200))
			if err == nil {
				_, err = u.Call(threadName(i), "free", scenario.Int(block))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}
	for i, text := range p.threads {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: threadName(i), Body: calledOnce(func() scenario.Calls {
			var calls scenario.Calls
			for _, c := range strings.Split(text, ";") {
				words := strings.Fields(c)
				for k, w := range words[1:] {
					for _, name := range []string{w, "&" + w} {
						if v, ok := values[name]; ok {
							words[k+1] = fmt.Sprint(v)
						}
					}
				}
				call, err := g.call(words)
				must(t, err)
				calls = append(calls, call)
			}
			return calls
		})})
	}
	return plan
}

func threadName(i int) string {
	if i == 0 {
		return scenario.Main
	}
	return fmt.Sprintf("thread%d", i)
}

// start is the program at the start of its race, for the oracle.
func (p heapProgram) start(t testing.TB, sys *emu.System, code guestcode.Code) *guest {
	t.Helper()
	g := &guest{arch: sys.Arch}
	g.startHeap(t, sys, p.plan(t, code, g))
	g.s.Limit = 100_000
	return g
}

// startHeap starts a plan with a watch of the test's own on what malloc does: it
// takes the size of a block from the chunk in memory.
func (g *guest) startHeap(t testing.TB, sys *emu.System, plan *scenario.Plan) {
	t.Helper()
	given := map[uint64]uint64{} // sizes of blocks that calls in progress may give up
	var err error
	g.s, err = scenario.StartHeap(sys, plan, 1, false, func(m *emu.Process) error {
		block := func(addr, size uint64) { g.blocks = append(g.blocks, [2]uint64{addr, addr + size - 1}) }
		usable := func(addr uint64) uint64 {
			chunk, _ := m.Read64(addr - 8)
			return chunk&^7 - 8
		}
		return m.TraceCalls([]string{"malloc", "calloc", "memalign", "free", "realloc"}, func(c emu.CallEvent) {
			switch p := c.Args[0]; {
			case c.Depth > 0:
			case c.Func == "free" && !c.Returned && p != 0:
				block(p, usable(p))
			case c.Func == "realloc" && !c.Returned && p != 0:
				given[p] = usable(p)
			case c.Func == "realloc" && c.Returned:
				if p != 0 {
					block(p, given[p])
				}
				block(c.Result, usable(c.Result))
			case c.Func != "free" && c.Returned:
				block(c.Result, usable(c.Result))
			}
		})
	})
	must(t, err)
	t.Cleanup(g.s.Close)
	g.s.WantEvents(true)
}

// problemsOf makes a search look for problems, each once a run, and each kind
// once more. The pool is to be closed after it.
func problemsOf(start oracle.Starter, o *Options) *oracle.Pool {
	pool := oracle.NewPool(start, oracle.Kinds()...)
	o.Inspect = func(_ []string, schedule scenario.Schedule) ([]Problem, error) {
		problems, err := pool.Inspect(nil, schedule)
		var list []Problem
		for _, x := range problems {
			for _, site := range []string{anywhere, x.Site} {
				if p := (Problem{Kind: x.Kind, Site: site}); !slices.Contains(list, p) {
					list = append(list, p)
				}
			}
		}
		return list, err
	}
	return pool
}

const anywhere = "anywhere"

// runsWith is in how many runs a search for problemsOf found one of a kind.
func runsWith(r *Result, kind scenario.Kind) uint64 {
	for _, f := range r.Findings {
		if f.Problem == anywhere && f.Outcome.Kind == kind {
			return f.Count
		}
	}
	return 0
}

// search is one for problems, with or without the heap's events.
func (p heapProgram) search(t *testing.T, sys *emu.System, code guestcode.Code, heap, bounds bool, jobs int) *Result {
	t.Helper()
	return searchHeap(t, sys, func() *scenario.Plan { return p.plan(t, code, &guest{arch: sys.Arch}) }, heap, bounds, jobs)
}

func searchHeap(t *testing.T, sys *emu.System, plan func() *scenario.Plan, heap, bounds bool, jobs int) *Result {
	t.Helper()
	r := searchProblems(t, sys, plan, Options{Jobs: jobs}, DPOR, func() (*scenario.Session, error) {
		if heap {
			return scenario.StartHeap(sys, plan(), 1, bounds, nil)
		}
		return scenario.Start(sys, plan(), 1)
	})
	if !r.Complete {
		t.Errorf("not complete: %+v", r)
	}
	return r
}

// searchProblems lets a search look for problems.
func searchProblems(t *testing.T, sys *emu.System, plan func() *scenario.Plan, o Options, search search, start func() (*scenario.Session, error)) *Result {
	t.Helper()
	o.KeepGoing = true
	pool := problemsOf(func(prepare func(*emu.Process) error) (*scenario.Session, error) {
		return scenario.StartWith(sys, plan(), 1, prepare)
	}, &o)
	defer pool.Close()
	r, err := search(t.Context(), start, o)
	must(t, err)
	return r
}

// The search runs each order of a block's uses, its freeing and its being handed
// out, and no more, and so finds every use of freed memory whatever it begins
// with. The oracle counts as many.
func TestHeapCounts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		code := guestcode.Build(t, sys.Arch, usingBlocks)
		for i, p := range heapPrograms {
			if !inTurn(i, 4, sys.Arch) {
				continue
			}
			t.Run(p.name, func(t *testing.T) {
				if r := p.search(t, sys, code, false, false, 1); r.Schedules != p.raw {
					t.Errorf("%d traces without the heap's events, want %d", r.Schedules, p.raw)
				}
				for jobs := 1; jobs <= 2; jobs++ {
					r := p.search(t, sys, code, true, false, jobs)
					freed, races, outside := runsWith(r, oracle.UseAfterFree), runsWith(r, oracle.DataRace), runsWith(r, oracle.OutOfBounds)
					if r.Schedules != p.traces || freed != p.freed || races != p.races || outside != 0 {
						t.Errorf("%d jobs: %d traces, %d with a use after free, %d with a race, %d with a use of no block; want %d, %d, %d, 0",
							jobs, r.Schedules, freed, races, outside, p.traces, p.freed, p.races)
					}
				}
				g := p.start(t, sys, code)
				search := explored(t, g)
				oracle := sleepSets(t, g)
				if search.traces != p.traces || oracle.traces != p.traces || !sameWays(search.ends, oracle.ends) {
					t.Errorf("the search finds %d traces that come out in %d ways, the oracle %d in %d, want %d", search.traces, len(search.ends), oracle.traces, len(oracle.ends), p.traces)
				}
			})
		}
	})
}

// An access to no block is one only where the heap reaches to, and so its order
// with the malloc that makes the heap larger matters too, to a search for such.
func TestHeapBounds(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		code := guestcode.Build(t, sys.Arch, usingBlocks)
		// The block of 4001 bytes will be behind q's chunk of 80 bytes and the
		// 208 of setup's last block; three bytes behind it are left over.
		const at = 80 + 208 + 4001 + 3
		p := heapProgram{name: "behind a block", threads: []string{"malloc 4001", fmt.Sprintf("peek q %d", at)}}
		if r := p.search(t, sys, code, true, false, 1); r.Schedules != 1 {
			t.Errorf("%d traces with events of blocks, want 1", r.Schedules)
		}
		if r := p.search(t, sys, code, true, true, 1); r.Schedules != 2 || runsWith(r, oracle.OutOfBounds) != 1 {
			t.Errorf("with events of bounds %d traces, %d with a use of no block; want 2, 1", r.Schedules, runsWith(r, oracle.OutOfBounds))
		}
		// Two threads that make the heap larger by turns use what lies behind its
		// last block: the counts of their lock alone, and all orders with that.
		larger := func() *scenario.Plan {
			plan := &scenario.Plan{Env: []string{"GLIBC_TUNABLES=glibc.malloc.arena_max=1"}}
			for i := range 2 {
				plan.Threads = append(plan.Threads, scenario.Thread{Name: threadName(i), Body: scenario.Calls{{Func: "malloc", Args: []scenario.Arg{scenario.Int(2000)}}}})
			}
			plan.Setup = func(u *scenario.Setup) error {
				for i := range 2 {
					if _, err := u.Call(threadName(i), "malloc", scenario.Int(50)); err != nil {
						return err
					}
				}
				return nil
			}
			return plan
		}
		raw, blocks, bounds := searchHeap(t, sys, larger, false, false, 1), searchHeap(t, sys, larger, true, false, 1), searchHeap(t, sys, larger, true, true, 1)
		if raw.Schedules != 12 || blocks.Schedules != raw.Schedules || bounds.Schedules <= blocks.Schedules {
			t.Errorf("two calls of malloc have %d traces, with events of blocks %d and of bounds %d; want 12, 12 and more", raw.Schedules, blocks.Schedules, bounds.Schedules)
		}
	})
}

// Many orders make several parts: any number of jobs finds as many, and so does a
// search that is broken off and resumed. Eight reads and eight moments at
// which the block is freed or handed out have C(16, 8).
func TestHeapParts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		code := guestcode.Build(t, sys.Arch, usingBlocks)
		p := heapProgram{threads: []string{repeated(8, "get p 4"), repeated(4, "free p;malloc 64")}}
		start := func() (*scenario.Session, error) {
			return scenario.StartHeap(sys, p.plan(t, code, &guest{arch: sys.Arch}), 1, false, nil)
		}
		want := choose(16, 8)
		var state *State
		save := func(s *State) error { state = s; return nil }
		if r := dpor(t, start, Options{Jobs: 2, Schedules: 9000, Save: save}); r.Complete || state == nil || len(state.DPOR.Parts) < 2 {
			t.Fatalf("broken off: %+v", r)
		}
		for name, o := range map[string]Options{"one job": {Jobs: 1}, "two jobs": {Jobs: 2}, "resumed": {Jobs: 2, Resume: state}} {
			if testing.Short() && name == "one job" {
				continue
			}
			if r := dpor(t, start, o); r.Schedules != want || !r.Complete || r.Verdict != Clean {
				t.Errorf("%s: %d schedules, complete %v, %s; want %d", name, r.Schedules, r.Complete, r.Verdict, want)
			}
		}
	})
}

// Whatever a preemption at any instruction brings to light, the search by events
// has found too: the same accesses, not only the same kinds of problems.
func TestHeapFindsAll(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		code := guestcode.Build(t, sys.Arch, usingBlocks)
		for i, threads := range [][]string{
			{"get p 4", "renew p free malloc"},
			{"get p 4;free q", "put q 4;free p"},
			{"sum p 4 3", "grow p realloc"},
			{"put p 7", "free p;malloc 48;free q;malloc 24"},
			{"peek p 70", "realloc p 20;calloc 1 20"},
		} {
			if !inTurn(i, 3, sys.Arch) {
				continue
			}
			p := heapProgram{threads: threads}
			plan := func() *scenario.Plan { return p.plan(t, code, &guest{arch: sys.Arch}) }
			events := searchHeap(t, sys, plan, true, true, 2)
			all := searchProblems(t, sys, plan, Options{Preemptions: 1, Jobs: 2}, Bounded, func() (*scenario.Session, error) { return scenario.Start(sys, plan(), 1) })
			if len(all.Findings) < 2 || all.Schedules < 5*events.Schedules {
				t.Errorf("%q: %d schedules with a preemption, %d by events; problems: %+v", threads, all.Schedules, events.Schedules, all.Findings)
			}
			for _, f := range all.Findings {
				if !slices.ContainsFunc(events.Findings, func(g Finding) bool { return g.Outcome == f.Outcome && g.Problem == f.Problem }) {
					t.Errorf("%q: by events, %s %s is not found, which %q has", threads, f.Outcome.Kind, f.Problem, f.Schedule.Texts(names))
				}
			}
		}
	})
}

package arena_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/heap/arena"
	"emurace/internal/testseed"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// memory is a machine's as a core file would have it.
type memory struct {
	*emu.Process
	regions []arena.Region
}

func (m memory) Regions() []arena.Region { return m.regions }

// dead is a machine as a dead process. What a core has of it depends on who wrote it.
func dead(t testing.TB, m *emu.Process, names bool) arena.Process {
	t.Helper()
	mem := memory{Process: m}
	for _, g := range m.Mappings() {
		r := arena.Region{Lo: g.Start, Hi: g.End, Writable: g.Prot&loader.ProtWrite != 0}
		if names && g.OfFile() {
			r.File = g.Path
		}
		if g.Prot != 0 {
			mem.regions = append(mem.regions, r)
		}
	}
	p := arena.Process{Memory: mem, Arch: m.Arch()}
	pointer := "tpidr_el0"
	if m.Arch() == loader.AMD64 {
		pointer = "fs_base"
	}
	for i := range m.Threads() {
		if !m.Alive(i) {
			continue
		}
		id, _ := m.TID(i)
		tp, _ := m.Register(i, pointer)
		sp, _ := m.StackPointer(i)
		p.Threads = append(p.Threads, arena.Thread{ID: id, TP: tp, SP: sp})
	}
	libc, ok := m.Libc()
	if !ok {
		t.Fatal("no libc")
	}
	p.Libc = arena.Module{Lo: libc.Lo, Hi: libc.Hi, Base: libc.Base}
	p.Version = libcVersion(libc.Image)
	return p
}

func libcVersion(im *loader.Image) string {
	v, _ := im.GlibcVersion()
	return v
}

// calls is a plan whose setup makes random calls of malloc's on several threads.
type calls struct {
	n, threads int
	env        []string
	large      bool // some blocks are large enough for a mapping of their own
}

// run makes the calls and returns the blocks as they are known from the calls themselves.
func (c calls) run(t testing.TB, sys *emu.System, seed uint64) (*emu.Process, *heap.History) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 0))
	plan := &scenario.Plan{Env: c.env}
	names := []string{scenario.Main}
	for i := 1; i < c.threads; i++ {
		names = append(names, fmt.Sprintf("worker%d", i))
	}
	for _, name := range names {
		plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: scenario.Calls{}})
	}
	plan.Setup = func(u *scenario.Setup) error {
		var live []uint64
		for range c.n {
			name := names[rnd.IntN(len(names))]
			if err := c.one(u, rnd, name, &live); err != nil {
				return err
			}
		}
		return nil
	}
	var rec *heap.Recorder
	s, err := scenario.StartWith(sys, plan, 1, func(m *emu.Process) (err error) {
		rec, err = heap.NewRecorder(m)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.Process(), rec.History(s.Libc().Version)
}

func (c calls) one(u *scenario.Setup, rnd *rand.Rand, name string, live *[]uint64) error {
	size := rnd.Uint64N(1 << (4 + rnd.UintN(9)))
	if c.large && rnd.IntN(20) == 0 {
		size = 1<<16 + rnd.Uint64N(1<<18)
	}
	take := func() uint64 {
		i := rnd.IntN(len(*live))
		p := (*live)[i]
		(*live)[i] = (*live)[len(*live)-1]
		*live = (*live)[:len(*live)-1]
		return p
	}
	var p uint64
	var err error
	switch k := rnd.IntN(20); {
	case k < 9 || len(*live) == 0:
		p, err = u.Call(name, "malloc", scenario.Int(size))
	case k < 10:
		p, err = u.Call(name, "calloc", scenario.Int(1), scenario.Int(size))
	case k < 11:
		p, err = u.Call(name, "memalign", scenario.Int(32<<rnd.UintN(8)), scenario.Int(size))
	case k < 12:
		p, err = u.Call(name, "realloc", scenario.Int(take()), scenario.Int(size+1))
	default:
		_, err = u.Call(name, "free", scenario.Int(take()))
	}
	if p != 0 {
		*live = append(*live, p)
	}
	return err
}

// compare holds what the memory shows against the blocks that are known. With debug information at hand
// everything must be known; else what is said to be certain must be right.
func compare(t *testing.T, m *emu.Process, h *heap.History, mal *arena.Malloc, all bool) {
	t.Helper()
	bad, sure, unsure := 0, 0, 0
	report := func(format string, args ...any) {
		if bad++; bad < 10 {
			t.Errorf(format, args...)
		}
	}
	live := map[uint64]*heap.Block{}
	freed := map[uint64]*heap.Block{}
	for _, b := range h.Blocks() {
		if b.Freed == nil {
			live[b.Addr] = b
			delete(freed, b.Addr)
		} else {
			freed[b.Addr] = b
		}
	}
	for addr, b := range live {
		c, ok := mal.At(addr)
		if !ok || !c.Certain {
			if unsure++; all {
				report("block %#x of %#x in use: %+v, %v", addr, b.Size, c, ok)
			}
			continue
		}
		sure++
		blk := c.Block()
		// Without caches, what is no more than handed out is of its thread's own arena.
		if n, ok := mal.Tcache(); ok && n == 0 && c.Arena != nil && b.Allocated.Func == "malloc" {
			if a := mal.Threads[b.Allocated.Machine].Arena; a != nil && a != c.Arena {
				report("block %#x of %s is in the arena %#x, and its thread's is %#x", addr, b.Allocated.Thread, c.Arena.Addr, a.Addr)
			}
		}
		if c.State != arena.InUse && c.State != arena.Mmapped || c.Size != b.ChunkSize || blk.Lo != addr || blk.Hi < addr+b.Size {
			report("block %#x of %#x in use is %+v, of the chunk size %#x", addr, b.Size, c, b.ChunkSize)
		}
	}
	for addr, b := range freed {
		c, ok := mal.At(addr)
		if !ok || !c.Certain {
			if unsure++; all && ok {
				report("block %#x of %#x freed: %+v, %v", addr, b.Size, c, ok)
			}
			continue
		}
		if c.State == arena.InUse || c.State == arena.Mmapped {
			// It may be within another one that was handed out since.
			if o := live[c.Addr+16]; o == nil {
				report("block %#x of %#x freed is %+v", addr, b.Size, c)
			}
		}
		sure++
	}
	t.Logf("%d blocks right, %d of %d not certain; %d arenas, %d caches, %d lists; %v", sure, unsure, len(live)+len(freed), len(mal.Arenas), len(mal.Caches), len(mal.Lists), mal.Problems)
}

var suites = []string{"bookworm", "bullseye", "trixie", "forky"}

var settings = [][]string{nil, {"GLIBC_TUNABLES=glibc.malloc.tcache_count=0"}}

// knowledge is what is at hand beside the memory.
type knowledge struct {
	name  string
	whole bool // all is known with it
	cut   func(t testing.TB, p *arena.Process, sys *emu.System, m *emu.Process)
}

// images are those that libc has parsed.
var images sync.Map

// libc is the image of a machine's libc, parsed anew, so that what is attached to it is these tests' alone.
func libc(t testing.TB, sys *emu.System, m *emu.Process, debug bool) *loader.Image {
	t.Helper()
	mod, _ := m.Libc()
	key := fmt.Sprint(mod.Image.BuildID, debug)
	if im, ok := images.Load(key); ok {
		return im.(*loader.Image)
	}
	im, err := loader.Parse(mod.Path, mod.Image.Data())
	if err != nil {
		t.Fatal(err)
	}
	if debug {
		if found, err := im.LoadDebug(sys.Root); !found || err != nil {
			t.Fatalf("debug file of %s: %v, %v", mod.Path, found, err)
		}
	}
	images.Store(key, im)
	return im
}

func noPointers(p *arena.Process) {
	for i := range p.Threads {
		p.Threads[i].TP = 0
	}
}

var levels = []knowledge{
	{"debug", true, func(t testing.TB, p *arena.Process, sys *emu.System, m *emu.Process) {
		p.Libc.Image = libc(t, sys, m, true)
	}},
	{"stripped", true, func(t testing.TB, p *arena.Process, sys *emu.System, m *emu.Process) {
		p.Libc.Image = libc(t, sys, m, false)
	}},
	{"version", true, func(testing.TB, *arena.Process, *emu.System, *emu.Process) {}},
	{"no version", false, func(_ testing.TB, p *arena.Process, _ *emu.System, _ *emu.Process) { p.Version = "" }},
	{"no thread pointers", true, func(t testing.TB, p *arena.Process, sys *emu.System, m *emu.Process) {
		p.Libc.Image = libc(t, sys, m, true)
		noPointers(p)
	}},
	{"another libc", false, func(t testing.TB, p *arena.Process, _ *emu.System, m *emu.Process) {
		other := "bullseye"
		if p.Version == "2.31" {
			other = "trixie"
		}
		sys := testsystem.Of(t, other, m.Arch())
		im, err := loader.LoadImage(sys.Root, "/lib/"+m.Arch().Triplet()+"/libc.so.6")
		if err != nil {
			t.Fatal(err)
		}
		if found, err := im.LoadDebug(sys.Root); !found || err != nil {
			t.Fatal(found, err)
		}
		p.Libc.Image, p.Version = im, libcVersion(im)
	}},
	{"nothing", false, func(_ testing.TB, p *arena.Process, _ *emu.System, _ *emu.Process) {
		p.Version, p.Libc = "", arena.Module{}
		noPointers(p)
		for i := range p.Threads {
			p.Threads[i].SP = 0
		}
	}},
}

// TestBlocks: every block that is in use is known to be, and none that is not.
func TestBlocks(t *testing.T) {
	seed := testseed.Of(t, 1)
	for _, env := range settings {
		t.Run(strings.Join(env, " "), func(t *testing.T) {
			testsystem.EachSuite(t, suites, func(t *testing.T, suite string, sys *emu.System) {
				m, h := calls{n: 1000, threads: 3, env: env, large: true}.run(t, sys, seed)
				for _, l := range levels {
					t.Run(l.name, func(t *testing.T) {
						p := dead(t, m, l.name != "nothing")
						l.cut(t, &p, sys, m)
						compare(t, m, h, arena.Read(p), l.whole)
					})
				}
			})
		})
	}
}

package replay

import (
	"fmt"
	"strings"
	"testing"

	"emurace/heap"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/scenario"
)

// stage is a made-up race for the heap's sake: what Setup allocates, what worker
// does with it, and then main follows a word of one block to its death.
type stage struct {
	name  string
	suite string
	env   []string
	// setup names blocks: "a=main 24" is malloc(24) on main, and "-a" frees it
	// on the thread that has allocated it.
	setup string
	// worker is its calls: free and realloc as "free a", "realloc a 100"; "malloc
	// 24"; "store a", which puts 0x660 into the third word.
	worker string
	follow string // the block whose word main loads, or "data" for the shared data
	offset int64  // of that word
	jump   bool   // main jumps there instead of reading: for pointers to memory
	pad    string // a block whose address the shared data's third word holds

	kind    heap.MeaningKind
	foot    bool
	mangled bool
	chunk   uint64 // the size that heap.MallocSize tells, of any kind of chunk
	target  string // the block that a link or pointer leads to, "end" or "arena"
	block   string // that the word belonged to, "" for none
	freed   bool   // by worker, in the race
	reused  bool
	correct int64 // what was there, -1 for not known
	tell    string
}

const (
	noCache  = "GLIBC_TUNABLES=glibc.malloc.tcache_count=0"
	unknown  = -1
	filled   = 0x1111111111111111
	bookworm = "bookworm"
)

var stages = []stage{
	{name: "cache link, mangled end", suite: bookworm, setup: "a=main 24", worker: "free a", follow: "a", offset: 0,
		kind: heap.MallocLink, mangled: true, target: "end", block: "a", freed: true, correct: filled,
		tell: "is a link of malloc's list of free chunks, mangled with its own address: the end of the list."},
	{name: "cache link, mangled", suite: bookworm, setup: "a=main 24 b=main 24", worker: "free a, free b", follow: "b", offset: 0,
		kind: heap.MallocLink, mangled: true, target: "a", block: "b", freed: true, correct: filled,
		tell: "mangled with its own address: it leads to 0x"},
	{name: "cache link, plain end", suite: "bullseye", setup: "a=main 24", worker: "free a", follow: "a", offset: 0,
		kind: heap.MallocLink, target: "end", block: "a", freed: true, correct: filled,
		tell: "0x0 is a link of malloc's list of free chunks: the end of the list."},
	{name: "cache link, plain", suite: "bullseye", setup: "a=main 24 b=main 24", worker: "free a, free b", follow: "b", offset: 0, jump: true,
		kind: heap.MallocLink, target: "a", block: "b", freed: true, correct: filled,
		tell: ", a block of 0x18 bytes."},
	{name: "cache link, newest glibc", suite: "forky", setup: "a=main 24 b=main 24", worker: "free a, free b", follow: "b", offset: 0,
		kind: heap.MallocLink, mangled: true, target: "a", block: "b", freed: true, correct: filled},
	{name: "key, random", suite: bookworm, setup: "a=main 24", worker: "free a", follow: "a", offset: 8,
		kind: heap.MallocKey, block: "a", freed: true, correct: filled,
		tell: "is the key that malloc's thread cache puts into a freed block"},
	{name: "key, newest glibc", suite: "forky", setup: "a=main 24", worker: "free a", follow: "a", offset: 8,
		kind: heap.MallocKey, block: "a", freed: true, correct: filled},
	{name: "key, the cache's address", suite: "bullseye", setup: "a=main 24", worker: "free a", follow: "a", offset: 8, jump: true,
		kind: heap.MallocKey, block: "a", freed: true, correct: filled},
	{name: "key from before the race", suite: bookworm, setup: "a=main 24 -a", worker: "getpid", follow: "a", offset: 8,
		kind: heap.MallocKey, block: "a", correct: unknown,
		tell: "freed by main in free("},
	{name: "key cleared", suite: bookworm, setup: "a=main 24", worker: "free a, malloc 24", follow: "a", offset: 8,
		kind: heap.MallocKey, block: "a", freed: true, reused: true, correct: filled,
		tell: "malloc clears there the key"},
	{name: "fast bin link, mangled", suite: bookworm, env: []string{noCache}, setup: "a=main 24 b=main 24", worker: "free a, free b", follow: "b", offset: 0,
		kind: heap.MallocLink, mangled: true, target: "a", block: "b", freed: true, correct: filled},
	{name: "fast bin leaves the second word", suite: bookworm, env: []string{noCache}, setup: "a=main 24", worker: "free a", follow: "a", offset: 8,
		kind: heap.Data, block: "a", freed: true, correct: filled},
	{name: "unsorted link", suite: bookworm, env: []string{noCache}, setup: "a=main 500 z=main 24", worker: "free a", follow: "a", offset: 8, jump: true,
		kind: heap.MallocLink, target: "arena", block: "a", freed: true, correct: filled},
	{name: "unsorted link in a thread's arena", suite: bookworm, env: []string{noCache}, setup: "y=worker 24 a=worker 500 z=worker 24", worker: "free a", follow: "a", offset: 0, jump: true,
		kind: heap.MallocLink, target: "arena", block: "a", freed: true, correct: filled},
	{name: "unsorted link to a chunk", suite: bookworm, env: []string{noCache}, setup: "a=main 500 y=main 24 b=main 500 z=main 24", worker: "free a, free b", follow: "b", offset: 0, jump: true,
		kind: heap.MallocLink, target: "a", block: "b", freed: true, correct: filled},
	{name: "foot", suite: bookworm, env: []string{noCache}, setup: "a=main 504 z=main 24", worker: "free a", follow: "a", offset: 496,
		kind: heap.MallocSize, foot: true, chunk: 0x200, block: "a", freed: true, correct: filled,
		tell: "0x200 is the size of the chunk that was freed: malloc keeps it in a free chunk's last word"},
	{name: "foot of two", suite: bookworm, env: []string{noCache}, setup: "a=main 504 b=main 504 z=main 24", worker: "free a, free b", follow: "b", offset: 496,
		kind: heap.MallocSize, foot: true, chunk: 0x400, block: "b", freed: true, correct: filled,
		tell: "0x400 is the size of the free chunk that the block became a part of:"},
	{name: "foot of a remainder", suite: bookworm, env: []string{noCache}, setup: "y=worker 24 a=worker 504 z=worker 24", worker: "free a, malloc 24", follow: "a", offset: 496,
		kind: heap.MallocSize, foot: true, chunk: 0x1e0, block: "a", freed: true, correct: filled},
	{name: "size field", suite: bookworm, setup: "a=main 24", worker: "getpid", follow: "a", offset: -8,
		kind: heap.MallocSize, chunk: 0x20, block: "a", correct: unknown,
		tell: "0x21 is the size of a chunk, 0x20 bytes, with its flags"},
	{name: "size field of a remainder", suite: bookworm, env: []string{noCache}, setup: "y=worker 24 a=worker 504 z=worker 24", worker: "free a, malloc 24", follow: "a", offset: 24,
		kind: heap.MallocSize, chunk: 0x1e0, block: "a", freed: true, correct: filled},
	{name: "stale pointer", suite: bookworm, setup: "a=main 1048576", pad: "a", worker: "free a", follow: "data", offset: 16,
		kind: heap.StalePointer, target: "a", correct: unknown,
		tell: "points into a block that is free: a block of 0x100000 bytes."},
	{name: "data in a block in use", suite: bookworm, setup: "a=main 48", worker: "store a", follow: "a", offset: 16,
		kind: heap.Data, block: "a", correct: unknown,
		tell: "still in use."},
	{name: "data in no block", suite: bookworm, worker: "store data", follow: "data", offset: 16,
		kind: heap.Data, correct: unknown},
	{name: "data in a block handed out again", suite: bookworm, setup: "a=main 48", worker: "free a, malloc 48, store a", follow: "a", offset: 16,
		kind: heap.Data, block: "a", freed: true, reused: true, correct: filled,
		tell: "Its bytes had been handed out again: 0x30 bytes, allocated by worker in malloc(48), still in use."},
	{name: "data copied by realloc", suite: bookworm, env: []string{noCache}, setup: "a=worker 100 -a b=worker 40 z=worker 24", worker: "realloc b 100", follow: "a", offset: 8,
		kind: heap.Data, block: "a", correct: unknown},
	{name: "data in a free block", suite: bookworm, env: []string{noCache}, setup: "a=worker 100 -a", worker: "getpid", follow: "a", offset: 8,
		kind: heap.Data, block: "a", correct: unknown},
	{name: "data zeroed by calloc", suite: bookworm, env: []string{noCache}, setup: "a=worker 100 -a", worker: "calloc 100", follow: "a", offset: 0,
		kind: heap.Data, block: "a", correct: unknown},
}

// play sets the stage and runs worker and then main. The blocks are by name.
func (st stage) play(t *testing.T, arch loader.Arch) (x *Explanation, blocks map[string]uint64) {
	t.Helper()
	verb := "load"
	if st.jump {
		verb = "jump"
	}
	mainCode, _ := assemble(t, arch, verb)
	storeCode, _ := assemble(t, arch, "store")
	image := make([]byte, guestSize)
	copy(image, mainCode)
	copy(image[workerCode:], storeCode)
	blocks = map[string]uint64{}
	var code uint64
	sys := system(t, st.suite, arch)
	plan := &scenario.Plan{
		Env: st.env,
		Setup: func(u *scenario.Setup) (err error) {
			// Both threads have worked before: their arenas and caches are there.
			for _, thread := range []string{scenario.Main, "worker"} {
				if _, err := u.Call(thread, "malloc", scenario.Int(2000)); err != nil {
					return err
				}
			}
			threads := map[string]string{}
			for _, word := range strings.Fields(strings.NewReplacer("=main ", "=main:", "=worker ", "=worker:").Replace(st.setup)) {
				if name, ok := strings.CutPrefix(word, "-"); ok {
					if _, err := u.Call(threads[name], "free", scenario.Int(blocks[name])); err != nil {
						return err
					}
					continue
				}
				name, rest, _ := strings.Cut(word, "=")
				var size uint64
				threads[name], rest, _ = strings.Cut(rest, ":")
				if _, err := fmt.Sscan(rest, &size); err != nil {
					return err
				}
				p, err := u.Call(threads[name], "malloc", scenario.Int(size))
				if err != nil {
					return err
				}
				blocks[name] = p
				if _, err := u.Call(threads[name], "memset", scenario.Int(p), scenario.Int(filled&0xff), scenario.Int(size)); err != nil {
					return err
				}
			}
			if st.pad != "" {
				p := blocks[st.pad]
				for k := range 8 {
					image[sharedData+16+k] = byte(p >> (8 * k))
				}
			}
			code, err = u.Code(image, guestSize)
			blocks["data"] = code + sharedData
			return err
		},
		Threads: []scenario.Thread{
			{Name: scenario.Main, Body: late(func() scenario.Calls {
				return scenario.Calls{{Func: verb, Addr: code, Args: []scenario.Arg{scenario.Int(blocks[st.follow] + uint64(st.offset) - 16)}}}
			})},
			{Name: "worker", Body: late(func() scenario.Calls {
				var calls scenario.Calls
				for _, text := range strings.Split(st.worker, ", ") {
					words := strings.Fields(text)
					c := scenario.Call{Func: words[0]}
					for _, w := range words[1:] {
						v, ok := blocks[w]
						if !ok {
							_, err := fmt.Sscan(w, &v)
							must(t, err)
						}
						c.Args = append(c.Args, scenario.Int(v))
					}
					switch c.Func {
					case "store":
						c.Addr = code + workerCode
					case "calloc":
						c.Args = append(c.Args, scenario.Int(1))
					}
					calls = append(calls, c)
				}
				return calls
			})},
		},
	}
	schedule := scenario.Schedule{{Thread: 1}, {Thread: 0}}
	s, err := scenario.Start(sys, plan, 1)
	must(t, err)
	t.Cleanup(s.Close)
	h, err := NewHistory(s, schedule)
	must(t, err)
	x = explain(t, h)
	history, err := traceHeap(t, starter(sys, plan)).Run(nil, schedule)
	must(t, err)
	must(t, x.AddHeap(h, history))
	if steps := s.Steps(); steps != x.Steps {
		t.Errorf("the session was left at step %d of %d", steps, x.Steps)
	}
	return x, blocks
}

func TestMeaning(t *testing.T) {
	for i, st := range stages {
		if testing.Short() && i%3 != 0 {
			continue
		}
		for _, arch := range arches() {
			t.Run(st.name+"/"+arch.String(), func(t *testing.T) {
				x, blocks := st.play(t, arch)
				if x.Load == nil {
					t.Fatalf("%v: nothing was loaded", x.Outcome)
				}
				if want := blocks[st.follow] + uint64(st.offset); x.LoadAddr != want {
					t.Fatalf("loaded from %#x, want %#x", x.LoadAddr, want)
				}
				st.checkMeaning(t, x, blocks)
				st.checkAllocation(t, x, blocks)
				st.checkReport(t, x)
				if text := told(x); !strings.Contains(text, st.tell) {
					t.Errorf("it does not say %q but\n%s", st.tell, text)
				}
			})
		}
	}
}

func (st stage) checkMeaning(t *testing.T, x *Explanation, blocks map[string]uint64) {
	t.Helper()
	m := x.Meaning
	if m.Kind != st.kind || m.Foot != st.foot || m.Mangled != st.mangled || st.chunk != 0 && m.ChunkSize != st.chunk {
		t.Errorf("%#x means %+v", x.Value, m)
	}
	switch want := blocks[st.target]; st.target {
	case "":
	case "end":
		if m.Target != 0 || m.Block != nil {
			t.Errorf("leads to %+v", m)
		}
	case "arena":
		if m.Target == 0 || m.Block != nil {
			t.Errorf("leads to %+v", m)
		}
	default:
		if m.Block == nil || m.Block.Addr != want || m.Target != want && m.Target != want-heap.ChunkHeader {
			t.Errorf("leads to %+v, and not to %s at %#x", m, st.target, want)
		}
	}
}

func (st stage) checkAllocation(t *testing.T, x *Explanation, blocks map[string]uint64) {
	t.Helper()
	a := x.Allocation
	switch {
	case st.block == "":
		if a != nil {
			t.Errorf("the word belonged to %+v", a)
		}
		return
	case a == nil:
		t.Fatal("the word belonged to no block")
	}
	if a.Addr != blocks[st.block] || a.Offset != st.offset || a.AllocatedBy == nil || (a.Reused != nil) != st.reused {
		t.Errorf("the word belonged to %+v", a)
	}
	if byWorker := a.FreedBy != nil && a.FreedBy.Thread == "worker" && a.FreedBy.Step > 0; byWorker != st.freed || a.BeingFreed {
		t.Errorf("freed by %+v", a.FreedBy)
	}
	for _, act := range []*HeapAct{a.AllocatedBy, a.FreedBy} {
		if act != nil && (act.Step > 0) != (act.Done > act.Step) {
			t.Errorf("a call from instruction %d to %d", act.Step, act.Done)
		}
	}
	switch c := x.Correct; {
	case st.correct == unknown:
		if c != nil {
			t.Errorf("it held %v", c)
		}
	case c == nil || c.Value != uint64(st.correct):
		t.Errorf("it held %v, want %#x", c, st.correct)
	}
}

// checkReport: the object for programs says the same.
func (st stage) checkReport(t *testing.T, x *Explanation) {
	t.Helper()
	c := x.Finding().Cause
	if c.Kind != st.kind || (c.Allocation != nil) != (st.block != "") || (c.Correct != nil) != (st.correct != unknown) {
		t.Errorf("cause: %+v", c)
	}
	if a := c.Allocation; a != nil {
		if a.Address != words.Hex(x.Allocation.Addr) || a.Offset != st.offset || a.AllocatedBy == nil || (a.Reused != nil) != st.reused || st.freed && (a.FreedBy == nil || a.FreedBy.Thread != "worker") {
			t.Errorf("allocation: %+v", a)
		}
	}
	if m := c.Meaning; (m != nil) != (st.kind != heap.Data) || m != nil && (m.Mangled != st.mangled || st.target == "end" && m.Target != "0x0") {
		t.Errorf("meaning: %+v", m)
	}
}

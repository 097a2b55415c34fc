package replay

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/scenario"
	"emurace/symbolize"
)

// madeUp is an explanation that has something of every kind to tell, which no single run
// has.
func madeUp() *Explanation {
	act := func(thread string, step uint64, function, call string) *symbolize.Act {
		l := symbolize.Location{PC: 0x1000 + step, Function: function, Offset: step}
		return &symbolize.Act{Thread: thread, Step: step, Location: l, Instruction: "ldr x19, [x20, #8]!", Call: call, Backtrace: []symbolize.Location{l}}
	}
	const fatal = 0x220
	chunk := heap.Block{
		Addr: 0x10010, Size: fatal - 8, ChunkSize: fatal,
		Allocated: &heap.Call{Thread: "main", Func: "malloc", Call: "setup()"}, Freed: &heap.Call{Thread: "worker", Func: "realloc", Call: "grow(1)"},
	}
	x := &Explanation{
		Outcome: scenario.Outcome{Kind: scenario.Segv, Thread: 0, End: &emu.End{Kind: emu.EndFault, Addr: fatal, Access: emu.AccessRead}},
		Names:   []string{"main", "worker"}, Ticks: []Tick{{Step: 1, Text: "the deadline of main's usleep passes"}},
		At: act("main", 101, "getenv", `getenv("A")`), Message: "free(): invalid pointer\n",
		Register: "x19", Value: fatal, hops: []hop{{Kind: hopLoad, Reg: "x19"}}, loaded: []byte{0x20, 2, 0, 0, 0, 0, 0, 0}, Load: act("main", 90, "getenv", `getenv("A")`), LoadAddr: 0x10010 + fatal - 16, loadSize: 8,
		Writer: act("worker", 50, "_int_free", "grow(1)"), Written: fatal, Unmapped: act("worker", 70, "munmap", "shrink()"),
		Allocation: &Allocation{
			Block: chunk, Offset: fatal - 16, BeingFreed: true, Reused: &Allocation{},
			AllocatedBy: &HeapAct{Thread: "main", Func: "malloc", Call: "setup()"},
			FreedBy:     &HeapAct{Thread: "worker", Func: "realloc", Call: "grow(1)", Step: 20},
		},
		Meaning: heap.Meaning{Kind: heap.MallocSize, Foot: true, Chunk: 0x10000, ChunkSize: fatal}, Correct: &Correct{},
		Waits: []Wait{{Thread: "main", Address: 0x20, What: "mutex", HeldBy: "worker", Taken: act("worker", 10, "lock", "lock(0x20)")}}, Cycle: 1,
		Races:   []Race{{Touch{Act: *act("worker", 50, "_int_free", "grow(1)")}, Touch{Act: *act("main", 90, "getenv", `getenv("A")`)}}},
		Threads: []ThreadState{{Name: "main", Status: "running"}, {Name: "worker", Called: "pool-1", Status: "waiting", Call: "grow(1)"}}, Steps: 100,
	}
	x.Sources = Sources{Writers: []Wrote{{Act: *x.Writer, How: HowStored, Addr: x.LoadAddr, Data: x.loaded}}, size: 8}
	x.use = blockUse{
		found: &pointerUse{"main", 5, 0x30, 0x10010, "environ"}, named: true, moved: &pointerUse{"worker", 60, 0x30, 0x40010, "environ"},
		copied: &blockCopy{25, 40, 66, 0x40010}, overwritten: []uint64{1, 0},
	}
	return x
}

// TestFacts: every kind of fact has its place and its words, and each sentence is told
// wherever it belongs.
func TestFacts(t *testing.T) {
	x := madeUp()
	facts := append(x.Facts(), (&Explanation{
		Outcome: x.Outcome, At: x.At, Register: "x19", Threads: x.Threads, hops: []hop{{Kind: hopConst}},
	}).Facts()...)
	for _, c := range []struct {
		kind        FactKind
		at, after   uint64
		title       string
		short, long string // a part of each; "" for none
	}{
		{FactAllocated, 0, 0, "The block is handed out",
			"The block: 0x218 bytes, allocated by main in malloc of setup() before the race, being freed by worker in realloc of grow(1).", "Main asks malloc for 0x218 (536) bytes, in malloc, within setup()"},
		{FactFound, 4, 5, "main learns where the block is", "", "Main reads environ: 0x10010, the address of the block."},
		{FactFreeing, 19, 19, "worker begins to give the block back", "", "Worker calls realloc, within grow(1)"},
		{FactCopied, 24, 40, "What is in the block is copied", "", "Worker copies 66 words to the new block at 0x40010."},
		{FactWritten, 49, 50, "worker writes 0x220", "worker had written 0x220 there last, in its call of grow(1):", "Words 0 and 1 have been overwritten just before"},
		{FactMoved, 59, 60, "worker changes where the block is found", "", "For main that is too late: it has read environ before"},
		{FactUnmapped, 69, 70, "The page is taken away", "That address was mapped until worker made a system call", "Worker calls the kernel in munmap+0x46"},
		{FactLoaded, 89, 90, "main loads 0x220", "main loaded x19 at getenv+0x5a", "this is word 66 of the block, and it held 0 (NULL) until the block was given up."},
		{FactTaken, 9, 10, "worker takes the mutex that main will wait for", "main waits for 0x20, a mutex that worker holds: taken at lock+0xa in lock(0x20).", "Worker takes the mutex at 0x20"},
		{FactEnd, 100, 100, "The fault", "getenv+0x65  ldr x19, [x20, #8]!      x19 = 0x220, and nothing is mapped there", "it wants to read at 0x220, and nothing is mapped there: the process has no memory at that address."},
		{factSaid, 0, 0, "", "it said: free(): invalid pointer", ""},
		{factCalled, 0, 0, "", `worker is called "pool-1"`, ""},
		{factWaiting, 0, 0, "", "worker waits in grow(1): ", ""},
		{factOrigin, 0, 0, "", "main set it at 0x0 ().", ""},
		{factMeaning, 0, 0, "", "0x220 is the size of the chunk being freed: ", "0x220 (544) is the size of the chunk that is being freed."},
		{factWord, 0, 0, "", "That word is word 66 of the block; it held 0 (NULL) until the block was freed.", "To main this is word 66 of the block, and it held"},
		{factReused, 0, 0, "", "Its bytes had been handed out again: ", ""},
		{factCycle, 0, 0, "", "Each waits for the next: main, main.", ""},
		{factTime, 0, 0, "", "clock: the deadline of main's usleep passes, after 1 instruction", "After 1 instruction the deadline of main's usleep passes."},
		{factRaces, 0, 0, "", "  before main at getenv+0x5a", ""},
	} {
		i := slices.IndexFunc(facts, func(f Fact) bool { return f.Kind == c.kind })
		if i < 0 {
			t.Errorf("no fact of kind %d", c.kind)
			continue
		}
		f := facts[i]
		var short string
		for _, line := range f.Short {
			short += line.String() + "\n"
		}
		long := strings.Join(f.Long, "\n")
		if f.At != c.at || f.After != c.after || f.Title != c.title {
			t.Errorf("kind %d: moments %d to %d, title %q", c.kind, f.At, f.After, f.Title)
		}
		if !strings.Contains(short, c.short) || (c.short == "") != (short == "") || !strings.Contains(long, c.long) || (c.long == "") != (long == "") {
			t.Errorf("kind %d says\n%s\nand\n%s", c.kind, short, long)
		}
		if (f.Title != "") && long == "" || strings.Contains(f.Title+short+long, "%!") {
			t.Errorf("kind %d: %+v", c.kind, f)
		}
	}
	// What is told in short is all short sentences, each once, and colours are all that
	// another printer adds.
	var coloured bytes.Buffer
	x.Tell(NewPrinter(&coloured, true))
	if got := escapes.ReplaceAllString(coloured.String(), ""); got != x.String() || got == coloured.String() {
		t.Errorf("in colour it is\n%s", got)
	}
	for _, f := range x.Facts() {
		for _, line := range f.Short {
			if n := strings.Count(x.String(), "    "+line.String()+"\n"); n != 1 && f.Kind != factRaces {
				t.Errorf("%d times: %s", n, line)
			}
		}
	}
	if f, ok := x.Fact(FactCopied); !ok || f.Addr != x.use.copied.to {
		t.Errorf("the copy is %+v", f)
	}
	// Of a block of the race the moments are those of the call.
	x.Allocation.AllocatedBy.Step, x.Allocation.AllocatedBy.Done = 3, 8
	if f, _ := x.Fact(FactAllocated); f.At != 2 || f.After != 8 || strings.Contains(f.Long[0], "before the race") {
		t.Errorf("the block is handed out in the moments %d to %d: %s", f.At, f.After, f.Long)
	}
	if _, ok := (&Explanation{}).Fact(FactCopied); ok {
		t.Error("a run that is nothing has a copy")
	}
}

func TestSay(t *testing.T) {
	inner := say("%s at %#x", name("main"), 16)
	text := say("%d of %q: %s, %v", 2, "a\n", inner, number("7"))
	if got, want := text.String(), `2 of "a\n": main at 0x10, 7`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var out bytes.Buffer
	if got, want := NewPrinter(&out, true).Text(inner), "\x1b[36mmain\x1b[0m at 0x10"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if len(say("")) != 0 {
		t.Errorf("%v", say(""))
	}
}

// TestChunkText: a chunk is told by who has it, or had it.
func TestChunkText(t *testing.T) {
	taken := &heap.Call{Thread: "main", Func: "realloc", Call: "setenv()"}
	freed := func(done uint64) *heap.Block {
		return &heap.Block{Size: 24, Allocated: taken, Freed: &heap.Call{Thread: "worker", Func: "free", Call: "free(1)", Step: 10, Done: done}}
	}
	for _, c := range []struct {
		k           heap.Chunk
		step        uint64
		state, text string
	}{
		{heap.Chunk{Top: true}, 1, ChunkTop, "what is left of the heap"},
		{heap.Chunk{Used: true}, 1, ChunkUsed, ""},
		{heap.Chunk{}, 1, ChunkFree, ""},
		{heap.Chunk{Used: true, Block: freed(20)}, 9, ChunkUsed, "24 bytes, main in realloc of setenv()"},
		{heap.Chunk{Used: true, Block: freed(20)}, 20, ChunkFreeing, "by worker in free(1)"},
		{heap.Chunk{Block: freed(0)}, 30, ChunkFreeing, "by worker in free(1); malloc has marked it free"},
		{heap.Chunk{Used: true, Block: freed(20)}, 21, ChunkFree, "freed by worker in free(1), kept for the next call"},
		{heap.Chunk{Block: freed(20)}, 21, ChunkFree, "freed by worker in free(1)"},
	} {
		if state, text := ChunkText(c.k, c.step); state != c.state || text != c.text {
			t.Errorf("%+v: %s, %q, want %s, %q", c.k, state, text, c.state, c.text)
		}
	}
}

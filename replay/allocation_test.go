package replay

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/heap"
	"emurace/loader"
	"emurace/scenario"
)

// explainHeap explains a find with its heap.
func explainHeap(t *testing.T, f find) *Explanation {
	t.Helper()
	h := f.history(t)
	x := explain(t, h)
	must(t, x.AddHeap(h, f.heap(t)))
	return x
}

// TestArticleHeap: what the crash of the article is about, whatever malloc does
// with the old environ block. Its size follows from the scenario's entries.
func TestArticleHeap(t *testing.T) {
	const entry = "EMURACE_000=value 0"
	for i, c := range []struct {
		suite   string
		set     []string
		entries uint64
		kind    heap.MeaningKind
		tell    []string
	}{
		{"bookworm", nil, 66, heap.MallocSize, nil},
		{"bullseye", nil, 66, heap.MallocSize, nil},
		{"bookworm", []string{"tcache=full"}, 66, heap.MallocSize, nil},
		{"bullseye", []string{"tcache=full"}, 66, heap.MallocSize, nil},
		{"bookworm", []string{"entries=130"}, 130, heap.MallocSize, []string{"0x420 is the size of the chunk that was freed"}},
		{"bookworm", []string{"tcache=on", "entries=130"}, 130, heap.MallocSize, nil},
		{"bookworm", []string{"tcache=on"}, 66, heap.MallocLink, []string{
			"is a link of malloc's list of free chunks, mangled with its own address: the end of the list.",
			"That word is word 0 of the block; it held 0x7", `, "` + entry + `" until the block was freed.`,
		}},
	} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		for _, arch := range arches() {
			t.Run(c.suite+"/"+strings.Join(c.set, ",")+"/"+arch.String(), func(t *testing.T) {
				f := findRace(t, c.suite, arch, c.set...)
				x := explainHeap(t, f)
				size := 8 * (c.entries + 1)
				a := x.Allocation
				if a == nil || a.Size != size || a.ChunkSize != size+8 || a.BeingFreed || a.Reused != nil {
					t.Fatalf("allocation %+v", a)
				}
				if by := a.AllocatedBy; by.Thread != "main" || by.Step != 0 || by.Call != `setenv("EMURACE_LAST", "1", 1)` || by.Func != "realloc" ||
					functions(by.Backtrace) != "realloc __add_to_environ" {
					t.Errorf("allocated by %+v", by)
				}
				if by := a.FreedBy; by.Thread != "worker" || by.Step == 0 || by.Step >= x.Writer.Step || by.Call != x.Writer.Call || by.Func != "realloc" {
					t.Errorf("freed by %+v", by)
				}
				if x.Meaning.Kind != c.kind {
					t.Errorf("%#x means %+v", x.Value, x.Meaning)
				}
				text := told(x)
				want := c.tell
				switch c.kind {
				case heap.MallocSize:
					if a.Offset != int64(size-8) || x.Correct == nil || x.Correct.Value != 0 || !x.Meaning.Foot || x.Value != size+8 {
						t.Errorf("word %d, it held %v, now the size %#x: %+v", a.Offset/8, x.Correct, x.Value, x.Meaning)
					}
					want = append(want, "malloc keeps it in a free chunk's last word, the next chunk's prev_size.", "it held 0 (NULL) until the block was freed.")
				default:
					if a.Offset != 0 || x.Correct == nil || x.Correct.Text != entry {
						t.Errorf("word %d, it held %v", a.Offset/8, x.Correct)
					}
				}
				want = append(want, "allocated by main in realloc of setenv(\"EMURACE_LAST\", \"1\", 1) before the race, freed by worker in realloc of setenv(\"SSL_CERT_FILE\"")
				for _, s := range want {
					if !strings.Contains(text, s) {
						t.Errorf("it does not say %q but\n%s", s, text)
					}
				}
			})
		}
	}
}

// TestBeingFreed: main reads the word while worker is still inside of the
// realloc that has written it.
func TestBeingFreed(t *testing.T) {
	eachLibc(t, []string{"bullseye", "bookworm"}, func(t *testing.T, suite string, arch loader.Arch) {
		f := findRace(t, suite, arch)
		x := explain(t, f.history(t))
		before := f.schedule[0]
		f.schedule = scenario.Schedule{before, {Thread: 1, N: x.Writer.Step - before.N}, {Thread: 0}}
		x = explainHeap(t, f)
		a := x.Allocation
		if a == nil || !a.BeingFreed || a.FreedBy == nil || a.FreedBy.Thread != "worker" || x.Meaning.Kind != heap.MallocSize || x.Correct == nil || x.Correct.Value != 0 {
			t.Fatalf("%+v %+v %+v", a, x.Meaning, x.Correct)
		}
		text := told(x)
		for _, s := range []string{"0x220 is the size of the chunk being freed: malloc", ", being freed by worker in realloc of setenv("} {
			if !strings.Contains(text, s) {
				t.Errorf("it does not say %q but\n%s", s, text)
			}
		}
		if r := x.Finding().Cause.Allocation; !r.BeingFreed || r.FreedBy == nil || r.Size != "0x218" || r.ChunkSize != "0x220" || r.Offset != 0x210 {
			t.Errorf("report %+v", r)
		}
	})
}

// TestOwnBlockAgain: main was handed the bytes itself after another block of
// theirs was freed. It is the new block that it reads.
func TestOwnBlockAgain(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		code, _ := assemble(t, arch, "load")
		store, _ := assemble(t, arch, "store")
		image := append(append(make([]byte, 0, guestSize), code...), make([]byte, workerCode-len(code))...)
		image = append(image, store...)
		var at, block uint64
		plan := &scenario.Plan{
			Setup: func(u *scenario.Setup) (err error) {
				if block, err = u.Call(scenario.Main, "malloc", scenario.Int(48)); err != nil {
					return err
				}
				at, err = u.Code(image, guestSize)
				return err
			},
			Threads: []scenario.Thread{
				{Name: scenario.Main, Body: late(func() scenario.Calls {
					return scenario.Calls{callOf("free", block), callOf("malloc", 48), {Func: "load", Addr: at, Args: []scenario.Arg{scenario.Int(block)}}}
				})},
				{Name: "worker", Body: late(func() scenario.Calls {
					return scenario.Calls{{Func: "store", Addr: at + workerCode, Args: []scenario.Arg{scenario.Int(block)}}}
				})},
			},
		}
		start := starter(system(t, "bookworm", arch), plan)
		s, err := start(func(*emu.Process) error { return nil })
		must(t, err)
		t.Cleanup(s.Close)
		// Main up to its third call, then worker, then main.
		n := uint64(0)
		for len(s.Results(0)) < 2 {
			ran, err := s.Run(0, 1)
			must(t, err)
			n += ran
		}
		schedule := scenario.Schedule{{Thread: 0, N: n}, {Thread: 1}, {Thread: 0}}
		h, err := NewHistory(s, schedule)
		must(t, err)
		x := explain(t, h)
		blocks, err := traceHeap(t, start).Run(nil, schedule)
		must(t, err)
		must(t, x.AddHeap(h, blocks))
		a := x.Allocation
		if a == nil || a.Addr != block || a.AllocatedBy.Call != "malloc(48)" || a.AllocatedBy.Step == 0 || a.FreedBy != nil || a.Reused != nil || x.Correct != nil || x.Meaning.Kind != heap.Data {
			t.Errorf("%+v, %+v, it held %v", a, x.Meaning, x.Correct)
		}
	})
}

// FuzzMeaning puts arbitrary words over a part of a real heap, headers included,
// and asks what each of them is. Whatever malloc's structures look like, an
// answer must come, and one about a size or a link must be true of the words.
func FuzzMeaning(f *testing.F) {
	f.Add(uint64(0), []byte("\x00\x02\x00\x00\x00\x00\x00\x00\x21\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(uint64(8), []byte("\xf1\xff\xff\xff\xff\xff\x00\x00"))
	f.Add(uint64(496), []byte{0: 0, 1: 2, 15: 0})
	var blocks []uint64
	plan := &scenario.Plan{
		Threads: []scenario.Thread{{Name: scenario.Main, Body: late(func() scenario.Calls { return scenario.Calls{callOf("free", blocks[0])} })}},
		Setup: func(u *scenario.Setup) error {
			for range 4 {
				p, err := u.Call(scenario.Main, "malloc", scenario.Int(248))
				if err != nil {
					return err
				}
				blocks = append(blocks, p)
			}
			return nil
		},
	}
	tracer := traceHeap(f, starter(system(f, "bookworm", loader.ARM64), plan))
	history, err := tracer.Run(nil, scenario.Schedule{{Thread: 0}})
	must(f, err)
	m := tracer.s.Process()
	mark, err := tracer.s.Mark()
	must(f, err)
	f.Fuzz(func(t *testing.T, at uint64, data []byte) {
		must(t, mark.Rewind())
		from := blocks[0] - heap.ChunkHeader
		const room = 1024
		at %= room
		data = data[:min(uint64(len(data)), room-at)]
		must(t, tracer.s.Write(0, from+at, data))
		size := func(chunk uint64) uint64 {
			v, _ := m.Read64(chunk + heap.ChunkHeader/2)
			return v &^ 7
		}
		call := history.Calls()[len(history.Calls())-1]
		for addr := from; addr < from+room; addr += 8 {
			v, ok := m.Read64(addr)
			if !ok {
				t.Fatal("the heap is gone")
			}
			got := history.Meaning(m, heap.Word{Addr: addr, Value: v, Owner: history.Owner(addr, call.Done), Call: call, Step: call.Done})
			switch got.Kind {
			case heap.MallocSize:
				if v&^7 != got.ChunkSize || size(got.Chunk) != got.ChunkSize || got.Foot && got.Chunk+got.ChunkSize != addr {
					t.Errorf("%#x at %#x: %+v", v, addr, got)
				}
			case heap.MallocLink:
				if got.Target != v && (!got.Mangled || got.Target != v^addr>>12) || addr-got.Chunk < heap.ChunkHeader || addr-got.Chunk >= heap.ChunkHeader+32 {
					t.Errorf("%#x at %#x: %+v", v, addr, got)
				}
			case heap.MallocKey:
				if addr != got.Chunk+heap.ChunkHeader+8 {
					t.Errorf("%#x at %#x: %+v", v, addr, got)
				}
			case heap.Data:
			default:
				t.Errorf("%#x at %#x: %+v", v, addr, got)
			}
		}
	})
}

package heap

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"emurace/emu"
	"emurace/loader"
)

// The pieces say of every byte what a plain table of bytes says, whatever is
// handed out over what was freed.
func TestHeapProperty(t *testing.T) {
	const base, room = 0x10000, 512
	type state struct {
		block int // number of the last block that the byte was in, from 1; 0 for none
		freed bool
	}
	rapid.Check(t, func(t *rapid.T) {
		h := New(loader.Glibc)
		var bytes [room + 64]state
		type block struct {
			addr, size uint64
			number     int
			live       bool
		}
		var blocks []block
		step := uint64(1)
		for n := range rapid.IntRange(1, 40).Draw(t, "calls") {
			step += 10
			var live []int
			for i, b := range blocks {
				if b.live {
					live = append(live, i)
				}
			}
			if len(live) > 0 && rapid.Bool().Draw(t, "free") {
				b := &blocks[live[rapid.IntRange(0, len(live)-1).Draw(t, "which")]]
				ch := h.Apply(&emu.CallEvent{Func: "free", Args: [6]uint64{b.addr}, Step: step})
				if ch.Freed == nil || ch.Freed.Addr != b.addr || ch.Freed.Size != b.size {
					t.Fatalf("free %#x: %+v", b.addr, ch.Freed)
				}
				b.live = false
				for i := range bytes {
					if bytes[i].block == b.number {
						bytes[i].freed = true
					}
				}
				if again := h.Apply(&emu.CallEvent{Func: "free", Args: [6]uint64{b.addr}, Step: step + 1}); again.Freed != nil {
					t.Fatalf("free %#x twice: %+v", b.addr, again.Freed)
				}
				continue
			}
			addr := base + 16*uint64(rapid.IntRange(0, room/16-1).Draw(t, "addr"))
			size := uint64(rapid.IntRange(1, 64).Draw(t, "size"))
			taken := false
			for i := range size {
				s := bytes[addr-base+i]
				taken = taken || s.block != 0 && !s.freed
			}
			if taken {
				continue // malloc would not
			}
			h.Apply(&emu.CallEvent{Func: "malloc", Args: [6]uint64{size}, Step: step, Returned: true, ReturnStep: step + 5, Result: addr})
			blocks = append(blocks, block{addr, size, n + 1, true})
			for i := range size {
				bytes[addr-base+i] = state{block: n + 1}
			}
		}
		for i, want := range bytes {
			p, ok := h.At(base + uint64(i))
			if ok != (want.block != 0) || ok && (p.Freed != nil) != want.freed {
				t.Fatalf("byte %d: %+v, %v, want %+v", i, p, ok, want)
			}
			if ok && p.Alloc.Step != 1+10*uint64(want.block) {
				t.Fatalf("byte %d: of the block given at %d, want number %d", i, p.Alloc.Step, want.block)
			}
		}
	})
}

// What realloc freed in the middle of its call may be another's block when it
// returns.
func TestReallocOvertaken(t *testing.T) {
	h := New(loader.Glibc)
	h.Apply(&emu.CallEvent{Func: "malloc", Args: [6]uint64{32}, Step: 1, Returned: true, ReturnStep: 5, Result: 0x1000})
	h.Apply(&emu.CallEvent{Func: "malloc", Args: [6]uint64{32}, Thread: 1, Step: 12, Returned: true, ReturnStep: 20, Result: 0x1000})
	ch := h.Apply(&emu.CallEvent{Func: "realloc", Args: [6]uint64{0x1000, 64}, Step: 10, Returned: true, ReturnStep: 30, Result: 0x2000})
	if p, ok := h.At(0x1000); !ok || p.Freed != nil || p.Alloc.Thread != 1 {
		t.Errorf("the block is %+v, %v", p, ok)
	}
	if ch.Freed != nil || ch.Made == nil || ch.Made.Addr != 0x2000 {
		t.Errorf("realloc did %+v", ch)
	}
}

// Of every byte that a call does not say to have changed, the heap says the same
// before and after: whether it is in a block, in which, whether that is freed,
// and whether it is between blocks.
func TestChangeIsAll(t *testing.T) {
	for _, libc := range []loader.Libc{loader.Glibc, loader.Musl} {
		t.Run(libc.String(), func(t *testing.T) { changeIsAll(t, libc) })
	}
}

func changeIsAll(t *testing.T, libc loader.Libc) {
	const base, room = 1<<26 - 512, 1024 // in two windows
	functions := Functions()
	type fact struct {
		ok, freed, within   bool
		block, size, handed uint64
		misuse              Misuse // of a call that frees it
	}
	facts := func(h *Heap) (list [room + 256]fact) {
		for i := range list {
			addr := base - 128 + uint64(i)
			p, ok := h.At(addr)
			list[i] = fact{ok: ok, freed: p.Freed != nil, within: h.Within(addr), block: p.Addr, size: p.Size}
			if ok {
				list[i].handed = p.Alloc.Step
			}
			var ch Change
			h.judge(&emu.CallEvent{Func: "free", Args: [6]uint64{addr}}, &ch)
			list[i].misuse = ch.Misuse
		}
		return list
	}
	rapid.Check(t, func(t *rapid.T) {
		h := New(libc)
		open := map[uint64]emu.CallEvent{}
		for step := uint64(10); step < 400; step += 10 {
			addr := func(label string) uint64 {
				return base + 16*uint64(rapid.IntRange(0, room/16-1).Draw(t, label))
			}
			c := emu.CallEvent{Func: rapid.SampledFrom(functions).Draw(t, "function"), Step: step}
			size := uint64(rapid.IntRange(0, 200).Draw(t, "size"))
			if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
				size = 1 << 18
			}
			c.Args = [6]uint64{size, size, 3}
			if Releases(c.Func) {
				c.Args[0] = addr("argument")
			}
			if began, ok := open[step-30]; ok && rapid.Bool().Draw(t, "returns") {
				c = began
				c.Returned, c.ReturnStep = true, step
				if rapid.IntRange(0, 4).Draw(t, "given") > 0 {
					c.Result = addr("result")
				}
				if resizes(c.Func) && rapid.Bool().Draw(t, "stays") {
					c.Result = c.Args[0]
				}
			} else {
				open[step] = c
			}
			before := facts(h)
			ch := h.Apply(&c)
			for i, now := range facts(h) {
				at := base - 128 + uint64(i)
				in := func(list []Range) bool {
					return slices.ContainsFunc(list, func(r Range) bool { return r.Lo <= at && at < r.Hi })
				}
				if now.within != before[i].within && !in(ch.Widens) {
					t.Fatalf("%+v: byte %#x is between blocks: %v, then %v; widened by %x", c, at, before[i].within, now.within, ch.Widens)
				}
				now.within = before[i].within
				if now != before[i] && !in(ch.Writes) {
					t.Fatalf("%+v: of byte %#x, %+v has become %+v; written are %x", c, at, before[i], now, ch.Writes)
				}
			}
			for _, r := range slices.Concat(ch.Writes, ch.Widens) {
				if r.Lo >= r.Hi {
					t.Fatalf("%+v changes %+v", c, r)
				}
			}
			for _, p := range []*Piece{ch.Freed, ch.Made} {
				if p != nil && !slices.ContainsFunc(ch.Writes, func(r Range) bool { return r.Lo <= p.Addr && r.Hi >= p.Hi }) {
					t.Fatalf("%+v: the block %+v is not written as a whole: %x", c, p, ch.Writes)
				}
			}
		}
	})
}

// What is wrong with what a call is to free.
func TestMisuse(t *testing.T) {
	h := New(loader.Glibc)
	give := func(addr, size, step uint64) {
		h.Apply(&emu.CallEvent{Func: "malloc", Args: [6]uint64{size}, Step: step, Returned: true, ReturnStep: step + 1, Result: addr})
	}
	give(0x1000, 32, 1)
	give(0x2000, 0, 3)
	give(0x100000, 1<<20, 5)
	for i, c := range []struct {
		fn    string
		addr  uint64
		want  Misuse
		block uint64 // 0 for none
	}{
		{"free", 0, Proper, 0}, {"malloc", 0x1001, Proper, 0},
		{"free", 0x1001, NoBlock, 0x1000}, {"realloc", 0x1010, NoBlock, 0x1000}, {"free", 0x1020, NoBlock, 0}, {"free", 0x2001, NoBlock, 0},
		{"free", 0x1000, Proper, 0}, {"free", 0x1000, FreedTwice, 0x1000}, {"realloc", 0x1000, FreedTwice, 0x1000}, {"free", 0x1008, NoBlock, 0x1000},
		{"free", 0x2000, Proper, 0}, {"cfree", 0x2000, FreedTwice, 0x2000},
		{"free", 0x100000, Proper, 0}, {"free", 0x100000, FreedTwice, 0x100000}, {"free", 0x100010, NoBlock, 0},
	} {
		ch := h.Apply(&emu.CallEvent{Func: c.fn, Args: [6]uint64{c.addr, 8}, Step: uint64(10 + i)})
		block := uint64(0)
		if ch.Block != nil {
			block = ch.Block.Addr
		}
		if ch.Misuse != c.want || block != c.block {
			t.Errorf("%s %#x: %d, block %#x; want %d, %#x", c.fn, c.addr, ch.Misuse, block, c.want, c.block)
		}
	}
	give(0x100000, 64, 40)
	if ch := h.Apply(&emu.CallEvent{Func: "free", Args: [6]uint64{0x100000}, Step: 50}); ch.Misuse != Proper {
		t.Errorf("handed out again: %d", ch.Misuse)
	}
	// Both free the block: realloc had begun, and free came in between.
	give(0x3000, 64, 60)
	h.Apply(&emu.CallEvent{Func: "realloc", Args: [6]uint64{0x3000, 99}, Step: 70})
	h.Apply(&emu.CallEvent{Func: "free", Args: [6]uint64{0x3000}, Thread: 1, Step: 75})
	for _, result := range []uint64{0, 0x4000} {
		ch := h.Apply(&emu.CallEvent{Func: "realloc", Args: [6]uint64{0x3000, 99}, Step: 70, Returned: true, ReturnStep: 80, Result: result})
		if (ch.Misuse == FreedTwice) != (result != 0) {
			t.Errorf("realloc that gives %#x: %d", result, ch.Misuse)
		}
	}
}

// What a call that frees or resizes does depends on the block also where it has
// no effect.
func TestReads(t *testing.T) {
	malloc := emu.CallEvent{Func: "malloc", Args: [6]uint64{32}, Step: 1, Returned: true, ReturnStep: 5, Result: 0x1000}
	for _, c := range []struct {
		name  string
		call  emu.CallEvent
		reads []uint64
		freed bool
	}{
		{"free", emu.CallEvent{Func: "free", Args: [6]uint64{0x1000}, Step: 10}, nil, true},
		{"free of another", emu.CallEvent{Func: "free", Args: [6]uint64{0x1010}, Step: 10}, []uint64{0x1010}, false},
		{"free of none", emu.CallEvent{Func: "free", Step: 10}, nil, false},
		{"free that returns", emu.CallEvent{Func: "free", Args: [6]uint64{0x1000}, Step: 10, Returned: true, ReturnStep: 20}, nil, false},
		{"realloc begins", emu.CallEvent{Func: "realloc", Args: [6]uint64{0x1000, 64}, Step: 10}, []uint64{0x1000}, false},
		{"realloc of none begins", emu.CallEvent{Func: "realloc", Args: [6]uint64{0, 64}, Step: 10}, nil, false},
		{"realloc fails", emu.CallEvent{Func: "realloc", Args: [6]uint64{0x1000, 64}, Step: 10, Returned: true, ReturnStep: 20}, nil, false},
		{"realloc moves", emu.CallEvent{Func: "realloc", Args: [6]uint64{0x1000, 64}, Step: 10, Returned: true, ReturnStep: 20, Result: 0x2000}, nil, true},
		{"realloc frees", emu.CallEvent{Func: "realloc", Args: [6]uint64{0x1000}, Step: 10, Returned: true, ReturnStep: 20}, nil, true},
		{"reallocarray is refused", emu.CallEvent{Func: "reallocarray", Args: [6]uint64{0x1000, 1 << 63, 2}, Step: 10, Returned: true, ReturnStep: 20}, nil, false},
		{"malloc begins", emu.CallEvent{Func: "malloc", Args: [6]uint64{0x1000}, Step: 10}, nil, false},
	} {
		h := New(loader.Glibc)
		h.Apply(&malloc)
		ch := h.Apply(&c.call)
		if !slices.Equal(ch.Reads, c.reads) || (ch.Freed != nil) != c.freed {
			t.Errorf("%s: reads %x, freed %v; want %x, %v", c.name, ch.Reads, ch.Freed, c.reads, c.freed)
		}
	}
}

// With musl, what lies between two blocks need not be malloc's: only what their own
// slots hold for certain is out of bounds. With glibc all of it is.
func TestBetween(t *testing.T) {
	for _, c := range []struct {
		libc   loader.Libc
		at     uint64
		within bool
	}{
		{loader.Musl, 0x100b, false}, {loader.Musl, 0x100c, true}, {loader.Musl, 0x1010, true},
		{loader.Musl, 0x101f, true}, // of the slot of the 8 bytes
		{loader.Musl, 0x1020, false}, {loader.Musl, 0x2000, false},
		{loader.Musl, 0x300b, false}, {loader.Musl, 0x300c, true}, {loader.Musl, 0x301d, true},
		{loader.Musl, 0x302f, true}, // 13 bytes do not fit a slot of 16
		{loader.Musl, 0x3030, false},
		{loader.Musl, 0x5000, false}, {loader.Musl, 0x5000 + 131052, false}, // in a mapping of its own
		{loader.Glibc, 0xfff, false}, {loader.Glibc, 0x1000, true}, {loader.Glibc, 0x2000, true}, {loader.Glibc, 0x303f, true}, {loader.Glibc, 0x3040, false},
	} {
		h := New(c.libc)
		for step, b := range []Range{{0x3010, 13}, {0x1010, 8}, {0x5010, 131052}} {
			if c.libc == loader.Glibc && b.Lo == 0x5010 {
				continue
			}
			h.Apply(&emu.CallEvent{Func: "malloc", Args: [6]uint64{b.Hi}, Step: uint64(step), Returned: true, ReturnStep: uint64(step), Result: b.Lo})
		}
		if h.Within(c.at) != c.within {
			t.Errorf("%v: %#x is in the heap: %v", c.libc, c.at, !c.within)
		}
	}
}

// spans says what widen is to make of one window's blocks: the least range that holds
// them, in any order.
func TestWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, want := New(loader.Glibc), map[uint64]Range{}
		for range rapid.IntRange(1, 20).Draw(t, "blocks") {
			window := uint64(rapid.IntRange(1, 3).Draw(t, "window"))
			r := glibc.around(window<<26+16*uint64(rapid.IntRange(1, 200).Draw(t, "place")), 0)
			r.Hi = r.Lo + 16*uint64(rapid.IntRange(3, 9).Draw(t, "size"))
			h.widen(r, &Change{})
			w, ok := want[window]
			if !ok {
				w = r
			}
			want[window] = Range{min(w.Lo, r.Lo), max(w.Hi, r.Hi)}
		}
		for window := range uint64(5) {
			for off := uint64(0); off < 4096; off += 16 {
				at := window<<26 + off
				w, ok := want[window]
				if in := ok && at >= w.Lo && at < w.Hi; h.Within(at) != in {
					t.Fatalf("%#x is in the heap: %v; want %x, have %x", at, !in, want, h.spans)
				}
			}
		}
	})
}

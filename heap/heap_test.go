package heap

import (
	"testing"

	"pgregory.net/rapid"

	"emurace/emu"
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
		h := New()
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
	h := New()
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

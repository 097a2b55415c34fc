package replay

import (
	"slices"
	"testing"

	"emurace/heap"
	"emurace/loader"
)

// TestAround: every block in use lies in a chunk of its own, found with its
// neighbours, which begin where it ends.
func TestAround(t *testing.T) {
	eachLibc(t, []string{"bullseye", "bookworm"}, func(t *testing.T, suite string, arch loader.Arch) {
		f := findRace(t, suite, arch)
		f.history(t) // leaves the session at the end
		h := f.heap(t)
		step := f.Process().Steps() + 1
		inUse, tops := 0, 0
		for _, b := range h.Blocks() {
			if b.FreedBy(step) || b.ChunkSize == 0 {
				continue
			}
			inUse++
			list := h.Around(f.Process(), b.Addr, step, 2, 1)
			i := slices.IndexFunc(list, func(c heap.Chunk) bool { return c.Addr == b.Addr-heap.ChunkHeader })
			if i < 0 || i > 2 || len(list) > i+2 {
				t.Fatalf("the block at %#x is number %d of %+v", b.Addr, i, list)
			}
			if c := list[i]; c.Size != b.ChunkSize || !c.Used || c.Top || c.Block != b {
				t.Errorf("the block %+v is in the chunk %+v", b, c)
			}
			for k, c := range list {
				if k > 0 && list[k-1].Addr+list[k-1].Size != c.Addr {
					t.Errorf("between %+v and %+v there is something", list[k-1], c)
				}
				if c.Top {
					tops++
					if c.Used || c.Block != nil || k != len(list)-1 {
						t.Errorf("the top of the heap is %+v", c)
					}
				}
			}
			if same := h.Around(f.Process(), b.Addr+b.Size-1, step, 2, 1); !slices.Equal(same, list) {
				t.Errorf("around the last byte of %#x there is %+v, around its first %+v", b.Addr, same, list)
			}
		}
		if inUse < 3 || tops == 0 {
			t.Errorf("%d blocks are in use, %d times the top was seen", inUse, tops)
		}
		// Where there is no heap, there are no chunks.
		sp, _ := f.Process().StackPointer(0)
		if list := h.Around(f.Process(), sp, step, 2, 1); len(list) > 0 {
			t.Errorf("chunks on the stack: %+v", list)
		}
	})
}

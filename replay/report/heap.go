package report

import (
	"fmt"
	"slices"

	"emurace/emu"
	"emurace/heap"
	"emurace/replay"
	"emurace/replay/timeline"
)

// Chunks that are drawn before and behind the one that an area is about.
const (
	chunksBefore = 2
	chunksBehind = 2
)

// heapView follows the chunks around the blocks of the story. A nil one follows
// nothing.
type heapView struct {
	heap   *heap.History
	about  []uint64 // of each area, an address in its chunk
	areas  []string
	bounds []span // of each area, as addresses
	calls  map[timeline.Moment]bool
	views  []HeapView
	shown  []uint64
}

// findHeap chooses the areas: around the block, and around the one that it is copied
// to.
func (r *recorder) findHeap(blocks *heap.History) error {
	b := r.x.Allocation
	if blocks == nil || b == nil {
		return nil
	}
	v := &heapView{heap: blocks, calls: map[timeline.Moment]bool{}}
	v.about, v.areas = []uint64{b.Addr}, []string{fmt.Sprintf("the block at %#x and its neighbours", b.Addr)}
	if r.copied != 0 {
		v.about = append(v.about, r.copied)
		v.areas = append(v.areas, fmt.Sprintf("the new block at %#x, to which it is copied", r.copied))
	}
	v.bounds = make([]span, len(v.about))
	base := r.s.Base()
	for _, c := range blocks.Calls() {
		for _, step := range []uint64{c.Step, c.Done + 1} {
			if step > base {
				v.calls[step-base-1] = true
			}
		}
	}
	if err := r.line.Seek(r.line.Len()); err != nil {
		return err
	}
	if view := v.view(r, r.line.Len()); slices.ContainsFunc(view, func(a []Chunk) bool { return len(a) > 0 }) {
		r.heap = v
	}
	return nil
}

// touched tells whether instruction n may have changed the drawing: it wrote into an
// area, or a call of malloc's begins or is over behind it.
func (v *heapView) touched(r *recorder, n timeline.Moment) bool {
	if v == nil {
		return false
	}
	if v.calls[n+1] {
		return true
	}
	for _, a := range r.line.Accesses(n) {
		for _, b := range v.bounds {
			if a.Kind != emu.LogRead && a.Addr < b.to && b.from < a.Addr+uint64(a.Size) {
				return true
			}
		}
	}
	return false
}

// show notes the drawing at the present moment, if it is asked to, as the one that
// holds from there on.
func (v *heapView) show(r *recorder, n timeline.Moment, wanted bool) {
	if v == nil || !wanted {
		return
	}
	view := v.view(r, n)
	i := slices.IndexFunc(v.views, func(o HeapView) bool { return slices.EqualFunc(o, view, slices.Equal) })
	if i < 0 {
		i = len(v.views)
		v.views = append(v.views, view)
	}
	if k := len(v.shown); k == 0 || v.shown[k-1] != uint64(i) {
		v.shown = append(v.shown, n, uint64(i))
	}
}

// view draws the areas as they are at the present moment, n.
func (v *heapView) view(r *recorder, n timeline.Moment) HeapView {
	step := r.s.Base() + n + 1
	view := make(HeapView, len(v.about))
	for i, addr := range v.about {
		list := v.heap.Around(r.machine(), addr, step, chunksBefore, chunksBehind)
		view[i] = []Chunk{}
		for _, k := range list {
			c := Chunk{Addr: fmt.Sprintf("%x", k.Addr), Size: fmt.Sprintf("%x", k.Size)}
			c.State, c.Text = replay.ChunkText(k, step)
			c.Focus = addr >= k.Addr && addr < k.Addr+k.Size
			view[i] = append(view[i], c)
		}
		if k := len(list); k > 0 {
			// What makes an area another one is written into its chunks' heads.
			const header = 16
			v.bounds[i] = span{list[0].Addr, list[k-1].Addr + header}
			if !list[k-1].Top {
				v.bounds[i].to = list[k-1].Addr + list[k-1].Size + header
			}
		}
	}
	return view
}

// done is what the page gets.
func (v *heapView) done() *Heap {
	if v == nil {
		return nil
	}
	return &Heap{Areas: v.areas, Views: v.views, Shown: v.shown}
}

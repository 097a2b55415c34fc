package step

import (
	"fmt"

	"emurace/heap"
	"emurace/internal/words"
	"emurace/replay"
)

// lookHeap shows the chunks around the block that the story is about, or around
// the last one that was handed out.
func (m *Model) lookHeap() view {
	const before, behind = 24, 24
	v := view{name: "heap", title: "heap: malloc's chunks are not known"}
	if m.story.Heap == nil {
		return v
	}
	around := uint64(0)
	if b := m.block(); b != nil {
		around = b.Addr
	} else {
		for _, b := range m.story.Heap.Blocks() {
			if b.ChunkSize != 0 && (b.Allocated == nil || b.Allocated.Done < m.logStep()) {
				around = b.Addr
			}
		}
	}
	list := m.story.Heap.Around(m.s.Process(), around, m.logStep(), before, behind)
	if around == 0 || len(list) == 0 {
		return v
	}
	v.title = fmt.Sprintf("heap: %s around %#x", words.Count(uint64(len(list)), "chunk"), around)
	for i, k := range list {
		r := row{addr: k.Addr + heap.ChunkHeader/2, label: "chunk", text: m.chunkText(k)}
		r.value, r.mapped = m.s.Process().Read64(r.addr)
		if around-k.Addr < k.Size {
			v.focus = i
			r.label = "the block"
		}
		v.rows = append(v.rows, r)
	}
	return v
}

// chunkText says whether a chunk is in use, and by whom.
func (m *Model) chunkText(k heap.Chunk) string {
	state, text := replay.ChunkText(k, m.logStep())
	names := map[string]string{replay.ChunkUsed: "in use", replay.ChunkFreeing: "being freed", replay.ChunkFree: "free", replay.ChunkTop: "top"}
	if text == "" {
		return names[state]
	}
	return clean(names[state] + ": " + text)
}

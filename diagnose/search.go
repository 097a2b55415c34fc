package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"emurace/heap/arena"
	"emurace/symbolize"
)

// Bounds of the search of malloc's memory for a value.
const (
	maxChunks = 1 << 20
	mostFound = 4
)

// search tells what a value is of which it is not known where it was read: of the words that malloc
// writes into free blocks those that have it now. The block of one that registers lead to comes
// before others. It is never certain.
func (d *Diagnosis) search(v uint64) bool {
	if d.Malloc == nil || v == 0 {
		return false
	}
	var near []uint64
	for _, name := range d.registers() {
		if at := d.Dead.Registers[name]; at != v && d.accessible(at) {
			near = append(near, at)
		}
	}
	var list []arena.Meaning
	for _, m := range d.Malloc.MeaningOf(v, near...) {
		if m.Chunk != nil && m.Field != "" && !m.Stale && m.Chunk.State.Free() {
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		list = d.everywhere(v)
	}
	switch {
	case len(list) == 0:
		return d.malloc(v)
	case len(list) == 1:
		m := list[0]
		evidence := append([]string{"where the value was read is not known; no other free block has it"}, facts(m.Evidence)...)
		d.likely(BadValue, d.Dead.TID, evidence, "%#x is malloc's: %s. It is in %s.", v, d.wordText(m), blockText(*m.Chunk))
		d.freed(*m.Chunk, source{})
		return true
	}
	if d.malloc(v) {
		return true
	}
	kinds := map[string]bool{}
	var evidence []string
	for i, m := range list {
		kinds[string(m.Kind)] = true
		if i < mostFound {
			evidence = append(evidence, fmt.Sprintf("%s has it: %s", blockText(*m.Chunk), d.wordText(m)))
		}
	}
	if len(kinds) != 1 {
		return false
	}
	what := map[arena.Kind]string{arena.Foot: "the size of a free chunk", arena.FreeLink: "a link of a list of free chunks", arena.CacheLink: "a link of a list of free blocks", arena.CacheKey: "the key of blocks in a thread's cache"}[list[0].Kind]
	if what == "" {
		return false
	}
	d.likely(BadValue, d.Dead.TID, evidence, "%#x is malloc's: %s, of more than one.", v, what)
	return true
}

// malloc tells of a value that means something to malloc wherever it was: the key of caches, or an
// address that only lists of free chunks have.
func (d *Diagnosis) malloc(v uint64) bool {
	for _, m := range d.Malloc.Meaning(0, v) {
		switch {
		case m.Kind == arena.CacheKey:
			d.state(m.Certain && m.Cache == nil, BadValue, d.Dead.TID, facts(m.Evidence), "%#x is malloc's: %s.", v, d.wordText(m))
			d.inCaches(v)
			return true
		case m.Kind == arena.ToArena && m.Bin != 0:
			d.likely(BadValue, d.Dead.TID, facts(m.Evidence), "%#x is malloc's: a link of a list of free chunks, to the head of bin %d of %s.", v, m.Bin, arenaText(m.Arena))
			return true
		}
	}
	return false
}

// inCaches tells of the one block that the key was read from, where only one has it.
func (d *Diagnosis) inCaches(key uint64) {
	var found []arena.Meaning
	for _, m := range d.everywhere(key) {
		if m.Kind == arena.CacheKey {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		d.freed(*found[0].Chunk, source{})
		return
	}
	var who []uint32
	for _, m := range found {
		for _, l := range m.Chunk.Lists {
			if l.Cache != nil && l.Cache.Thread >= 0 {
				if tid := d.Malloc.Threads[l.Cache.Thread].ID; !slices.Contains(who, tid) {
					who = append(who, tid)
				}
			}
		}
	}
	if len(who) == 1 {
		d.likely(FreedBy, who[0], nil, "%s has freed the block: only its cache has blocks with that key.", capital(d.name(who[0])))
	}
}

// everywhere are the words of malloc's that have a value, in all free blocks.
func (d *Diagnosis) everywhere(v uint64) (list []arena.Meaning) {
	seen := 0
	for _, a := range d.Malloc.Arenas {
		for _, h := range a.Heaps {
			d.Malloc.Chunks(h, func(c arena.Chunk) bool {
				if seen++; seen > maxChunks || len(list) > mostFound {
					return false
				}
				if !c.State.Free() {
					return true
				}
				for _, at := range []uint64{c.Addr + 16, c.Addr + 24, c.Addr + c.Size} {
					if w, ok := d.Process.Core.Read64(at); !ok || w != v {
						continue
					}
					for _, m := range d.Malloc.Meaning(at, v) {
						if m.Field != "" && !m.Stale && m.Chunk != nil && m.Chunk.Addr == c.Addr {
							list = append(list, m)
							break
						}
					}
				}
				return true
			})
		}
	}
	if seen > maxChunks {
		return nil // there may be more
	}
	return list
}

// pointing names the static data that leads to a block.
func (d *Diagnosis) pointing(c arena.Chunk) (names []string) {
	for _, name := range symbolize.Pointers(d.Process, c.Block().Lo) {
		names = append(names, Demangled(name))
	}
	return names
}

// listed writes words one after the other: "a, b and c".
func listed(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return strings.Join(words, "")
}

// leads begins a sentence: "a still leads", "a and b still lead".
func leads(names []string, still string) string {
	verb := "leads"
	if len(names) > 1 {
		verb = "lead"
	}
	return listed(names) + " " + still + verb
}

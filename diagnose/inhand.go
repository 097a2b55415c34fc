package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"emurace/diagnose/process"
	"emurace/heap/arena"
)

// handling are functions of glibc's that are given a block to free it or to make it larger (malloc/malloc.c):
// which argument leads to it, and how far before the block that is.
var handling = map[string]struct {
	argument int
	before   uint64
}{
	"free": {0, 0}, "cfree": {0, 0}, "realloc": {0, 0}, "reallocarray": {0, 0},
	"_int_free": {1, 16}, "_int_free_chunk": {1, 16}, "_int_free_merge_chunk": {1, 16}, "_int_free_maybe_trim": {1, 16}, "_int_realloc": {1, 16},
}

// maxHandling bounds the frames of a thread that are looked at.
const maxHandling = 16

// inHand tells which other thread is in free or realloc of a block that the dead thread uses.
func (d *Diagnosis) inHand() {
	var blocks []uint64
	add := func(c arena.Chunk) { blocks = append(blocks, c.Addr+16) }
	if d.block != nil {
		add(*d.block)
	}
	if d.old != nil {
		add(d.old.chunk)
	}
	for _, t := range d.Process.Threads {
		if t == d.Dead || len(blocks) == 0 {
			continue
		}
		frames, _ := t.Frames()
		for i := range frames[:min(len(frames), maxHandling)] {
			h, ok := handling[trimmed(frames[i].At.Function)]
			if !ok || !d.ofLibc(frames[i].PC) {
				continue
			}
			args := d.flow.Arguments(d.stack(t), i, h.argument+1)
			if len(args) <= h.argument {
				continue
			}
			if a := args[h.argument]; a.Known && a.Bits == 64 && slices.Contains(blocks, a.Value+h.before) {
				d.handled(t, i, a.Value+h.before, a.Certain && !frames[i].Doubtful())
				break
			}
		}
	}
}

// handled tells of the frame in which a thread has a block in hand.
func (d *Diagnosis) handled(t *process.Thread, i int, block uint64, sure bool) {
	frames, _ := t.Frames()
	evidence := []string{"its stack: " + chain(frames, 8)}
	name := Demangled(frames[i].At.Function)
	text := fmt.Sprintf("%s is at this moment in %s of the block at %#x", capital(d.Title(t)), name, block)
	if i > 0 {
		text += fmt.Sprintf(", in %s", Demangled(frames[0].At.Function))
	}
	// The call that it was made by, as far as it says something.
	outer := ""
	for k := i; k < len(frames) && d.ofLibc(frames[k].PC); k++ {
		if call := d.callText(t, k); strings.Contains(call, "(") {
			evidence = append(evidence, "it was called as "+call)
			if k > i {
				outer = call
			}
		}
	}
	if outer != "" {
		text += ", which " + outer + " came to"
	}
	d.state(sure, InHand, t.TID, evidence, "%s.", text)
}

// ofLibc tells whether code is the C library's.
func (d *Diagnosis) ofLibc(pc uint64) bool {
	libc := d.Process.Libc()
	return libc != nil && pc >= libc.Lo && pc < libc.Hi
}

package explore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testseed"
)

// spinProgram writes functions of two or three threads that store into two words, and go round until one of
// them, or any of the two, holds something else.
func spinProgram(seed uint64, text *strings.Builder) (threads int) {
	r := rand.New(rand.NewPCG(seed, 11))
	threads = 2 + r.IntN(2)
	for i := range threads {
		fmt.Fprintf(text, "u64 f%d_%d(void) {\n\tu64 r = 0;\n", seed, i)
		for range 1 + r.IntN(5-threads) {
			a, v := 4*r.IntN(2), r.IntN(2)
			switch r.IntN(7) {
			case 0, 1, 2:
				fmt.Fprintf(text, "\tAT(u32, %d) = %d;\n", a, 1-v)
			case 3:
				fmt.Fprintf(text, "\tr = 5 * r + AT(u32, %d);\n", a)
			case 4, 5:
				fmt.Fprintf(text, "\twhile (AT(u32, %d) == %d);\n", a, v)
			default:
				fmt.Fprintf(text, "\twhile (AT(u32, %d) == %d && AT(u32, %d) == %d);\n", a, v, 4-a, r.IntN(2))
			}
		}
		text.WriteString("\treturn 5 * r + AT(u32, 0) + 2 * AT(u32, 4);\n}\n")
	}
	return threads
}

// Who goes round can go on for a moment, in which nobody has to run it, and then must wait again: that it
// could is not seen by anything that it does later.
func TestWithinUndone(t *testing.T) {
	const source = `
u64 f0_0(void) { u32 seen = AT(u32, 4); AT(u32, 0) = 1; AT(u32, 0) = 0; return seen; }
u64 f0_1(void) { AT(u32, 4) = 1; while (AT(u32, 0) == 0); return 1; }
`
	eachArch(t, func(t *testing.T, sys *emu.System) {
		current := uint64(0)
		g := startCurrent(t, sys, guestcode.Build(t, sys.Arch, prelude+randomPrelude+source), 2, &current)
		var c withinCount
		c.add(t, g, g.visible, withinSize{most: 2, traces: 1000, schedules: 20_000}, "undone", source)
		if c.compared != 3 {
			t.Errorf("%d bounds were compared", c.compared)
		}
	})
}

// Who goes round until another thread does something is left there for nothing. What that costs, and who
// can end it and begin it anew, is as every instruction has it.
func TestWithinSpins(t *testing.T) {
	const batch = batchSize
	count, size := uint64(60), withinSize{most: 2, traces: 6_000, schedules: 6_000}
	if testing.Short() {
		count = batch
	}
	if *programs > 0 {
		count = *programs
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		seed, count := seedsOf(testseed.Of(t, 1), count, sys.Arch)
		var all withinCount
		for first := seed; first < seed+count; first += batch {
			var text strings.Builder
			text.WriteString(prelude + randomPrelude)
			threads, texts := map[uint64]int{}, map[uint64]string{}
			for s := first; s < min(first+batch, seed+count); s++ {
				var one strings.Builder
				threads[s] = spinProgram(s, &one)
				texts[s] = one.String()
				text.WriteString(texts[s])
			}
			code := guestcode.Build(t, sys.Arch, text.String())
			current := first
			guests := map[int]*guest{}
			for s := first; s < min(first+batch, seed+count); s++ {
				current = s
				n := threads[s]
				if guests[n] == nil {
					guests[n] = startCurrent(t, sys, code, n, &current)
				}
				all.add(t, guests[n], guests[n].visible, size, fmt.Sprintf("seed %d", s), texts[s])
			}
		}
		all.tell(t, sys, count)
	})
}

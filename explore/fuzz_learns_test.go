package explore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
)

// stairs is a thread that counts up to a number and one that reads the count again
// and again: it crashes when each read has seen a certain number, and goes away as
// soon as one has not. So the orders of the two are many, and each right step shows
// something new: that a further read is done at all.
func stairs(top int, steps ...int) program {
	var b strings.Builder
	b.WriteString("volatile u32 count;\nvoid up(void) {")
	for n := range top {
		fmt.Fprintf(&b, " count = %d;", n+1)
	}
	b.WriteString(" }\nvoid climb(void) {")
	for _, n := range steps {
		fmt.Fprintf(&b, " if (count != %d) return;", n)
	}
	b.WriteString(" *(volatile u32 *)8 = 1; }\n")
	return program{fmt.Sprint("stairs of ", top, steps), b.String(), []string{"up", "climb"}}
}

// What takes several steps fuzz comes to one by one, where others have to draw all at
// once: of the 1,820 orders here, one in which the crash happens. Without its corpus
// fuzz does not find it in 2,000 schedules either.
func TestFuzzLearns(t *testing.T) {
	const seeds, most = 10, 800
	if testing.Short() {
		t.Skip("fewer seeds show nothing")
	}
	p := stairs(12, 2, 5, 8, 11)
	eachArch(t, func(t *testing.T, sys *emu.System) {
		medians := p.medians(t, sys, seeds, most, Fuzz, SURW, POS)
		if 2*medians[Fuzz] > min(medians[SURW], medians[POS]) {
			t.Errorf("%s: medians of schedules, at most %d: %v", p.name, most, medians)
		}
	})
}

// medians are how many schedules strategies need until one fails, at most so many, of the seeds from
// 0 on.
func (p program) medians(t *testing.T, sys *emu.System, seeds, most uint64, strategies ...Strategy) map[Strategy]uint64 {
	t.Helper()
	start := p.starter(t, sys)
	medians := map[Strategy]uint64{}
	for _, st := range strategies {
		var list []uint64
		for seed := range seeds {
			r, n := sampled(t, start, st, Options{Seed: seed, Schedules: most, Jobs: 2}), most
			if r.Failing > 0 {
				n = r.Findings[0].Number
			}
			list = append(list, n)
		}
		slices.Sort(list)
		medians[st] = median(list)
		t.Logf("%s, %v: %s: %v", p.name, sys.Arch, st, list)
	}
	return medians
}

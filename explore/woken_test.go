package explore

import (
	"fmt"
	"testing"

	"emurace/emu"
	"emurace/internal/guestcode"
)

// What a thread does next may depend on what came before: reading from a descriptor
// writes memory as long as nobody has closed that. So a load of that memory is in a race
// with the read only in runs in which it was open, and has to come first in those, too.
func TestFootprintsChange(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		n := numbersOf(sys.Arch)
		text := fmt.Sprintf(`
u64 f1_0(void) { return sys(%d, 3, (u64)m.b, 1, 0, 0, 0); }
u64 f1_1(void) { u64 v = sys(%d, 1, (u64)path, 1, 0, 0, 0); return v + sys(%d, 3, 0, 0, 0, 0, 0); }
u64 f1_2(void) { return AT(u8, 0); }
`, n["read"], n["write"], n["close"])
		current := uint64(1)
		g, err := startProofs(sys, guestcode.Build(t, sys.Arch, proofSource(sys.Arch, text)), 3, &current)
		must(t, err)
		defer g.s.Close()
		search := prove(t, g, false, 100)
		g.s.ForgetShared()
		g.s.WantEvents(true)
		oracle := sleepSets(t, g)
		if search.traces != 3 || oracle.traces != 3 || len(search.ends) != 3 {
			t.Errorf("the search finds %d traces, the oracle %d, want 3; ends %v", search.traces, oracle.traces, search.ends)
		}
	})
}

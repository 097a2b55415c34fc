package shim

import (
	"testing"

	"emurace/loader"
)

// A watch holds for pages that were accessed before it was set, and not any more when it
// is taken away.
func TestWatchAfterAccess(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		e := newEngine(t, arch, loops[arch], 1, true)
		mustMark(t, e)
		if s := run(t, e, 0, 60); s.Ran != 60 || e.Watched() {
			t.Fatalf("%+v, watched %t", s, e.Watched())
		}
		for _, reads := range []bool{true, false} {
			e.SetWatch(dataAt, 8, reads, !reads)
			s := run(t, e, 0, 60)
			last, _ := e.Log().Last()
			if s.Reason != StopBudget || s.Ran == 0 || s.Ran > 6 || !e.Watched() || (last.Kind == AccessRead) != reads {
				t.Errorf("reads %t: %+v, watched %t, %+v", reads, s, e.Watched(), last)
			}
		}
		e.SetWatch(0, 0, false, false)
		if s := run(t, e, 0, 60); s.Ran != 60 || e.Watched() {
			t.Errorf("without: %+v, watched %t", s, e.Watched())
		}
	})
}

package emu

import "testing"

// A thread is in a call that is followed from its first instruction up to its last, also in what
// that calls, and the run is the same as without.
func TestFollowCalls(t *testing.T) {
	eachSystem(t, func(t *testing.T, p *process) {
		strdup, err := p.Lookup("strdup")
		if err != nil {
			t.Fatal(err)
		}
		malloc, err := p.Lookup("malloc")
		if err != nil {
			t.Fatal(err)
		}
		s := p.str("some text that is copied")
		mark, err := p.Mark()
		if err != nil {
			t.Fatal(err)
		}
		defer mark.Drop()
		p.call(0, "strdup", s)
		p.call(0, "malloc", 24)
		want, err := p.Digest(0)
		if err != nil {
			t.Fatal(err)
		}
		if err := mark.Rewind(); err != nil {
			t.Fatal(err)
		}
		if p.Follows(0) {
			t.Error("nothing is followed yet")
		}
		if err := p.FollowCalls([]uint64{strdup}); err != nil {
			t.Fatal(err)
		}
		// How the calls that are made are followed is seen at malloc, which both come to.
		var within []bool
		if err := p.TraceCalls([]string{"malloc"}, func(e CallEvent) {
			if !e.Returned && e.Depth == 0 {
				within = append(within, p.Follows(0))
			}
		}); err != nil {
			t.Fatal(err)
		}
		p.call(0, "strdup", s)
		p.call(0, "malloc", 24)
		if len(within) < 2 || !within[0] || within[len(within)-1] || p.Follows(0) || p.Follows(-1) || p.Follows(1000) {
			t.Errorf("in strdup: %v", within)
		}
		got, err := p.Digest(0)
		if err != nil || got != want {
			t.Errorf("another run: %s, want %s; %v", got, want, err)
		}
		// A second call changes nothing, until tracing has ended.
		within = nil
		if err := p.FollowCalls([]uint64{malloc}); err != nil {
			t.Fatal(err)
		}
		p.call(0, "malloc", 24)
		p.stopTracing()
		p.call(0, "strdup", s)
		if len(within) != 1 || within[0] || p.Follows(0) {
			t.Errorf("in malloc: %v", within)
		}
	})
}

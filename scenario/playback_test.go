package scenario_test

import (
	"testing"

	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestPlayback: to seek a moment, in whatever order, is to play the schedule up to it.
func TestPlayback(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		s := testrace.Start(t, testsystem.Of(t, "bookworm", arch), testrace.DefaultPlan(t))
		schedule := testrace.Crash(t, s)
		end := s.Steps()
		digest := func() string {
			t.Helper()
			d, err := s.Digest()
			testrace.Must(t, err)
			return d
		}
		last := digest()
		p, err := scenario.NewPlayback(s, schedule)
		testrace.Must(t, err)
		if len(p.Counted()) != len(schedule) {
			t.Errorf("%v is counted as %v", schedule, p.Counted())
		}
		for _, n := range []uint64{end + 10, 0, 17, schedule[0].N, schedule[0].N + 1, end / 2, end - 1, end} {
			slice, done, err := p.Seek(n)
			testrace.Must(t, err)
			if s.Steps() != min(n, end) {
				t.Fatalf("sought %d, and %d have run", n, s.Steps())
			}
			before := min(n, schedule[0].N)
			if wantSlice := min(1, int(n/(schedule[0].N+1))); slice < wantSlice || slice == 0 && done != before {
				t.Errorf("%d lies in slice %d, of which %d have run", n, slice, done)
			}
			there := digest()
			testrace.Must(t, s.Restart())
			for i := range s.Threads() {
				if sl := schedule[i]; s.Steps() < n {
					left := n - s.Steps()
					if sl.N != 0 {
						left = min(left, sl.N)
					}
					_, err := s.Run(sl.Thread, left)
					testrace.Must(t, err)
				}
			}
			if s.Steps() < min(n, end) {
				_, err := s.Run(schedule[2].Thread, n-s.Steps())
				testrace.Must(t, err)
			}
			if there != digest() {
				t.Errorf("after %d instructions it is another machine", n)
			}
		}
		testrace.Must(t, p.SeekEnd())
		if digest() != last || s.Steps() != end {
			t.Error("the end is another one")
		}
	})
}

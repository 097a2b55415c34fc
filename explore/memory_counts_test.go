package explore

import (
	"testing"

	"emurace/emu"
	"emurace/explore/graph"
)

// checkGraphs: under sequential consistency there are as many graphs as traces.
func (r row) checkGraphs(t *testing.T, sys *emu.System) {
	t.Helper()
	for _, jobs := range []int{1, 2} {
		if jobs == 2 && r.want < 2*splitAfter {
			continue
		}
		got, err := Graphs(t.Context(), r.starter(t, sys), graph.SC, Options{KeepGoing: true, Jobs: jobs})
		must(t, err)
		if got.Schedules != r.want || !got.Complete || got.Verdict != Clean {
			t.Errorf("%s, %d jobs: %+v, want %d graphs", r.name, jobs, got, r.want)
		}
	}
}

// TestGraphCounts: the numbers of graphs under sequential consistency are those of traces.
func TestGraphCounts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, r := range append(textbook(), published()...) {
			if r.want > 2000 && testing.Short() || !inTurn(i, 3, sys.Arch) {
				continue
			}
			t.Run(r.name, func(t *testing.T) { r.checkGraphs(t, sys) })
		}
	})
}

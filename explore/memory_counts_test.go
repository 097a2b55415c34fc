package explore

import (
	"testing"

	"emurace/emu"
	"emurace/explore/graph"
	"emurace/internal/thorough"
	"emurace/loader"
)

// checkGraphs: under sequential consistency there are as many graphs as traces, also where the search is cut into many parts.
func (r row) checkGraphs(t *testing.T, sys *emu.System) {
	t.Helper()
	for _, how := range []struct {
		jobs  int
		split uint64
	}{{1, graphsSplit}, {2, 7}} {
		was := graphsSplit
		graphsSplit = how.split
		got, err := Graphs(t.Context(), r.starter(t, sys), graph.SC, Options{KeepGoing: true, Jobs: how.jobs})
		graphsSplit = was
		must(t, err)
		if got.Schedules != r.want || !got.Complete || got.Verdict != Clean {
			t.Errorf("%s, %d jobs, cut after %d: %+v, want %d graphs", r.name, how.jobs, how.split, got, r.want)
		}
	}
}

// TestGraphCounts: the numbers of graphs under sequential consistency are those of traces.
func TestGraphCounts(t *testing.T) {
	most := uint64(600)
	if thorough.On() {
		most = 20_000
	}
	if testing.Short() {
		most = 40
	}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, r := range append(textbook(), published()...) {
			if r.want > most || !inTurn(i, 3, sys.Arch) {
				continue
			}
			t.Run(r.name, func(t *testing.T) { r.checkGraphs(t, sys) })
		}
	})
}

// TestGraphLocks: two threads with a section of a lock each, whose waits are system calls, have as many graphs under each model as
// they have traces.
func TestGraphLocks(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, p := range []program{
			{"lll_lock", lll, times(2, "section")},
			{"pthread_mutex", mutexes2, times(2, mutexSection)},
		} {
			for _, m := range graph.Models() {
				if m == graph.ARM && sys.Arch == loader.AMD64 {
					continue
				}
				got, err := Graphs(t.Context(), p.starter(t, sys), m, Options{KeepGoing: true, Jobs: 1})
				must(t, err)
				if got.Schedules != 12 || got.Verdict != Clean {
					t.Errorf("%s under %s: %+v, want 12 graphs", p.name, m, got)
				}
			}
		}
	})
}

// TestGraphMade: a thread that is made reads what others have written since, under each model, as by dpor.
func TestGraphMade(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, m := range modelsOf(sys) {
			got, err := Graphs(t.Context(), making(0).starter(t, sys), m, Options{KeepGoing: true, Jobs: 1})
			must(t, err)
			if got.Schedules != 3 || got.Failing != 1 {
				t.Errorf("%s: %d graphs, %d fail, want 3 and 1", m, got.Schedules, got.Failing)
			}
		}
	})
}

// TestGraphRounds: that a thread goes round is seen too where its rounds were run by another part of the search, so that there are
// as many graphs however it is cut.
func TestGraphRounds(t *testing.T) {
	p := program{"rounds", `
volatile u32 x, y, z;
void waits(void) { while (!y); z = 1; }
void wakes(u32 v) { if (x == 0) y = v; }
void Wx(u32 v) { x = v; z = 2; }`, []string{"wakes 1", "Wx 1", "waits"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, m := range modelsOf(sys) {
			var want uint64
			for _, split := range []uint64{1000, 1, 2} {
				withSplit(t, split)
				got, err := Graphs(t.Context(), p.starter(t, sys), m, Options{KeepGoing: true, Jobs: 1})
				must(t, err)
				if want == 0 {
					want = got.Schedules
				}
				if got.Schedules != want || got.Verdict != Failing || want < 5 {
					t.Errorf("%s, cut after %d: %d graphs, %s, and %d in one piece", m, split, got.Schedules, got.Verdict, want)
				}
			}
		}
	})
}

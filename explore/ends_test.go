package explore

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// Threads that end the process, each by what it has read of what the other has written,
// with nothing before that makes an event: no run has two such ends, so a search that
// took a thread's way to its end for one step would never see the two ways meet.
const endings = `
volatile u32 x, y;
u32 store_x(u32 v) { x = v; return v; }
u32 load_x(void) { return x; }
void fault(u32 at) { *(volatile u32 *)(u64)at = 1; }
void store_x_fault(u32 v) { x = v; fault(16 * v); }
void load_x_fault(void) { fault(256 + 16 * x); }
void both(u32 v) { u32 was = x; x = v; fault(256 * v + 16 * was); }
void chain(void) { u32 a = y; x = 1; fault(512 + 16 * a); }
void chain_back(void) { u32 a = x; y = 1; fault(1024 + 16 * a); }
void illegal(void) { u32 v = x; __builtin_trap(); fault(v); }
`

// failing is a thread that makes a call and then finds a fault, whose text tells what
// the call returned.
type failing struct{ call func() scenario.Call }

func (f failing) Next(results []uint64) (scenario.Call, bool, error) {
	if len(results) == 0 {
		return f.call(), true, nil
	}
	return scenario.Call{}, false, &scenario.Failure{Message: fmt.Sprint("saw ", results[0])}
}

func TestEnds(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, c := range []struct {
			threads []string
			fails   int // from this thread on, they end with a Failure
			least   int // kinds of failure that there are
		}{
			{[]string{"store_x_fault 1", "load_x_fault"}, 2, 3},
			{[]string{"both 1", "both 2"}, 2, 4},
			{[]string{"both 1", "both 2", "both 3"}, 3, 3},
			{[]string{"chain", "chain_back"}, 2, 4},
			{[]string{"store_x_fault 1", "illegal"}, 2, 2},
			{[]string{"store_x 1; _exit 3", "load_x_fault"}, 2, 3},
			{[]string{"store_x 1; raise 9", "load_x_fault"}, 2, 3},
			{[]string{"store_x 1; _exit 3", "load_x"}, 1, 3},
			{[]string{"both 1; store_x 2", "both 2; load_x"}, 0, 3},
			{[]string{"both 1", "load_x"}, 1, 3},
		} {
			if !inTurn(i, 4, sys.Arch) {
				continue
			}
			p := program{name: "ends", source: endings, threads: c.threads}
			start := func() (*scenario.Session, error) {
				g := &guest{}
				plan := p.plan(t, sys.Arch, g)
				for i := c.fails; i < len(plan.Threads); i++ {
					body := plan.Threads[i].Body
					plan.Threads[i].Body = failing{func() scenario.Call {
						call, _, _ := body.Next(nil)
						return call
					}}
				}
				s, err := scenario.Start(sys, plan, 1)
				if err == nil {
					s.Limit = 100_000
				}
				return s, err
			}
			kinds := func(search string, n uint64) []string {
				r, err := everySearch(n)[search](t.Context(), start, Options{KeepGoing: true, Jobs: 1, Preemptions: 2, Seed: 3})
				must(t, err)
				found := map[string]bool{}
				for _, f := range r.Findings {
					if f.Hole {
						t.Errorf("%v: %s has missed %v", c.threads, search, f.Outcome)
					}
					found[f.Outcome.String()] = true
				}
				return slices.Sorted(maps.Keys(found))
			}
			want := kinds("bounded", 0)
			if len(want) < c.least {
				t.Errorf("%v: only %q happen", c.threads, want)
			}
			for _, search := range []string{"dpor", "surw", "pos", "pct", "fuzz", "random"} {
				n := uint64(0)
				if search != "dpor" {
					n = 1000
				}
				if got := kinds(search, n); !slices.Equal(got, want) {
					t.Errorf("%v, %s: %q happen, found %q", c.threads, search, want, got)
				}
			}
		}
	})
}

package scripts

import (
	"strings"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/scenario"
)

// What the parameters of the scenarios are there to show. The defaults have their
// verdicts in the files.
func TestVariants(t *testing.T) {
	clean := explore.Options{KeepGoing: true, Jobs: 2}
	first := explore.Options{Jobs: 2}
	abstract := explore.Options{KeepGoing: true, Jobs: 2, AbstractLocks: true}
	eachSystem(t, []string{"bookworm"}, func(t *testing.T, sys *emu.System) {
		for i, c := range []struct {
			name, settings string
			options        explore.Options
			kind           scenario.Kind // OK for none
		}{
			{"strtok-strtok", "function=strtok_r", clean, scenario.OK},
			{"rand-rand", "function=rand_r", clean, scenario.OK},
			{"drand48-drand48", "function=erand48 n=3", clean, scenario.OK},
			{"drand48-drand48", "function=lrand48", first, scenario.Check},
			{"counter", "lock=mutex", clean, scenario.OK},
			{"counter", "lock=atomic", clean, scenario.OK},
			{"counter", "threads=3 n=2", first, scenario.Check},
			{"abba", "order=same", clean, scenario.OK},
			{"abba", "order=try", clean, scenario.OK},
			{"philosophers", "order=lowest", clean, scenario.OK},
			{"philosophers", "seats=4 order=lowest", abstract, scenario.OK},
			{"twostage", "sections=one", clean, scenario.OK},
			{"once", "once=off", first, scenario.Check},
			{"once", "once=on", abstract, scenario.OK},
			{"cond-signal", "flag=unlocked", first, scenario.Deadlock},
			{"cond-signal", "flag=unchecked", first, scenario.Deadlock},
			{"rwlock", "lock=off", first, scenario.Segv},
			{"malloc-free", "blocks=1", clean, scenario.OK},
			{"malloc-free", "handed=on tcache=on", clean, scenario.OK},
			{"stdio-printf", "function=fputs", clean, scenario.OK},
			{"stdio-printf", "function=fputs_unlocked", first, scenario.Check},
			{"zlib-deflate", "stream=shared", explore.Options{Preemptions: 1, Jobs: 2}, scenario.Check},
		} {
			if testing.Short() && i%4 != 0 {
				continue
			}
			sc := Get(c.name)
			v, err := sc.Settle(strings.Fields(c.settings))
			must(t, err)
			search := explore.DPOR
			if c.options.Preemptions > 0 {
				search = explore.Bounded
			}
			r, err := search(t.Context(), func() (*scenario.Session, error) {
				plan, err := sc.Build(v)
				if err != nil {
					return nil, err
				}
				return scenario.Start(sys, plan, 1)
			}, c.options)
			must(t, err)
			switch {
			case c.kind == scenario.OK && (r.Verdict != explore.Clean || !r.Complete):
				t.Errorf("%s %s: %+v", c.name, c.settings, r)
			case c.kind != scenario.OK && (r.Verdict != explore.Failing || r.Findings[0].Outcome.Kind != c.kind):
				t.Errorf("%s %s: %+v", c.name, c.settings, r)
			}
		}
	})
}

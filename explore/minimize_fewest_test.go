package explore

import (
	"testing"

	"emurace/emu"
	"emurace/scenario"
)

// That none with fewer preemptions fails is said where none does, and that none fails in this way
// where others do in another.
func TestMinimizeFewest(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, last := range []bool{false, true} {
			start := func() (*scenario.Session, error) {
				var cells uint64
				plan := &scenario.Plan{
					Setup: func(u *scenario.Setup) (err error) { cells, err = u.Alloc(16); return err },
					Check: func(v *scenario.View) error {
						b, _ := v.Read(cells, 16)
						switch {
						case b[0] == 2 && b[8] == 1:
							return &scenario.Failure{Message: "they are crossed"}
						case last && b[0] == 1 && b[8] == 1:
							return &scenario.Failure{Message: "main comes last"}
						}
						return nil
					},
				}
				for i, name := range []string{scenario.Main, "worker"} {
					plan.Threads = append(plan.Threads, scenario.Thread{Name: name, Body: &stores{&cells, uint64(1 + i)}})
				}
				return scenario.Start(sys, plan, 1)
			}
			r, err := DPOR(t.Context(), start, Options{Preemptions: -1, Jobs: 1, KeepGoing: true})
			must(t, err)
			for _, f := range r.Findings {
				m := minimized(t, start, f)
				crossed := f.Outcome.Message == "they are crossed"
				want := Minimal{Preemptions: 0, Certified: true}
				if crossed {
					want = Minimal{Preemptions: 1, Certified: !last}
				}
				if m.Preemptions != want.Preemptions || m.Certified != want.Certified || !m.Fewest {
					t.Errorf("main last a failure %v, %q: %d preemptions, certified %v, fewest %v", last, f.Outcome.Message, m.Preemptions, m.Certified, m.Fewest)
				}
			}
			if want := map[bool]int{false: 1, true: 2}[last]; len(r.Findings) != want {
				t.Errorf("%d kinds of failure, want %d", len(r.Findings), want)
			}
		}
	})
}

package portable_test

import (
	"strings"
	"testing"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/portable"
)

// What is found on one system is in words that mean the same on each other one where the
// scenario can fail: not at an address, at no offset, and by no name that a library has
// for one processor's copy of a function.
func TestPortable(t *testing.T) {
	for _, name := range []string{"counter", "reorder", "setlocale-printf", "strtok-strtok"} {
		t.Run(name, func(t *testing.T) {
			sc, ok := scripts.Find(name)
			if !ok {
				t.Fatal("no such scenario")
			}
			v, err := sc.Settle(nil)
			testrace.Must(t, err)
			starts := map[string]func() (*scenario.Session, error){}
			for _, suite := range []string{"bookworm", "trixie"} {
				for _, arch := range testsystem.Arches() {
					sys := testsystem.Of(t, suite, arch)
					starts[suite+"/"+arch.String()] = func() (*scenario.Session, error) {
						plan, err := sc.Build(v)
						if err != nil {
							return nil, err
						}
						return scenario.Start(sys, plan, 1)
					}
				}
			}
			for on, start := range starts {
				r, err := explore.Sample(t.Context(), start, explore.SURW, explore.Options{Seed: 1, Jobs: 1, Schedules: 5000})
				testrace.Must(t, err)
				if len(r.Findings) == 0 {
					t.Fatalf("%s: nothing fails", on)
				}
				runs, notes, err := portable.Describe(start, r.Findings[0].Schedule)
				testrace.Must(t, err)
				text := portable.Text(runs)
				t.Logf("%s:\n%s%q", on, text, notes)
				if strings.Contains(text, "0x") || strings.Contains(text, "n = ") || strings.Contains(text, "sse2") {
					t.Errorf("%s: not of every build:\n%s", on, text)
				}
				for other, start := range starts {
					s, err := start()
					testrace.Must(t, err)
					if r2, err := portable.Play(s, runs); err != nil || r2.Outcome.Kind != r.Findings[0].Outcome.Kind {
						t.Errorf("%s on %s: %v, %v:\n%s", on, other, r2.Outcome, err, text)
					}
					s.Close()
				}
			}
		})
	}
}

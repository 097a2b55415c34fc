package execution

import (
	"context"
	"strings"
	"testing"

	"emurace/explore"
	"emurace/explore/graph"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// TestFound: of what the search finds under ARMv8 the execution is what the litmus test is known for: the reads have
// what the writes that they are said to have seen have written, and either program's order can have been given up.
func TestFound(t *testing.T) {
	sys := testsystem.Of(t, "bookworm", loader.ARM64)
	for i, l := range testrace.Litmuses() {
		if testing.Short() && i%2 == 0 { // MP and R remain
			continue
		}
		t.Run(l.Name, func(t *testing.T) {
			start := func() (*scenario.Session, error) { return scenario.Start(sys, l.Plan(t, sys.Arch), 1) }
			found, err := explore.Graphs(context.Background(), start, graph.ARM, explore.Options{Jobs: 1})
			must(t, err)
			if len(found.Findings) == 0 || !found.Findings[0].Schedule.Odd() {
				t.Fatalf("the search has %d findings", len(found.Findings))
			}
			line := lineOf(t, testrace.Start(t, sys, l.Plan(t, sys.Arch)), found.Findings[0].Schedule)
			g, err := Of(line)
			must(t, err)
			if len(g.Events) != 4 || !g.Odd() {
				t.Fatalf("%d events: %q", len(g.Events), g.Lines(80))
			}
			between, orders := 0, 0
			for _, a := range g.Arrows {
				if a.From == Before {
					continue
				}
				p, q := g.Events[a.From].Parts[0], g.Events[a.To].Parts[0]
				switch a.Kind {
				case Program:
					orders++
					if a.Kept != "" {
						t.Errorf("%s keeps plain accesses in their order", a.Kept)
					}
					continue
				case ReadsFrom:
					if p.Value != q.Value || !p.Write || q.Write {
						t.Errorf("rf from %+v to %+v", p, q)
					}
				case FromRead:
					if p.Value == q.Value || p.Write || !q.Write {
						t.Errorf("fr from %+v to %+v", p, q)
					}
				case Coherence:
					if !p.Write || !q.Write {
						t.Errorf("co from %+v to %+v", p, q)
					}
				}
				if between++; p.Addr != q.Addr {
					t.Errorf("%s from %+v to %+v", a.Kind, p, q)
				}
			}
			text := strings.Join(g.Says, "\n")
			if between != 2 || orders != 2 || strings.Count(text, "; or ") != 1 || !strings.Contains(text, "at least one") {
				t.Errorf("%d arrows between the threads, %d orders:\n%s\n%s", between, orders, text, strings.Join(g.Lines(80), "\n"))
			}
		})
	}
}

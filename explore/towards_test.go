package explore

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/explore/target"
	"emurace/scenario"
)

// severalEnds fails at another address for each thing that look sees of a half-done move: most of its
// schedules fail, and some of its ends are rare.
const severalEnds = `
static volatile int a, b, c;
void move(void) { a = 1; b = 1; c = 1; }
void look(void) {
	int x = a, y = b, z = c, seen = 4 * x + 2 * y + z;
	if (seen != 0 && seen != 7) *(volatile int *)(long)(8 * seen) = 1;
}
`

// towards makes the ends with a fault at an address be what a search looks for; those of the same
// kind are of grade function.
func towards(addr uint64, enough target.Grade) *Ends {
	return &Ends{
		Grade: func(s *scenario.Session, _ scenario.Schedule) (target.Grade, error) {
			o, over := s.Outcome()
			switch {
			case !over || o.End == nil:
				return target.None, errors.New("the session does not stand at a failure")
			case o.End.Addr == addr:
				return target.Instruction, nil
			case o.End.Addr == 8: // seen is 1
				return target.Function, nil
			}
			return target.None, nil
		},
		Enough: func() target.Grade { return enough },
	}
}

// endsOf are all addresses at which a program can fault.
func endsOf(t *testing.T, start func() (*scenario.Session, error)) []uint64 {
	t.Helper()
	all, err := DPOR(t.Context(), start, Options{KeepGoing: true, Jobs: 1, Preemptions: -1})
	must(t, err)
	var list []uint64
	for _, f := range all.Findings {
		list = append(list, f.Outcome.End.Addr)
	}
	if !all.Complete || len(list) < 3 {
		t.Fatalf("the program is none for this test: %+v", all)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// TestTowards: every search goes on past the failures that are not looked for, counts them, and ends with
// the one that is, whoever runs it.
func TestTowards(t *testing.T) {
	p := program{"several ends", severalEnds, []string{"move", "look"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := p.starter(t, sys)
		searches := map[string]search{
			"dpor": DPOR, "bounded": Bounded,
			"surw": func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
				return Sample(ctx, start, SURW, o)
			},
			"stages": func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
				r, _, err := Towards(ctx, start, o, Stages(), nil)
				return r, err
			},
		}
		names := slices.Sorted(maps.Keys(searches))
		for i, addr := range endsOf(t, start) {
			if !inShort(i, 2) {
				continue
			}
			for _, name := range []string{"stages", names[i%len(names)]} { // each of them for some end
				search := searches[name]
				o := Options{Jobs: 1, Seed: 2, Preemptions: -1, Ends: towards(addr, target.Instruction)}
				one, err := search(t.Context(), start, o)
				must(t, err)
				k := slices.IndexFunc(one.Findings, func(f Finding) bool { return f.Grade == target.Instruction })
				if k != len(one.Findings)-1 || one.Findings[k].Outcome.End.Addr != addr || one.Findings[k].Count != 1 || one.Verdict != Failing || one.Nearest() != target.Instruction {
					t.Errorf("%s, %#x: %+v", name, addr, one)
					continue
				}
				unlike := uint64(0)
				for _, f := range one.Findings {
					if f.Grade == target.None {
						unlike += f.Count
					}
				}
				if one.Unlike != unlike {
					t.Errorf("%s, %#x: %d are unlike, and %d are counted", name, addr, unlike, one.Unlike)
				}
				replayed(t, start, one)
				o.Jobs = 3
				three, err := search(t.Context(), start, o)
				must(t, err)
				if diff := cmp.Diff(one, three, visible); diff != "" {
					t.Errorf("%s, %#x: with 3 jobs:\n%s", name, addr, diff)
				}
			}
		}
	})
}

// TestEnough: the grade that is enough ends the search.
func TestEnough(t *testing.T) {
	p := program{"several ends", severalEnds, []string{"move", "look"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := p.starter(t, sys)
		if !slices.Contains(endsOf(t, start), 8) {
			t.Fatal("the program does not fault at 8")
		}
		r, by, err := Towards(t.Context(), start, Options{Jobs: 1, Seed: 1, Ends: towards(1, target.Function)}, Stages(), nil)
		must(t, err)
		if r.Nearest() != target.Function || by != SURW || r.Findings[len(r.Findings)-1].Outcome.End.Addr != 8 {
			t.Errorf("%s: %+v", by, r)
		}
	})
}

// TestStages: where the end is none of the program's, all stages have their share of the limits, and the best
// that was met is in the result, which says nothing is proved but where the last one has covered all.
func TestStages(t *testing.T) {
	p := program{"several ends", severalEnds, []string{"move", "look"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := p.starter(t, sys)
		const none = 1
		for _, c := range []struct {
			schedules uint64
			time      time.Duration
			least     uint64
			stages    int
		}{{100, 0, 100, 3}, {1, 0, 1, 1}, {0, 400 * time.Millisecond, 3, 3}, {60, time.Minute, 60, 3}} {
			var begun []Strategy
			o := Options{Jobs: 2, Seed: 1, Schedules: c.schedules, Time: c.time, Ends: towards(none, target.Instruction)}
			r, by, err := Towards(t.Context(), start, o, Stages(), func(s Stage) { begun = append(begun, s.Strategy) })
			must(t, err)
			if len(begun) > c.stages || len(begun) < min(c.stages, 2) || c.time == 0 && len(begun) != c.stages || by != begun[len(begun)-1] || r.Schedules < c.least || c.schedules > 0 && r.Schedules > c.schedules+1 {
				t.Errorf("%+v: %v, %s, %+v", c, begun, by, r)
			}
			if c.least > 10 && (r.Nearest() != target.Function || r.Verdict != Failing || r.Complete) {
				t.Errorf("%+v: %+v", c, r)
			}
			replayed(t, start, r)
		}
		// Without limits the last stage covers all of a program that fails in no way.
		whole := program{"one end", "static volatile int a; void set(void) { a = 1; }", []string{"set", "set"}}
		r, by, err := Towards(t.Context(), whole.starter(t, sys), Options{Jobs: 1, Ends: towards(none, target.Instruction)}, []Stage{{SURW, 4, 20}, {StageBounded, 10, 0}}, nil)
		must(t, err)
		if r.Verdict != Clean || !r.Complete || by != StageBounded || r.SelfCheck == nil || r.Schedules < 22 {
			t.Errorf("%s: %+v", by, r)
		}
	})
}

// TestStagesStop: a search that is interrupted, in whichever stage, has what was found by then.
func TestStagesStop(t *testing.T) {
	p := program{"several ends", severalEnds, []string{"move", "look"}}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := p.starter(t, sys)
		for in, stage := range Stages() {
			ctx, cancel := context.WithCancel(t.Context())
			ends := towards(1, target.Instruction)
			grade, now, runs := ends.Grade, 0, 0
			ends.Grade = func(s *scenario.Session, schedule scenario.Schedule) (target.Grade, error) {
				if runs++; now == in+1 && runs > 5 {
					cancel()
				}
				return grade(s, schedule)
			}
			// With several jobs the counting above would be a race.
			r, by, err := Towards(ctx, start, Options{Jobs: 1, Seed: 1, Schedules: 300, Ends: ends}, Stages(), func(Stage) { now, runs = now+1, 0 })
			cancel()
			if !errors.Is(err, context.Canceled) || by != stage.Strategy || r == nil || r.Failing == 0 || now != in+1 {
				t.Errorf("%s: %s, %v, %+v", stage.Strategy, by, err, r)
				continue
			}
			replayed(t, start, r)
		}
	})
}

// TestNearestKept: of more kinds of failure than are kept apart the nearest ones are, in whichever order
// they come.
func TestNearestKept(t *testing.T) {
	r := &Result{}
	add := func(n uint64, g target.Grade) {
		r.Schedules++
		r.add(Finding{Outcome: scenario.Outcome{Kind: scenario.Segv, End: &emu.End{Addr: n}}, Number: r.Schedules, Count: 1, Grade: g})
	}
	for n := range uint64(maxFindings + 10) {
		add(n, target.None)
	}
	add(1000, target.Function)
	add(1001, target.Instruction)
	add(1002, target.None)
	add(1001, target.Instruction)
	if len(r.Findings) != maxFindings || r.Nearest() != target.Instruction || r.Failing != maxFindings+14 {
		t.Fatalf("%d findings, %v, %d fail", len(r.Findings), r.Nearest(), r.Failing)
	}
	last := r.Findings[maxFindings-2:]
	if last[0].Outcome.End.Addr != 1000 || last[1].Outcome.End.Addr != 1001 || last[1].Count != 2 {
		t.Errorf("%+v", last)
	}
	if !slices.IsSortedFunc(r.Findings, func(a, b Finding) int { return int(a.Number) - int(b.Number) }) {
		t.Error("they are not in the order of their schedules")
	}
}

package explore

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"emurace/emu"
	"emurace/scenario"
)

// everySearch is all ways to search, each with as many schedules as a search may run.
func everySearch(schedules uint64) map[string]func(context.Context, func() (*scenario.Session, error), Options) (*Result, error) {
	all := map[string]func(context.Context, func() (*scenario.Session, error), Options) (*Result, error){
		"dpor": DPOR, "bounded": Bounded,
		"script": func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
			o.Walk = func(w *Walk) error {
				for !w.Over() {
					if _, err := w.Step(w.Enabled()[0]); err != nil {
						return err
					}
				}
				return nil
			}
			return Sample(ctx, start, Script, o)
		},
	}
	for _, s := range Strategies() {
		all[string(s)] = func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
			return Sample(ctx, start, s, o)
		}
	}
	for name, search := range all {
		all[name] = func(ctx context.Context, start func() (*scenario.Session, error), o Options) (*Result, error) {
			o.Schedules = schedules
			return search(ctx, start, o)
		}
	}
	return all
}

// atOnce are threads that make no call, the first of which may find a fault.
type atOnce struct{ fails bool }

func (a atOnce) Next([]uint64) (scenario.Call, bool, error) {
	if a.fails {
		return scenario.Call{}, false, &scenario.Failure{Message: "at once"}
	}
	return scenario.Call{}, false, nil
}

// A race that is over before an instruction has run has one schedule, the empty one:
// every search says of it what there is to say, and it is cut down to itself.
func TestOverAtOnce(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		wrong := func(*scenario.View) error { return &scenario.Failure{Message: "always"} }
		for i, c := range []struct {
			name  string
			fails bool
			check func(*scenario.View) error
			said  string
		}{
			{"a thread finds a fault", true, nil, "at once"},
			{"a check does", false, wrong, "always"},
			{"nothing is wrong", false, nil, ""},
		} {
			for _, threads := range []int{1, 2} {
				if testing.Short() && (threads == 1) != (c.said == "") || !inTurn(i+threads, 1, sys.Arch) {
					continue
				}
				start := func() (*scenario.Session, error) {
					plan := &scenario.Plan{Threads: []scenario.Thread{{Name: "a", Body: atOnce{c.fails}}}, Check: c.check}
					if threads == 2 {
						plan.Threads = append(plan.Threads, scenario.Thread{Name: scenario.Main, Body: atOnce{}})
					}
					return scenario.Start(sys, plan, 1)
				}
				for name, search := range everySearch(3) {
					where := fmt.Sprintf("%s, %d threads, %s", c.name, threads, name)
					r, err := search(t.Context(), start, Options{Jobs: 2, Preemptions: -1})
					must(t, err)
					if c.said == "" {
						want := Undecided
						if name == "dpor" || name == "bounded" {
							want = Clean
						}
						if r.Verdict != want || r.Failing != 0 || r.Schedules == 0 {
							t.Errorf("%s: %+v", where, r)
						}
						continue
					}
					if r.Verdict != Failing || len(r.Findings) != 1 || r.Findings[0].Number != 1 || len(r.Findings[0].Schedule) != 0 || r.Findings[0].Outcome.Message != c.said {
						t.Errorf("%s: %+v", where, r)
						continue
					}
					replayed(t, start, r)
					min, err := Minimize(t.Context(), start, r.Findings[0], time.Second)
					must(t, err)
					if len(min.Schedule) != 0 || !min.Certified || len(min.Essential) != 0 || min.Outcome != r.Findings[0].Outcome {
						t.Errorf("%s: cut down to %+v", where, min)
					}
				}
			}
		}
	})
}

// As many threads race as a process can have: no search trips over the last of them,
// and those that can end soon find what is wrong between the first and the last.
func TestManyThreads(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for i, n := range []int{scenario.MaxPlanned, 2, scenario.MaxPlanned - 1} {
			if !inTurn(i, 3, sys.Arch) {
				continue
			}
			start := func() (*scenario.Session, error) {
				var word uint64
				plan := &scenario.Plan{
					Setup: func(u *scenario.Setup) (err error) {
						word, err = u.Alloc(8)
						return err
					},
					Check: func(v *scenario.View) error {
						if b, _ := v.Read(word, 1); len(b) != 1 || b[0] != 2 {
							return &scenario.Failure{Message: "one was lost"}
						}
						return nil
					},
				}
				for i := range n {
					thread := scenario.Thread{Name: fmt.Sprint("t", i), Body: scenario.Calls{{Func: "getpid"}}}
					switch i {
					case 0:
						thread = scenario.Thread{Name: scenario.Main, Body: scripted{word: &word, k: 1}}
					case n - 1:
						thread.Body = scripted{word: &word, k: 1}
					}
					plan.Threads = append(plan.Threads, thread)
				}
				return scenario.Start(sys, plan, 1)
			}
			for name, search := range everySearch(500) {
				r, err := search(t.Context(), start, Options{Jobs: 2, Preemptions: -1})
				must(t, err)
				if name == "bounded" && n > 2 {
					// Without a preemption alone there are as many schedules as orders.
					if r.Verdict != Undecided || r.Schedules < 500 {
						t.Errorf("%d threads, %s: %+v", n, name, r)
					}
					continue
				}
				if name == "script" {
					if r.Verdict != Undecided {
						t.Errorf("%d threads, %s: %+v", n, name, r)
					}
					continue
				}
				if r.Verdict != Failing || r.Findings[0].Outcome.Kind != scenario.Check {
					t.Errorf("%d threads, %s: %+v", n, name, r)
					continue
				}
				replayed(t, start, r)
			}
		}
	})
}

// A bounded search of three threads whose schedules are used up in the middle of the
// orders that a preemption leaves goes on to the result of an undisturbed one.
func TestBoundedCutInOrders(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		start := func() (*scenario.Session, error) {
			var word uint64
			body := scripted{word: &word, k: 1}
			return scenario.Start(sys, &scenario.Plan{
				Setup: func(u *scenario.Setup) (err error) {
					word, err = u.Alloc(8)
					return err
				},
				Threads: []scenario.Thread{{Name: "a", Body: body}, {Name: "b", Body: body}, {Name: "c", Body: body}},
			}, 1)
		}
		whole, err := Bounded(t.Context(), start, Options{Preemptions: 1, Jobs: 1})
		must(t, err)
		var state *State
		var r *Result
		for n := uint64(5); r == nil || !r.Complete; n += 5 {
			if n > 2*whole.Schedules {
				t.Fatalf("after %d schedules the search has not ended: %+v", n, r)
			}
			o := Options{Preemptions: 1, Jobs: 1, Schedules: n, Resume: state}
			o.Save = func(s *State) error {
				data, err := json.Marshal(s)
				state = &State{}
				if err == nil {
					err = json.Unmarshal(data, state)
				}
				return err
			}
			r, err = Bounded(t.Context(), start, o)
			must(t, err)
		}
		if r.Schedules != whole.Schedules || r.Instructions != whole.Instructions || r.Verdict != whole.Verdict {
			t.Errorf("%+v, undisturbed %+v", r, whole)
		}
	})
}

// A search that is over says its result again when it is resumed, whatever it
// was cut into: the shares of its parts add up to all of it, and not to more.
func TestResumeFinished(t *testing.T) {
	for _, n := range []int{3, 7, 11, 49} {
		w := &partition{Options: Options{KeepGoing: true}}
		for range n {
			w.parts.Items = append(w.parts.Items, &part{Share: 1 / float64(n), Result: &Result{Schedules: 1}})
		}
		w.parts.Items = append(w.parts.Items, &part{Share: 0x1p-52, Result: &Result{Schedules: 1}})
		s := w.state()
		if err := s.check(strategyDPOR, 2); err != nil || len(s.DPOR.Parts) != 1 {
			t.Errorf("%d parts: %v, %+v", n, err, s.DPOR.Parts)
		}
	}
}

// A set is what its operations say, for every thread that it can hold.
func TestSet(t *testing.T) {
	for _, threads := range [][]int{{}, {0}, {63}, {64}, {127}, {0, 127}, {5, 63, 64, 100}, {128}, {1023}, {191, 192}, {0, 200, 1000}, {3, 127, 128, 255, 256, 1022, 1023}} {
		s := set{}
		for i, u := range threads {
			if s.has(u) || s.len() != i || s.with(u) != s.or(only(u)) {
				t.Errorf("%v: %v before %d", threads, s, u)
			}
			s = s.with(u)
		}
		first, last := maxThreads, -1
		if len(threads) > 0 {
			first, last = threads[0], threads[len(threads)-1]
		}
		if s.first() != first || s.last() != last || s.empty() != (len(threads) == 0) || s.less(s) != (set{}) || s.and(s) != s || everyone.less(s).len() != maxThreads-len(threads) {
			t.Errorf("%v: %v from %d to %d", threads, s, s.first(), s.last())
		}
		data, err := json.Marshal(s)
		must(t, err)
		back := only(3)
		if err := json.Unmarshal(data, &back); err != nil || back != s {
			t.Errorf("%v: %s is %v, %v", threads, data, back, err)
		}
	}
	for _, text := range []string{`5`, `[1,0]`, `[1,1]`, `[-1]`, `[1024]`, `["a"]`, `[0.5]`} {
		var s set
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is %v", text, s)
		}
	}
}

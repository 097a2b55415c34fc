package replay

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"emurace/loader"
	"emurace/scenario"
)

// A trace holds the threads that the process makes, and the session that repeats it knows
// them then. One from before such threads ran has none, and runs as it did.
func TestMade(t *testing.T) {
	eachArch(t, func(t *testing.T, arch loader.Arch) {
		sys := system(t, "bookworm", arch)
		sc := &scenario.Scenario{Name: "making", Summary: "threads come", Build: func(scenario.Values) (*scenario.Plan, error) {
			var handle, routine uint64
			return &scenario.Plan{
				Setup: func(u *scenario.Setup) (err error) {
					if handle, err = u.Alloc(8); err == nil {
						routine, err = u.Lookup("getpid")
					}
					return err
				},
				Threads: []scenario.Thread{
					{Name: scenario.Main, Body: late(func() scenario.Calls {
						return scenario.Calls{{Func: "pthread_create", Args: []scenario.Arg{scenario.Int(handle), scenario.Int(0), scenario.Int(routine), scenario.Int(0)}}}
					})},
					{Name: "worker", Body: scenario.Calls{{Func: "getpid"}}},
				},
			}, nil
		}}
		recipe := Recipe{Scenario: sc, Arch: arch, Source: "debian:bookworm", Seed: 1}
		begin := func() *scenario.Session {
			plan, err := sc.Build(nil)
			must(t, err)
			s, err := scenario.Start(sys, plan, recipe.Seed)
			must(t, err)
			t.Cleanup(s.Close)
			return s
		}
		for _, c := range []struct {
			made     []string
			schedule scenario.Schedule
		}{
			{nil, scenario.Schedule{{Thread: 0}, {Thread: 1}}},
			{[]string{"main.1"}, scenario.Schedule{{Thread: 0}, {Thread: 2, N: 9}, {Thread: 1}, {Thread: 2}}},
		} {
			s := begin()
			must(t, s.SetMade(c.made))
			trace, err := Record(s, recipe, c.schedule)
			must(t, err)
			var file bytes.Buffer
			must(t, trace.Encode(&file))
			if strings.Contains(file.String(), `"made"`) != (c.made != nil) {
				t.Errorf("%v: %s", c.made, &file)
			}
			read, err := Decode(&file)
			must(t, err)
			other := begin()
			must(t, other.SetMade([]string{"worker.3"})) // whatever it knew
			v, err := Verify(other, read)
			must(t, err)
			if !v.Match || !slices.Equal(other.Made(), c.made) || other.Strange() != (c.made == nil) {
				t.Errorf("%v: %s; %v", c.made, v.Difference, other.Made())
			}
			h, err := NewHistory(other, v.Schedule)
			must(t, err)
			x, err := Explain(h)
			must(t, err)
			states := x.Finding().Threads
			if n := len(states); n != 2+len(c.made) || n > 2 && (states[2].Status != "ended" || states[2].Call != "a function that pthread_create has started") {
				t.Errorf("%v: %+v", c.made, states)
			}
			read.Made = []string{"nobody.1"}
			if _, err := Verify(other, read); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "field made") {
				t.Errorf("%v", err)
			}
		}
	})
}

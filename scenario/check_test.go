package scenario

import (
	"fmt"
	"testing"

	"emurace/emu"
)

// A check sees what every call returned, judges only runs that came to their
// end, and makes one that it refuses a failure.
func TestCheck(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		judged := 0
		plan := &Plan{
			Env: []string{"A=first"},
			Threads: []Thread{
				{Main, Calls{call("abs", Int(7)), call("getenv", Str("A"))}},
				{"worker", Calls{call("abs", Int(5))}},
			},
			Check: func(v *View) error {
				judged++
				text, ok := v.CString(v.Results(0)[1])
				_, none := v.CString(0)
				return &Failure{fmt.Sprintf("%d %d %s %v %v", v.Results(0)[0], v.Results(1)[0], text, ok, none)}
			},
		}
		s := begin(t, sys, plan)
		must(t, s.Play(Schedule{{Thread: 0, N: 0}}))
		if o, over := s.Outcome(); over || judged != 0 {
			t.Errorf("before the end: %v, %v, judged %d times", o, over, judged)
		}
		for range 2 {
			must(t, s.Restart())
			o := play(t, s, Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}})
			if want := (Outcome{Kind: Check, Thread: -1, Message: "7 5 first true false"}); o != want || !o.Failed() || o.String() != "check: 7 5 first true false" {
				t.Errorf("%v, want %v", o, want)
			}
		}

		plan.Check = func(*View) error { return nil }
		if o := play(t, begin(t, sys, plan), Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}}); o.Failed() {
			t.Errorf("a check that finds no fault: %v", o)
		}
		plan.Check = func(*View) error { panic("a run that crashed is judged") }
		plan.Threads[1].Body = Calls{call("abort")}
		if o := play(t, begin(t, sys, plan), Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}}); o.Kind != Abort {
			t.Errorf("an abort: %v", o)
		}
	})
}

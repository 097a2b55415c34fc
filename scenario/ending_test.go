package scenario

import (
	"slices"
	"strings"
	"testing"

	"emurace/emu"
)

// What a plan expects of the end of its process decides whether that is a failure.
func TestEndings(t *testing.T) {
	call := func(name string, args ...uint64) Calls {
		c := Call{Func: name}
		for _, a := range args {
			c.Args = append(c.Args, Int(a))
		}
		return Calls{c}
	}
	exit7 := Ending{Kind: Exit, Code: 7}
	abort := Ending{Kind: Abort}
	term := Ending{Kind: Signal, Signal: 15}
	eachArch(t, func(t *testing.T, sys *emu.System) {
		for _, c := range []struct {
			name    string
			body    Calls
			endings []Ending
			must    bool
			kind    Kind
			failed  bool
			said    string
		}{
			{"exit that nobody expects", call("exit", 7), nil, false, Exit, true, "exit: exit with status 7"},
			{"exit", call("exit", 7), []Ending{exit7}, false, Exit, false, "exit: exit with status 7, as the scenario expects"},
			{"_exit, of which eight bits count", call("_exit", 0x107), []Ending{exit7}, true, Exit, false, ", as the scenario expects"},
			{"another status", call("exit", 8), []Ending{exit7}, false, Exit, true, "exit: exit with status 8"},
			{"abort", call("abort"), []Ending{exit7, abort}, false, Abort, false, ", as the scenario expects"},
			{"a signal", call("raise", 15), []Ending{term}, true, Signal, false, ", as the scenario expects"},
			{"another signal", call("raise", 9), []Ending{term}, true, Signal, true, "signal: killed by SIGKILL"},
			{"an abort where an exit is right", call("abort"), []Ending{exit7}, true, Abort, true, "abort: killed by SIGABRT"},
			{"a fault, which is no signal that was sent", call("strlen", 8), []Ending{{Kind: Signal, Signal: 11}}, true, Segv, true, "segv: "},
			{"no end where one may come", call("getpid"), []Ending{exit7}, false, OK, false, "ok"},
			{"no end where one must", call("getpid"), []Ending{exit7, term}, true, Check, true, "check: every thread has made all its calls, and the process has not ended, though it must: with exit status 7 or signal 15"},
			{"no call where an end must come", nil, []Ending{abort}, true, Check, true, "though it must: with an abort"},
		} {
			plan := &Plan{Threads: []Thread{{Main, c.body}, {"b", Calls{}}}, Endings: c.endings, MustEnd: c.must}
			if !c.must {
				plan.Check = func(v *View) error {
					if c.kind != OK {
						t.Errorf("%s: checked", c.name)
					}
					return nil
				}
			}
			s, err := Start(sys, plan, 1)
			must(t, err)
			_, err = s.Run(0, 0)
			must(t, err)
			o, over := s.Outcome()
			if !over || o.Kind != c.kind || o.Failed() != c.failed || !strings.Contains(o.String(), c.said) {
				t.Errorf("%s: %v, %v, failed %v, want %s", c.name, o, over, o.Failed(), c.said)
			}
			if e, ok := o.Ending(); ok != (o.Kind == Exit || o.Kind == Abort || o.Kind == Signal) || o.Expected && !slices.Contains(c.endings, e) {
				t.Errorf("%s: ending %v, %v", c.name, e, ok)
			}
			s.Close()
		}
		for want, plan := range map[string]Plan{
			"not from 0 to 255":            {Endings: []Ending{{Kind: Exit, Code: 256}}},
			"does not end a process":       {Endings: []Ending{{Kind: Signal, Signal: 17}}},
			"it is the ending":             {Endings: []Ending{{Kind: Signal, Signal: 6}}},
			"is not how a process ends":    {Endings: []Ending{{Kind: Segv}}},
			"and in no way":                {MustEnd: true},
			"there is nothing left to che": {MustEnd: true, Endings: []Ending{abort}, Check: func(*View) error { return nil }},
		} {
			plan.Threads = []Thread{{Main, Calls{}}}
			if _, err := Start(sys, &plan, 1); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want %q", plan.Endings, err, want)
			}
		}
	})
}

// A run that an unknown system call has led to, or in which a thread waits that the
// process has made beside the scenario's, is in doubt; its failure rests on that where
// the call or the thread could have made it another.
func TestDoubts(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		var handle, routine uint64
		plan := &Plan{
			Setup: func(u *Setup) (err error) {
				if handle, err = u.Alloc(8); err == nil {
					routine, err = u.Lookup("getpid")
				}
				return err
			},
			Threads: []Thread{
				{Main, calling(func(results []uint64) (Call, bool) {
					return Call{Func: "pthread_create", Args: []Arg{Int(handle), Int(0), Int(routine), Int(0)}}, len(results) == 0
				})},
				{"unknown", Calls{{Func: "syscall", Args: []Arg{Int(9999)}}, {Func: "abort"}}},
				{"waits", calling(func(results []uint64) (Call, bool) {
					return Call{Func: "sem_wait", Args: []Arg{Int(handle)}}, len(results) == 0
				})},
			},
		}
		s, err := Start(sys, plan, 1)
		must(t, err)
		defer s.Close()
		created := Doubt{UnscheduledThread, "clone", "pthread_create", Main}
		missing := Doubt{UnknownSyscall, "syscall 9999", "syscall", "unknown"}
		if created.String() != "clone in pthread_create of main" || missing.String() != "syscall 9999 in syscall of unknown" {
			t.Errorf("%v, %v", created, missing)
		}
		for _, c := range []struct {
			schedule Schedule
			doubts   []Doubt
			rests    bool
			kind     Kind
		}{
			{Schedule{{Thread: 0, N: 0}, {Thread: 2, N: 0}, {Thread: 1, N: 0}}, []Doubt{missing, created}, true, Abort},
			{Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}}, []Doubt{missing, created}, true, Abort},
			{Schedule{{Thread: 1, N: 0}}, []Doubt{missing}, true, Abort},
			{Schedule{{Thread: 2, N: 0}}, nil, false, ""},
			{Schedule{{Thread: 2, N: 0}, {Thread: 0, N: 0}}, []Doubt{created}, false, ""},
		} {
			must(t, s.Restart())
			must(t, s.Play(c.schedule))
			o, _ := s.Outcome()
			if o.Kind != c.kind && c.kind != "" {
				t.Errorf("%v: %v", c.schedule, o)
			}
			list, rests := s.Doubts(o)
			if rests != c.rests || len(list) != len(c.doubts) {
				t.Errorf("%v: %v, %v, want %v", c.schedule, list, rests, c.doubts)
				continue
			}
			for i, d := range list {
				if d != c.doubts[i] || d.Check() != nil {
					t.Errorf("%v: %v, want %v", c.schedule, d, c.doubts[i])
				}
			}
		}
		must(t, s.Restart())
		must(t, s.Play(Schedule{{Thread: 0, N: 0}}))
		for _, kind := range []Kind{Deadlock, Livelock} {
			if _, rests := s.Doubts(Outcome{Kind: kind, Thread: -1}); !rests {
				t.Errorf("a %s is one though a thread could run", kind)
			}
		}
		for _, d := range []Doubt{{Kind: "made up"}, {Kind: UnknownSyscall, Name: "a\x1b[2J"}} {
			if d.Check() == nil {
				t.Errorf("%+v is a doubt", d)
			}
		}
	})
}

// calling is a thread whose calls follow from the results so far.
type calling func(results []uint64) (Call, bool)

func (f calling) Next(results []uint64) (Call, bool, error) {
	c, more := f(results)
	return c, more, nil
}

package portable_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts/portable"
)

// where is the name of the function that a thread stands in, and its distance from
// the beginning.
func where(t testing.TB, s *scenario.Session, thread int) (string, uint64) {
	t.Helper()
	pc, err := s.Process().PC(s.MachineThread(thread))
	testrace.Must(t, err)
	f, off, _ := s.Process().Symbol(pc)
	return f, off
}

// Conditions in the functions of libc, named as each libc names them.
func TestLibc(t *testing.T) {
	eachSystem(t, func(t *testing.T, sys *emu.System) {
		s := start(t, sys)
		p := portable.New(s)
		environ, err := s.Process().Lookup("environ")
		testrace.Must(t, err)
		block, _ := s.Process().Read64(environ)
		type stand struct {
			f    string // "" for any
			off  uint64
			dont bool // the offset is not checked
		}
		for _, c := range []struct {
			until portable.Until
			hit   int
			want  stand
			check func() bool
		}{
			{calls("realloc"), 1, stand{f: "realloc"}, nil},
			{calls("__libc_realloc"), 1, stand{f: "realloc"}, nil},
			{calls("__GI___libc_realloc"), 1, stand{f: "realloc"}, nil},
			{at(t, "libc.so.6!realloc"), 1, stand{f: "realloc"}, nil},
			{returns("realloc"), 1, stand{f: "__add_to_environ", dont: true}, nil},
			{returns("setenv"), 1, stand{f: "setenv"}, func() bool { return len(s.Results(1)) == 1 }},
			{returns("setenv"), 2, stand{dont: true}, func() bool { return len(s.Results(1)) == 2 }},
			{returns("__add_to_environ"), 1, stand{dont: true}, nil},
			{calls("_int_free"), 1, stand{f: "_int_free"}, nil},
			{returns("_int_free"), 1, stand{dont: true}, func() bool { v, _ := s.Process().Read64(block + 66*8); return v == answer }},
			{writes(loc(t, "environ")), 1, stand{dont: true}, func() bool { v, _ := s.Process().Read64(environ); return v != block }},
			{writes(loc(t, "__environ")), 1, stand{dont: true}, func() bool { v, _ := s.Process().Read64(environ); return v != block }},
			{portable.Access{Way: portable.Writes, Loc: wordAt(loc(t, "environ"), 66*8), In: name("_int_free")}, 1, stand{dont: true}, nil},
			{portable.Access{Way: portable.Writes, Loc: wordAt(loc(t, "environ"), 66*8), In: name("realloc")}, 1, stand{dont: true}, nil},
			{portable.Calls{Func: name("_int_malloc"), In: name("realloc")}, 1, stand{f: "_int_malloc"}, nil},
			{calls("memcpy"), 1, stand{dont: true}, func() bool {
				memcpy, err := s.Process().Lookup("memcpy")
				pc, pcErr := s.Process().PC(s.MachineThread(1))
				return err == nil && pcErr == nil && pc == memcpy
			}},
		} {
			testrace.Must(t, s.Restart())
			st, err := p.Step(portable.Run{Thread: "worker", Until: c.until, Hit: c.hit})
			if err != nil || st.Why != portable.Reached {
				t.Errorf("%v: %+v, %v", c.until, st, err)
				continue
			}
			f, off := where(t, s, 1)
			// Copies have the name that GCC has given them.
			plain, _, _ := strings.Cut(f, ".")
			if c.want.f != "" && plain != c.want.f || !c.want.dont && off != c.want.off || c.check != nil && !c.check() {
				t.Errorf("%v: in %s+%#x, want %+v; checked %v", c.until, f, off, c.want, c.check == nil || c.check())
			}
		}
		// No call of malloc by getenv.
		testrace.Must(t, s.Restart())
		_, err = p.Step(portable.Run{Thread: "worker", Until: portable.Calls{Func: name("malloc"), In: name("getenv")}})
		var unmet *portable.UnmetError
		if !errors.As(err, &unmet) || unmet.Stopped.Why != portable.Ended || unmet.Stopped.Seen != 0 {
			t.Errorf("malloc in getenv: %v", err)
		}
	})
}

// A call that is in progress when the run begins returns too, however deep it is.
func TestInProgress(t *testing.T) {
	eachSystem(t, func(t *testing.T, sys *emu.System) {
		s := start(t, sys)
		p := portable.New(s)
		for _, c := range []struct {
			inner, outer string
			results      int
		}{{"_int_free", "realloc", 0}, {"_int_malloc", "__add_to_environ", 1}, {"realloc", "setenv", 1}} {
			testrace.Must(t, s.Restart())
			run := func(u portable.Until) uint64 {
				st, err := p.Step(portable.Run{Thread: "worker", Until: u})
				if err != nil || st.Why != portable.Reached {
					t.Errorf("%+v: %v", c, err)
				}
				return st.Ran
			}
			straight := run(returns(c.outer))
			testrace.Must(t, s.Restart())
			if n := run(calls(c.inner)) + run(returns(c.outer)); n != straight || len(s.Results(1)) != c.results {
				t.Errorf("%+v: %d instructions, %d without a stop; %d results", c, n, straight, len(s.Results(1)))
			}
		}
	})
}

// A name that is nearly one has the names that it is near to as the hint.
func TestHints(t *testing.T) {
	s := start(t, testsystem.Of(t, "bookworm", loader.ARM64))
	for asked, want := range map[string]string{"setenvv": "setenv", "mallok": "malloc", "_int_fre": "_int_free", "enviorn": "environ"} {
		_, err := portable.Step(s, portable.Run{Thread: "main", Until: reads(loc(t, asked))})
		var unknown *portable.UnknownError
		var bad *portable.RunError
		if !errors.As(err, &unknown) || !errors.As(err, &bad) || !slices.Contains(unknown.Near, want) || len(unknown.Near) > 5 || !strings.Contains(bad.Hint(), want) {
			t.Errorf("%s: %v, near %q", asked, err, unknown)
		}
	}
	_, err := portable.Step(s, portable.Run{Thread: "main", Until: calls("qqqqqqqqqqqqqqqqqqqqq")})
	var bad *portable.RunError
	if !errors.As(err, &bad) || bad.Number != 0 || !strings.Contains(bad.Hint(), "debug files") {
		t.Errorf("%v", err)
	}
}

// One run after the other can be played while the machine wants events, which the
// runs then tell; they are the events that there are without the words.
func TestStepWithEvents(t *testing.T) {
	eachSystem(t, func(t *testing.T, sys *emu.System) {
		s := start(t, sys)
		runs := []portable.Run{
			{Thread: "main", Until: reads(wordAt(loc(t, "environ"), 0))},
			{Thread: "worker", Until: portable.NextEvent{}, Hit: 3},
			{Thread: "worker", Until: returns("setenv")},
			{Thread: "worker", N: 50},
			{Thread: "main"},
		}
		s.WantEvents(true)
		p := portable.New(s)
		for grown := ^uint64(0); grown != s.Grown(); {
			grown = s.Grown()
			testrace.Must(t, s.Restart())
			var events []scenario.Event
			var schedule scenario.Schedule
			var failed error
			for i, r := range runs {
				st, err := p.Step(r)
				if err != nil {
					failed = errors.Join(failed, err) // perhaps of events that are not known yet
					continue
				}
				events = append(events, st.Events...)
				schedule = schedule.Add(slices.Index(s.Names(), r.Thread), st.Ran)
				if i == 1 && (len(st.Events) != 3 || st.Seen != 3) {
					failed = fmt.Errorf("three events: %+v", st)
				}
			}
			if s.Grown() != grown {
				continue
			}
			testrace.Must(t, failed)
			o, over := s.Outcome()
			if !over {
				t.Fatal("the race goes on")
			}
			isAnswer(t, s, o)
			schedule[len(schedule)-1].N = 0
			want, _ := order(t, s, schedule)
			if len(want) != len(events) {
				t.Errorf("%d events, want %d", len(events), len(want))
			}
			s.WantEvents(true)
		}
	})
}

// Play learns by itself what an event is.
func TestNextEvent(t *testing.T) {
	s := start(t, testsystem.Of(t, "bookworm", loader.ARM64))
	environ, err := s.Process().Lookup("environ")
	testrace.Must(t, err)
	// The first byte of main's that the worker writes is environ's, and the second
	// access to such bytes reads where it points to.
	res, err := portable.Play(s, []portable.Run{{Thread: "main", Until: portable.NextEvent{}}, {Thread: "main", Until: portable.NextEvent{}}, {Thread: "worker"}})
	testrace.Must(t, err)
	isAnswer(t, s, res.Outcome)
	for k, n := range []uint64{res.Stops[0].Ran, res.Stops[0].Ran + res.Stops[1].Ran} {
		testrace.Must(t, s.Restart())
		block, _ := s.Process().Read64(environ)
		_, err := s.Run(0, n)
		testrace.Must(t, err)
		want := []uint64{environ, block}[k]
		if list := s.LastAccesses(); len(list) != 1 || list[0].Addr != want {
			t.Errorf("event %d: %+v, want %#x", k+1, list, want)
		}
	}
}

package scenario

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"emurace/emu"
)

// work is a plan of two threads whose calls allocate, free, change the
// environment and depend on what the calls before returned.
func work() *Plan {
	return &Plan{
		Env: []string{"A=1", "B=2"},
		Threads: []Thread{
			{Main, Calls{
				call("getenv", Str("B")), call("setenv", Str("C"), Str("a value"), Int(1)), call("getenv", Str("D")),
			}},
			{"worker", mallocs{}},
		},
	}
}

// mallocs allocates twice, frees what it was given first and asks for its
// thread's number.
type mallocs struct{}

func (mallocs) Next(results []uint64) (Call, bool, error) {
	switch len(results) {
	case 0, 1:
		return call("malloc", Int(uint64(100*len(results)+24))), true, nil
	case 2:
		return call("free", Int(results[0])), true, nil
	case 3:
		return call("setenv", Str("D"), Str("worker's"), Int(1)), true, nil
	case 4:
		return call("gettid"), true, nil
	}
	return Call{}, false, nil
}

// moment is what can be seen of a session.
type moment struct {
	digest  string
	steps   uint64
	results [2]string
	calls   [2]string
	outcome string
}

func momentOf(t testing.TB, s *Session) moment {
	t.Helper()
	m := moment{digest: digest(t, s), steps: s.Steps()}
	for i := range 2 {
		var texts []string
		for _, r := range s.Results(i) {
			texts = append(texts, Call{Args: []Arg{Int(r)}}.String())
		}
		m.results[i] = strings.Join(texts, " ")
		m.calls[i] = s.m.Threads()[s.MachineThread(i)].Call
	}
	o, over := s.Outcome()
	if over {
		m.outcome = o.String()
	}
	return m
}

// alone is how many instructions each thread runs when it goes first, and then
// when it goes second.
func alone(t testing.TB, s *Session) (total [2]uint64) {
	t.Helper()
	for i := range 2 {
		must(t, s.Restart())
		n, err := s.Run(i, 0)
		must(t, err)
		total[i] = n
	}
	must(t, s.Restart())
	return total
}

// n single steps are one run of n, over a whole race and across the borders of
// its calls.
func TestRunIsExact(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, work())
		start := momentOf(t, s)
		total := alone(t, s)
		for i, n := range total {
			before := momentOf(t, s)
			if before != start {
				t.Fatalf("restarted to %+v, not %+v", before, start)
			}
			ran, err := s.Run(i, 1<<40)
			must(t, err)
			if ran != n || s.Runnable(i) {
				t.Errorf("thread %d: ran %d of %d, runnable %v", i, ran, n, s.Runnable(i))
			}
			whole := momentOf(t, s)

			must(t, s.Restart())
			for k := range n {
				if !s.Runnable(i) || s.Steps() != k {
					t.Fatalf("thread %d cannot go on after %d of %d", i, k, n)
				}
				if ran, err := s.Run(i, 1); ran != 1 || err != nil {
					t.Fatalf("thread %d: step %d: %d, %v", i, k, ran, err)
				}
			}
			if got := momentOf(t, s); got != whole {
				t.Errorf("thread %d: %d single steps:\n%+v, one run:\n%+v", i, n, got, whole)
			}
			if ran, err := s.Run(i, 3); ran != 0 || err != nil {
				t.Errorf("thread %d at its end: %d, %v", i, ran, err)
			}
			must(t, s.Restart())
		}
		if got := len(s.Results(0)) + len(s.Results(1)); got != 0 {
			t.Errorf("%d results after a restart", got)
		}
	})
}

// Any schedule played at once, in single steps, or on another session gives the
// same bits.
func TestScheduleIsExact(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s, other := begin(t, sys, work()), begin(t, sys, work())
		total := alone(t, s)
		seen := map[string]string{} // digest to schedule
		rapid.Check(t, func(rt *rapid.T) {
			schedule := drawSchedule(rt, total)
			must(t, s.Restart())
			for _, sl := range schedule {
				_, err := s.Run(sl.Thread, sl.N)
				must(t, err)
			}
			whole := momentOf(t, s)

			must(t, other.Restart())
			var ran Schedule
			for _, sl := range schedule {
				for range sl.N {
					n, err := other.Run(sl.Thread, 1)
					must(t, err)
					if n == 0 {
						break
					}
					ran = ran.Add(sl.Thread, n)
				}
			}
			if got := momentOf(t, other); got != whole {
				rt.Errorf("%v in single steps:\n%+v, at once:\n%+v", schedule, got, whole)
			}

			must(t, s.Restart())
			must(t, s.Play(ran))
			if got := momentOf(t, s); got != whole {
				rt.Errorf("%v played:\n%+v, want\n%+v", ran, got, whole)
			}
			text := strings.Join(ran.Texts(s.Names()), ", ")
			if before, ok := seen[whole.digest]; ok && before != text {
				rt.Errorf("%s and %s have one digest", before, text)
			}
			seen[whole.digest] = text
		})
	})
}

// drawSchedule draws slices that two threads of the given lengths may run.
func drawSchedule(t *rapid.T, total [2]uint64) Schedule {
	slice := rapid.Custom(func(t *rapid.T) Slice {
		i := rapid.IntRange(0, 1).Draw(t, "thread")
		return Slice{Thread: i, N: rapid.Uint64Range(1, total[i]).Draw(t, "n")}
	})
	return rapid.SliceOfN(slice, 0, 6).Draw(t, "schedule")
}

// Rewinding brings back memory, registers, results, and the calls in progress;
// from there the same goes on to happen, any number of times.
func TestRewind(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, work())
		total := alone(t, s)
		rapid.Check(t, func(rt *rapid.T) {
			before, between := drawSchedule(rt, total), drawSchedule(rt, total)
			must(t, s.Restart())
			run := func(schedule Schedule) moment {
				for _, sl := range schedule {
					_, err := s.Run(sl.Thread, sl.N)
					must(t, err)
				}
				return momentOf(t, s)
			}
			there := run(before)
			mark, err := s.Mark()
			must(t, err)
			defer mark.Drop()
			first := run(between)
			inner, err := s.Mark()
			must(t, err)
			end := run(Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}})
			for range 2 {
				must(t, inner.Rewind())
				if got := momentOf(t, s); got != first {
					rt.Errorf("rewound to\n%+v, marked\n%+v", got, first)
				}
				if got := run(Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}}); got != end {
					rt.Errorf("then ended as\n%+v, before\n%+v", got, end)
				}
			}
			inner.Drop()
			for range 2 {
				must(t, mark.Rewind())
				if got := momentOf(t, s); got != there {
					rt.Errorf("rewound to\n%+v, marked\n%+v", got, there)
				}
				if got := run(between); got != first {
					rt.Errorf("then came to\n%+v, before\n%+v", got, first)
				}
			}
		})
	})
}

func TestResults(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, work())
		if o := play(t, s, Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}}); o.Failed() {
			t.Fatal(o)
		}
		first := s.Results(0)
		if b, _ := s.m.CString(first[0], 16); b != "2" || first[1] != 0 || first[2] != 0 {
			t.Errorf("main's calls returned %d", first)
		}
		if r := s.Results(1); len(r) != 5 || r[0] == 0 || r[1] == 0 || r[3] != 0 || r[4] != uint64(1001) {
			t.Errorf("worker's calls returned %d", r)
		}
		first = slices.Clone(first)
		must(t, s.Restart())
		if o := play(t, s, Schedule{{Thread: 1, N: 0}, {Thread: 0, N: 0}}); o.Failed() {
			t.Fatal(o)
		}
		second := s.Results(0)
		if d, _ := s.m.CString(second[2], 16); d != "worker's" || second[2] == first[2] {
			t.Errorf("with worker first, main's getenv gives %q", d)
		}
	})
}

// Results that were asked for stay what they were, whatever runs after a rewind.
func TestResultsAreKept(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		plan := work()
		plan.Threads[0].Body = Calls{call("gettid"), call("gettid"), call("gettid"), call("getenv", Str("D"))}
		s := begin(t, sys, plan)
		for len(s.Results(0)) < 3 {
			_, err := s.Run(0, 1)
			must(t, err)
		}
		mark, err := s.Mark()
		must(t, err)
		defer mark.Drop()
		must(t, s.Play(Schedule{{Thread: 0, N: 0}}))
		first := s.Results(0)
		must(t, mark.Rewind())
		must(t, s.Play(Schedule{{Thread: 1, N: 0}, {Thread: 0, N: 0}}))
		if second := s.Results(0); len(first) != 4 || first[3] != 0 || len(second) != 4 || second[3] == 0 {
			t.Errorf("main's calls returned %#x without worker, %#x after it", first, second)
		}
	})
}

// Two sessions of a plan are equal; other schedules, seeds or plans are not.
func TestDigest(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		digests := map[string]string{}
		add := func(name string, plan *Plan, seed uint64, schedule Schedule) string {
			s, err := Start(sys, plan, seed)
			must(t, err)
			defer s.Close()
			must(t, s.Play(schedule))
			d := digest(t, s)
			for other, o := range digests {
				if o == d {
					t.Errorf("%s has the digest of %s", name, other)
				}
			}
			digests[name] = d
			return d
		}
		start := add("start", work(), 1, nil)
		forth := Schedule{{Thread: 0, N: 0}, {Thread: 1, N: 0}}
		end := add("main first", work(), 1, forth)
		add("worker first", work(), 1, Schedule{{Thread: 1, N: 0}, {Thread: 0, N: 0}})
		add("one instruction", work(), 1, Schedule{{Thread: 0, N: 1}})
		add("another one", work(), 1, Schedule{{Thread: 1, N: 1}})
		add("another seed", work(), 2, nil)
		other := work()
		other.Env[1] = "B=3"
		add("another value", other, 1, nil)
		if len(start) != len("sha256:")+64 || !strings.HasPrefix(start, "sha256:") {
			t.Errorf("digest %q", start)
		}

		again := begin(t, sys, work())
		if d := digest(t, again); d != start {
			t.Errorf("a second session starts at %s, not %s", d, start)
		}
		must(t, again.Play(forth))
		if d := digest(t, again); d != end {
			t.Errorf("a second session ends at %s, not %s", d, end)
		}
	})
}

func TestPlayErrors(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		s := begin(t, sys, runs(seven, sys.Arch))
		for _, c := range []struct {
			schedule Schedule
			err      string
		}{
			{Schedule{{Thread: 0, N: 1}, {Thread: 0, N: 1}}, ""},
			{Schedule{{Thread: 0, N: 2}}, ""},
			{Schedule{{Thread: 0, N: 0}}, ""},
			{Schedule{{Thread: 0, N: 3}}, ""}, // over in its last slice
			{Schedule{{Thread: 0, N: 3}, {Thread: 0, N: 1}}, "slice 1 (main 3): ran 2 instructions"},
			{Schedule{{Thread: 0, N: 2}, {Thread: 0, N: 1}, {Thread: 0, N: 0}}, "slice 2 (main 1): ran 0 instructions"},
		} {
			must(t, s.Restart())
			err := s.Play(c.schedule)
			if c.err == "" && err != nil || c.err != "" && (err == nil || err.Error() != c.err) {
				t.Errorf("%v: %v, want %q", c.schedule, err, c.err)
			}
		}

		blocked := begin(t, sys, locks())
		for len(blocked.Results(0)) == 0 {
			_, err := blocked.Run(0, 1)
			must(t, err)
		}
		lock := blocked.Steps()
		must(t, blocked.Restart())
		err := blocked.Play(Schedule{{Thread: 0, N: lock}, {Thread: 1, N: 100_000}, {Thread: 0, N: 0}, {Thread: 1, N: 0}})
		if err == nil || !strings.HasPrefix(err.Error(), "slice 2 (worker 100000): ran ") {
			t.Errorf("a slice of a thread that waits: %v", err)
		}
	})
}

// A call in the middle of the race that cannot be made is the plan's error.
func TestCallErrors(t *testing.T) {
	eachArch(t, func(t *testing.T, sys *emu.System) {
		long := strings.Repeat("x", textArea/2)
		for name, c := range map[string]struct {
			second Call
			want   string
		}{
			"no function":      {call("no_such_function"), `main calls no_such_function: no library of the process exports "no_such_function"`},
			"in a script":      {Call{Func: "no_such_function", Pos: "a.star:3:4"}, `a.star:3:4: main calls no_such_function: no library of the process exports "no_such_function"`},
			"no room":          {call("puts", Str(long)), "main calls puts: the texts and data of the thread's calls take more than 32768 bytes"},
			"no room for data": {Call{Place: []byte(long), Pos: "a.star:3:4"}, "a.star:3:4: main places data: the texts and data of the thread's calls take more than 32768 bytes"},
		} {
			s := begin(t, sys, &Plan{Threads: []Thread{{Main, Calls{call("getenv", Str(long)), c.second}}}})
			n, err := s.Run(0, 0)
			if err == nil || err.Error() != c.want || n == 0 {
				t.Errorf("%s: %v after %d instructions, want %s", name, err, n, c.want)
			}
		}
	})
}

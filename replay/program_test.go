package replay

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/emu"
	"emurace/internal/guestcode"
	"emurace/internal/testsystem"
	"emurace/scenario"
)

// programSample is a trace of a program with every field set.
func programSample() *Trace {
	t := sample()
	t.Format, t.Program = ProgramVersion, &Program{
		Path: "/usr/bin/app", Argv: []string{"app", "-x", "a b"}, Env: []string{"A=1", "B="}, Folder: "/tmp", Stdin: []byte{0, 255},
		Files: []Given{NewGiven("/usr/bin/app", "./app", []byte("text"))}, Folders: []Given{{Path: "/data", Host: "/home/me/data"}},
		Opened: []File{{Path: "/etc/app.conf", SHA256: "cc"}}, Expect: []string{"exit=3", "stdout=^a$"}, BootSteps: 9, BootDigest: "sha256:11",
	}
	return t
}

// What is written of a program is read as the same, and what no run has written is refused.
func TestProgramTrace(t *testing.T) {
	want := programSample()
	got, err := Decode(bytes.NewReader(encode(t, want)))
	must(t, err)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for i, change := range []func(*Trace){
		func(t *Trace) { t.Program = nil },
		func(t *Trace) { t.Format = FormatVersion },
		func(t *Trace) { t.Program.Path = "app" },
		func(t *Trace) { t.Program.Path = "/usr/../bin/app" },
		func(t *Trace) { t.Program.Folder = "" },
		func(t *Trace) { t.Program.Argv = nil },
		func(t *Trace) { t.Program.Argv[1] = "a\x00" },
		func(t *Trace) { t.Program.Env[0] = "A" },
		func(t *Trace) { t.Program.BootDigest = "" },
		func(t *Trace) { t.Program.Expect = []string{"exit=1000"} },
		func(t *Trace) { t.Program.Files[0].SHA256 = "" },
		func(t *Trace) { t.Program.Files[0].Host = "" },
		func(t *Trace) { t.Program.Folders[0].Path = "data" },
		func(t *Trace) { t.Program.Opened = make([]File, maxOpened+1) },
	} {
		trace := programSample()
		change(trace)
		if _, err := Decode(bytes.NewReader(encode(t, trace))); !errors.Is(err, ErrFormat) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if err := want.Program.Files[0].Check([]byte("text")); err != nil {
		t.Error(err)
	}
	if err := want.Program.Files[0].Check([]byte("Text")); !errors.Is(err, ErrOtherProgram) {
		t.Errorf("another file: %v", err)
	}
}

// TestProgramVerify: a recorded run of a program matches on another machine, and not when what
// it depends on is something else; the thread's call is told from its stack.
func TestProgramVerify(t *testing.T) {
	const source = `
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
static char *volatile text = "x";
static void *work(void *a) { text = 0; return a; }
int main(int argc, char **argv) {
	FILE *f = fopen("/data", "r");
	pthread_t t;
	if (!f || fgetc(f) == EOF || pthread_create(&t, 0, work, 0)) return 2;
	return strtol(text, 0, 10);
}`
	testsystem.Each(t, func(t *testing.T, sys *emu.System) {
		file := guestcode.Program(t, sys.Arch, source, "-O1")
		start := func(data string, args ...string) *scenario.Session {
			s, err := scenario.Start(sys, &scenario.Plan{
				Files: map[string][]byte{"/program": file, "/data": []byte(data)}, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
				Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
				Program: &scenario.Program{Path: "/program", Argv: append([]string{"program"}, args...)},
			}, 1)
			must(t, err)
			t.Cleanup(s.Close)
			return s
		}
		s := start("data", "b")
		recipe := Recipe{
			Scenario: &scenario.Scenario{Name: "program"}, Arch: sys.Arch, Seed: 1,
			Program: &Program{Path: "/program", Argv: []string{"program", "b"}, Folder: "/", Expect: []string{scenario.Expecting}},
		}
		trace, err := Record(s, recipe, scenario.Schedule{{Thread: 1}, {Thread: 0}})
		must(t, err)
		if trace.Format != ProgramVersion || trace.Outcome.Kind != scenario.Segv || trace.Program.BootSteps == 0 || recipe.Program.BootDigest != "" {
			t.Errorf("%+v, of %+v", trace, trace.Program)
		}
		trace, err = Decode(bytes.NewReader(encode(t, trace)))
		must(t, err)
		for _, c := range []struct {
			data    string
			args    []string
			differs string
		}{
			{"data", []string{"b"}, ""},
			{"Data", []string{"b"}, "/data is another file than when the trace was made"},
			{"data", []string{"a"}, "the process is not as in the trace when it makes its second thread"},
		} {
			v, err := Verify(start(c.data, c.args...), trace)
			must(t, err)
			if v.Match != (c.differs == "") || v.Difference != c.differs {
				t.Errorf("%q, %q: %q", c.data, c.args, v.Difference)
			}
		}
		v, err := Verify(s, trace)
		must(t, err)
		trace.Program.BootSteps++
		if w, err := Verify(s, trace); err != nil || w.Match || !strings.HasPrefix(w.Difference, "the program makes its second thread after ") {
			t.Errorf("another number of instructions: %+v, %v", w, err)
		}
		h, err := NewHistory(s, v.Schedule)
		must(t, err)
		x, err := Explain(h)
		must(t, err)
		if call := x.Threads[0].Call; call != "strtol(NULL, NULL, 10)" { // which goes on in another function by a jump
			t.Errorf("main is in %q", call)
		}
		if call := x.Threads[1].Call; call != "" {
			t.Errorf("%s, which has ended, is in %q", x.Threads[1].Name, call)
		}
	})
}

// crowd has many threads there at once, and before that others one after the other; of the late
// ones two add to a counter without a lock.
const crowd = `
#include <pthread.h>
#include <stdlib.h>
static volatile long n, total, sum;
static void *before(void *arg) { sum = sum + 1; return arg; }
static void *work(void *arg) {
	long i = (long)arg;
	if (i >= n - 2)
		total = total + 1;
	return arg;
}
int main(int argc, char **argv) {
	n = atol(argv[1]);
	pthread_t *t = calloc(n, sizeof *t);
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[0], NULL, before, NULL) || pthread_join(t[0], NULL))
			return 9;
	for (long i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, work, (void *)i))
			return 9;
	for (long i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	return sum != n || total != 2;
}`

// TestCrowdVerify: a run in which hundreds of threads have ended before hundreds of others are
// there matches on another machine, and its threads are who they were.
func TestCrowdVerify(t *testing.T) {
	testsystem.Each(t, func(t *testing.T, sys *emu.System) {
		n := 300
		if testing.Short() {
			n = 70
		}
		plan := &scenario.Plan{
			Files: map[string][]byte{"/program": guestcode.Program(t, sys.Arch, crowd, "-O1")}, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
			Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
			Program: &scenario.Program{Path: "/program", Argv: []string{"program", strconv.Itoa(n)}},
		}
		start := func() *scenario.Session {
			s, err := scenario.Start(sys, plan, 1)
			must(t, err)
			t.Cleanup(s.Close)
			return s
		}
		s := start()
		var names []string
		for i := 1; i <= 2*n; i++ {
			names = append(names, "main."+strconv.Itoa(i))
		}
		must(t, s.SetMade(names))
		// One after the other those that end at once, all the others made; the last but one
		// stands within its addition while the last one makes it.
		var schedule scenario.Schedule
		for i := 1; i <= n; i++ {
			schedule = append(schedule, scenario.Slice{Thread: 0}, scenario.Slice{Thread: i})
		}
		schedule = append(schedule, scenario.Slice{Thread: 0})
		play := func(list scenario.Schedule) {
			must(t, s.Restart())
			for _, sl := range list {
				_, err := s.RunSlice(sl)
				must(t, err)
			}
		}
		play(schedule)
		if got := s.Process().Made(); got != 2*n+1 {
			t.Fatalf("%d threads are made, want %d", got, 2*n+1)
		}
		first, last := 2*n-1, 2*n
		mark, err := s.Mark()
		must(t, err)
		var failing scenario.Schedule
		for k := uint64(1); failing == nil && k < 1000; k++ {
			must(t, mark.Rewind())
			list := append(slices.Clip(schedule), scenario.Slice{Thread: first, N: k}, scenario.Slice{Thread: last}, scenario.Slice{Thread: first})
			for i := n + 1; i < first; i++ {
				list = append(list, scenario.Slice{Thread: i}, scenario.Slice{Thread: 0})
			}
			for _, sl := range list[len(schedule):] {
				_, err := s.RunSlice(sl)
				must(t, err)
			}
			if o, over := s.Outcome(); over && o.Failed() && o.End.Code == 1 {
				failing = list
			} else if !over {
				t.Fatalf("with %d instructions the run is not over", k)
			}
		}
		if failing == nil {
			t.Fatal("no schedule fails")
		}
		recipe := Recipe{
			Scenario: &scenario.Scenario{Name: "program"}, Arch: sys.Arch, Seed: 1,
			Program: &Program{Path: "/program", Argv: plan.Program.Argv, Folder: "/", Expect: []string{scenario.Expecting}},
		}
		trace, err := Record(s, recipe, failing)
		must(t, err)
		trace, err = Decode(bytes.NewReader(encode(t, trace)))
		must(t, err)
		other := start()
		v, err := Verify(other, trace)
		must(t, err)
		if !v.Match || len(other.Made()) != 2*n {
			t.Fatalf("%q, %d threads", v.Difference, len(other.Made()))
		}
		for i := 1; i <= 2*n; i++ {
			m := other.MachineThread(i)
			if name := other.Process().Thread(m).Name; name != names[i-1] || m != i {
				t.Errorf("thread %d is %s, number %d", i, name, m)
			}
		}
	})
}

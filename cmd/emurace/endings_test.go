package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"emurace/explore"
	"emurace/replay"
	"emurace/scenario"
)

// endsScenario: one thread ends the process and the other looks on, or what. declares.
const endsScenario = `
how = param("how", "exit", "what ends it", choices = ["exit", "abort", "raise", "none"])
expects = param("expects", "nothing", "what is declared", choices = ["nothing", "exit", "abort", "signal", "must"])
def ends(t):
    t.call("puts", "last words")
    t.call("fflush", None)
    if how == "exit":
        t.call("exit", 7)
    elif how == "abort":
        t.call("abort")
    elif how == "raise":
        t.call("raise", 15)
def looks(t):
    t.call("getpid")
thread("main", ends)
thread("other", looks)
if expects == "exit":
    may_end(exit = 7)
elif expects == "abort":
    may_end(abort = True)
elif expects == "signal":
    may_end(signal = 15)
elif expects == "must":
    must_end(exit = 7)
    must_end(signal = 15)
`

// TestEndings: the verdict, the text, the result object and the trace agree about how a
// process may end.
func TestEndings(t *testing.T) {
	for _, c := range []struct {
		how, expects, verdict, says string
		ended                       uint64
	}{
		{"exit", "nothing", "failing", "main exits with status 7", 0},
		{"exit", "exit", "clean", "the process ends with exit status 7, as the scenario expects", 1},
		{"exit", "abort", "failing", "it said: last words", 0},
		{"exit", "must", "clean", "note: no schedule ends with signal 15", 1},
		{"abort", "abort", "clean", "the process ends with an abort, as the scenario expects", 1},
		{"abort", "must", "failing", "main aborts in", 0},
		{"raise", "signal", "clean", "the process ends with signal 15, as the scenario expects", 1},
		{"raise", "exit", "failing", "main dies of SIGTERM in", 0},
		{"none", "exit", "clean", "note: no schedule ends with exit status 7", 0},
		{"none", "must", "failing", "the process has not ended, though it must: with exit status 7 or signal 15", 0},
	} {
		args := []string{"explore", "ends.star", "--set", "how=" + c.how, "--set", "expects=" + c.expects}
		code, stdout, stderr, _ := inProcess(t, t.Context(), "version")
		if code != exitOK {
			t.Fatalf("%d, %s%s", code, stdout, stderr)
		}
		if err := os.WriteFile("ends.star", []byte(endsScenario), 0o666); err != nil {
			t.Fatal(err)
		}
		want := exitOK
		if c.verdict == "failing" {
			want = exitFound
		}
		var out, errs bytes.Buffer
		if code := doMain(t.Context(), append([]string{"emurace"}, args...), &out, &errs); code != want || errs.Len() > 0 || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s, %s: exit code %d, %s%s, want %q", c.how, c.expects, code, &out, &errs, c.says)
		}
		out.Reset()
		doMain(t.Context(), append([]string{"emurace", "--json"}, args...), &out, &errs)
		var r struct {
			Verdict string
			Assumes []string
			Endings []struct {
				Kind      string
				Code      *int
				Signal    int
				Schedules uint64
			}
			Findings []struct{ Kind string }
		}
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		ended := uint64(0)
		for _, e := range r.Endings {
			ended += min(e.Schedules, 1)
			if (e.Kind == "exit") != (e.Code != nil) || (e.Kind == "signal") != (e.Signal != 0) {
				t.Errorf("%s, %s: %+v", c.how, c.expects, e)
			}
		}
		if r.Verdict != c.verdict || ended != c.ended || (r.Assumes != nil) != (c.verdict == "clean") || (len(r.Endings) > 0) != (c.expects != "nothing") {
			t.Errorf("%s, %s: %s", c.how, c.expects, &out)
		}
		if c.verdict != "failing" {
			// A run that ends as it may is one that a trace can be made of, and repeated.
			if err := os.WriteFile("run.star", []byte("run('other')\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			out.Reset()
			doMain(t.Context(), append(append([]string{"emurace"}, args...), "--script", "run.star", "-o", "ends.trace"), &out, &errs)
			out.Reset()
			code := doMain(t.Context(), []string{"emurace", "replay", "ends.trace"}, &out, &errs)
			if expected := strings.Contains(out.String(), ", as the scenario expects"); code != exitOK || !strings.Contains(out.String(), "MATCH") || expected != (c.ended > 0) || errs.Len() > 0 {
				t.Errorf("%s, %s: replay: exit code %d, %s%s", c.how, c.expects, code, &out, &errs)
			}
		}
		if testing.Short() && c.how == "exit" && c.expects == "exit" {
			return
		}
	}
}

// TestDoubts: what rests on a system call that emurace does not have is undecided and says
// why; what has happened without one is a failure.
func TestDoubts(t *testing.T) {
	const text = `
what = param("what", "missing", "what is met", choices = ["missing", "unused", "before"])
h = data(8)
routine = symbol("getpid")
def first(t):
    if what in ("missing", "unused"):
        return i32(t.call("syscall", 9999))
    t.call("pthread_create", h, None, routine, None)
    if what == "before":
        t.call("abort")
    return t.call("pthread_join", t.u64(h), None)
def second(t):
    t.call("getpid")
thread("main", first)
thread("other", second)
def fine(p):
    if what == "missing" and p.returned("main") == -1:
        fail("it does not work")
check(fine)
`
	for what, c := range map[string]struct {
		verdict string
		says    []string
		kind    string
	}{
		"missing": {"undecided", []string{
			"UNDECIDED: the process makes system calls that emurace does not have (syscall 9999 in syscall); of ",
			"with syscall 9999 in syscall of main, which on Linux need not be so: check: it does not work",
		}, "unknown-syscall"},
		"unused": {"undecided", []string{"(syscall 9999 in syscall)"}, "unknown-syscall"},
		"before": {"failing", []string{"main aborts in"}, ""},
	} {
		if testing.Short() && what != "missing" {
			continue
		}
		for _, search := range []string{"--strategy dpor", "--preemptions 1", "--schedules 20"} {
			inProcess(t, t.Context(), "version") // a folder of its own
			if err := os.WriteFile("doubts.star", []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"emurace", "explore", "doubts.star", "--keep-going", "--set", "what=" + what}, strings.Fields(search)...)
			var out, errs bytes.Buffer
			code := doMain(t.Context(), args, &out, &errs)
			if (code == exitFound) != (c.verdict == "failing") || errs.Len() > 0 {
				t.Errorf("%s, %s: exit code %d, %s%s", what, search, code, &out, &errs)
			}
			for _, says := range c.says {
				if !strings.Contains(out.String(), says) {
					t.Errorf("%s, %s: no %q in %s", what, search, says, &out)
				}
			}
			out.Reset()
			doMain(t.Context(), append(args, "--json"), &out, &errs)
			var r struct {
				Verdict  string
				Complete bool
				Because  []struct{ Kind, Name, Function string } `json:"undecided_because"`
			}
			if err := json.Unmarshal(out.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if r.Verdict != c.verdict || r.Complete && c.kind != "" || c.kind != "" && (len(r.Because) != 1 || r.Because[0].Kind != c.kind) {
				t.Errorf("%s, %s: %s", what, search, &out)
			}
		}
	}
}

// TestTotals: with --keep-going one failing schedule is told out of how many.
func TestTotals(t *testing.T) {
	inProcess(t, t.Context(), "version")
	text := `
w = data(8)
def puts(t):
    t.put_u64(w, 1)
def gets(t):
    return t.u64(w)
thread("main", gets)
thread("other", puts)
check(lambda p: "late" if p.returned("main") else None)
`
	if err := os.WriteFile("one.star", []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for flag, says := range map[string]string{"--keep-going": "FAILING: 1 of 2 schedules, ", "--keep-going=false": "FAILING at schedule 2, "} {
		var out, errs bytes.Buffer
		if code := doMain(t.Context(), []string{"emurace", "explore", "one.star", flag}, &out, &errs); code != exitFound || !strings.Contains(out.String(), says) {
			t.Errorf("%s: exit code %d, %s%s", flag, code, &out, &errs)
		}
	}
}

// TestFreedHint: a clean result of a race in which blocks are freed says what it has not
// looked for, and only then.
func TestFreedHint(t *testing.T) {
	inProcess(t, t.Context(), "version")
	text := `
frees = param("frees", "yes", "whether", choices = ["yes", "no"])
setup(lambda p: p.call("malloc", 40))
def works(t, block):
    if frees == "yes":
        t.call("free", block)
    t.call("free", None)
thread("main", works)
thread("other", lambda t: t.call("getpid"))
`
	if err := os.WriteFile("frees.star", []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags string
		hint  bool
	}{{"--set frees=yes", true}, {"--set frees=no", false}, {"--set frees=yes --detect use-after-free", false}} {
		var out, errs bytes.Buffer
		code := doMain(t.Context(), append([]string{"emurace", "explore", "frees.star"}, strings.Fields(c.flags)...), &out, &errs)
		if code != exitOK || strings.Contains(out.String(), "try --detect use-after-free") != c.hint {
			t.Errorf("%s: exit code %d, %s%s", c.flags, code, &out, &errs)
		}
	}
}

// No search of any test has a hole.
func init() {
	explore.OnHole = func(f explore.Finding) { panic(fmt.Sprintf("a search has missed %v: %v", f.Outcome, f.Schedule)) }
}

// TestHoleText: a failure that the search had missed is told as one, and as a fault of
// the search.
func TestHoleText(t *testing.T) {
	f := explore.Finding{Outcome: scenario.Outcome{Kind: scenario.Check, Thread: -1, Message: "lost"}, Preemptions: -1, Number: 6, Count: 1, Hole: true}
	o := &outcome{
		result: &explore.Result{Verdict: explore.Failing, Schedules: 6, Failing: 1, Findings: []explore.Finding{f}, SelfCheck: &explore.SelfCheck{Orders: 2, Drawn: 1}},
		first:  &replay.Explanation{Outcome: f.Outcome, Message: "lost"}, findings: make([]replay.Finding, 1),
	}
	var text bytes.Buffer
	o.printFailing(replay.NewPrinter(&text, false), "1 s")
	for _, want := range []string{
		"FAILING at schedule 6, 1 s: a check fails\n", "its proof has a hole. This one is of the 2 orders of the threads and 1 schedule drawn at any instruction",
		"fault of emurace: please report it", "it said: lost",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
}

// TestResultsReadWrongly: a check that asks for what there is not is told so at the line
// where it does, with what it may ask for.
func TestResultsReadWrongly(t *testing.T) {
	for body, want := range map[string]string{
		`p.results("nobody")`:       `results: no thread "nobody", only main, worker`,
		`p.returned("nobody")`:      `returned: no thread "nobody", only main, worker`,
		`p.results("main")[1]`:      "out of range",
		`p.returned("main") + None`: "unknown binary op",
		`p.returned()`:              "returned: got 0 arguments, want 1",
	} {
		inProcess(t, t.Context(), "version")
		text := "def works(t):\n    return t.call('getpid')\nthread('main', works)\nthread('worker', works)\ncheck(lambda p: " + body + ")\n"
		if err := os.WriteFile("wrong.star", []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		code := doMain(t.Context(), []string{"emurace", "explore", "wrong.star"}, &out, &errs)
		if code != exitUsage || !strings.HasPrefix(errs.String(), "emurace: wrong.star:5:") || !strings.Contains(errs.String(), want) ||
			!strings.Contains(errs.String(), "\nhint: a check sees what has happened so far: ") {
			t.Errorf("%s: exit code %d, %s%s", body, code, &out, &errs)
		}
	}
}

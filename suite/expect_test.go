package suite

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"emurace/scenario"
)

// TestExpectation: one of several, by libc and architecture.
func TestExpectation(t *testing.T) {
	clean, arm := scenario.Expected{Verdict: "clean", Libc: []string{"2.31", "2.36"}}, scenario.Expected{Verdict: "failing", Arch: "arm64"}
	sc := &scenario.Scenario{Name: "x", Expected: []scenario.Expected{clean, arm}}
	if got, err := Expectation(sc, "2.36", "amd64"); err != nil || !cmp.Equal(got, clean) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := Expectation(sc, "2.41", "arm64"); err != nil || !cmp.Equal(got, arm) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, system := range [][2]string{{"2.31", "arm64"}, {"2.41", "amd64"}} { // two, none
		if e, err := Expectation(sc, system[0], system[1]); err == nil {
			t.Errorf("%v: %+v", system, e)
		}
	}
}

var (
	right   = Shown{Verdict: "failing", Complete: true, Findings: []Found{{Kind: "segv"}, {Kind: "segv"}}}
	failing = scenario.Expected{Verdict: "failing", Kinds: []string{"segv"}}
)

func with(change func(*Shown)) Shown { s := right; change(&s); return s }

// TestDifferences: each part of a result that is not as expected is told.
func TestDifferences(t *testing.T) {
	drawn := failing
	drawn.Search = "--schedules=100 --seed 1"
	for _, c := range []struct {
		want scenario.Expected
		got  Shown
		code int
		told string // how the differences begin
	}{
		{failing, right, 1, ""},
		{failing, right, 0, "exit code: 0"},
		{failing, with(func(s *Shown) { s.Verdict = "clean" }), 1, "verdict: clean"},
		{failing, with(func(s *Shown) { s.Complete = false }), 1, "complete: false"},
		{failing, with(func(s *Shown) { s.Findings = nil }), 1, "kinds: []"},
		{failing, with(func(s *Shown) { s.Findings = append(slices.Clip(s.Findings), Found{Kind: "check"}) }), 1, "kinds: [check segv]"},
		{drawn, right, 1, ""}, // a limit may be enough for all
		{drawn, with(func(s *Shown) { s.Findings = nil }), 1, "kinds: []"},
		{drawn, with(func(s *Shown) { s.Complete = false }), 1, ""},
		{scenario.Expected{Verdict: "clean"}, Shown{Verdict: "clean", Complete: true}, 0, ""},
		{scenario.Expected{Verdict: "undecided", Search: "--time 1s"}, Shown{Verdict: "undecided"}, 0, ""},
	} {
		list := Differences(c.want, c.got, c.code)
		if told := strings.Join(list, "; "); c.told == "" && told != "" || !strings.HasPrefix(told, c.told) || len(list) > 1 {
			t.Errorf("%+v, %+v, %d: %q", c.want, c.got, c.code, told)
		}
	}
}

func TestPartial(t *testing.T) {
	for search, want := range map[string]bool{
		"": false, "--strategy dpor": false, "--strategy=bounded --preemptions 2": false, "--locks abstract --seed 3": false, "--keep-going": false,
		"--strategy surw": true, "--strategy=script": true, "--schedules 3": true, "--schedules=3": true, "--strategy dpor --time 3s": true, "--keep-going=false": true,
	} {
		if got := Partial(search); got != want {
			t.Errorf("%q: %v", search, got)
		}
	}
}

// TestJudge: a verdict that is not there is no difference, and a difference is one also when the
// time was up.
func TestJudge(t *testing.T) {
	const budget = 10 * time.Second
	cut := func(verdict string, kinds ...string) Shown {
		s := Shown{Verdict: verdict, Elapsed: 10.5, Schedules: 77}
		for _, k := range kinds {
			s.Findings = append(s.Findings, Found{Kind: k})
		}
		return s
	}
	two := scenario.Expected{Verdict: "failing", Kinds: []string{"check", "segv"}}
	clean := scenario.Expected{Verdict: "clean"}
	proof := Shown{Verdict: "clean", Complete: true}
	for _, c := range []struct {
		want   *scenario.Expected
		about  int // expectations for the system, with others
		got    Shown
		code   int
		status Status
		says   string
	}{
		{&failing, 1, right, 1, OK, ""},
		{&clean, 1, proof, 0, OK, ""},
		{&clean, 1, right, 1, Differs, "failing (segv), expected clean"},
		{&failing, 1, proof, 0, Differs, "clean, expected failing (segv)"},
		{&two, 1, right, 1, Differs, "failing (segv), expected failing (check segv)"},
		{&clean, 1, cut("undecided"), 0, UndecidedTest, "expected clean: the time of 10s was up after 77 schedules"},
		{&failing, 1, cut("undecided"), 0, UndecidedTest, "expected failing (segv): the time of 10s"},
		{&failing, 1, cut("failing", "segv"), 1, OK, ""},
		{&two, 1, cut("failing", "segv"), 1, UndecidedTest, "expected failing (check segv): the time"},
		{&two, 1, cut("failing", "abort"), 1, Differs, "failing (abort), expected failing (check segv)"},
		{&clean, 1, cut("failing", "segv"), 1, Differs, "failing (segv), expected clean"},
		{&clean, 1, Shown{Verdict: "undecided", Doubts: []Doubt{{Kind: "unknown-syscall", Name: "inotify_init1", Function: "inotify_init"}}}, 0, UndecidedTest, "expected clean: unknown-syscall inotify_init1 in inotify_init"},
		{&scenario.Expected{Verdict: "undecided"}, 1, proof, 0, Differs, "clean, expected undecided"},
		{&failing, 1, with(func(s *Shown) { s.Complete = false }), 1, Differs, "complete: false"},
		{nil, 0, right, 1, Differs, "failing (segv), and no expectation is about this system"},
		{nil, 2, proof, 0, Differs, "clean, and 2 expectations are about this system"},
	} {
		r := Result{Test: Test{Declared: 3, Want: c.want, About: c.about}, Got: &c.got}
		r.Judge(c.code, budget)
		if r.Status != c.status || !strings.HasPrefix(strings.Join(r.Reasons, "; "), c.says) || (c.says == "") != (len(r.Reasons) == 0) {
			t.Errorf("%+v, %+v: %s, %q", c.want, c.got, r.Status, r.Reasons)
		}
	}
	// Nothing is expected: only what fails is wrong.
	for _, got := range []Shown{proof, cut("undecided"), right} {
		r := Result{Got: &got}
		if r.Judge(0, budget); (r.Status == OK) != (got.Verdict != Failing) {
			t.Errorf("%+v: %s, %q", got, r.Status, r.Reasons)
		}
		// A proof may be asked for all the same.
		if r.RequireProof(); (r.Status == UndecidedTest) != (got.Verdict == Undecided) || (r.Status == OK) != (got.Verdict == Clean) {
			t.Errorf("%+v: %s, %q", got, r.Status, r.Reasons)
		}
	}
}

// TestCode: which of several reasons an exit code tells.
func TestCode(t *testing.T) {
	ok, differs, undecided := Result{Status: OK}, Result{Status: Differs}, Result{Status: UndecidedTest}
	script, surroundings := Result{Status: Error, Code: 2}, Result{Status: Error, Code: 3}
	for _, c := range []struct {
		list []Result
		code int
		text string
	}{
		{nil, 0, "0 ok; 0 tests"},
		{[]Result{ok, ok}, 0, "2 ok; 2 tests"},
		{[]Result{ok, undecided}, 5, "1 ok, 1 undecided; 2 tests"},
		{[]Result{script, undecided}, 2, "0 ok, 1 undecided, 1 with an error; 2 tests"},
		{[]Result{surroundings, script}, 3, "0 ok, 2 with an error; 2 tests"},
		{[]Result{surroundings, differs, script}, 1, "0 ok, 1 differ, 2 with an error; 3 tests"},
		{[]Result{{Status: Error, Code: 77}}, 3, "0 ok, 1 with an error; 1 test"},
	} {
		slices.Reverse(c.list) // it does not depend on the order
		if got := Code(c.list); got != c.code {
			t.Errorf("%+v: %d, want %d", c.list, got, c.code)
		}
		if got := Summarize(c.list, len(c.list)).String(); got != c.text {
			t.Errorf("%q, want %q", got, c.text)
		}
	}
	if got := Summarize([]Result{ok}, 3).String(); got != "1 ok, 2 not run; 3 tests" {
		t.Error(got)
	}
}

// TestContradicts: a result is held against an expectation only where the searches allow it.
func TestContradicts(t *testing.T) {
	whole := Search{Bound: -1, KeepGoing: true, Timeouts: "any"}
	bound := func(n int) Search { s := whole; s.Bound = n; return s }
	first := whole
	first.KeepGoing = false
	other := func(change func(*Search)) Search { s := whole; change(&s); return s }
	clean, two := scenario.Expected{Verdict: "clean"}, scenario.Expected{Verdict: "failing", Kinds: []string{"check", "segv"}}
	proof, lottery := Shown{Verdict: "clean", Complete: true}, Shown{Verdict: "undecided"}
	for i, c := range []struct {
		want     scenario.Expected
		was, how Search
		got      Shown
		says     string
	}{
		{clean, whole, whole, right, "clean is expected, and schedules fail: segv"},
		{clean, whole, bound(1), right, "clean is expected"},
		{clean, bound(1), whole, right, ""}, // it may take two preemptions
		{clean, bound(2), bound(1), right, "clean is expected"},
		{clean, whole, whole, lottery, ""},
		{clean, whole, whole, proof, ""},
		{failing, whole, whole, proof, "failing (segv) is expected, and no schedule fails"},
		{failing, whole, bound(0), proof, ""},
		{failing, bound(1), bound(2), proof, "failing (segv) is expected"},
		{failing, whole, whole, lottery, ""},
		{failing, whole, first, right, ""},
		{two, whole, first, with(func(s *Shown) { s.Complete = false }), ""},
		{two, whole, whole, right, "failing (check segv) is expected, and no schedule fails so: check"},
		{scenario.Expected{Verdict: "failing", Kinds: []string{"check"}}, whole, first, right, "failing (check) is expected, and schedules fail in another way: segv"},
		{scenario.Expected{Verdict: "failing", Kinds: []string{"check"}}, other(func(s *Search) { s.Partial = true }), first, right, ""},
		{scenario.Expected{Verdict: "undecided"}, whole, whole, right, "undecided is expected, and schedules fail"},
		{clean, whole, other(func(s *Search) { s.Settings = []string{"n=2"} }), right, ""},
		{clean, whole, other(func(s *Search) { s.Detect = []string{"data-race"} }), right, ""},
		{clean, whole, other(func(s *Search) { s.Timeouts = "idle" }), right, ""},
		{clean, whole, other(func(s *Search) { s.Memory = 1 }), right, ""},
		{clean, whole, other(func(s *Search) { s.Model = "arm" }), right, ""},
	} {
		got := strings.Join(Contradicts(c.want, c.was, c.got, c.how), "; ")
		if (got == "") != (c.says == "") || !strings.HasPrefix(got, c.says) {
			t.Errorf("%d: %q, want %q", i, got, c.says)
		}
	}
}

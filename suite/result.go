package suite

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"emurace/scenario"
)

// Status is how a test has ended.
type Status string

// The statuses. UndecidedTest is that of a search without a verdict where one is expected.
const (
	OK            Status = "ok"
	Differs       Status = "differs"
	UndecidedTest Status = "undecided"
	Error         Status = "error"
)

// Line is the status as it stands in front of a test's line: what needs a look is in capitals.
func (s Status) Line() string {
	if s == OK {
		return string(s)
	}
	return strings.ToUpper(string(s))
}

// System is a libc for an architecture.
type System struct {
	Sysroot string // as --sysroot names it
	Arch    string
	Version string // of its libc, as expect has it
}

// Test is a scenario on a system.
type Test struct {
	Name string // of a scenario that ships, or its file as it was named
	File string // its file; "" of one that ships
	System
	Declared int                // how many expectations the scenario has
	Want     *scenario.Expected // nil when none, or several, are about the system
	About    int                // how many are
	Line     int                // of the file: of that expectation, 1 where there is none
}

// Result is what has become of a test.
type Result struct {
	Test
	Status Status
	// Reasons say what differs, why it is undecided, or what the error is, a line each.
	Reasons []string
	Hint    string // of an error
	Code    int    // of an error: the exit code of the search's command
	Got     *Shown // nil when there is no result
	Took    time.Duration
	Command string // that shows it
	Trace   string // of a failure that was not expected, where it was kept
	Known   []Known
}

// Known is a problem that a search has met and not counted, as one that is known.
type Known struct {
	Kind      string `json:"kind"`
	By        string `json:"by"`   // baseline or suppression
	Text      string `json:"text"` // the line that says so
	Schedules uint64 `json:"schedules"`
}

// Judge compares what a search has shown, with the exit code of its command, with what is
// expected. A budget of time that is above 0 is said to have ended a search that took so long
// and is not complete: then what it has not found says nothing.
func (r *Result) Judge(code int, budget time.Duration) {
	r.Status, r.Reasons = r.judge(code, budget)
}

// RequireProof makes a test undecided in which nothing fails and that is no proof, also where
// nothing else was expected.
func (r *Result) RequireProof() {
	if r.Status == OK && r.Got.Verdict != Failing && !r.Got.Complete {
		r.Status, r.Reasons = UndecidedTest, []string{"a proof is asked for: " + r.Got.why(false, 0)}
	}
}

func (r *Result) judge(code int, budget time.Duration) (Status, []string) {
	got := r.Got
	timeUp := budget > 0 && !got.Complete && got.Elapsed >= budget.Seconds()
	seen := Text(got.Verdict, got.Kinds())
	switch {
	case r.Want == nil && r.About > 1:
		return Differs, []string{fmt.Sprintf("%s, and %d expectations are about this system; one is to be", seen, r.About)}
	case r.Want == nil && r.Declared > 0:
		return Differs, []string{fmt.Sprintf("%s, and no expectation is about this system; the scenario has some for others", seen)}
	case r.Want == nil && got.Verdict == Failing:
		return Differs, []string{seen + ", and the scenario expects nothing: then no schedule may fail"}
	case r.Want == nil:
		return OK, nil
	}
	want := *r.Want
	list := Differences(want, *got, code)
	switch {
	case len(list) == 0:
		return OK, nil
	case got.Verdict == Undecided:
		return UndecidedTest, []string{fmt.Sprintf("expected %s: %s", Text(want.Verdict, want.Kinds), got.why(timeUp, budget))}
	case got.Verdict == want.Verdict && timeUp:
		// It has been cut short: the kinds so far have to be expected ones.
		missing := len(want.Kinds) - len(got.Kinds())
		if slices.ContainsFunc(got.Kinds(), func(k string) bool { return !slices.Contains(want.Kinds, k) }) {
			break
		}
		if missing == 0 {
			return OK, nil
		}
		return UndecidedTest, []string{fmt.Sprintf("expected %s: %s", Text(want.Verdict, want.Kinds), got.why(timeUp, budget))}
	}
	if verdict := Text(want.Verdict, want.Kinds); verdict != seen {
		return Differs, []string{seen + ", expected " + verdict}
	}
	return Differs, list
}

// why says why a search has no verdict.
func (s *Shown) why(timeUp bool, budget time.Duration) string {
	var parts []string
	for _, d := range s.Doubts {
		text := d.Kind
		if d.Name != "" {
			text += " " + d.Name
		}
		if d.Function != "" {
			text += " in " + d.Function
		}
		parts = append(parts, text)
	}
	after := count(int(min(s.Schedules, 1<<62)), "schedule")
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case timeUp:
		return fmt.Sprintf("the time of %v was up after %s", budget, after)
	}
	return "the search ended after " + after + " without covering all"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Summary counts results.
type Summary struct {
	OK, Differ, Undecided, Errors int
	NotRun                        int // tests that were not come to
}

// Summarize counts the results of a list of so many tests.
func Summarize(results []Result, tests int) Summary {
	s := Summary{NotRun: tests - len(results)}
	for i := range results {
		switch results[i].Status {
		case OK:
			s.OK++
		case Differs:
			s.Differ++
		case UndecidedTest:
			s.Undecided++
		default:
			s.Errors++
		}
	}
	return s
}

// String is the last line of a report.
func (s Summary) String() string {
	text := fmt.Sprintf("%d ok", s.OK)
	for _, part := range []struct {
		n    int
		what string
	}{{s.Differ, "differ"}, {s.Undecided, "undecided"}, {s.Errors, "with an error"}, {s.NotRun, "not run"}} {
		if part.n > 0 {
			text += fmt.Sprintf(", %d %s", part.n, part.what)
		}
	}
	return fmt.Sprintf("%s; %s", text, count(s.OK+s.Differ+s.Undecided+s.Errors+s.NotRun, "test"))
}

// Exit codes of errors of a test, which are those of the search's command.
const (
	codeUsage       = 2
	codeEnvironment = 3
)

// Code is the exit code for results: 1 when one differs, which stands whatever becomes of the
// others; else 2 or 3 when one has come to an error, 3 before 2; else 5 when one is
// undecided; else 0.
func Code(results []Result) int {
	code := 0
	rank := func(c int) int { return slices.Index([]int{0, 5, codeUsage, codeEnvironment, 1}, c) }
	for i := range results {
		one := 0
		switch r := &results[i]; r.Status {
		case OK:
		case Differs:
			one = 1
		case UndecidedTest:
			one = 5
		case Error:
			if one = codeEnvironment; r.Code == codeUsage {
				one = codeUsage
			}
		}
		if rank(one) > rank(code) {
			code = one
		}
	}
	return code
}

package suite

import (
	"fmt"
	"slices"
	"strings"

	"emurace/scenario"
)

// Search is what is searched, as far as it decides whether a result can say something of an
// expectation that was written down for another search.
type Search struct {
	Settings  []string // NAME=VALUE of each parameter
	Detect    []string
	Timeouts  string
	Memory    uint64
	Model     string // of memory; "sc" where none was asked for
	Bound     int    // of preemptions, -1 for none
	KeepGoing bool
	Partial   bool // it ends before it has covered all
}

// Contradicts says in what a result of one search contradicts an expectation of another one,
// a line each; none where the two only have not been compared, as when a search that draws has
// not found what is expected. Was is the search of the expectation.
func Contradicts(want scenario.Expected, was Search, got Shown, how Search) []string {
	if !slices.Equal(how.Settings, was.Settings) || !slices.Equal(how.Detect, was.Detect) || how.Timeouts != was.Timeouts || how.Memory != was.Memory || how.Model != was.Model {
		return nil
	}
	// What fails within a bound of preemptions fails without one, and not the other way round.
	within := was.Bound < 0 || how.Bound >= 0 && how.Bound <= was.Bound
	covers := how.Bound < 0 || was.Bound >= 0 && was.Bound <= how.Bound
	kinds := got.Kinds()
	about := func(text string) []string {
		return []string{fmt.Sprintf("%s is expected, and %s", Text(want.Verdict, want.Kinds), text)}
	}
	switch {
	case got.Verdict == Failing && want.Verdict != Failing && within:
		return about("schedules fail: " + strings.Join(kinds, " "))
	case got.Verdict == Clean && want.Verdict == Failing && covers:
		return about("no schedule fails")
	case got.Verdict != Failing || want.Verdict != Failing:
		return nil
	}
	if others := without(kinds, want.Kinds); len(others) > 0 && within && !was.Partial && len(want.Kinds) > 0 {
		return about("schedules fail in another way: " + strings.Join(others, " "))
	}
	if missing := without(want.Kinds, kinds); len(missing) > 0 && got.Complete && how.KeepGoing && covers {
		return about("no schedule fails so: " + strings.Join(missing, " "))
	}
	return nil
}

// without is a list less what is in another one.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(k string) bool { return slices.Contains(others, k) })
}

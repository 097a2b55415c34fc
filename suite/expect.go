package suite

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"emurace/scenario"
)

// The verdicts, as expect and the result object have them.
const (
	Failing   = "failing"
	Clean     = "clean"
	Undecided = "undecided"
)

// Shown is what a search's result object says, as far as an expectation is about it or a
// report tells it. The fields are those of docs/result.md.
type Shown struct {
	Scenario    string  `json:"scenario"`
	Arch        string  `json:"arch"`
	Libc        Libc    `json:"libc"`
	Strategy    string  `json:"strategy"`
	Preemptions *int    `json:"preemptions"`
	Verdict     string  `json:"verdict"`
	Complete    bool    `json:"complete"`
	Interrupted bool    `json:"interrupted"`
	Schedules   uint64  `json:"schedules"`
	Failing     uint64  `json:"failing"`
	Elapsed     float64 `json:"elapsed_s"` // seconds
	Doubts      []Doubt `json:"undecided_because"`
	Findings    []Found `json:"findings"`
}

// Libc is the C library of a result.
type Libc struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Source  string `json:"source"`
}

// Doubt is why a result is undecided.
type Doubt struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Function string `json:"function"`
}

// Found is a finding: its kind, and where it is.
type Found struct {
	Kind     string  `json:"kind"`
	Thread   string  `json:"thread"`
	Function string  `json:"function"`
	Offset   *uint64 `json:"offset"`
	Source   string  `json:"source"` // FILE:LINE
	Message  string  `json:"message"`
	Count    uint64  `json:"count"`
	Trace    string  `json:"trace"`
}

// Kinds are the kinds of the findings, each once and in order.
func (s *Shown) Kinds() []string {
	kinds := map[string]bool{}
	for _, f := range s.Findings {
		kinds[f.Kind] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

// About are the expectations that are about a version of a libc and an architecture: one,
// where a scenario says what it shows there.
func About(list []scenario.Expected, version, arch string) (about []scenario.Expected) {
	for _, e := range list {
		if covers(e, version, arch) {
			about = append(about, e)
		}
	}
	return about
}

func covers(e scenario.Expected, version, arch string) bool {
	return (len(e.Libc) == 0 || slices.Contains(e.Libc, version)) && (e.Arch == "" || e.Arch == arch)
}

// Expectation is what a scenario says of a libc and an architecture; an error
// unless it says exactly one thing.
func Expectation(sc *scenario.Scenario, version, arch string) (scenario.Expected, error) {
	found := About(sc.Expected, version, arch)
	if len(found) != 1 {
		return scenario.Expected{}, fmt.Errorf("%s: glibc %s on %s: %d expectations", sc.Name, version, arch, len(found))
	}
	return found[0], nil
}

// Text is a verdict with the kinds of failures behind it, as in "failing (check segv)".
func Text(verdict string, kinds []string) string {
	if len(kinds) == 0 {
		return verdict
	}
	return verdict + " (" + strings.Join(kinds, " ") + ")"
}

// Differences is what of a result, and of the exit code of the command that has printed it,
// is not as expected.
func Differences(want scenario.Expected, got Shown, code int) []string {
	var list []string
	differ := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			list = append(list, fmt.Sprintf("%s: %v, expected %v", what, got, want))
		}
	}
	differ("verdict", got.Verdict, want.Verdict)
	if !Partial(want.Search) {
		differ("complete", got.Complete, want.Verdict != Undecided)
	}
	differ("kinds", got.Kinds(), slices.Sorted(slices.Values(want.Kinds)))
	exit := 0
	if want.Verdict == Failing {
		exit = 1
	}
	differ("exit code", code, exit)
	return list
}

// Partial tells whether a search, by its flags, may end before it has covered all.
func Partial(search string) bool {
	words := strings.Fields(search)
	for i, flag := range words {
		name, value, given := strings.Cut(flag, "=")
		switch {
		case name == "--schedules", name == "--time", flag == "--keep-going=false":
			return true
		case name == "--strategy":
			if !given && i+1 < len(words) {
				value = words[i+1]
			}
			if value != "dpor" && value != "bounded" { // others draw, or do as a script says
				return true
			}
		}
	}
	return false
}

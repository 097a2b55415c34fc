package scenario

import (
	"fmt"
	"slices"
	"strings"

	"emurace/explore/target"
)

// Scenario is a recipe for a race.
type Scenario struct {
	Name    string
	Summary string // one line
	Params  []Param
	// Build makes the plan for checked values.
	Build func(Values) (*Plan, error)
	// Notes are what there is to know of the scenario that no run of it shows,
	// such as where it happened and what avoids it.
	Notes []Note
	// Doc says what the scenario shows, in paragraphs of Markdown.
	Doc string
	// Expected is what searches of it are known to show.
	Expected []Expected
	// End is the one that searches look for, nil for any failure. No run looks at it.
	End *target.End
	// Packages are those of Debian that it needs beside libc's. One that is called otherwise in other
	// suites has its names with commas between them.
	Packages []string
	// Source is what the scenario is made of, to be kept in traces of it.
	Source []File
}

// File is a text with its name.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Expected is what a search of a scenario shows with some builds of libc: what is
// written down about the scenario, for its readers and for tests. No search looks
// at it.
type Expected struct {
	Verdict string   // failing, clean or undecided
	Kinds   []string // of failures, such as segv; any when empty
	Libc    []string // versions, such as 2.36; all when empty
	Arch    string   // "" for every one
	Search  string   // the search's flags, such as "--preemptions 1"; "" for the default
	Why     string   // "" where the scenario's description says it
}

// Note is something to know, with the sentences that tell it.
type Note struct {
	Title string
	Text  []string
}

// Param is a parameter of a scenario, set with --set NAME=VALUE.
type Param struct {
	Name, Default, Help string
	// Values says what it can be, such as "2 to 4096"; "" for any text.
	Values string
	// Tunable is the glibc tunable without which the parameter changes nothing, "" for none.
	Tunable string
	// Check says what is wrong with a value, nil when nothing is.
	Check func(string) error
}

// Values are a scenario's parameters, every one set.
type Values map[string]string

// Settle checks the given settings, NAME=VALUE each, against the parameters and
// fills in the defaults.
func (s *Scenario) Settle(settings []string) (Values, error) {
	v := Values{}
	for _, p := range s.Params {
		v[p.Name] = p.Default
	}
	for _, setting := range settings {
		name, value, found := strings.Cut(setting, "=")
		i := slices.IndexFunc(s.Params, func(p Param) bool { return p.Name == name })
		switch {
		case !found:
			return nil, fmt.Errorf("setting %q: not NAME=VALUE", setting)
		case i < 0:
			return nil, fmt.Errorf("setting %q: %s has no parameter %q, %s", setting, s.Name, name, s.known())
		}
		if check := s.Params[i].Check; check != nil {
			if err := check(value); err != nil {
				return nil, fmt.Errorf("setting %q: %w", setting, err)
			}
		}
		if strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("setting %q: holds a NUL", name)
		}
		v[name] = value
	}
	return v, nil
}

// known says which parameters there are.
func (s *Scenario) known() string {
	if len(s.Params) == 0 {
		return "and none at all"
	}
	var names []string
	for _, p := range s.Params {
		names = append(names, p.Name)
	}
	return "only " + strings.Join(names, ", ")
}

// Settings are the values as NAME=VALUE, in the order of the parameters.
func (s *Scenario) Settings(v Values) []string {
	out := []string{}
	for _, p := range s.Params {
		out = append(out, p.Name+"="+v[p.Name])
	}
	return out
}

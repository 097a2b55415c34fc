package scenario

import (
	"fmt"
	"slices"
	"strings"

	"emurace/emu"
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
}

// Note is something to know, with the sentences that tell it.
type Note struct {
	Title string
	Text  []string
}

// Param is a parameter of a scenario, set with --set NAME=VALUE.
type Param struct {
	Name, Default, Help string
	// Check says what is wrong with a value, nil when nothing is.
	Check func(string) error
}

// Values are a scenario's parameters, every one set.
type Values map[string]string

// Plan is a scenario whose parameters are settled.
type Plan struct {
	Env  []string // the process's environment, NAME=value
	Libs []string // libraries beside libc, by DT_NEEDED name or absolute path
	// Files are read-only files of the process beside the sysroot's, or in their
	// place; see emu.Options.Files.
	Files   map[string][]byte
	Setup   func(*Setup) error
	Threads []Thread
	// Check, if set, judges what the calls returned when every thread has made
	// all of its own: results[i] are those of thread i, in order, and read
	// returns the string of the guest at an address, false when there is none.
	// An error makes the run fail with its message. It must be a pure function
	// of what it is given.
	Check func(results [][]uint64, read func(addr uint64) (string, bool)) error
}

// Thread is one racing thread. The thread called "main" is the process's first;
// every other one is made with the guest's pthread_create before Setup runs.
type Thread struct {
	Name string
	Body Body
}

// Main is the name of the process's first thread.
const Main = "main"

// Body is what a racing thread does: calls, each decided by what the calls
// before it returned. It must be a pure function of those results, because
// after a rewind it is asked again.
type Body interface {
	// Next is the call to make after the given results, or false at the end.
	Next(results []uint64) (Call, bool)
}

// Calls is a Body that makes the same calls whatever they return.
type Calls []Call

// Next is the call number len(results).
func (c Calls) Next(results []uint64) (Call, bool) {
	if len(results) >= len(c) {
		return Call{}, false
	}
	return c[len(results)], true
}

// Call is a call of a function that a loaded library exports, or of code at an
// address.
type Call struct {
	Func string // what a library exports; with Addr only a name to show
	Addr uint64 // where the code is; 0 looks Func up
	Args []Arg
}

// Arg is an argument: a number or address, or a string whose address is passed.
type Arg struct {
	Value uint64
	Text  string
	IsStr bool
}

// Int is a number or an address as an argument.
func Int(v uint64) Arg { return Arg{Value: v} }

// Str is a string argument; it lies in the program's static data.
func Str(s string) Arg { return Arg{Text: s, IsStr: true} }

// String writes the call as in C.
func (c Call) String() string {
	var args []string
	for _, a := range c.Args {
		switch {
		case a.IsStr:
			args = append(args, fmt.Sprintf("%q", a.Text))
		case a.Value < 4096:
			args = append(args, fmt.Sprint(a.Value))
		default:
			args = append(args, fmt.Sprintf("%#x", a.Value))
		}
	}
	return emu.FormatCall(c.Func, args...)
}

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
			return nil, fmt.Errorf("setting %q: %s has no parameter %q, only %s", setting, s.Name, name, strings.Join(s.paramNames(), ", "))
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

func (s *Scenario) paramNames() []string {
	var names []string
	for _, p := range s.Params {
		names = append(names, p.Name)
	}
	return names
}

// Settings are the values as NAME=VALUE, in the order of the parameters.
func (s *Scenario) Settings(v Values) []string {
	var out []string
	for _, p := range s.Params {
		out = append(out, p.Name+"="+v[p.Name])
	}
	return out
}

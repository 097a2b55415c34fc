package scenariolang

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// ErrNone is the error of a file that declares no scenario, but perhaps a program.
var ErrNone = errors.New("it declares no scenario: no thread(name, function)")

// Host is what files are run with beside their settings.
type Host struct {
	// Locals makes what functions of other packages, that the file may use too, find
	// on a run of it; nil for none.
	Locals func() map[string]any
	// Library finds the library of a name as `lib("./libmine.so")` has it, a path below the
	// file's folder without the dot in front: it first, and then those that it needs and that
	// lie beside it. With nil no file has any.
	Library func(name string) ([]scenario.Library, error)
	// Print shows what a file prints; nil drops it.
	Print func(pos, text string)
}

// Scenario reads a program that was compiled with Names, and makes a scenario of
// what it declares; ErrNone when that is none. The file is run with the defaults of
// its parameters to see what there is, and anew for every plan.
func Scenario(program *sandbox.Program, host Host) (*scenario.Scenario, error) {
	p, err := read(program, host, nil)
	if err != nil {
		return nil, err
	}
	r := p.plan
	if !r.declared() {
		return nil, ErrNone
	}
	sc := r.sc
	sc.Name = strings.TrimSuffix(program.Name, ".star")
	sc.Summary, sc.Doc = split(sandbox.Printable(program.Doc))
	if len(r.threads) == 0 {
		return nil, noThreads(program)
	}
	for i := range sc.Params {
		sc.Params[i].Check = p.checkParam(sc.Params[i])
	}
	sc.Build = func(v scenario.Values) (*scenario.Plan, error) {
		p, err := read(program, host, v)
		if err != nil {
			return nil, err
		}
		if len(p.plan.threads) == 0 {
			return nil, noThreads(program)
		}
		return p.newPlan()
	}
	return &sc, nil
}

func noThreads(program *sandbox.Program) error {
	return &sandbox.Error{Msg: program.Name + ": no threads race: declare them with thread(name, function)"}
}

// NewLocals is what a run of a file needs that uses the names of this package, when
// nobody asks what scenario it declares.
func NewLocals() map[string]any { return map[string]any{local: newReading(nil)} }

// noLibrary is Host.Library where there is no file.
func noLibrary(string) ([]scenario.Library, error) {
	return nil, errors.New("only a scenario in a file of your own has libraries of your own, beside the file")
}

func newReading(settings scenario.Values) *reading {
	return &reading{settings: settings, values: map[string]starlark.Value{}, files: map[string][]byte{}}
}

// read runs a file with settings.
func read(program *sandbox.Program, host Host, settings scenario.Values) (*process, error) {
	r := newReading(settings)
	r.library = host.Library
	if r.library == nil {
		r.library = noLibrary
	}
	locals := map[string]any{}
	if host.Locals != nil {
		maps.Copy(locals, host.Locals())
	}
	locals[local] = r
	p := &process{program: program, host: sandbox.Host{Locals: locals, Print: host.Print}, plan: r}
	globals, err := program.Run(p.host)
	r.over = true
	if err != nil {
		return nil, err
	}
	NameData(globals)
	if r.program != nil && (r.declared() || len(r.files) > 0 || r.lazy || r.noLSE) {
		return nil, program.ErrorAt(r.program.pos, errors.New("program: it does by itself what it does, and this file declares a scenario too: a thread, a check, a parameter or the like"))
	}
	if r.mustEnd != "" && len(r.checks) > 0 {
		return nil, program.ErrorAt(r.mustEnd, fmt.Errorf("must_end: %s would never run: a check is of a process that goes on when every thread has made its calls; may_end lets it, and after_call checks before", r.checks[0].Name()))
	}
	functions := slices.Concat(r.setup, r.checks, r.after)
	for _, t := range r.threads {
		functions = append(functions, t.fn)
	}
	for _, param := range r.params {
		if param.check != nil {
			functions = append(functions, param.check)
		}
	}
	for _, fn := range functions {
		if err := sandbox.Freeze(fn); err != nil {
			return nil, p.blame(fn, fmt.Errorf("%s: what it keeps is %w", fn.Name(), err))
		}
	}
	return p, nil
}

// split takes a file's text about itself apart: the first line, and the rest with
// the indentation that all of its lines share taken off.
func split(doc string) (summary, rest string) {
	summary, rest, _ = strings.Cut(strings.TrimSpace(doc), "\n")
	lines := strings.Split(strings.Trim(rest, "\n"), "\n")
	indent := -1
	for _, l := range lines {
		if text := strings.TrimLeft(l, " "); text != "" && (indent < 0 || len(l)-len(text) < indent) {
			indent = len(l) - len(text)
		}
	}
	for i, l := range lines {
		lines[i] = strings.TrimRight(l[min(max(indent, 0), len(l)):], " ")
	}
	return strings.TrimSuffix(strings.TrimSpace(summary), "."), strings.TrimSpace(strings.Join(lines, "\n"))
}

// declaring is the reading that a function which declares something belongs to.
func declaring(t *starlark.Thread, b *starlark.Builtin) (*reading, error) {
	r, ok := t.Local(local).(*reading)
	if !ok {
		return nil, fmt.Errorf("%s: no scenario is being read", b.Name())
	}
	if r.over && b.Name() == "symbol" {
		return nil, errors.New(`symbol: addresses are found before the race, so this has to stand outside of functions: address = symbol("strcmp") in the file, and address here`)
	}
	if r.over {
		return nil, fmt.Errorf("%s: declares something, which only the file itself can do and none of the functions that run later: write it outside of functions", b.Name())
	}
	return r, nil
}

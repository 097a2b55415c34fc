package sandbox

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"go.starlark.net/starlark"
)

// Limits of one run of a script, or of one call of its functions.
const (
	// maxSteps is steps of the interpreter, about one for each operation.
	maxSteps = 20_000_000
	// maxPrint bounds what print shows, in lines.
	maxPrint = 1000
)

// Host is what a run of a script is given beside the names of Compile.
type Host struct {
	// Locals are found by the host's functions with Thread.Local.
	Locals map[string]any
	// Print shows a line that the script prints; nil drops it.
	Print func(pos, text string)
	// Steps is the limit of steps, maxSteps when 0.
	Steps uint64
	// Rounds is told of the rounds of loops, if it is not nil.
	Rounds *Rounds
}

// thread makes what a run, or a call of a function, happens on. It is used once.
func (p *Program) thread(h Host) *starlark.Thread {
	t := &starlark.Thread{Name: p.Name}
	for name, v := range h.Locals {
		t.SetLocal(name, v)
	}
	if h.Rounds != nil {
		t.SetLocal(roundsLocal, h.Rounds)
	}
	printed := 0
	t.Print = func(t *starlark.Thread, msg string) {
		if printed++; h.Print != nil && printed <= maxPrint {
			h.Print(Where(t), msg)
		}
	}
	if h.Steps == 0 {
		h.Steps = maxSteps
	}
	t.SetMaxExecutionSteps(h.Steps)
	t.OnMaxSteps = func(t *starlark.Thread) {
		t.Cancel(fmt.Sprintf("it takes more than %d steps: an endless loop?", h.Steps))
	}
	loaded := map[string]starlark.StringDict{}
	t.Load = func(t *starlark.Thread, name string) (starlark.StringDict, error) {
		if globals, ok := loaded[name]; ok {
			if globals == nil {
				return nil, fmt.Errorf("%s loads itself", name)
			}
			return globals, nil
		}
		module := p.modules[name]
		if module == nil {
			return nil, fmt.Errorf("there is no module %q", name)
		}
		loaded[name] = nil
		globals, err := module.Init(t, p.env)
		if err != nil {
			return nil, err
		}
		if err := freeze(globals); err != nil {
			return nil, err
		}
		loaded[name] = globals
		return globals, nil
	}
	return t
}

// Where is the place in a script where a run is, FILE:LINE:COLUMN; "" when it is in
// none.
func Where(t *starlark.Thread) string {
	for depth := range t.CallStackDepth() {
		if pos := t.CallFrame(depth).Pos; pos.Filename() != "<builtin>" {
			return pos.String()
		}
	}
	return ""
}

// Run runs the script from its beginning to its end and returns what it has
// defined, frozen. Its errors are of type *Error.
func (p *Program) Run(h Host) (starlark.StringDict, error) {
	t := p.thread(h)
	defer watch(t, p.Name)()
	globals, err := p.main.Init(t, p.env)
	if err != nil {
		return nil, p.explain(cancelled(err))
	}
	if err := freeze(globals); err != nil {
		return nil, &Error{Msg: p.Name + ": " + err.Error()}
	}
	return globals, nil
}

// Call calls a function of the script's. Its errors are of type *Error.
func (p *Program) Call(h Host, fn starlark.Callable, args ...starlark.Value) (starlark.Value, error) {
	t := p.thread(h)
	defer watch(t, p.Name)()
	v, err := starlark.Call(t, fn, args, nil)
	return v, p.explain(cancelled(err))
}

// cancelled takes the interpreter's own words out of why a run was broken off.
func cancelled(err error) error {
	const prefix = "Starlark computation cancelled: "
	var e *starlark.EvalError
	if errors.As(err, &e) {
		e.Msg = strings.TrimPrefix(e.Msg, prefix)
	}
	return err
}

// list joins names in order.
func list(names []string) string {
	sort.Strings(names)
	return strings.Join(names, ", ")
}

package scenariolang

import (
	"errors"
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// end declares a way in which the process may end and be right, or must.
func end(must bool) func(*reading, *starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return func(r *reading, t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) > 0 {
			return nil, fmt.Errorf("%s: name the ending: exit = STATUS, abort = True or signal = NUMBER", b.Name())
		}
		e, err := ending(b, kwargs)
		if err != nil {
			return nil, err
		}
		if slices.Contains(r.endings, e) {
			return nil, fmt.Errorf("%s: %v is declared twice", b.Name(), e)
		}
		r.endings = append(r.endings, e)
		if must && r.mustEnd == "" {
			r.mustEnd = sandbox.Where(t)
		}
		return starlark.None, r.bound(len(r.endings))
	}
}

// ending is the one ending that the arguments name.
func ending(b *starlark.Builtin, kwargs []starlark.Tuple) (scenario.Ending, error) {
	var none scenario.Ending
	var exit, signal starlark.Value
	abort := false
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs, "exit?", &exit, "abort?", &abort, "signal?", &signal); err != nil {
		return none, err
	}
	if len(kwargs) != 1 || exit == nil && signal == nil && !abort {
		return none, fmt.Errorf("%s: takes one of exit = STATUS, abort = True and signal = NUMBER", b.Name())
	}
	make, v := scenario.ExitWith, exit
	switch {
	case abort:
		return scenario.Ending{Kind: scenario.Abort}, nil
	case signal != nil:
		make, v = scenario.KilledBy, signal
	}
	n, err := starlark.AsInt32(v)
	if err == nil {
		var e scenario.Ending
		if e, err = make(n); err == nil {
			return e, nil
		}
	} else if _, number := v.(starlark.Int); !number {
		err = fmt.Errorf("got %s, want a number", v.Type())
	} else {
		err = errors.New("the number is too large")
	}
	return none, fmt.Errorf("%s: %w", b.Name(), err)
}

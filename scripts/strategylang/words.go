package strategylang

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"emurace/scripts/portable"
	"emurace/scripts/sandbox"
)

// value is a thing of package words as a script has it.
type value[T fmt.Stringer] struct {
	is   T
	kind string
}

func (v value[T]) String() string        { return v.is.String() }
func (v value[T]) Type() string          { return v.kind }
func (v value[T]) Freeze()               {}
func (v value[T]) Truth() starlark.Bool  { return true }
func (v value[T]) Hash() (uint32, error) { return starlark.String(v.is.String()).Hash() }

type (
	condition = value[portable.Until]
	runValue  = value[portable.Run]
)

// location is word(...), which a number can be added to.
type location struct{ value[portable.Loc] }

var _ starlark.HasBinary = location{}

// Binary adds a number to a location, or takes it away.
func (l location) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	n, ok := y.(starlark.Int)
	if !ok || op != syntax.PLUS && op != syntax.MINUS || op == syntax.MINUS && side == starlark.Right {
		return nil, nil
	}
	const most = 1 << 40
	i, ok := n.Int64()
	if !ok || i > most || i < -most {
		return nil, errors.New("nothing is this far off in a process")
	}
	if op == syntax.MINUS {
		i = -i
	}
	if l.is.Off += i; l.is.Off > most || l.is.Off < -most {
		return nil, errors.New("nothing is this far off in a process")
	}
	return l, nil
}

// maxRuns bounds the runs of a schedule in words.
const maxRuns = 1 << 16

// Names are the names that a file can use beside the language's own; see docs/writing-scenarios.md.
func Names() starlark.StringDict {
	d := starlark.StringDict{"next_event": condition{portable.NextEvent{}, "condition"}}
	for name, f := range map[string]func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error){
		"run": run, "calls": calls, "returns": returns, "word": word,
		"reads": accesses(portable.Reads), "writes": accesses(portable.Writes), "touches": accesses(portable.Touches),
	} {
		d[name] = starlark.NewBuiltin(name, f)
	}
	return d
}

// run is a run. While the file is read, it becomes one of the schedule's.
func run(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var thread, until starlark.Value
	var hit, n starlark.Value = starlark.MakeInt(0), starlark.MakeInt(0)
	half := false
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "thread", &thread, "until??", &until, "hit?", &hit, "n?", &n, "half?", &half); err != nil {
		return nil, err
	}
	r := portable.Run{Half: half}
	switch v := thread.(type) {
	case starlark.String:
		r.Thread = string(v)
	case *candidate:
		r.Thread = v.name()
	default:
		return nil, fmt.Errorf("run: thread is %s, not a name", thread.Type())
	}
	var err error
	if r.Until, err = asCondition(until); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if r.Hit, err = count("hit", hit, 1<<30); err != nil {
		return nil, err
	}
	steps, err := count("n", n, 1<<40)
	if err != nil {
		return nil, err
	}
	r.N = uint64(steps)
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	if l, ok := t.Local(local).(*lines); ok && !l.over {
		if len(l.runs) == maxRuns {
			return nil, fmt.Errorf("run: more than %d", maxRuns)
		}
		l.runs = append(l.runs, r)
		l.places = append(l.places, sandbox.Where(t))
	}
	return runValue{r, "run"}, nil
}

func count(name string, v starlark.Value, most int64) (int, error) {
	n, ok := v.(starlark.Int)
	if !ok {
		return 0, fmt.Errorf("run: %s is %s, not a number", name, v.Type())
	}
	i, ok := n.Int64()
	if !ok || i < 0 || i > most {
		return 0, fmt.Errorf("run: %s = %v: not a number from 1 to %d", name, n, most)
	}
	return int(i), nil
}

// asCondition is what a run stops at: a condition, or a place for the moment before
// the instruction there.
func asCondition(v starlark.Value) (portable.Until, error) {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case condition:
		return v.is, nil
	case starlark.String:
		p, err := portable.ParsePlace(string(v))
		return portable.At{Place: p}, err
	case starlark.Int:
		addr, ok := v.Uint64()
		if !ok {
			return nil, fmt.Errorf("until = %v: not an address", v)
		}
		return portable.At{Place: portable.Place{Addr: addr}}, nil
	}
	return nil, fmt.Errorf("until is %s, not a condition such as returns(\"setenv\"), a place such as \"getenv+0x8c\", or an address", v.Type())
}

func asSymbol(v string) (portable.Symbol, error) {
	if v == "" {
		return portable.Symbol{}, nil
	}
	return portable.ParseSymbol(v)
}

// ownAddress is an address of the file's scenario, in the words of a schedule.
type ownAddress interface {
	portable.Named
	// Portable is the member of what lies there, "" for its beginning, and the distance from there in bytes.
	Portable() (member string, offset int64)
}

func asLocation(v starlark.Value) (portable.Loc, error) {
	switch v := v.(type) {
	case ownAddress:
		member, off := v.Portable()
		return portable.Loc{Named: v, Member: member, Off: off}, nil
	case location:
		return v.is, nil
	case starlark.String:
		return portable.ParseLoc(string(v))
	case starlark.Int:
		addr, ok := v.Uint64()
		if !ok {
			return portable.Loc{}, fmt.Errorf("%v is not an address", v)
		}
		return portable.Loc{Addr: addr}, nil
	}
	return portable.Loc{}, fmt.Errorf("got %s, want the name of a variable, an address or word(...)", v.Type())
}

func calls(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name, in string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "function", &name, "in_?", &in); err != nil {
		return nil, err
	}
	f, err := portable.ParseSymbol(name)
	if err != nil {
		return nil, fmt.Errorf("calls: %w", err)
	}
	within, err := asSymbol(in)
	if err != nil {
		return nil, fmt.Errorf("calls: in_: %w", err)
	}
	return condition{portable.Calls{Func: f, In: within}, "condition"}, nil
}

func returns(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "function", &name); err != nil {
		return nil, err
	}
	f, err := portable.ParseSymbol(name)
	if err != nil {
		return nil, fmt.Errorf("returns: %w", err)
	}
	return condition{portable.Returns{Func: f}, "condition"}, nil
}

// maxWords bounds a chain of pointers.
const maxWords = 16

func word(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var at starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "location", &at); err != nil {
		return nil, err
	}
	l, err := asLocation(at)
	if err != nil {
		return nil, fmt.Errorf("word: %w", err)
	}
	depth := 1
	for w := l.Word; w != nil; w = w.Word {
		depth++
	}
	if depth > maxWords {
		return nil, fmt.Errorf("word: more than %d inside of each other", maxWords)
	}
	return location{value[portable.Loc]{portable.Loc{Word: &l}, "location"}}, nil
}

func accesses(way portable.Way) func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var at, size, what starlark.Value
		var in string
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, "location", &at, "size??", &size, "value??", &what, "in_?", &in); err != nil {
			return nil, err
		}
		l, err := asLocation(at)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		a := portable.Access{Way: way, Loc: l}
		for _, n := range []struct {
			name string
			v    starlark.Value
			to   func(uint64)
		}{
			{"size", size, func(v uint64) { a.Size = v }},
			{"value", what, func(v uint64) { a.Value = &v }},
		} {
			if n.v == nil {
				continue
			}
			i, ok := n.v.(starlark.Int)
			v, fits := i.Uint64()
			if !ok || !fits {
				return nil, fmt.Errorf("%s: %s is %s, not a number from 0 up", b.Name(), n.name, n.v)
			}
			n.to(v)
		}
		if a.In, err = asSymbol(in); err != nil {
			return nil, fmt.Errorf("%s: in_: %w", b.Name(), err)
		}
		return condition{a, "condition"}, nil
	}
}

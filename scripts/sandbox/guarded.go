package sandbox

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// guarded are the functions that stand in for operations of the language, and
// those of its own functions that could build too much.
var guarded = starlark.StringDict{}

func init() {
	for name, f := range map[string]func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error){
		addName: add, growName: grow, timesName: times, formName: form, attrName: attr,
		"getattr": getattr, "range": boundedRange, "str": text("str"), "repr": text("repr"), "print": printText, "fail": failText,
		"zip": boundedZip, "int": boundedInt,
	} {
		guarded[name] = starlark.NewBuiltin(name, f)
	}
}

// length is how many bytes a text or how many items a list or tuple has, with how
// many it may have; ok is false for anything else.
func length(v starlark.Value) (n, most int, ok bool) {
	switch v := v.(type) {
	case starlark.String:
		return len(v), maxText, true
	case starlark.Bytes:
		return len(v), maxText, true
	case *starlark.List:
		return v.Len(), maxItems, true
	case starlark.Tuple:
		return v.Len(), maxItems, true
	}
	return 0, 0, false
}

func add(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	if n, most, ok := length(x); ok {
		if m, _, ok := length(y); ok && n+m > most {
			return nil, tooMuch("bytes or items", n+m, most)
		}
	}
	return starlark.Binary(syntax.PLUS, x, y)
}

// grow returns what is to be added to something, unless it is too much to be added
// at once; multiplied, unless it is a number that makes too much of anything.
func grow(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	y := args[0]
	if n, most, ok := length(y); ok && n > most {
		return nil, tooMuch("bytes or items", n, most)
	}
	if len(args) > 1 {
		if _, ok := y.(starlark.Float); !ok && measure(y, 64) > 64 {
			return nil, errors.New("write x = x * y or x = x % y instead")
		}
		if n, ok := y.(starlark.Int); ok {
			if i, ok := n.Int64(); !ok || i > 1000 || i < -1000 {
				return nil, errors.New("write x = x * y or x = x % y instead")
			}
		}
	}
	return y, nil
}

func times(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, y := args[0], args[1]
	if a, ok := x.(starlark.Int); ok {
		if b, ok := y.(starlark.Int); ok {
			if bits := a.BigInt().BitLen() + b.BigInt().BitLen(); bits > maxBits {
				return nil, tooMuch("bits", bits, maxBits)
			}
		}
		x, y = y, x // repeating does not mind the order, nor do numbers
	}
	if n, most, ok := length(x); ok {
		if k, ok := y.(starlark.Int); ok && n > 0 {
			if i, ok := k.Int64(); !ok && k.Sign() > 0 || i > int64(most/n) {
				return nil, fmt.Errorf("too large: %v times %d bytes or items, at most %d", k, n, most)
			}
		}
	}
	return starlark.Binary(syntax.STAR, args[0], args[1])
}

func form(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	if s, ok := args[0].(starlark.String); ok {
		if n := len(s) + measure(args[1], maxText); n > maxText {
			return nil, tooMuch("bytes", n, maxText)
		}
	}
	return starlark.Binary(syntax.PERCENT, args[0], args[1])
}

// attr is x.name for the methods that are looked after.
func attr(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	name := string(args[1].(starlark.String))
	v, err := attribute(args[0], name)
	if err == nil && v == nil {
		err = fmt.Errorf("%s has no .%s field or method", args[0].Type(), name)
	}
	return v, err
}

// attribute is x.name, nil when there is none.
func attribute(x starlark.Value, name string) (starlark.Value, error) {
	has, ok := x.(starlark.HasAttrs)
	if !ok {
		return nil, nil
	}
	v, err := has.Attr(name)
	var none starlark.NoSuchAttrError
	if errors.As(err, &none) {
		return nil, nil
	}
	method, ok := v.(*starlark.Builtin)
	if list, isList := x.(*starlark.List); isList && ok && name == "extend" {
		return extend(list, method), nil
	}
	s, isText := x.(starlark.String)
	if err != nil || !ok || !isText || !riskyMethods[name] {
		return v, err
	}
	return starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if n := textSize(s, name, args, kwargs); n > maxText {
			return nil, tooMuch("bytes", n, maxText)
		}
		return starlark.Call(t, method, args, kwargs)
	}).BindReceiver(x), nil
}

// extend is list.extend for lists that stay small.
func extend(list *starlark.List, method *starlark.Builtin) starlark.Value {
	return starlark.NewBuiltin("extend", func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) == 1 {
			if n := list.Len() + max(starlark.Len(args[0]), 0); n > maxItems {
				return nil, tooMuch("items", n, maxItems)
			}
		}
		return starlark.Call(t, method, args, kwargs)
	}).BindReceiver(list)
}

// textSize is how long the result of a method of strings can become.
func textSize(s starlark.String, name string, args starlark.Tuple, kwargs []starlark.Tuple) int {
	switch name {
	case "replace":
		if len(args) >= 2 {
			with, ok := args[1].(starlark.String)
			old, known := args[0].(starlark.String)
			if ok && known {
				return len(s) + (len(s)/max(len(old), 1)+1)*len(with)
			}
		}
	case "join":
		if len(args) == 1 {
			if it, ok := args[0].(starlark.Iterable); ok {
				n := 0
				for e := range starlark.Elements(it) {
					if part, ok := e.(starlark.String); ok {
						n += len(s) + len(part)
					}
					if n > maxText {
						break
					}
				}
				return n
			}
		}
	case "format":
		// A field can be named again and again.
		most := 1
		for _, a := range args {
			most = max(most, measure(a, maxText))
		}
		for _, kw := range kwargs {
			most = max(most, measure(kw[1], maxText))
		}
		return len(s) + (len(s)/2+1)*most
	}
	return 0
}

func getattr(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var x, otherwise starlark.Value
	var name string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &x, &name, &otherwise); err != nil {
		return nil, err
	}
	v, err := attribute(x, name)
	if err == nil && v == nil {
		if otherwise != nil {
			return otherwise, nil
		}
		err = fmt.Errorf("%s has no .%s field or method", x.Type(), name)
	}
	return v, err
}

func boundedRange(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Call(t, starlark.Universe["range"], args, kwargs)
	if err != nil {
		return nil, err
	}
	if n := v.(starlark.Sequence).Len(); n > maxItems {
		return nil, tooMuch("numbers", n, maxItems)
	}
	return v, nil
}

// boundedZip is zip for as many items in all as a list may have. It makes them all in
// one step, and zip(*rows) names the same row a thousand times.
func boundedZip(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	shortest := maxItems
	for _, a := range args {
		// What does not know its length is no longer than what it is made of.
		if n := starlark.Len(a); n >= 0 {
			shortest = min(shortest, n)
		}
	}
	if n := shortest * len(args); len(args) > 1 && n > maxItems {
		return nil, tooMuch("items", n, maxItems)
	}
	return starlark.Call(t, starlark.Universe["zip"], args, kwargs)
}

// boundedInt is int of texts that are no longer than the longest number there can be
// in the base with the most digits.
func boundedInt(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	values := args
	for _, kw := range kwargs {
		values = append(values[:len(values):len(values)], kw[1])
	}
	for _, v := range values {
		if s, ok := starlark.AsString(v); ok && len(s) > maxBits {
			return nil, tooMuch("digits", len(s), maxBits)
		}
	}
	return starlark.Call(t, starlark.Universe["int"], args, kwargs)
}

// text is a function that makes text of one value.
func text(name string) func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return func(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := small(args); err != nil {
			return nil, err
		}
		return starlark.Call(t, starlark.Universe[name], args, kwargs)
	}
}

// small is an error when values are too much to be made text of.
func small(args starlark.Tuple) error {
	if n := measure(args, 4*maxText); n > 4*maxText {
		return tooMuch("bytes", n, 4*maxText)
	}
	return nil
}

func printText(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := small(args); err != nil {
		return nil, err
	}
	return starlark.Call(t, starlark.Universe["print"], args, kwargs)
}

// Failure is the error of the script's own fail(...).
type Failure struct{ Msg string }

// Error is what the script has said.
func (f *Failure) Error() string { return f.Msg }

func failText(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	sep := " "
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs, "sep?", &sep); err != nil {
		return nil, err
	}
	if err := small(append(starlark.Tuple{starlark.String(sep)}, args...)); err != nil {
		return nil, err
	}
	msg := ""
	for i, a := range args {
		if i > 0 {
			msg += sep
		}
		if s, ok := starlark.AsString(a); ok {
			msg += s
		} else {
			msg += a.String()
		}
		if len(msg) > maxMessage {
			break
		}
	}
	return nil, &Failure{msg}
}

package sandbox

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// maxFrozen bounds what has to be visited to freeze what a file leaves behind.
const maxFrozen = 1 << 23

// freeze freezes what a file has defined. A list knows that it is frozen and is
// visited once; a tuple is visited as often as it is named. So one that holds another
// one twice, which holds another one twice, and so on, is not much to build and takes
// for ever to freeze.
func freeze(globals starlark.StringDict) error {
	f := freezing{left: maxFrozen, seen: map[starlark.Value]bool{}}
	for name, v := range globals {
		if f.visit(v, 0); f.left < 0 {
			return fmt.Errorf("too large: the value of %s", name)
		}
	}
	globals.Freeze()
	return nil
}

// Freeze freezes a value that a function of a script's has handed to the host, such as
// what it has returned. An error tells that there is too much of it, and nothing is
// frozen then.
func Freeze(v starlark.Value) error {
	f := freezing{left: maxFrozen, seen: map[starlark.Value]bool{}}
	if f.visit(v, 0); f.left < 0 {
		return errors.New("too large: a value with more parts than can be kept")
	}
	v.Freeze()
	return nil
}

// freezing counts the visits of a Freeze that is still to come.
type freezing struct {
	left int
	seen map[starlark.Value]bool
}

// maxDepth bounds how deep values are in each other: Freeze calls itself.
const maxDepth = 1 << 16

func (f *freezing) visit(v starlark.Value, depth int) {
	if f.left--; f.left < 0 || depth > maxDepth {
		f.left = -1
		return
	}
	switch v := v.(type) {
	case starlark.Tuple:
		for _, e := range v {
			if f.visit(e, depth+1); f.left < 0 {
				return
			}
		}
	case *starlark.List, *starlark.Set:
		if f.first(v) {
			for e := range starlark.Elements(v.(starlark.Iterable)) {
				f.visit(e, depth+1)
			}
		}
	case *starlark.Dict:
		if f.first(v) {
			for k, e := range v.Entries() {
				f.visit(k, depth+1)
				f.visit(e, depth+1)
			}
		}
	case *starlark.Function:
		if f.first(v) {
			f.function(v, depth)
		}
	case *starlark.Builtin: // a method holds on to what it is a method of
		if r := v.Receiver(); r != nil && f.first(v) {
			f.visit(r, depth+1)
		}
	case *starlarkstruct.Struct:
		if f.first(v) {
			for _, name := range v.AttrNames() {
				if e, err := v.Attr(name); err == nil {
					f.visit(e, depth+1)
				}
			}
		}
	}
}

// first tells whether a value that can be changed is visited for the first time.
func (f *freezing) first(v starlark.Value) bool {
	known := f.seen[v]
	f.seen[v] = true
	return !known && f.left > 0
}

// function visits what a function holds on to.
func (f *freezing) function(fn *starlark.Function, depth int) {
	for i := range fn.NumParams() {
		if d := fn.ParamDefault(i); d != nil {
			f.visit(d, depth+1)
		}
	}
	for i := range fn.NumFreeVars() {
		if _, v := fn.FreeVar(i); v != nil {
			f.visit(v, depth+1)
		}
	}
}

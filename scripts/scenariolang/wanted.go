package scenariolang

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"emurace/explore/target"
	"emurace/scripts/sandbox"
)

// wantedEnd declares the end that searches of the scenario look for.
func wantedEnd(r *reading, t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if r.sc.End != nil {
		return nil, fmt.Errorf("end: there are two; the first is at %s", r.endPos)
	}
	e := &target.End{}
	var function, module, build, value string
	var offset, code starlark.Value
	var backtrace, waits *starlark.List
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "kind", &e.Kind, "function?", &function, "offset?", &offset,
		"module?", &module, "build_id?", &build, "backtrace?", &backtrace, "value?", &value, "arch?", &e.Arch, "thread?", &e.Thread, "access?", &e.Access,
		"register?", &e.Register, "signal?", &e.Signal, "code?", &code, "message?", &e.Message, "waits?", &waits); err != nil {
		return nil, err
	}
	e.Value = target.Value(value)
	if code != nil {
		n, err := starlark.AsInt32(code)
		if err != nil {
			return nil, fmt.Errorf("end: code: %w", err)
		}
		e.Code = &n
	}
	var err error
	if e.Backtrace, err = framesOf(backtrace); err != nil {
		return nil, fmt.Errorf("end: backtrace: %w", err)
	}
	place := target.Frame{Function: function, Module: module, BuildID: build}
	if offset != nil {
		n, ok := offset.(starlark.Int)
		if v, fits := n.Uint64(); ok && fits {
			place.Offset = &v
		} else {
			return nil, errors.New("end: offset: not a number of bytes from the function's beginning")
		}
	}
	if place != (target.Frame{}) {
		switch {
		case backtrace != nil:
			return nil, errors.New("end: backtrace says itself what function, offset, module and build_id are")
		case function == "":
			return nil, errors.New("end: an offset, a module and a build_id are of a function, and there is none")
		}
		e.Backtrace = []target.Frame{place}
	}
	if e.Waits, err = waitsOf(waits); err != nil {
		return nil, fmt.Errorf("end: waits: %w", err)
	}
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("end: %w", err)
	}
	r.sc.End, r.endPos = e, sandbox.Where(t)
	return starlark.None, nil
}

// framesOf reads frames as target.Frame writes them, nil for none.
func framesOf(list *starlark.List) ([]target.Frame, error) {
	if list == nil {
		return nil, nil
	}
	var frames []target.Frame
	for v := range list.Elements() {
		text, ok := starlark.AsString(v)
		if !ok {
			return nil, fmt.Errorf("it has a %s, not a text", v.Type())
		}
		f, err := target.ParseFrame(text)
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// waitsOf reads the threads of a deadlock, each {"thread": NAME, "what": WHAT, "backtrace": [FRAME, ...]}.
func waitsOf(list *starlark.List) ([]target.Wait, error) {
	if list == nil {
		return nil, nil
	}
	var waits []target.Wait
	for v := range list.Elements() {
		d, ok := v.(*starlark.Dict)
		if !ok {
			return nil, fmt.Errorf(`it has a %s, not {"thread": NAME, "what": WHAT, "backtrace": [FRAME, ...]}`, v.Type())
		}
		var w target.Wait
		for _, item := range d.Items() {
			key, _ := starlark.AsString(item[0])
			text, isText := starlark.AsString(item[1])
			frames, isList := item[1].(*starlark.List)
			switch {
			case key == "thread" && isText:
				w.Thread = text
			case key == "what" && isText:
				w.What = text
			case key == "backtrace" && isList:
				var err error
				if w.Backtrace, err = framesOf(frames); err != nil {
					return nil, err
				}
			default:
				return nil, fmt.Errorf("%.80s: not a text thread, a text what, or a list backtrace", item[0])
			}
		}
		waits = append(waits, w)
	}
	return waits, nil
}

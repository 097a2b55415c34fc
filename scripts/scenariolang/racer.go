package scenariolang

import (
	"errors"
	"fmt"
	"sort"

	"go.starlark.net/starlark"

	"emurace/emu"
	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// racer is what a racing thread's function is given: the thread as it sees itself.
// All it does is calls, each of which is done when there is a result for it.
type racer struct {
	*process
	name    string
	results []uint64
	used    int
	classes []scenario.Class // of the results that were used
	pending *scenario.Call
	calling *starlark.Thread // the run of the script that makes the present call
	over    bool             // the function has returned
	endless bool             // it makes more calls than it may
}

var _ starlark.HasAttrs = (*racer)(nil)

func (t *racer) String() string        { return fmt.Sprintf("<thread %s>", t.name) }
func (t *racer) Type() string          { return "thread" }
func (t *racer) Freeze()               {}
func (t *racer) Truth() starlark.Bool  { return true }
func (t *racer) Hash() (uint32, error) { return 0, errors.New("a thread cannot be a key") }

// racerMethods are what can be written behind t and a dot.
var racerMethods = map[string]func(*racer, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error){
	"call":    (*racer).callFunc,
	"u8":      (*racer).load,
	"u16":     (*racer).load,
	"u32":     (*racer).load,
	"u64":     (*racer).load,
	"f32":     (*racer).load,
	"f64":     (*racer).load,
	"put_u8":  (*racer).store,
	"put_u16": (*racer).store,
	"put_u32": (*racer).store,
	"put_u64": (*racer).store,
	"put_f32": (*racer).store,
	"put_f64": (*racer).store,
	"add":     (*racer).atomicAdd,
	"cas":     (*racer).compareAndSwap,
	"cstring": (*racer).cstring,
	"alloc":   (*racer).alloc,
}

// Attr is t.name.
func (t *racer) Attr(name string) (starlark.Value, error) {
	if name == "name" {
		return starlark.String(t.name), nil
	}
	f, ok := racerMethods[name]
	if !ok {
		return nil, nil
	}
	return starlark.NewBuiltin(name, func(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		t.calling = thread
		return f(t, b, args, kwargs)
	}), nil
}

// AttrNames are the names that Attr knows.
func (t *racer) AttrNames() []string { return names(racerMethods, "name") }

func names[F any](methods map[string]F, more ...string) []string {
	for name := range methods {
		more = append(more, name)
	}
	sort.Strings(more)
	return more
}

// maxCalls bounds the calls of one thread in a run, with those that read and write
// memory. After each, the function is run again up to there, so that the effort grows
// with the square.
const maxCalls = 1 << 12

// next is the result of a call; the call that has none yet breaks the function off.
func (t *racer) next(c scenario.Call) (uint64, error) {
	if t.over {
		return 0, fmt.Errorf("t is the thread %s's own, and its function has returned", t.name)
	}
	if t.pending != nil || t.endless {
		return 0, errPending
	}
	if t.used == maxCalls {
		t.endless = true
		return 0, errPending
	}
	if t.used == len(t.results) {
		c.Pos = sandbox.Where(t.calling)
		t.pending = &c
		return 0, errPending
	}
	t.used++
	t.classes = append(t.classes, c.Result)
	return t.results[t.used-1], nil
}

func (t *racer) make(name string, args ...scenario.Arg) (uint64, error) {
	return t.next(scenario.Call{Func: name, Args: args})
}

// lookup finds symbols that were found before the race.
func (t *racer) lookup(name string) (uint64, error) {
	if addr, ok := t.symbols[name]; ok {
		return addr, nil
	}
	return 0, fmt.Errorf("symbol(%q): write it outside of the thread's function: symbols are found before the race", name)
}

func (t *racer) callFunc(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	c, err := t.asCall(b, args, kwargs, t.lookup)
	if err != nil {
		return nil, err
	}
	v, err := t.next(c)
	return value(v, c.Result), err
}

// asCall is a call as t.call and p.call are given it. The function is a name, or
// the address of code.
func (p *process) asCall(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple, lookup func(string) (uint64, error)) (c scenario.Call, err error) {
	for _, kw := range kwargs {
		if kw[0] != starlark.String("result") {
			return c, fmt.Errorf("%s: unexpected keyword argument %s", b.Name(), kw[0])
		}
		if c.Result, err = resultClass(kw[1]); err != nil {
			return c, fmt.Errorf("%s: %w", b.Name(), err)
		}
	}
	if len(args) == 0 {
		return c, fmt.Errorf("%s: which function? Its name comes first", b.Name())
	}
	switch fn := args[0].(type) {
	case starlark.String:
		c.Func = string(fn)
	case starlark.Int, address:
		a, err := p.argument(fn, lookup)
		if err != nil {
			return c, fmt.Errorf("%s: %w", b.Name(), err)
		}
		c.Func, c.Addr = fmt.Sprintf("%#x", a.Value), a.Value
		if s, ok := fn.(address); ok && s.data == nil {
			c.Func = s.symbol
		}
	default:
		return c, fmt.Errorf("%s: the function is %s, not a name", b.Name(), fn.Type())
	}
	if n := len(args) - 1; n > emu.MaxArgs {
		return c, fmt.Errorf("%s: %s: %d arguments, at most %d", b.Name(), c.Func, n, emu.MaxArgs)
	}
	for i, v := range args[1:] {
		a, err := p.argument(v, lookup)
		if err != nil {
			return c, fmt.Errorf("%s: %s: argument %d: %w", b.Name(), c.Func, i+1, err)
		}
		c.Args = append(c.Args, a)
	}
	return c, nil
}

// place is an argument that is an address.
func (t *racer) place(b *starlark.Builtin, v starlark.Value) (scenario.Arg, error) {
	return t.process.place(b, v, t.lookup)
}

// place is an argument that is an address, of a method that b is called by.
func (p *process) place(b *starlark.Builtin, v starlark.Value, lookup func(string) (uint64, error)) (scenario.Arg, error) {
	a, err := p.argument(v, lookup)
	if err == nil && a.IsStr {
		err = errors.New("got a text, want an address")
	}
	if err == nil {
		err = noFloat(a)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", b.Name(), err)
	}
	return a, err
}

func (t *racer) load(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var at starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &at); err != nil {
		return nil, err
	}
	a, err := t.place(b, at)
	if err != nil {
		return nil, err
	}
	v, err := t.make(emu.RoutinePrefix+"load"+b.Name()[1:], a)
	return value(v, cells[b.Name()].class), err
}

func (t *racer) store(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if c := cells[b.Name()[len("put_"):]]; c.class != scenario.Word && len(args) == 2 {
		v, err := c.bits(args[1], nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		args = starlark.Tuple{args[0], starlark.MakeUint64(v)}
	}
	_, err := t.change(b, "store"+b.Name()[len("put_u"):], args, kwargs, 1)
	return starlark.None, err
}

func (t *racer) atomicAdd(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := t.change(b, "add64", args, kwargs, 1)
	return starlark.MakeUint64(v), err
}

func (t *racer) compareAndSwap(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := t.change(b, "cas64", args, kwargs, 2)
	return starlark.MakeUint64(v), err
}

// change calls a routine with a place and so many values.
func (t *racer) change(b *starlark.Builtin, routine string, args starlark.Tuple, kwargs []starlark.Tuple, values int) (uint64, error) {
	if len(kwargs) > 0 || len(args) != values+1 {
		return 0, fmt.Errorf("%s: got %d arguments, want an address and %d values", b.Name(), len(args)+len(kwargs), values)
	}
	list := make([]scenario.Arg, len(args))
	for i, v := range args {
		var err error
		if list[i], err = t.place(b, v); err != nil {
			return 0, err
		}
	}
	return t.make(emu.RoutinePrefix+routine, list...)
}

// cstring reads a string in the way a C program does: its length first, then its
// bytes.
func (t *racer) cstring(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var at starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &at); err != nil {
		return nil, err
	}
	a, err := t.place(b, at)
	if err != nil {
		return nil, err
	}
	n, err := t.make("strlen", a)
	if err != nil {
		return nil, err
	}
	if n > maxString {
		return nil, fmt.Errorf("cstring: %d bytes, at most %d", n, maxString)
	}
	var text []byte
	for uint64(len(text)) < n {
		size := 8
		for uint64(len(text)+size) > n {
			size /= 2
		}
		v, err := t.make(fmt.Sprintf("%sload%d", emu.RoutinePrefix, 8*size), scenario.Int(a.Value+uint64(len(text))))
		if err != nil {
			return nil, err
		}
		for range size {
			text = append(text, byte(v))
			v >>= 8
		}
	}
	return starlark.String(text), nil
}

// maxString bounds the strings that are read, in bytes.
const maxString = 1 << 12

// alloc is static data of the thread's own.
func (t *racer) alloc(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var what starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &what); err != nil {
		return nil, err
	}
	data, err := bytesOf(what, maxString)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	v, err := t.next(scenario.Call{Place: data})
	return starlark.MakeUint64(v), err
}

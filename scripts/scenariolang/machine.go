package scenariolang

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// machine is the process as setup and checks see it: from outside, while every
// thread stands still. Setup may change it; a check can only look.
type machine struct {
	*process
	view *scenario.View // of a check; nil during setup
}

var _ starlark.HasAttrs = (*machine)(nil)

func (m *machine) String() string        { return "<process>" }
func (m *machine) Type() string          { return "process" }
func (m *machine) Freeze()               {}
func (m *machine) Truth() starlark.Bool  { return true }
func (m *machine) Hash() (uint32, error) { return 0, errors.New("a process cannot be a key") }

type machineMethod = func(*machine, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

// lookMethods are those that only look.
var lookMethods = map[string]machineMethod{
	"u8":      (*machine).load,
	"u16":     (*machine).load,
	"u32":     (*machine).load,
	"u64":     (*machine).load,
	"f32":     (*machine).load,
	"f64":     (*machine).load,
	"cstring": (*machine).cstring,
	"bytes":   (*machine).bytes,
	"address": (*machine).addressOf,
}

// changeMethods are those of setup.
var changeMethods = map[string]machineMethod{
	"call":    (*machine).callFunc,
	"alloc":   (*machine).alloc,
	"put_u8":  (*machine).store,
	"put_u16": (*machine).store,
	"put_u32": (*machine).store,
	"put_u64": (*machine).store,
	"put_f32": (*machine).store,
	"put_f64": (*machine).store,
	"put":     (*machine).put,
}

// checkMethods are those of checks.
var checkMethods = map[string]machineMethod{
	"returned": (*machine).returned,
	"results":  (*machine).results,
}

func (m *machine) more() map[string]machineMethod {
	if m.view != nil {
		return checkMethods
	}
	return changeMethods
}

// Attr is p.name.
func (m *machine) Attr(name string) (starlark.Value, error) {
	if m.over() {
		return nil, errOver
	}
	switch name {
	case "arch":
		return starlark.String(m.archName()), nil
	case "libc":
		return starlark.String(m.libc().Version), nil
	}
	for _, methods := range []map[string]machineMethod{lookMethods, m.more()} {
		if f, ok := methods[name]; ok {
			return m.while(name, f), nil
		}
	}
	if _, ok := changeMethods[name]; ok {
		return nil, fmt.Errorf("p.%s: a check can only look at the process", name)
	}
	if _, ok := checkMethods[name]; ok {
		return nil, fmt.Errorf("p.%s: the threads have not run yet", name)
	}
	return nil, nil
}

// errOver is the error of using a process as setup has it when setup is over.
var errOver = errors.New("p is setup's, and setup is over: threads have t, and a check a p of its own")

// over tells whether setup, which m was given to, is over. A script can keep m, or
// a method of it, in what setup returns.
func (m *machine) over() bool { return m.view == nil && m.setup == nil }

// while is a method that works as long as m does.
func (m *machine) while(name string, f machineMethod) starlark.Value {
	return starlark.NewBuiltin(name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if m.over() {
			return nil, errOver
		}
		return f(m, b, args, kwargs)
	})
}

// AttrNames are the names that Attr knows.
func (m *machine) AttrNames() []string {
	return append(names(lookMethods, "arch", "libc"), names(m.more())...)
}

func (m *machine) libc() scenario.LibcID {
	if m.view != nil {
		return m.view.Libc()
	}
	return m.setup.Libc()
}

func (m *machine) archName() string {
	if m.view != nil {
		return m.view.Arch().String()
	}
	return m.setup.Arch().String()
}

func (m *machine) lookup(name string) (uint64, error) {
	if addr, ok := m.symbols[name]; ok {
		return addr, nil
	}
	if m.view != nil {
		return m.view.Lookup(name)
	}
	return m.setup.Lookup(name)
}

func (m *machine) read(addr, size uint64) ([]byte, error) {
	read := m.view.Read
	if m.view == nil {
		read = m.setup.Read
	}
	b, ok := read(addr, size)
	if !ok {
		return nil, fmt.Errorf("nothing is mapped at %#x", addr)
	}
	return b, nil
}

// place is an argument that is an address.
func (m *machine) place(b *starlark.Builtin, v starlark.Value) (uint64, error) {
	a, err := m.process.place(b, v, m.lookup)
	return a.Value, err
}

// only is the place in memory that a method is given as its only argument.
func (m *machine) only(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (uint64, error) {
	var at starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &at); err != nil {
		return 0, err
	}
	return m.place(b, at)
}

func (m *machine) load(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	addr, err := m.only(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	c := cells[b.Name()]
	data, err := m.read(addr, c.size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	v := uint64(0)
	for i, b := range data {
		v |= uint64(b) << (8 * i)
	}
	return value(v, c.class), nil
}

func (m *machine) store(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var at, what starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &at, &what); err != nil {
		return nil, err
	}
	addr, err := m.place(b, at)
	if err != nil {
		return nil, err
	}
	c := cells[b.Name()[len("put_"):]]
	v, err := c.bits(what, func(v starlark.Value) (uint64, error) { return m.place(b, v) })
	if err != nil {
		return nil, err
	}
	data := make([]byte, c.size)
	for i := range data {
		data[i] = byte(v >> (8 * i))
	}
	return starlark.None, m.setup.Write(addr, data)
}

func (m *machine) put(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var at, what starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &at, &what); err != nil {
		return nil, err
	}
	addr, err := m.place(b, at)
	if err != nil {
		return nil, err
	}
	data, err := bytesOf(what, maxData)
	if err != nil {
		return nil, fmt.Errorf("put: %w", err)
	}
	return starlark.None, m.setup.Write(addr, data)
}

// cstring is the string at an address, None where there is none.
func (m *machine) cstring(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	addr, err := m.only(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	read := m.setup.CString
	if m.view != nil {
		read = m.view.CString
	}
	text, ok := read(addr)
	if !ok {
		return starlark.None, nil
	}
	return starlark.String(text), nil
}

func (m *machine) bytes(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var at starlark.Value
	var n int
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 2, &at, &n); err != nil {
		return nil, err
	}
	if n < 0 || n > maxData {
		return nil, fmt.Errorf("bytes: %d bytes, not from 0 to %d", n, maxData)
	}
	addr, err := m.place(b, at)
	if err != nil {
		return nil, err
	}
	data, err := m.read(addr, uint64(n))
	if err != nil {
		return nil, fmt.Errorf("bytes: %w", err)
	}
	return starlark.Bytes(data), nil
}

// addressOf is the number that an address is in this process.
func (m *machine) addressOf(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var of starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &of); err != nil {
		return nil, err
	}
	if name, ok := of.(starlark.String); ok {
		v, err := m.lookup(string(name))
		return starlark.MakeUint64(v), err
	}
	v, err := m.place(b, of)
	return starlark.MakeUint64(v), err
}

// callFunc makes a call on a thread, the first one unless thread= names another.
func (m *machine) callFunc(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	thread := m.plan.threads[0].name
	var others []starlark.Tuple
	for _, kw := range kwargs {
		if kw[0] != starlark.String("thread") {
			others = append(others, kw)
			continue
		}
		name, ok := kw[1].(starlark.String)
		if !ok {
			return nil, fmt.Errorf("call: thread is %s, not a name", kw[1].Type())
		}
		thread = string(name)
	}
	c, err := m.asCall(b, args, others, m.lookup)
	if err != nil {
		return nil, err
	}
	v, err := m.setup.Make(thread, c)
	return value(v, c.Result), err
}

func (m *machine) alloc(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var what starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &what); err != nil {
		return nil, err
	}
	data, err := bytesOf(what, maxData)
	if err != nil {
		return nil, fmt.Errorf("alloc: %w", err)
	}
	addr, err := m.setup.Alloc(uint64(len(data)))
	if err != nil {
		return nil, err
	}
	return starlark.MakeUint64(addr), m.setup.Write(addr, data)
}

// thread is the number of the thread that a method is given the name of.
func (m *machine) thread(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (int, error) {
	var name string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &name); err != nil {
		return 0, err
	}
	for i, body := range m.bodies {
		if body.name == name {
			return i, nil
		}
	}
	var names []string
	for _, body := range m.bodies {
		names = append(names, body.name)
	}
	return 0, fmt.Errorf("%s: no thread %q, only %s", b.Name(), name, strings.Join(names, ", "))
}

// returned is what a thread's function has returned.
func (m *machine) returned(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	i, err := m.thread(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	s := m.bodies[i].after(m.view.Results(i))
	if s.value == nil {
		return starlark.None, nil // it has not, yet
	}
	return s.value, nil
}

// results are what a thread's calls have returned so far.
func (m *machine) results(b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	i, err := m.thread(b, args, kwargs)
	if err != nil {
		return nil, err
	}
	results := m.view.Results(i)
	classes := m.bodies[i].after(results).classes
	list := make([]starlark.Value, len(results))
	for k, r := range results {
		list[k] = value(r, classes[k])
	}
	return starlark.NewList(list), nil
}

// newReturned is a call that has returned, as a check after it is given it.
func newReturned(thread string, r scenario.Returned) starlark.Value {
	return &sandbox.Record{Kind: "call", Fields: starlark.StringDict{
		"thread": starlark.String(thread),
		"func":   starlark.String(r.Call.Func),
		"text":   starlark.String(r.Call.String()),
		"result": value(r.Result, r.Call.Result),
	}}
}

// Attributes lists what can be written behind a dot, by what the documentation calls
// the value: t of threads, p of setup and checks.
func Attributes() map[string][]string {
	p := append(names(lookMethods, "arch", "libc"), names(changeMethods)...)
	return map[string][]string{"t": (&racer{}).AttrNames(), "p": append(p, names(checkMethods)...)}
}

package scenariolang

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// Names are the names that a file can use beside the language's own. See the
// package's documentation and docs/writing-scenarios.md.
func Names() starlark.StringDict {
	d := starlark.StringDict{
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"i32":    narrow("i32", 32, true),
		"u32":    narrow("u32", 32, false),
		"i64":    narrow("i64", 64, true),
		"f32":    starlark.NewBuiltin("f32", makeSingle),
	}
	for name, f := range map[string]func(*reading, *starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error){
		"param": param, "env": env, "tunable": tunable, "lazy_binding": lazyBinding, "no_lse": noLSE, "file": file, "lib": lib, "package": packageFunc,
		"setup":      function(func(r *reading) *[]starlark.Callable { return &r.setup }, 1),
		"check":      function(func(r *reading) *[]starlark.Callable { return &r.checks }, 1),
		"after_call": function(func(r *reading) *[]starlark.Callable { return &r.after }, 2),
		"program":    program,
		"thread":     thread, "may_end": end(false), "must_end": end(true), "data": data, "symbol": symbol, "note": note, "expect": expect, "end": wantedEnd,
	} {
		d[name] = starlark.NewBuiltin(name, func(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			r, err := declaring(t, b)
			if err != nil {
				return nil, err
			}
			return f(r, t, b, args, kwargs)
		})
	}
	return d
}

func env(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name, value string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "value", &value); err != nil {
		return nil, err
	}
	if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(value, "\x00") {
		return nil, fmt.Errorf("env: %q: not the name of a variable, or a value with a NUL", name)
	}
	if n := len(name) + len(value) + 1; n > maxVariable {
		return nil, fmt.Errorf("env: %.40s takes %d bytes, at most %d", name, n, maxVariable)
	}
	if r.envSize += len(name) + len(value) + 2; r.envSize > maxEnv {
		return nil, fmt.Errorf("env: all variables together take more than %d bytes", maxEnv)
	}
	if name == "GLIBC_TUNABLES" {
		return nil, errors.New("env: GLIBC_TUNABLES is made of what tunable(name, value) declares")
	}
	r.env = append(r.env, name+"="+value)
	return starlark.None, r.bound(len(r.env))
}

func (r *reading) bound(n int) error {
	if n > maxDeclared {
		return fmt.Errorf("more than %d of these", maxDeclared)
	}
	return nil
}

func tunable(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	var value starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "value", &value); err != nil {
		return nil, err
	}
	text, ok := starlark.AsString(value)
	if _, number := value.(starlark.Int); number {
		text, ok = value.String(), true
	}
	if !ok {
		return nil, fmt.Errorf("tunable: value is %s, not a text or a number", value.Type())
	}
	if name == "" || strings.ContainsAny(name+text, "=:\x00") {
		return nil, fmt.Errorf("tunable: %q, %q: a name such as glibc.malloc.tcache_count and a value, without = and : in them", name, text)
	}
	r.tunables = append(r.tunables, name+"="+text)
	return starlark.None, r.bound(len(r.tunables))
}

// lazyBinding is for a scenario that is about a function's first call: ld.so finds the
// function then, and not before the race.
func lazyBinding(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	r.lazy = true
	return starlark.None, starlark.UnpackArgs(b.Name(), args, kwargs)
}

// noLSE has arm64 libraries lock as on a processor before ARMv8.1, with exclusives.
func noLSE(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	r.noLSE = true
	return starlark.None, starlark.UnpackArgs(b.Name(), args, kwargs)
}

func file(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	var content starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "path", &name, "content", &content); err != nil {
		return nil, err
	}
	var text []byte
	switch c := content.(type) {
	case starlark.String:
		text = []byte(c)
	case starlark.Bytes:
		text = []byte(c)
	default:
		return nil, fmt.Errorf("file: content is %s, not a text or bytes", content.Type())
	}
	if !path.IsAbs(name) || path.Clean(name) != name || strings.Contains(name, "\x00") || name == "/" {
		return nil, fmt.Errorf("file: %q: not a path from the root on, such as /etc/hosts", name)
	}
	if _, there := r.files[name]; there {
		return nil, fmt.Errorf("file: %s is declared twice", name)
	}
	for other := range r.files {
		if inside(other, name) || inside(name, other) {
			return nil, fmt.Errorf("file: %s and %s: one would have to be a folder", other, name)
		}
	}
	if r.size += len(text); r.size > maxFiles {
		return nil, fmt.Errorf("file: all files together have more than %d bytes", maxFiles)
	}
	r.files[name] = text
	return starlark.None, r.bound(len(r.files))
}

// inside tells whether a path is in a folder.
func inside(name, folder string) bool { return strings.HasPrefix(name, folder+"/") }

func lib(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name); err != nil {
		return nil, err
	}
	if name == "" || len(name) > maxPath || strings.Contains(name, "\x00") {
		return nil, fmt.Errorf("lib: %.40q: not a name such as libz.so.1, nor a path", name)
	}
	if len(r.libs) == maxLibs {
		return nil, fmt.Errorf("lib: more than %d libraries", maxLibs)
	}
	if strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
		at, err := r.ownLibrary(name)
		if err != nil {
			return nil, fmt.Errorf("lib: %w", err)
		}
		name = at
	}
	r.libs = append(r.libs, name)
	return starlark.None, nil
}

// ownLibrary has a library of the user's own be a file of the process, with what it needs, and
// returns where.
func (r *reading) ownLibrary(name string) (at string, err error) {
	clean := path.Clean(name)
	if !fs.ValidPath(clean) || clean == "." {
		return "", fmt.Errorf("%.80q: not in the folder of the scenario's file, or below that", name)
	}
	if r.library == nil {
		return path.Join(scenario.LibraryRoot, clean), nil
	}
	found, err := r.library(clean)
	if err != nil {
		return "", err
	}
	for _, l := range found {
		if _, there := r.files[l.At]; there {
			return "", fmt.Errorf("%s: there is a file() of that name", l.At)
		}
		if !slices.ContainsFunc(r.own, func(o scenario.Library) bool { return o.At == l.At }) {
			r.own = append(r.own, l)
		}
	}
	return found[0].At, nil
}

func packageFunc(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 0 || len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: takes a name, or several that it has in different suites", b.Name())
	}
	var names []string
	for i := range args {
		name, ok := starlark.AsString(args[i])
		if !ok {
			return nil, fmt.Errorf("%s: got %s, want string", b.Name(), args[i].Type())
		}
		names = append(names, sandbox.Printable(name))
	}
	r.sc.Packages = append(r.sc.Packages, strings.Join(names, ","))
	return starlark.None, r.bound(len(r.sc.Packages))
}

// function declares one of a list of functions that take so many arguments, or one
// more: what setup has returned.
func function(list func(*reading) *[]starlark.Callable, takes int) func(*reading, *starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return func(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var fn *starlark.Function
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, "function", &fn); err != nil {
			return nil, err
		}
		if err := takesArgs(b.Name(), fn, takes); err != nil {
			return nil, err
		}
		l := list(r)
		*l = append(*l, fn)
		return starlark.None, r.bound(len(*l))
	}
}

// takesArgs is an error when a function cannot be called with n arguments, nor with
// one more.
func takesArgs(what string, fn *starlark.Function, n int) error {
	least := 0
	for i := range fn.NumParams() - fn.NumKwonlyParams() {
		if fn.ParamDefault(i) == nil {
			least++
		}
	}
	if fn.HasVarargs() || fn.HasKwargs() || fn.NumKwonlyParams() > 0 || fn.NumParams() < n || least > n+1 {
		return fmt.Errorf("%s: %s has to take %d arguments, or %d: the last is what setup has returned", what, fn.Name(), n, n+1)
	}
	return nil
}

func thread(r *reading, t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	var fn *starlark.Function
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "function", &fn); err != nil {
		return nil, err
	}
	if err := scenario.CheckThreadName(name); err != nil {
		return nil, fmt.Errorf("thread: %w", err)
	}
	for _, other := range r.threads {
		if other.name == name {
			return nil, fmt.Errorf("thread: there are two threads called %q; the first is at %s", name, other.pos)
		}
	}
	if err := takesArgs("thread", fn, 1); err != nil {
		return nil, err
	}
	r.threads = append(r.threads, racing{name, fn, sandbox.Where(t)})
	var names []string
	for _, t := range r.threads {
		names = append(names, t.name)
	}
	if clash := scenario.MadeName(names); clash != "" {
		return nil, fmt.Errorf("thread: %q is what a thread is called that another one makes", clash)
	}
	// The process has its first thread also where that does not race.
	made := len(r.threads)
	if !slices.ContainsFunc(r.threads, func(t racing) bool { return t.name == scenario.Main }) {
		made++
	}
	if made > scenario.MaxPlanned && len(r.threads) >= scenario.MaxPlanned {
		return nil, fmt.Errorf("thread: more than %d threads, with the process's first, main", scenario.MaxPlanned)
	}
	return starlark.None, nil
}

func data(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var what starlark.Value
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "content", &what); err != nil {
		return nil, err
	}
	init, err := bytesOf(what, maxData)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	d := &static{size: uint64(len(init)), init: init}
	r.data = append(r.data, d)
	return address{data: d}, r.bound(len(r.data))
}

func symbol(r *reading, t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(r.symbols, func(w wanted) bool { return w.name == name }) {
		r.symbols = append(r.symbols, wanted{name, sandbox.Where(t)})
	}
	return address{symbol: name}, r.bound(len(r.symbols))
}

func note(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(kwargs) > 0 || len(args) < 2 {
		return nil, errors.New("note: a title and at least one text")
	}
	n := scenario.Note{}
	for i, a := range args {
		text, ok := starlark.AsString(a)
		if !ok {
			return nil, fmt.Errorf("note: argument %d is %s, not a text", i+1, a.Type())
		}
		if i == 0 {
			n.Title = sandbox.Printable(text)
		} else {
			n.Text = append(n.Text, sandbox.Printable(strings.Join(strings.Fields(text), " ")))
		}
	}
	r.sc.Notes = append(r.sc.Notes, n)
	return starlark.None, r.bound(len(r.sc.Notes))
}

func expect(r *reading, _ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	e := scenario.Expected{}
	var kind, libc string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "verdict", &e.Verdict, "kind?", &kind, "libc?", &libc,
		"arch?", &e.Arch, "search?", &e.Search, "why?", &e.Why); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"failing", "clean", "undecided"}, e.Verdict) {
		return nil, fmt.Errorf("expect: verdict %q: not failing, clean or undecided", e.Verdict)
	}
	e.Arch, e.Search, e.Why = sandbox.Printable(e.Arch), sandbox.Printable(e.Search), sandbox.Printable(e.Why)
	e.Kinds, e.Libc = strings.Fields(sandbox.Printable(kind)), strings.Fields(sandbox.Printable(libc))
	r.sc.Expected = append(r.sc.Expected, e)
	return starlark.None, r.bound(len(r.sc.Expected))
}

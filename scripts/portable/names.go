package portable

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/suggest"
	"emurace/loader"
	"emurace/scenario"
)

// UnknownError is about a name that nothing in the process has.
type UnknownError struct {
	Symbol Symbol
	Near   []string // names that are nearly the same
}

// Error says which name it is.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("%q: the process has no such symbol", e.Symbol.String())
}

// Hint is what to do about it, "" when there is no advice.
func (e *UnknownError) Hint() string {
	if len(e.Near) == 0 {
		return "names that no library exports come from the debug files of the sysroot, if it has them"
	}
	return "there is " + strings.Join(e.Near, ", ")
}

// LineError is about a source line that no code of the process is of.
type LineError struct {
	File string
	Line int
}

// Error says which line it is.
func (e *LineError) Error() string {
	return fmt.Sprintf("%s:%d: no instruction of the process is of this line", e.File, e.Line)
}

// Hint is what to do about it.
func (e *LineError) Hint() string {
	return "lines are known of what was compiled with -g, and of libraries whose debug files the sysroot has; a line without code of its own has no place to stop at"
}

// names finds symbols in a session's process. What was found is kept.
type names struct {
	s         *scenario.Session
	functions map[Symbol]*function
	objects   map[Symbol]uint64
	lines     map[Place][]uint64
	chosen    map[uint64]string // see chosenName
	plain     bool              // errors need not tell of similar names, which takes a while
}

// function is all that a name stands for.
type function struct {
	name    string
	entries []uint64
	exact   []uint64 // entries of this very name, to which an offset can be added
}

func newNames(s *scenario.Session) *names {
	s.Process().System().LoadDebug() // so that names do not depend on who has asked for it before
	return &names{s: s, functions: map[Symbol]*function{}, objects: map[Symbol]uint64{}, lines: map[Place][]uint64{}}
}

// function finds the entries of a function.
func (n *names) function(sym Symbol) (*function, error) {
	if f := n.functions[sym]; f != nil {
		return f, nil
	}
	f := &function{name: sym.Name}
	if sym.Module == "" && strings.HasPrefix(sym.Name, emu.RoutinePrefix) {
		// The scenario's own accesses are in no library.
		if addr, err := n.s.Process().Lookup(sym.Name); err == nil {
			f.entries = []uint64{addr}
			f.exact = f.entries
			n.functions[sym] = f
			return f, nil
		}
	}
	for _, alike := range likenesses {
		for _, mod := range n.modules(sym) {
			n.collect(f, mod, alike)
			if len(f.entries) > 0 {
				n.functions[sym] = f
				return f, nil
			}
		}
		if sym.Module == "" {
			f.entries = n.called(sym.Name)
		}
		if f.exact = f.entries; len(f.entries) > 0 {
			return f, nil // not kept: another race may have other calls
		}
	}
	return nil, n.unknown(sym)
}

// likeness is how a name stands for another one.
type likeness func(asked, has string) bool

var likenesses = []likeness{
	func(asked, has string) bool { return asked == has || asked == stem(has) },
	func(asked, has string) bool { return stem(asked) == stem(has) },
	func(asked, has string) bool { return bare(stem(asked)) == bare(stem(has)) },
}

// collect adds the functions of a library that a name stands for.
func (n *names) collect(f *function, mod *emu.Module, alike likeness) {
	name, version, _ := strings.Cut(f.name, "@")
	var parts []uint64
	list := mod.Image.Symbols()
	hasExact := slices.ContainsFunc(list, func(s loader.Symbol) bool { return s.Function() && s.Name == name })
	for _, s := range list {
		if !s.Function() || !alike(name, s.Name) {
			continue
		}
		exact := s.Name == name
		if version != "" && (!exact || s.Version != strings.TrimPrefix(version, "@")) {
			continue
		}
		if hasExact && !exact && stem(name) != name {
			continue // a copy was asked for by its own name
		}
		addr := mod.Base + s.Addr
		if s.Type == elf.STT_GNU_IFUNC {
			var err error
			if addr, err = n.s.Process().Lookup(f.name); err != nil {
				continue // it is no function that anybody calls by its name
			}
		}
		switch kind := suffix(s.Name); {
		case exact:
			f.exact = appendNew(f.exact, addr)
			f.entries = appendNew(f.entries, addr)
		case strings.Contains(kind, ".cold"):
		case strings.Contains(kind, ".part"):
			parts = appendNew(parts, addr)
		default:
			f.entries = appendNew(f.entries, addr)
		}
	}
	if len(f.entries) == 0 {
		f.entries = parts
	}
	if len(f.exact) == 0 {
		f.exact = f.entries
	}
}

// chosenName is the name by which programs know the function at an address that a
// library has chosen for this processor, "" when it is no such function. On another
// architecture the function behind that name has another name of its own.
func (n *names) chosenName(entry uint64) string {
	if n.chosen != nil {
		return n.chosen[entry]
	}
	n.chosen = map[uint64]string{}
	for _, mod := range n.s.Process().Modules() {
		for _, s := range mod.Image.Symbols() {
			if s.Type != elf.STT_GNU_IFUNC || !public(s) {
				continue
			}
			addr, err := n.s.Process().Lookup(s.Name)
			if err != nil {
				continue // it is no function that anybody calls by its name
			}
			if old := n.chosen[addr]; old == "" || plainer(s.Name, old) < 0 {
				n.chosen[addr] = s.Name
			}
		}
	}
	return n.chosen[entry]
}

// plainer orders names of one thing: the ones first that programs are most likely to
// use.
func plainer(a, b string) int {
	under := func(name string) int { return len(name) - len(strings.TrimLeft(name, "_")) }
	return cmp.Or(cmp.Compare(under(a), under(b)), cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func appendNew(list []uint64, addr uint64) []uint64 {
	if slices.Contains(list, addr) {
		return list
	}
	return append(list, addr)
}

// object is the address of a variable, or of a function's first instruction.
func (n *names) object(sym Symbol) (uint64, error) {
	if addr, ok := n.objects[sym]; ok {
		return addr, nil
	}
	if sym.Module == "" {
		for _, s := range n.s.Process().Statics() {
			if s.Name == sym.Name {
				return s.Addr, nil
			}
		}
	}
	for _, alike := range likenesses {
		for _, mod := range n.modules(sym) {
			var at []uint64
			for _, s := range mod.Image.Symbols() {
				if !s.Function() && alike(sym.Name, s.Name) && (s.Name == sym.Name || len(at) == 0 || !s.Default) {
					at = appendNew(at, mod.Base+s.Addr)
				}
			}
			if exported, ok := mod.Image.Symbol(sym.Name); ok {
				if exported.Type == elf.STT_TLS {
					return 0, fmt.Errorf("%q is thread-local: it has an address in every thread", sym.String())
				}
				if !exported.Function() {
					at = []uint64{mod.Base + exported.Addr}
				}
			}
			switch {
			case len(at) == 1:
				n.objects[sym] = at[0]
				return at[0], nil
			case len(at) > 1:
				return 0, fmt.Errorf("%q: %d variables of %s have this name, from %#x on", sym.String(), len(at), path.Base(mod.Path), at[0])
			}
		}
	}
	f, err := n.function(sym)
	if err != nil {
		return 0, err
	}
	return f.exact[0], nil
}

// modules are the libraries to look for a symbol in, in order.
func (n *names) modules(sym Symbol) []*emu.Module {
	mods := slices.Clone(n.s.Process().Modules())
	if sym.Module != "" {
		return slices.DeleteFunc(mods, func(m *emu.Module) bool {
			return m.Image.Soname != sym.Module && path.Base(m.Path) != sym.Module
		})
	}
	first := map[*emu.Module]int{}
	if libc, ok := n.s.Process().Libc(); ok {
		first[libc] = 1
	}
	if addr, err := n.s.Process().Lookup(sym.Name); err == nil {
		if mod, ok := n.s.Process().Module(addr); ok {
			first[mod] = 2
		}
	}
	if n.s.Process().RunsProgram() {
		program := n.s.Process().Program()
		for _, mod := range mods {
			if mod.Path == program.Path && mod.Base == program.Base {
				first[mod] = 3
			}
		}
	}
	slices.SortStableFunc(mods, func(a, b *emu.Module) int { return first[b] - first[a] })
	return mods
}

// line finds where the instructions of a source line begin, in the first module that has
// any.
func (n *names) line(file string, line int) ([]uint64, error) {
	key := Place{File: file, Line: line}
	if list := n.lines[key]; list != nil {
		return list, nil
	}
	for _, mod := range n.modules(Symbol{}) {
		list := mod.Image.AddressesOf(file, line)
		for i := range list {
			list[i] += mod.Base
		}
		if len(list) > 0 {
			n.lines[key] = list
			return list, nil
		}
	}
	return nil, &LineError{File: file, Line: line}
}

// called lists the addresses that the scenario's threads call by a name, as far as
// it is known which calls they make.
func (n *names) called(name string) []uint64 {
	var at []uint64
	n.eachCall(func(c scenario.Call) {
		if c.Func == name && c.Addr != 0 {
			at = appendNew(at, c.Addr)
		}
	})
	return at
}

// eachCall goes through the calls that the threads have made and that they are in.
// Those to come are known where they do not depend on results.
func (n *names) eachCall(f func(scenario.Call)) {
	for i := range n.s.Threads() {
		body := n.s.Body(i)
		if calls, ok := body.(scenario.Calls); ok {
			for _, c := range calls {
				f(c)
			}
			continue
		}
		results := n.s.Results(i)
		for k := range len(results) + 1 {
			if c, ok, err := body.Next(slices.Clone(results[:k])); ok && err == nil && c.Place == nil {
				f(c)
			}
		}
	}
}

// stem is a name without what GCC appends to the names of copies.
func stem(name string) string { return strings.TrimSuffix(name, suffix(name)) }

// suffix is what GCC has appended: words it uses and numbers, after dots.
func suffix(name string) string {
	_, rest, found := strings.Cut(name, ".")
	if !found || len(name) == len(rest)+1 {
		return ""
	}
	known := false
	for _, part := range strings.Split(rest, ".") {
		switch part {
		case "constprop", "isra", "part", "cold", "lto_priv", "localalias":
			known = true
		default:
			if part == "" || strings.Trim(part, "0123456789") != "" {
				return ""
			}
		}
	}
	if !known {
		return ""
	}
	return "." + rest
}

// bare is a name without the prefixes of glibc's own names for a function.
func bare(name string) string {
	for {
		shorter := name
		for _, prefix := range []string{"__GI_", "__libc_", "__"} {
			shorter = strings.TrimPrefix(shorter, prefix)
		}
		if shorter == name || shorter == "" {
			return name
		}
		name = shorter
	}
}

// unknown is the error about a name, with the nearest ones that there are.
func (n *names) unknown(sym Symbol) error {
	if n.plain {
		return &UnknownError{Symbol: sym}
	}
	mods := n.modules(sym)
	if len(mods) == 0 && sym.Module != "" {
		e := &UnknownError{Symbol: sym}
		for _, m := range n.s.Process().Modules() {
			e.Near = append(e.Near, path.Base(m.Path))
		}
		return e
	}
	return &UnknownError{Symbol: sym, Near: suggest.Names(sym.Name, func(yield func(string) bool) {
		for _, m := range mods {
			for _, s := range m.Image.Symbols() {
				if !yield(s.Name) {
					return
				}
			}
		}
		n.eachCall(func(c scenario.Call) { yield(c.Func) })
	}, func(name string) string { return bare(stem(name)) })}
}

// hint is the advice that an error has for its reader, "" for none.
func hint(err error) string {
	var u *UnknownError
	var l *LineError
	var m *MemberError
	switch {
	case errors.As(err, &m):
		return m.Hint()
	case errors.As(err, &u):
		return u.Hint()
	case errors.As(err, &l):
		return l.Hint()
	}
	return ""
}

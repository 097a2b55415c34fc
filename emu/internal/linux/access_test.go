package linux

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// stateFiles are where the kernel's state and memory are reached; all other files are
// handlers of system calls and what these share.
var stateFiles = map[string]bool{
	"kernel.go": true, "state.go": true, "objects.go": true, "memory.go": true,
	"clock.go": true, "descriptors.go": true, "mappings.go": true, "signals.go": true,
	"streams.go": true, "tasks.go": true, "waiters.go": true, "overlay.go": true, "shared.go": true,
	"blocking.go": true, "queues.go": true, "delivery.go": true,
}

// unnoted are the functions that get at state or memory and note nothing, and why they
// may.
var unnoted = map[string]string{
	"New":                "makes it",
	"Kernel.State":       "for who shows it",
	"Kernel.peek":        "for who shows it",
	"Kernel.Snapshot":    "for marks",
	"Kernel.Restore":     "for marks",
	"Kernel.mut":         "hands out what was asked for with a note",
	"Kernel.SetBrk":      "for exec",
	"Kernel.Due":         "for who decides whether the clock is moved on",
	"Kernel.Until":       "likewise",
	"Kernel.Advance":     "looks whether there is anything to do; no call does it",
	"Kernel.Rouse":       "for what would be, which is gone back from",
	"Kernel.Robust":      "for who tells what an end would change",
	"Kernel.monotonic":   "for the clock, which notes",
	"waiters.rouse":      "for wake and expire, which note",
	"waiters.signalled":  "for signals, which note",
	"Kernel.Comm":        "for who shows it",
	"Kernel.Called":      "for who shows it",
	"Kernel.Interrupted": "for who runs the thread",
	"Kernel.Interrupts":  "for who asks what an event is",
	"waiters.repeat":     "for stir and expire, which note",
	"Kernel.WaitsFor":    "for who shows it",
	"Kernel.Do":          "a call that is made again is its thread's",
	"Kernel.exists":      "never changes",
	"Kernel.view":        "who asks for it notes what is looked at",
	"Kernel.touch":       "is the note",
	"Kernel.allows":      "notes the page that refuses; who asks notes what it then accesses",
	"Kernel.write":       "Store notes it",
	"access.reads":       "is the note",
	"access.writes":      "is the note",
	"access.own":         "nobody else sees it",
	"access.changeOwn":   "nobody else sees it",
	"mappings.allowed":   "never changes",
	"mappings.renew":     "Unmap and Map note it, and parts the list",
	"mappings.fill":      "Map and Store note it",
	"mappings.copy":      "Store notes it, and Unmap what is then taken away",
	"tasks.endAll":       "an end depends on everything",
	"Kernel.inode":       "for the tree, which notes",
	"Kernel.sweep":       "takes away what nobody can see",
	"tree.change":        "for setAttributes and setContent, which note",
	"tree.add":           "nobody else sees it before it has a name",
	"mappings.sharing":   "the file reads the same with a mapping and without",
	"mappings.overlay":   "touches what it looks at",
	"mappings.stored":    "touches what it looks at",
	"mappings.spread":    "Store notes it",
	"mappings.blank":     "Store notes it, and who asks writes the file",
	"mappings.absorb":    "notes the file; what it looks at is taken away",
}

// source is a package of Go files, type-checked as far as it can be without what it
// imports.
type source struct {
	fset  *token.FileSet
	files map[string]*ast.File
	info  *types.Info
	pkg   *types.Package
}

// noImports leaves packages out: types of theirs play no part here.
type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) { return nil, errors.New(path) }

// parse reads this package, with texts put behind its files, or as files beside them.
func parse(t *testing.T, more map[string]string) *source {
	t.Helper()
	s := &source{fset: token.NewFileSet(), files: map[string]*ast.File{},
		info: &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}, Uses: map[*ast.Ident]types.Object{},
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}}}
	dir, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	texts := maps.Clone(more)
	if texts == nil {
		texts = map[string]string{}
	}
	for _, e := range dir {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			texts[name] = string(b) + texts[name]
		}
	}
	var list []*ast.File
	for name, text := range texts {
		f, err := parser.ParseFile(s.fset, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.files[name] = f
		list = append(list, f)
	}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	s.pkg, _ = conf.Check("linux", s.fset, list, s.info) // what is wrong are the imports
	return s
}

// typeName is the name of a type of this package, or of what it points to; else "".
func (s *source) typeName(t types.Type) string {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() == s.pkg {
		return n.Obj().Name()
	}
	return ""
}

// member names what a selector selects: the type that declares it, a dot and its name,
// also where it is reached through an embedded field.
func (s *source) member(sel *ast.SelectorExpr) string {
	x := s.info.Selections[sel]
	if x == nil {
		return ""
	}
	t := x.Recv()
	for _, i := range x.Index()[:len(x.Index())-1] {
		if p, ok := t.(*types.Pointer); ok {
			t = p.Elem()
		}
		t = t.Underlying().(*types.Struct).Field(i).Type()
	}
	return s.typeName(t) + "." + x.Obj().Name()
}

// name is that of a function as unnoted has it.
func (s *source) name(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	return s.typeName(s.info.TypeOf(f.Recv.List[0].Type)) + "." + f.Name.Name
}

// raw tells whether a member is the state, or memory, as it is: State's own parts, what
// gives it out, and what notes without reaching anything.
func raw(member string) bool {
	switch member {
	case "Kernel.s", "Kernel.shared", "Kernel.Memory", "Kernel.mut", "Kernel.State", "Kernel.Snapshot", "Kernel.Restore",
		"Kernel.Map", "Kernel.SetBrk", "Kernel.Due", "Kernel.Until", "Kernel.Advance", "Kernel.Rouse", "Kernel.monotonic",
		"access.reads", "access.writes", "access.own", "access.changeOwn", "access.k", "access.r",
		"Result.Objects", "Result.uses", "Result.thread":
		return true
	}
	return strings.HasPrefix(member, "State.")
}

// direct is raw of what there is to be had without a note.
func direct(member string) bool {
	switch member {
	case "Kernel.s", "Kernel.mut", "Kernel.State", "Kernel.Snapshot", "Kernel.Memory",
		"Kernel.monotonic":
		return true
	}
	return false
}

// breaches lists what goes against the rule that handlers reach state through accessors,
// and these, with exceptions, only where they note it.
func (s *source) breaches(except []string) []string {
	var list []string
	say := func(n ast.Node, format string, args ...any) {
		list = append(list, fmt.Sprintf("%v: ", s.fset.Position(n.Pos()))+fmt.Sprintf(format, args...))
	}
	handlers := s.handlers()
	for file, f := range s.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Body == nil {
				continue
			}
			name := s.name(fn)
			if handlers[name] && stateFiles[file] {
				say(fn, "%s is a handler, in a file of the state", name)
			}
			notes := false
			var members []*ast.SelectorExpr
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					members = append(members, n)
					m := s.member(n)
					notes = notes || m == "access.reads" || m == "access.writes"
				case *ast.CompositeLit:
					if t := s.typeName(s.info.TypeOf(n)); !stateFiles[file] && (t == "access" || t == "Result" || t == "State") {
						say(n, "%s makes its own %s", name, t)
					}
				}
				return true
			})
			for _, sel := range members {
				m := s.member(sel)
				switch {
				case !stateFiles[file] && raw(m):
					say(sel, "%s uses %s", name, m)
				case stateFiles[file] && direct(m) && !notes && !slices.Contains(except, name):
					say(sel, "%s uses %s and notes nothing", name, m)
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// handlers are the functions that the table of calls names, and those that take a Call.
func (s *source) handlers() map[string]bool {
	list := map[string]bool{}
	for _, f := range s.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || s.name(fn) == "Kernel.Do" {
				continue
			}
			for _, p := range fn.Type.Params.List {
				if s.typeName(s.info.TypeOf(p.Type)) == "Call" {
					list[s.name(fn)] = true
				}
			}
		}
	}
	return list
}

// TestAccess: no handler reaches the kernel's state, or memory, but through what notes it.
func TestAccess(t *testing.T) {
	s := parse(t, nil)
	for _, b := range s.breaches(slices.Collect(maps.Keys(unnoted))) {
		t.Error(b)
	}
	if n := len(s.handlers()); n < 60 {
		t.Errorf("%d handlers found", n)
	}
	for name := range stateFiles {
		if s.files[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
	all := strings.Join(s.breaches(nil), "\n")
	for name := range unnoted {
		if !strings.Contains(all, ": "+name+" uses") {
			t.Errorf("%s needs no exception", name)
		}
	}
}

// Ways around the accessors are seen.
func TestAccessFinds(t *testing.T) {
	for _, c := range []struct{ file, body, want string }{
		{"new.go", "return k.s.Brk, nil", "sysNew uses Kernel.s"},
		{"new.go", "return k.s.Brk, nil", "sysNew uses State.Brk"},
		{"new.go", "k.mut().NextTID++; return 0, nil", "sysNew uses Kernel.mut"},
		{"new.go", "s := k.State(); return uint64(len(s.Waiters)), nil", "sysNew uses State.Waiters"},
		{"new.go", "m := k.mappings(r); return m.list().Brk, nil", "sysNew uses State.Brk"},
		{"new.go", "_, ok := k.State().VMA(0); _ = ok; return 0, nil", "sysNew uses State.VMA"},
		{"new.go", "f, _ := k.descriptors(r).get(0); return f.k.s.Brk, nil", "sysNew uses access.k"},
		{"new.go", "f, _ := k.descriptors(r).get(0); return f.writes(ObjectFiles, 0).Brk, nil", "sysNew uses access.writes"},
		{"new.go", "t := k.tasks(r); t.changeOwn().TID = 0; return 0, nil", "sysNew uses access.changeOwn"},
		{"new.go", "now := k.monotonic; return now(), nil", "sysNew uses Kernel.monotonic"},
		{"new.go", "r.Objects = nil; return 0, nil", "sysNew uses Result.Objects"},
		{"new.go", "return 0, k.mappings(&Result{}).renew(VMA{}, nil)", "sysNew makes its own Result"},
		{"new.go", "return uint64(k.Memory.View(c.Args[0], 1)[0]), nil", "sysNew uses Kernel.Memory"},
		{"new.go", "_, _, err := k.Advance(); return 0, err", "sysNew uses Kernel.Advance"},
		{"new.go", "return k.other(), nil }; func (k *Kernel) other() uint64 { return k.s.Brk", "Kernel.other uses Kernel.s"},
		{"clock.go", "return 0, nil", "sysNew is a handler, in a file of the state"},
		{"clock.go", "return c.late(), nil }; func (c clock) late() uint64 { return c.k.s.Advanced", "clock.late uses Kernel.s and notes nothing"},
		{"clock.go", "return c.late(), nil }; func (c clock) late() uint64 { return c.k.monotonic()", "clock.late uses Kernel.monotonic and notes nothing"},
	} {
		text := "func sysNew(k *Kernel, c *Call, r *Result) (uint64, error) { " + c.body + " }"
		if c.file == "new.go" {
			text = "package linux; " + text
		}
		found := parse(t, map[string]string{c.file: text}).breaches(slices.Collect(maps.Keys(unnoted)))
		if !slices.ContainsFunc(found, func(b string) bool { return strings.HasSuffix(b, c.want) }) {
			t.Errorf("%s: found %q, not %q", c.body, found, c.want)
		}
	}
}

package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// MaxSource bounds a script, in bytes.
const MaxSource = 256 << 10

// Source is the text of a script and of what it loads.
type Source struct {
	Name string // of the file to run
	Text string
	// Modules are the files that it can load, by name. Nothing else can be loaded.
	Modules map[string]string
}

// Program is a script that was read and checked, and can be run any number of
// times. It may be run by several goroutines at once.
type Program struct {
	Name string
	Doc  string // the text that the file begins with, "" without one

	main    *starlark.Program
	modules map[string]*starlark.Program
	sources map[string]string
	env     starlark.StringDict
}

var options = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}

// Compile reads a script. Names that are neither its own nor the language's must
// be in env, which is frozen. Its errors are of type *Error.
func Compile(src Source, env starlark.StringDict) (*Program, error) {
	p := &Program{Name: src.Name, modules: map[string]*starlark.Program{}, sources: map[string]string{src.Name: src.Text}}
	p.env = make(starlark.StringDict, len(env)+len(guarded))
	for name, v := range guarded {
		p.env[name] = v
	}
	for name, v := range env {
		p.env[name] = v
	}
	p.env.Freeze()
	for name, text := range src.Modules {
		p.sources[name] = text
	}
	file, prog, err := p.compile(src.Name, src.Text)
	if err != nil {
		return nil, err
	}
	p.main, p.Doc = prog, docstring(file.Stmts)
	return p, p.compileModules(prog)
}

// compileModules reads what a program loads, and what that loads.
func (p *Program) compileModules(prog *starlark.Program) error {
	for i := range prog.NumLoads() {
		name, pos := prog.Load(i)
		if p.modules[name] != nil {
			continue
		}
		text, ok := p.sources[name]
		if !ok || name == p.Name {
			e := &Error{Msg: fmt.Sprintf("load: there is no module %q%s", name, p.known())}
			e.at(p, pos)
			return e
		}
		_, module, err := p.compile(name, text)
		if err != nil {
			return err
		}
		p.modules[name] = module
		if err := p.compileModules(module); err != nil {
			return err
		}
	}
	return nil
}

func (p *Program) known() string {
	var names []string
	for name := range p.sources {
		if name != p.Name {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ", and none can be loaded"
	}
	return ", only " + list(names)
}

func (p *Program) compile(name, text string) (file *syntax.File, prog *starlark.Program, err error) {
	switch {
	case len(text) > MaxSource:
		return nil, nil, &Error{Msg: fmt.Sprintf("%s: more than %d bytes", name, MaxSource)}
	case !utf8.ValidString(text):
		return nil, nil, &Error{Msg: name + ": not UTF-8 text"}
	case strings.IndexByte(text, 0) >= 0:
		return nil, nil, &Error{Msg: name + ": holds a NUL"}
	}
	// The parser and the resolver go as deep as the text does, and Go's stack is
	// large but not endless.
	if n := nesting(text); n > maxNesting {
		return nil, nil, &Error{Msg: fmt.Sprintf("%s: brackets or blocks are more than %d deep in each other", name, maxNesting)}
	}
	// What is wrong with hostile text should be an error; a panic of the library's
	// is one too.
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Msg: fmt.Sprintf("%s: cannot be read: %v", name, r)}
		}
	}()
	file, err = options.Parse(name, text, 0)
	if err != nil {
		return nil, nil, p.explain(err)
	}
	guard(file)
	prog, err = starlark.FileProgram(file, p.env.Has)
	return file, prog, p.explain(err)
}

// maxNesting bounds how many brackets may be open at a time, and how far a line may
// be indented.
const maxNesting = 200

// nesting is how deep brackets and blocks are in each other. What can be deep
// without either, such as a chain of operators, is bounded by the size of the text.
func nesting(text string) int {
	depth, most := 0, 0
	for line := range strings.Lines(text) {
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		for i := indent; i < len(line); i++ {
			switch line[i] {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth = max(depth-1, 0)
			}
			most = max(most, depth, indent)
		}
	}
	return most
}

// docstring is the text that a file begins with.
func docstring(stmts []syntax.Stmt) string {
	if len(stmts) == 0 {
		return ""
	}
	if e, ok := stmts[0].(*syntax.ExprStmt); ok {
		if l, ok := e.X.(*syntax.Literal); ok && l.Token == syntax.STRING {
			return l.Value.(string)
		}
	}
	return ""
}

// Loads lists the modules that the script loads, and those that these load.
func (p *Program) Loads() []string {
	var names []string
	for name := range p.modules {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

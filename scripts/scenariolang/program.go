package scenariolang

import (
	"fmt"
	"path"
	"strings"

	"go.starlark.net/starlark"

	"emurace/explore/target"
	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// Program is a whole program that a file names to be run in place of a scenario, as a command
// line does: nothing of it has been looked at.
type Program struct {
	Path   string   // of a file of this machine, or of the sysroot
	Argv   []string // with its name first
	Env    []string // NAME=VALUE
	Folder string   // the working folder, absolute; "" for /
	Stdin  string   // the file of this machine that standard input is; "" for none
	Input  []byte   // what standard input holds where it is no file
	Files  []Given
	Expect []string // as scenario.ParseExpect reads it
	// Expected is what searches of it are known to show, as expect(...) says it.
	Expected []scenario.Expected
	// End is the one that searches look for, nil for any failure.
	End *target.End
	// From and To are where its window begins and ends, as portable.ParseBound reads it; "" as
	// ever.
	From, To string

	pos string
}

// Given is a file or a folder of this machine, and where the program sees it.
type Given struct{ At, Host string }

// ProgramOf reads which program a file that was compiled with Names names, nil when it names
// none.
func ProgramOf(program *sandbox.Program, host Host) (*Program, error) {
	p, err := read(program, host, nil)
	if err != nil {
		return nil, err
	}
	if p.plan.program != nil {
		p.plan.program.Expected, p.plan.program.End = p.plan.sc.Expected, p.plan.sc.End
	}
	return p.plan.program, nil
}

// maxArguments bounds a program's arguments, variables and names, in bytes together.
const maxArguments = 1 << 20

func program(r *reading, t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if r.program != nil {
		return nil, fmt.Errorf("program: there are two; the first is at %s", r.program.pos)
	}
	p := &Program{pos: sandbox.Where(t)}
	argv, err := textsOf("arguments", args)
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, fmt.Errorf("program: which one? The first argument is its path or name, those behind it are its own")
	}
	p.Path, p.Argv = argv[0], argv
	name := argv[0]
	var env, expect *starlark.List
	var given *starlark.Dict
	var input starlark.Value
	if err := starlark.UnpackArgs(b.Name(), nil, kwargs, "name?", &name, "env?", &env, "cwd?", &p.Folder, "stdin?", &p.Stdin,
		"input?", &input, "files?", &given, "expect?", &expect, "from_?", &p.From, "to?", &p.To); err != nil {
		return nil, err
	}
	p.Argv[0] = name
	if p.Env, err = listOf("env", env); err != nil {
		return nil, err
	}
	for _, v := range p.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return nil, fmt.Errorf("program: env: %.40q is not NAME=VALUE", v)
		}
	}
	if p.Folder != "" && (!path.IsAbs(p.Folder) || path.Clean(p.Folder) != p.Folder) {
		return nil, fmt.Errorf("program: cwd: %q is not a path from the root on, such as /tmp", p.Folder)
	}
	if p.Input, err = inputOf(p, input); err != nil {
		return nil, err
	}
	if p.Files, err = givenOf(given); err != nil {
		return nil, err
	}
	if p.Expect, err = listOf("expect", expect); err != nil {
		return nil, err
	}
	if _, _, err := scenario.ParseExpect(p.Expect); err != nil {
		return nil, fmt.Errorf("program: expect: %w", err)
	}
	size := len(p.Path) + len(p.Folder) + len(p.Stdin) + len(p.From) + len(p.To)
	for _, list := range [][]string{p.Argv, p.Env, p.Expect} {
		for _, text := range list {
			size += len(text) + 1
		}
	}
	if size > maxArguments || strings.Contains(name+p.Folder+p.Stdin+p.From+p.To, "\x00") {
		return nil, fmt.Errorf("program: its arguments and variables take more than %d bytes, or a name holds a NUL", maxArguments)
	}
	r.program = p
	return starlark.None, nil
}

// inputOf is what standard input holds that the file itself has.
func inputOf(p *Program, v starlark.Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case starlark.String:
		return []byte(v), checkInput(p)
	case starlark.Bytes:
		return []byte(v), checkInput(p)
	}
	return nil, fmt.Errorf("program: input is %s, not a text or bytes", v.Type())
}

func checkInput(p *Program) error {
	if p.Stdin != "" {
		return fmt.Errorf("program: both stdin, a file, and input, what it holds")
	}
	return nil
}

// givenOf reads a dict of paths of the guest and files of this machine.
func givenOf(dict *starlark.Dict) (list []Given, err error) {
	if dict == nil {
		return nil, nil
	}
	for _, item := range dict.Items() {
		texts, err := textsOf("files", item)
		if err != nil {
			return nil, err
		}
		if at := texts[0]; !path.IsAbs(at) || path.Clean(at) != at || texts[1] == "" {
			return nil, fmt.Errorf("program: files: %q: %q is not a path of the guest from the root on, and a file of this machine", at, texts[1])
		}
		list = append(list, Given{texts[0], texts[1]})
	}
	return list, nil
}

func listOf(what string, list *starlark.List) ([]string, error) {
	if list == nil {
		return nil, nil
	}
	var items []starlark.Value
	for i := range list.Len() {
		items = append(items, list.Index(i))
	}
	return textsOf(what, items)
}

// textsOf are values that have to be texts which a process can be given.
func textsOf(what string, list []starlark.Value) ([]string, error) {
	var texts []string
	for i, v := range list {
		text, ok := starlark.AsString(v)
		if !ok || strings.Contains(text, "\x00") {
			return nil, fmt.Errorf("program: %s: number %d is %s, not a text without a NUL", what, i+1, v.Type())
		}
		texts = append(texts, text)
	}
	return texts, nil
}

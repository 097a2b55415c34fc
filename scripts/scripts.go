package scripts

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"emurace/internal/files"
	"emurace/scenario"
	"emurace/scripts/sandbox"
	"emurace/scripts/scenariolang"
	"emurace/scripts/strategylang"
)

//go:embed *.star lib/*.star
var shipped embed.FS

// Suffix is how the names of scripts end.
const Suffix = ".star"

// Default is the scenario that is explored when none is named.
const Default = "getenv-setenv"

// Script is a file that was read.
type Script struct {
	Program   *sandbox.Program
	source    []scenario.File
	libraries Libraries // nil without
}

// Compile reads a script of the given name. It can load the modules that ship, and
// no other file. Its errors are of type *sandbox.Error.
func Compile(name, text string) (*Script, error) {
	return compile(name, text, modules())
}

// FromSource reads a script as a trace keeps it: the file itself, and then what it
// loads, which is taken from there and nowhere else.
//
// libraries finds those of the user's own, nil for none.
func FromSource(files []scenario.File, libraries Libraries) (*Script, error) {
	if len(files) == 0 {
		return nil, &sandbox.Error{Msg: "it holds no script"}
	}
	loads := map[string]string{}
	for _, f := range files[1:] {
		loads[f.Name] = f.Text
	}
	s, err := compile(files[0].Name, files[0].Text, loads)
	if err == nil {
		s.libraries = libraries
	}
	return s, err
}

func compile(name, text string, loads map[string]string) (*Script, error) {
	program, err := sandbox.Compile(sandbox.Source{Name: name, Text: text, Modules: loads}, names())
	if err != nil {
		return nil, err
	}
	s := &Script{Program: program, source: []scenario.File{{Name: name, Text: text}}}
	for _, m := range program.Loads() {
		s.source = append(s.source, scenario.File{Name: m, Text: loads[m]})
	}
	return s, nil
}

// Scenario is what the script declares; scenariolang.ErrNone when that is no scenario.
func (s *Script) Scenario() (*scenario.Scenario, error) {
	sc, err := scenariolang.Scenario(s.Program, s.host())
	if err == nil {
		sc.Source = s.source
	}
	return sc, err
}

// Named is the program that the script names, nil for none: then it declares no scenario.
func (s *Script) Named() (*scenariolang.Program, error) {
	return scenariolang.ProgramOf(s.Program, s.host())
}

func (s *Script) host() scenariolang.Host {
	return scenariolang.Host{Locals: strategylang.NewLocals, Print: printOnce, Library: s.libraries}
}

// Source is the file, and then what it loads.
func (s *Script) Source() []scenario.File { return s.source }

// Schedule is what the script says about schedules; strategylang.ErrNone when that is
// nothing.
func (s *Script) Schedule() (*strategylang.Schedule, error) {
	return strategylang.Read(s.Program, strategylang.Host{Locals: scenariolang.NewLocals, Print: printOnce, Ran: scenariolang.NameData})
}

// names are those of both languages. A file may be in both.
var names = sync.OnceValue(func() starlark.StringDict {
	all := scenariolang.Names()
	maps.Copy(all, strategylang.Names())
	return all
})

// Read reads a user's script. The script is called by the last part of the file's
// name. Errors are those of the file system, or of type *sandbox.Error.
func Read(file string) (*Script, error) {
	text, err := files.Read(file, sandbox.MaxSource)
	var large *files.TooLarge
	switch {
	case errors.As(err, &large):
		return nil, &sandbox.Error{Msg: fmt.Sprintf("%s: more than %d bytes", file, large.Most)}
	case err != nil:
		return nil, &fs.PathError{Op: "read", Path: file, Err: err}
	}
	s, err := Compile(path.Base(file), string(text))
	if err == nil {
		s.libraries = Beside(file)
	}
	return s, err
}

// Shipped reads the script of a scenario that ships, with the schedule in words that its file may
// hold; false when none has the name.
func Shipped(name string) (*Script, bool) {
	if !slices.Contains(allNames(), name) {
		return nil, false
	}
	text, err := shipped.ReadFile(name + Suffix)
	if err != nil {
		panic(err) // the file is part of the program
	}
	s, err := Compile(name+Suffix, string(text))
	if err != nil {
		panic(err)
	}
	return s, true
}

// IsFile tells whether a scenario's name on the command line means a file.
func IsFile(name string) bool { return strings.HasSuffix(name, Suffix) }

// modules are the files that scripts can load.
var modules = sync.OnceValue(func() map[string]string {
	found := map[string]string{}
	for name, text := range read("lib/*" + Suffix) {
		found[path.Base(name)] = text
	}
	return found
})

func read(pattern string) map[string]string {
	texts := map[string]string{}
	names, err := fs.Glob(shipped, pattern)
	for _, name := range names {
		var text []byte
		if text, err = shipped.ReadFile(name); err != nil {
			break
		}
		texts[name] = string(text)
	}
	if err != nil {
		panic(err) // the files are part of the program
	}
	return texts
}

// allNames lists the scenarios that ship, the default one first.
func allNames() []string {
	names := []string{}
	for name := range read("*" + Suffix) {
		names = append(names, strings.TrimSuffix(name, Suffix))
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == Default) != (b == Default) {
			if a == Default {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return names
}

// Get reads a scenario that is known to ship; there is a panic otherwise.
func Get(name string) *scenario.Scenario {
	sc, ok := Find(name)
	if !ok {
		panic("no scenario of the name ships: " + name)
	}
	return sc
}

// All reads the scenarios that ship, the default one first.
func All() []*scenario.Scenario {
	var list []*scenario.Scenario
	for _, name := range allNames() {
		list = append(list, Get(name))
	}
	return list
}

var shippedScenarios sync.Map // *scenario.Scenario by name

// Find reads the scenario of a name, false when none that ships has it.
func Find(name string) (*scenario.Scenario, bool) {
	if sc, ok := shippedScenarios.Load(name); ok {
		return sc.(*scenario.Scenario), true
	}
	s, ok := Shipped(name)
	if !ok {
		return nil, false
	}
	sc, err := s.Scenario()
	if err != nil {
		panic(err)
	}
	shippedScenarios.Store(name, sc)
	return sc, true
}

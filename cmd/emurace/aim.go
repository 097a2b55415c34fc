package main

import (
	"debug/elf"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/suggest"
	"emurace/loader"
	"emurace/scenario"
)

// aimFlags say what schedules that are drawn are to try most.
func aimFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "only", Usage: "draw most switches at instructions of a library, or in calls of a function, `LIB|SYMBOL`, as libc or setenv; a weight for what is drawn at random, and no filter; may be given several times"},
		&cli.StringSliceFlag{Name: "focus", Usage: "the same where an object such as environ is accessed, or in calls of a function, in a library or a thread of this `NAME`; may be given several times"},
	}
}

// aims tells whether the command line says what to try most.
func aims(c *cli.Context) bool { return c.IsSet("only") || c.IsSet("focus") }

// checkAim refuses --only and --focus where nothing is drawn.
func checkAim(c *cli.Context, strategy string) error {
	flag := "--only"
	if !c.IsSet("only") {
		flag = "--focus"
	}
	for _, name := range slices.Concat(c.StringSlice("only"), c.StringSlice("focus")) {
		if name == "" {
			return usage(fmt.Errorf("%s: an empty name", flag), "name a library or a symbol, as libc or environ")
		}
	}
	switch {
	case !aims(c):
		return nil
	case strategy == strategyScript:
		return usage(fmt.Errorf("%s does not go with --strategy script", flag), "a script itself says what it tries; leave the flag out")
	case !drawn(strategy) && !isProgram(c):
		return usage(fmt.Errorf("%s does not go with --strategy %s of a scenario: it weights what is drawn at random, and this draws nothing", flag, strategy),
			"use --strategy surw, or leave the flag out: a search that comes to its end has tried everything")
	}
	return nil
}

// aimOf makes a search try what the flags name, which is looked up in the process at the start of
// its race; nil without such flags.
func aimOf(c *cli.Context) func(*scenario.Session) (*explore.Aim, error) {
	if !aims(c) {
		return nil
	}
	only, focus := c.StringSlice("only"), c.StringSlice("focus")
	return func(s *scenario.Session) (*explore.Aim, error) {
		n := newNames(s)
		for _, name := range only {
			if !n.code(name) {
				return nil, n.unknown("--only", name, "library or function")
			}
		}
		for _, name := range focus {
			if found := n.code(name); !n.data(name) && !found && !n.thread(name) {
				return nil, n.unknown("--focus", name, "object, function, library or thread")
			}
		}
		return &n.aim, nil
	}
}

// names looks up what an aim is made of in a process.
type names struct {
	s   *scenario.Session
	p   *emu.Process
	aim explore.Aim
}

func newNames(s *scenario.Session) *names {
	s.Process().System().LoadDebug() // functions that are not exported have their names there
	return &names{s: s, p: s.Process()}
}

// code adds the libraries and functions of a name; false when there are none.
func (n *names) code(name string) bool {
	found := false
	for _, mod := range n.p.Modules() {
		if isLibrary(mod, name) {
			n.aim.Code = append(n.aim.Code, explore.Range{Lo: mod.Lo, Hi: mod.Hi})
			found = true
		}
	}
	for mod, sym := range n.symbols(name) {
		switch sym.Type {
		case elf.STT_FUNC:
			n.function(extent(mod, sym))
		case elf.STT_GNU_IFUNC:
			// The symbol is of what chooses the function.
			at, err := n.p.Lookup(name)
			if err != nil {
				continue
			}
			n.function(n.around(at))
		default:
			continue
		}
		found = true
	}
	return found
}

// function adds a function, with what is done in calls of it.
func (n *names) function(r explore.Range) {
	n.aim.Code = append(n.aim.Code, r)
	n.aim.Calls = append(n.aim.Calls, r.Lo)
}

// data adds the objects of a name; false when there are none.
func (n *names) data(name string) bool {
	found := false
	for mod, sym := range n.symbols(name) {
		if sym.Type == elf.STT_OBJECT && sym.Size > 0 {
			n.aim.Data = append(n.aim.Data, explore.Range{Lo: mod.Base + sym.Addr, Hi: mod.Base + sym.Addr + sym.Size})
			found = true
		}
	}
	return found
}

// thread adds a thread; false when none has the name.
func (n *names) thread(name string) bool {
	if !slices.Contains(n.s.ScheduleNames(), name) {
		return false
	}
	n.aim.Threads = append(n.aim.Threads, name)
	return true
}

// symbols are those of a name, in all modules: of all versions, and of files that each have a
// function of the name for themselves, all.
func (n *names) symbols(name string) iter.Seq2[*emu.Module, loader.Symbol] {
	return func(yield func(*emu.Module, loader.Symbol) bool) {
		for _, mod := range n.p.Modules() {
			for _, sym := range mod.Image.Symbols() {
				if sym.Name == name && !yield(mod, sym) {
					return
				}
			}
		}
	}
}

// extent is the addresses of a function. One without a size reaches to the next symbol, which
// Symbol finds for the addresses in it.
func extent(mod *emu.Module, sym loader.Symbol) explore.Range {
	r := explore.Range{Lo: mod.Base + sym.Addr, Hi: mod.Base + sym.Addr + max(sym.Size, 1)}
	if sym.Size == 0 {
		for at := sym.Addr; at < sym.Addr+maxUnsized && mod.Base+at < mod.Hi; at++ {
			if s, _, ok := mod.Image.SymbolAt(at); !ok || s.Addr != sym.Addr {
				break
			}
			r.Hi = mod.Base + at + 1
		}
	}
	return r
}

// maxUnsized bounds the size of a function of which the symbol does not tell it.
const maxUnsized = 1 << 14

// around is the function that an address is in.
func (n *names) around(at uint64) explore.Range {
	if mod, ok := n.p.Module(at); ok {
		if sym, _, ok := mod.Image.SymbolAt(at - mod.Base); ok {
			return extent(mod, sym)
		}
	}
	return explore.Range{Lo: at, Hi: at + 1}
}

// isLibrary tells whether a module is meant by a name: its path, its file's name, or that up to
// .so or to the version.
func isLibrary(mod *emu.Module, name string) bool {
	return name == mod.Path || name == path.Base(mod.Path) || name == stem(mod)
}

func stem(mod *emu.Module) string {
	base, _, _ := strings.Cut(path.Base(mod.Path), ".so")
	return base
}

// unknown is the error of a name that nothing has, or only what is of no use there.
func (n *names) unknown(flag, name, wanted string) error {
	err := fmt.Errorf("%s %s: the process has no such %s when its race begins", flag, name, wanted)
	for _, sym := range n.symbols(name) {
		if flag == "--only" && sym.Type == elf.STT_OBJECT {
			return usage(fmt.Errorf("%s %s: it is an object, and has no instructions", flag, name), fmt.Sprintf("--focus %s is for what accesses it", name))
		}
	}
	all := map[string]bool{}
	for _, mod := range n.p.Modules() {
		all[stem(mod)] = true
		for _, sym := range mod.Image.Symbols() {
			if sym.Type == elf.STT_FUNC || sym.Type == elf.STT_GNU_IFUNC || flag == "--focus" && sym.Type == elf.STT_OBJECT {
				all[sym.Name] = true
			}
		}
	}
	if flag == "--focus" {
		for _, t := range n.s.ScheduleNames() {
			all[t] = true
		}
	}
	hint := "a library is named as libc or libc.so.6, and must be loaded before the race; symbols need the library's symbol table or debug file"
	if near := suggest.Names(name, maps.Keys(all), strings.ToLower); len(near) > 0 {
		hint = "there is " + strings.Join(near, ", ")
	}
	return usage(err, hint)
}

// aimNote says that an aim was in vain.
func (o *outcome) aimNote() string {
	if !o.aimed || !drawn(o.strategy) || o.result.Aimed > 0 || o.result.Schedules < explore.InOrder {
		return ""
	}
	return "no event of the schedules that run the threads in order is of what --only and --focus name, which therefore changed nothing"
}

package completion

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// Values is what the value of a flag, or an argument, may be. The zero value completes to
// nothing.
type Values struct {
	Words  []string // after one that ends in "=" more is to be typed
	Comma  bool     // several of the words may be given, with commas between
	Suffix string   // files whose names end so, such as ".trace"
	Files  bool     // any file
	Dirs   bool     // any folder
}

func (v Values) none() bool {
	return len(v.Words) == 0 && v.Suffix == "" && !v.Files && !v.Dirs
}

// assigns tells whether more is to be typed after the words.
func (v Values) assigns() bool {
	return len(v.Words) > 0 && strings.HasSuffix(v.Words[0], "=")
}

// Line is a command line that can be completed. A command is named by its words, such as
// "sysroot pull".
type Line struct {
	App *cli.App
	// Value is what the value of a command's flag may be. The flag is its first name.
	Value func(command, flag string) Values
	// Args is what the arguments of a command may be, one after the other.
	Args func(command string) []Values
}

// command is one command with what belongs to it.
type command struct {
	name  string // its words; "" for the program
	usage string
	flags []flag
	args  []Values
	below []*command
}

// flag is a flag of a command.
type flag struct {
	names  []string // with their dashes
	usage  string
	takes  bool // a value
	many   bool // it may be given several times
	values Values
}

// commands lists the program and all its commands, each after the one that holds it.
func (l Line) commands() []*command {
	top := &command{below: l.below("", l.App.Commands)}
	top.flags = append(top.flags, help)
	list := []*command{top}
	for i := 0; i < len(list); i++ {
		list = slices.Insert(list, i+1, list[i].below...)
	}
	return list
}

var help = flag{names: []string{"--help", "-h"}, usage: "show help"}

func (l Line) below(prefix string, commands []*cli.Command) []*command {
	var list []*command
	for _, c := range commands {
		k := &command{name: prefix + c.Name, usage: c.Usage, args: l.Args(prefix + c.Name), below: l.below(prefix+c.Name+" ", c.Subcommands)}
		for _, f := range c.Flags {
			if !slices.Contains(f.Names(), "help") {
				k.flags = append(k.flags, l.flag(k.name, f))
			}
		}
		k.flags = append(k.flags, help)
		list = append(list, k)
	}
	return list
}

func (l Line) flag(command string, f cli.Flag) flag {
	d := f.(cli.DocGenerationFlag) // as all flags of the library are
	k := flag{usage: strings.ReplaceAll(d.GetUsage(), "`", ""), takes: d.TakesValue()}
	if s, ok := f.(cli.DocGenerationSliceFlag); ok {
		k.many = s.IsSliceFlag()
	}
	if k.takes {
		k.values = l.Value(command, f.Names()[0])
	}
	for _, n := range f.Names() {
		if len(n) == 1 {
			k.names = append(k.names, "-"+n)
		} else {
			k.names = append(k.names, "--"+n)
		}
	}
	return k
}

// last is the last word of a command's name.
func (c *command) last() string { return c.name[strings.LastIndexByte(c.name, ' ')+1:] }

// quote is a text in single quotes. All three shells can put together a quote that way.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func quoted(words []string) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = quote(w)
	}
	return strings.Join(list, " ")
}

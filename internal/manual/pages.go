package manual

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// About is what the pages say beyond what the command line knows of itself.
type About struct {
	Version string
	Date    time.Time // of the pages; its day in UTC is shown
	Exits   []Exit
	// Environment is variables beside those of flags, and Files what all commands read
	// or write.
	Environment, Files []Entry
	SeeAlso            []string // pages of others, such as "gdb(1)"
}

// Exit is an exit code.
type Exit struct {
	Code    int
	Meaning string
}

// Entry is a name with what is to be said about it.
type Entry struct{ Name, Text string }

// Page is a man page of section 1.
type Page struct {
	File string // such as "emurace-explore.1"
	Text []byte
}

// Pages makes the pages, that of the program first. A command that only holds others, such
// as sysroot, has one too.
func Pages(app *cli.App, about About) []Page {
	names := names(app.Name, app.Commands)
	pages := []Page{{File: app.Name + ".1", Text: program(app, about, names)}}
	return append(pages, below(app.Name, app.Commands, about, names)...)
}

// names are those of all pages.
func names(prefix string, commands []*cli.Command) []string {
	list := []string{prefix}
	for _, c := range commands {
		list = append(list, names(prefix+"-"+c.Name, c.Subcommands)...)
	}
	return list
}

func below(prefix string, commands []*cli.Command, about About, all []string) []Page {
	var pages []Page
	for _, c := range commands {
		name := prefix + "-" + c.Name
		pages = append(pages, Page{File: name + ".1", Text: command(name, c, about, all)})
		pages = append(pages, below(name, c.Subcommands, about, all)...)
	}
	return pages
}

func program(app *cli.App, about About, names []string) []byte {
	p := begin(app.Name, app.Usage, about)
	p.section("SYNOPSIS")
	p.line(".B %s", macro(app.Name))
	p.line(".I COMMAND")
	p.line("[\\fIOPTION\\fR]...\\& [\\fIARGUMENT\\fR]...\\&")
	text := split(app.Description)
	p.section("DESCRIPTION")
	p.prose(text.body)
	p.section("COMMANDS")
	p.commands(app.Name, app.Commands)
	p.end(text, nil, about, names)
	return p.bytes()
}

func command(name string, c *cli.Command, about About, names []string) []byte {
	p := begin(name, c.Usage, about)
	spelled := strings.ReplaceAll(name, "-", " ")
	p.section("SYNOPSIS")
	p.line(".B %s", macro(spelled))
	if len(c.Subcommands) > 0 {
		p.line(".I COMMAND")
	}
	p.line("[\\fIOPTION\\fR]...\\&")
	if c.ArgsUsage != "" {
		p.line("%s", prose(c.ArgsUsage))
	}
	text := split(c.Description)
	p.section("DESCRIPTION")
	if len(text.body) == 0 {
		text.body = []string{strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + "."}
	}
	p.prose(text.body)
	if len(c.Subcommands) > 0 {
		p.section("COMMANDS")
		p.commands(name, c.Subcommands)
	}
	p.section("OPTIONS")
	for _, f := range c.Flags {
		p.option(f)
	}
	p.item(`\fB\-\-help\fR, \fB\-h\fR`, "show help")
	p.end(text, c.Flags, about, slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == name }))
	return p.bytes()
}

// commands lists commands with the names of their pages.
func (p *page) commands(prefix string, commands []*cli.Command) {
	for _, c := range commands {
		p.item(`\fB`+escape(prefix+"-"+c.Name)+`\fR(1)`, c.Usage)
	}
}

// option describes a flag, with its default and its variable.
func (p *page) option(f cli.Flag) {
	d := f.(cli.DocGenerationFlag) // as all flags of the library are
	value, text := placeholder(d.GetUsage())
	var forms []string
	for _, n := range f.Names() {
		dashes := "--"
		if len(n) == 1 {
			dashes = "-"
		}
		form := `\fB` + escape(dashes+n) + `\fR`
		if d.TakesValue() {
			form += ` \fI` + escape(value) + `\fR`
		}
		forms = append(forms, form)
	}
	if _, isSwitch := f.(*cli.BoolFlag); (!isSwitch || d.GetDefaultText() == "true") && d.GetDefaultText() != "" && !strings.Contains(text, "(default: ") {
		text += " (default: " + d.GetDefaultText() + ")"
	}
	if vars := d.GetEnvVars(); len(vars) > 0 {
		text += " [$" + strings.Join(vars, ", $") + "]"
	}
	p.item(strings.Join(forms, ", "), text)
}

// placeholder takes the name of a flag's value, which stands between backquotes, out of
// what is said about the flag.
func placeholder(usage string) (name, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	name, after, closed := strings.Cut(rest, "`")
	if !ok || !closed {
		return "VALUE", usage
	}
	return name, before + name + after
}

// end writes the sections that every page has. Those that are empty are left out.
func (p *page) end(text parts, flags []cli.Flag, about About, others []string) {
	p.section("EXIT STATUS")
	for _, e := range about.Exits {
		p.item(fmt.Sprintf(`\fB%d\fR`, e.Code), e.Meaning)
	}
	environment := slices.Clone(about.Environment)
	for _, f := range flags {
		for _, v := range f.(cli.DocGenerationFlag).GetEnvVars() {
			environment = append(environment, Entry{v, "is --" + f.Names()[0] + " where that is not given"})
		}
	}
	p.section("ENVIRONMENT")
	p.entries(environment)
	p.section("FILES")
	p.entries(about.Files)
	if len(text.examples) > 0 {
		p.section("EXAMPLES")
		p.verbatim(text.examples)
	}
	p.section("SEE ALSO")
	var see []string
	for _, n := range others {
		if n != p.name {
			see = append(see, `\fB`+escape(n)+`\fR(1)`)
		}
	}
	for _, n := range about.SeeAlso {
		name, section, _ := strings.Cut(n, "(")
		see = append(see, `\fB`+escape(name)+`\fR(`+section)
	}
	p.line("%s", strings.Join(see, ",\n"))
}

func (p *page) entries(list []Entry) {
	for _, e := range list {
		p.item(`\fI`+escape(e.Name)+`\fR`, e.Text)
	}
}

package completion

import (
	"fmt"
	"strings"
)

// Zsh is the script for zsh: a file of $fpath that is named as the program with "_" before
// it, or something to be sourced after compinit.
func (l Line) Zsh() string {
	name := l.App.Name
	fn := "_" + strings.ReplaceAll(name, "-", "_")
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n# Completion of %s for zsh, made by: %s completion zsh\n", name, name, name)
	z := zsh{b: &b, fn: fn, known: map[string]string{}}
	for _, c := range l.commands() {
		z.command(c)
	}
	fmt.Fprintf(&b, "\nif [[ $funcstack[1] == %s ]]; then\n\t%s \"$@\"\nelse\n\tcompdef %s %s\nfi\n", fn, fn, fn, name)
	return b.String()
}

type zsh struct {
	b     *strings.Builder
	fn    string
	known map[string]string // functions that complete values, by what they do
}

// command writes the function that completes a command.
func (z *zsh) command(c *command) {
	specs := make([]string, 0, len(c.flags)+2)
	for _, f := range c.flags {
		specs = append(specs, z.flag(f))
	}
	if len(c.below) > 0 {
		specs = append(specs, `'1:command:->command'`, `'*::argument:->rest'`)
	}
	for i, v := range c.args {
		specs = append(specs, quote(fmt.Sprintf("%d:argument:%s", i+1, z.values(v))))
	}
	fmt.Fprintf(z.b, "\n%s() {\n", z.function(c))
	if len(c.below) == 0 {
		fmt.Fprintf(z.b, "\t_arguments -S : \\\n\t\t%s\n}\n", strings.Join(specs, " \\\n\t\t"))
		return
	}
	z.b.WriteString("\tlocal curcontext=$curcontext state state_descr line ret=1\n\ttypeset -A opt_args\n\tlocal -a commands=(\n")
	for _, sub := range c.below {
		fmt.Fprintf(z.b, "\t\t%s\n", quote(sub.last()+":"+sub.usage))
	}
	fmt.Fprintf(z.b, "\t)\n\t_arguments -C : \\\n\t\t%s && ret=0\n", strings.Join(specs, " \\\n\t\t"))
	z.b.WriteString("\tcase $state in\n\tcommand) _describe command commands && ret=0 ;;\n\trest)\n\t\tcase $words[1] in\n")
	for _, sub := range c.below {
		fmt.Fprintf(z.b, "\t\t%s) %s && ret=0 ;;\n", sub.last(), z.function(sub))
	}
	z.b.WriteString("\t\tesac ;;\n\tesac\n\treturn ret\n}\n")
}

func (z *zsh) function(c *command) string {
	if c.name == "" {
		return z.fn
	}
	return z.fn + "_" + strings.NewReplacer(" ", "_", "-", "_").Replace(c.name)
}

// flag is a flag as _arguments takes it.
func (z *zsh) flag(f flag) string {
	text := "[" + strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(f.usage) + "]"
	if f.takes {
		text += ":value:" + z.values(f.values)
	}
	forms := make([]string, len(f.names))
	for i, n := range f.names {
		switch {
		case f.takes && strings.HasPrefix(n, "--"):
			n += "="
		case f.takes:
			n += "+"
		}
		forms[i] = n
	}
	switch {
	case f.many:
		return quote("*" + forms[0] + text)
	case len(forms) == 1:
		return quote(forms[0] + text)
	}
	return quote("("+strings.Join(f.names, " ")+")") + "{" + strings.Join(forms, ",") + "}" + quote(text)
}

// values is the name of a function that completes values, which it writes if it is not there.
func (z *zsh) values(v Values) string {
	if v.none() {
		return " "
	}
	var body strings.Builder
	switch {
	case v.Comma:
		fmt.Fprintf(&body, "\t_values -s , value %s && ret=0\n", quoted(v.Words))
	case v.assigns():
		fmt.Fprintf(&body, "\tcompadd \"$@\" -S '' -- %s && ret=0\n", quoted(v.Words))
	case len(v.Words) > 0:
		fmt.Fprintf(&body, "\tcompadd \"$@\" -- %s && ret=0\n", quoted(v.Words))
	}
	switch {
	case v.Files:
		body.WriteString("\t_files && ret=0\n")
	case v.Suffix != "":
		fmt.Fprintf(&body, "\t_files -g %s && ret=0\n", quote("*"+v.Suffix+"(-.)"))
	case v.Dirs:
		body.WriteString("\t_files -/ && ret=0\n")
	}
	name, ok := z.known[body.String()]
	if !ok {
		name = fmt.Sprintf("%s_value_%d", z.fn, len(z.known)+1)
		z.known[body.String()] = name
		fmt.Fprintf(z.b, "\n%s() {\n\tlocal ret=1\n%s\treturn ret\n}\n", name, body.String())
	}
	return name
}

package completion

import (
	"fmt"
	"strings"
)

// Fish is the script for fish 3 or newer.
func (l Line) Fish() string {
	name := l.App.Name
	at := "__" + strings.ReplaceAll(name, "-", "_") + "_at"
	commands := l.commands()
	var groups []string
	for _, c := range commands[1:] {
		if len(c.below) > 0 {
			groups = append(groups, c.name)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Completion of %s for fish, made by: %s completion fish\n\n", name, name)
	fmt.Fprintf(&b, "function %s --description 'whether this command is on the command line'\n", at)
	b.WriteString("\tset -l tokens (commandline -opc)\n\tset -e tokens[1]\n\tset -l words\n\tfor word in $tokens\n")
	b.WriteString("\t\tstring match -q -- '-*' $word\n\t\tor set -a words $word\n\tend\n\tset -l n 1\n")
	if len(groups) > 0 {
		fmt.Fprintf(&b, "\tcontains -- \"$words[1]\" %s\n\tand set n 2\n", strings.Join(groups, " "))
	}
	b.WriteString("\ttest \"$words[1..$n]\" = \"$argv\"\nend\n\n")
	fmt.Fprintf(&b, "complete -c %s -f\n", name)
	for _, c := range commands {
		here := fmt.Sprintf("complete -c %s -n %s", name, fishQuote(at+" "+fishQuote(c.name)))
		for _, sub := range c.below {
			fmt.Fprintf(&b, "%s -a %s -d %s\n", here, sub.last(), fishQuote(sub.usage))
		}
		for _, v := range c.args {
			if !v.none() {
				fmt.Fprintf(&b, "%s -a %s\n", here, fishQuote(fishValues(v)))
			}
		}
		for _, f := range c.flags {
			b.WriteString(here)
			for _, n := range f.names {
				if long, ok := strings.CutPrefix(n, "--"); ok {
					b.WriteString(" -l " + long)
				} else {
					b.WriteString(" -s " + n[1:])
				}
			}
			switch {
			case f.values.Files:
				b.WriteString(" -r -F")
			case f.takes:
				b.WriteString(" -x")
			}
			if v := fishValues(f.values); v != "" {
				b.WriteString(" -a " + fishQuote(v))
			}
			b.WriteString(" -d " + fishQuote(f.usage) + "\n")
		}
	}
	return b.String()
}

// fishValues is an argument of complete -a.
func fishValues(v Values) string {
	var list []string
	if v.Comma {
		list = append(list, "(__fish_append , "+strings.Join(v.Words, " ")+")")
	} else {
		list = append(list, v.Words...)
	}
	if v.Suffix != "" {
		list = append(list, "(__fish_complete_suffix "+v.Suffix+")")
	}
	if v.Dirs {
		list = append(list, "(__fish_complete_directories)")
	}
	return strings.Join(list, " ")
}

// fishQuote is a text in single quotes, in which fish knows two escapes.
func fishQuote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

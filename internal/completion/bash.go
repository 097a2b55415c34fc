package completion

import (
	"fmt"
	"strings"
)

// Bash is the script for bash 4.2 or newer. It needs no other one, such as the package
// bash-completion.
func (l Line) Bash() string {
	var b strings.Builder
	name := l.App.Name
	fn := "_" + strings.ReplaceAll(name, "-", "_")
	fmt.Fprintf(&b, "# Completion of %s for bash, made by: %s completion bash\n", name, name)
	commands := l.commands()
	b.WriteString("\n# Whether a word is a command below another one.\n" + fn + "_command() {\n\tcase $1:$2 in\n")
	for _, c := range commands {
		for _, sub := range c.below {
			fmt.Fprintf(&b, "\t%s) ;;\n", quote(c.name+":"+sub.last()))
		}
	}
	b.WriteString("\t*) return 1 ;;\n\tesac\n}\n")
	b.WriteString("\n# Whether a flag of a command has a value.\n" + fn + "_takes() {\n\tcase $1:$2 in\n")
	for _, c := range commands {
		if keys := c.keys(func(f flag) bool { return f.takes }); keys != "" {
			fmt.Fprintf(&b, "\t%s) ;;\n", keys)
		}
	}
	b.WriteString("\t*) return 1 ;;\n\tesac\n}\n")
	b.WriteString("\n# Replies with the flags of a command.\n" + fn + "_flags() {\n\tcase $1 in\n")
	for _, c := range commands {
		var names []string
		for _, f := range c.flags {
			names = append(names, f.names...)
		}
		fmt.Fprintf(&b, "\t%s) %s_words %s ;;\n", quote(c.name), fn, strings.Join(names, " "))
	}
	b.WriteString("\tesac\n}\n")
	b.WriteString("\n# Replies with what the value of a flag may be.\n" + fn + "_value() {\n\tcase $1:$2 in\n")
	for _, c := range commands {
		for _, f := range c.flags {
			if !f.values.none() {
				one := &command{name: c.name, flags: []flag{f}}
				fmt.Fprintf(&b, "\t%s)%s ;;\n", one.keys(func(flag) bool { return true }), bashReply(fn, f.values))
			}
		}
	}
	b.WriteString("\tesac\n}\n")
	b.WriteString("\n# Replies with what an argument of a command may be, by its place.\n" + fn + "_argument() {\n\tcase $1:$2 in\n")
	for _, c := range commands {
		if len(c.below) > 0 {
			v := Values{}
			for _, sub := range c.below {
				v.Words = append(v.Words, sub.last())
			}
			fmt.Fprintf(&b, "\t%s)%s ;;\n", quote(c.name+":0"), bashReply(fn, v))
		}
		for i, v := range c.args {
			if !v.none() {
				fmt.Fprintf(&b, "\t%s)%s ;;\n", quote(fmt.Sprintf("%s:%d", c.name, i)), bashReply(fn, v))
			}
		}
	}
	b.WriteString("\tesac\n}\n\n")
	b.WriteString(strings.NewReplacer("_NAME", fn, "NAME", name).Replace(bashMain))
	return b.String()
}

// keys are the patterns of a command's flags, as `explore:--arch`.
func (c *command) keys(which func(flag) bool) string {
	var list []string
	for _, f := range c.flags {
		if which(f) {
			for _, n := range f.names {
				list = append(list, quote(c.name+":"+n))
			}
		}
	}
	return strings.Join(list, "|")
}

// bashReply is the commands that reply with values.
func bashReply(fn string, v Values) string {
	text := ""
	switch {
	case v.Comma:
		text += fmt.Sprintf(" %s_list %s;", fn, quoted(v.Words))
	case len(v.Words) > 0:
		text += fmt.Sprintf(" %s_words %s;", fn, quoted(v.Words))
	}
	switch {
	case v.Files:
		text += fmt.Sprintf(" %s_files '*';", fn)
	case v.Suffix != "":
		text += fmt.Sprintf(" %s_files %s;", fn, quote("*"+v.Suffix))
	case v.Dirs:
		text += fmt.Sprintf(" %s_files '';", fn)
	}
	return strings.TrimSuffix(text, ";")
}

// bashMain is the part that is the same for all programs.
const bashMain = `# Replies with those of the words that begin with what is typed.
_NAME_words() {
	local w
	for w in "$@"; do
		[[ $w != "$cur"* ]] || COMPREPLY+=("$w")
	done
}

# The same for words with commas between.
_NAME_list() {
	local w typed=
	[[ $cur != *,* ]] || typed=${cur%,*},
	for w in "$@"; do
		[[ $typed$w != "$cur"* || ,$typed == *,"$w",* ]] || COMPREPLY+=("$typed$w")
	done
}

# Replies with folders, and the files that match a pattern.
_NAME_files() {
	local f found=()
	while IFS= read -r f; do
		found+=("$f")
	done < <(
		[[ $1 == '*' ]] || compgen -d -- "$cur" # or they are among the files
		[[ ! $1 ]] || compgen -f -X "!$1" -- "$cur"
	)
	# As names of files they are quoted; words that are none would be, too.
	[[ ${#COMPREPLY[@]} -gt 0 ]] || compopt -o filenames 2>/dev/null
	COMPREPLY+=("${found[@]}")
}

_NAME() {
	local line=${COMP_LINE:0:COMP_POINT} i word last= cur= command= flag= only= head= prefix= place=0
	local words=()
	COMPREPLY=()
	# Bash ends words at = and : as well; here they are put together again.
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $i -eq 0 || $line == [[:space:]]* ]]; then
			line=${line#"${line%%[![:space:]]*}"}
			words+=("")
		fi
		[[ $i -lt $COMP_CWORD ]] || word=$line last=$line
		words[${#words[@]} - 1]+=$word
		line=${line#"$word"}
	done
	[[ $last == *[!=:]* ]] || last=
	cur=${words[${#words[@]} - 1]}
	head=${cur%"$last"}

	for word in "${words[@]:1:${#words[@]}-2}"; do
		if [[ $flag ]]; then
			flag=
		elif [[ $only ]]; then
			place=$((place + 1))
		elif [[ $word == -- ]]; then
			only=1
		elif [[ $word == -* ]]; then
			! _NAME_takes "$command" "$word" || flag=$word
		elif [[ $place -eq 0 ]] && _NAME_command "$command" "$word"; then
			command+=${command:+ }$word
		else
			place=$((place + 1))
		fi
	done

	if [[ ! $flag && ! $only && $cur == -*=* ]]; then
		flag=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}
	fi
	if [[ $flag ]]; then
		_NAME_value "$command" "$flag"
	elif [[ ! $only && $cur == -* ]]; then
		_NAME_flags "$command"
	else
		_NAME_argument "$command" "$place"
	fi
	for i in "${!COMPREPLY[@]}"; do
		word=$prefix${COMPREPLY[i]}
		COMPREPLY[i]=${word#"$head"}
	done
	[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -F _NAME NAME
`

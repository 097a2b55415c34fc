package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"emurace/internal/completion"
)

// free are the flags whose values are anything: numbers, times, names and so on.
var free = []string{"preemptions", "depth", "schedules", "time", "jobs", "seed", "guest-memory", "last", "from", "to", "thread",
	"memory", "only", "focus", "follow", "listen", "at", "mirror", "env", "cwd", "file", "expect"}

// Every flag with a value completes it, or is known to have none that could be listed; and
// what is listed is what the flag's own check takes.
func TestFlagsComplete(t *testing.T) {
	var walk func(prefix string, commands []*cli.Command)
	walk = func(prefix string, commands []*cli.Command) {
		for _, c := range commands {
			for _, f := range c.Flags {
				name := f.Names()[0]
				v := valuesOfFlag(prefix+c.Name, name)
				empty := len(v.Words) == 0 && v.Suffix == "" && !v.Files && !v.Dirs
				takes := f.(cli.DocGenerationFlag).TakesValue()
				unlisted := slices.Contains(free, name) && (name != "memory" || c.Name == "replay")
				if takes && empty != unlisted {
					t.Errorf("%s%s --%s completes to %+v", prefix, c.Name, name, v)
				}
			}
			if c.ArgsUsage != "" && len(valuesOfArgs(prefix+c.Name)) == 0 {
				t.Errorf("%s%s %s: nothing completes", prefix, c.Name, c.ArgsUsage)
			}
			walk(prefix+c.Name+" ", c.Subcommands)
		}
	}
	walk("", newApp(io.Discard, io.Discard).Commands)
}

// A script is the same each time, and knows every command and every flag.
func TestCompletionScripts(t *testing.T) {
	app := newApp(io.Discard, io.Discard)
	line := completion.Line{App: app, Value: valuesOfFlag, Args: valuesOfArgs}
	for name, script := range map[string]func() string{"bash": line.Bash, "zsh": line.Zsh, "fish": line.Fish} {
		text := script()
		if text != script() {
			t.Errorf("%s: it differs", name)
		}
		for _, c := range app.Commands {
			for _, f := range c.Flags {
				long := f.Names()[0]
				if name == "fish" {
					long = "-l " + long
				}
				if !strings.Contains(text, c.Name) || !strings.Contains(text, long) {
					t.Errorf("%s: %s %s is not in it", name, c.Name, long)
				}
			}
		}
	}
}

// typed is what is typed before the tab key, and what is on the screen when a dot is typed
// after it.
var typed = []struct{ keys, shows string }{
	{"explore --strategy=pc", `--strategy=pct \.`},
	{"explore --sysroot debian:bookworm/", `--sysroot debian:bookworm/musl \.`},
	{"explore --sysroot=debian:tri", `--sysroot=debian:trixie\.`},
	{"sysroot pull --arch arm64,", `--arch arm64,amd64[ ,]\.`},
	{"explore --time 3s --keep", `--keep-going \.`},
	{"explore phil", `explore philosophers \.`},
	{"explore --set setenv", `--set setenvs=\.`},
	{"replay a", `replay a\\ b\.trace \.`},
	{"replay -- su", `replay -- sub/\.`},
	{"core --output not", `--output notes\.txt \.`},
	{"sysroot pu", `sysroot pull \.`},
}

// inTerminal starts a shell, types command lines and looks what it completes.
func inTerminal(t *testing.T, start string) {
	t.Helper()
	x := newTmux(t, 150, 50, `mkdir sub; echo >'a b.trace'; echo >notes.txt; `+start)
	x.wait(`^ready>`)
	for _, c := range typed {
		x.keys("-l", "emurace "+c.keys)
		x.keys("Tab", ".")
		x.wait(`ready> emurace .*` + c.shows)
		x.keys("C-u")
		x.wait(`(?m)^ready>\s*\z`)
	}
	// Where several would do, they are listed.
	x.keys("-l", "emurace explore --timeouts ")
	x.keys("Tab", "Tab")
	x.wait(`any +due +idle`)
}

func TestBashCompletes(t *testing.T) {
	inTerminal(t, `(echo "PS1='ready> '"; emurace completion bash) >rc; INPUTRC=/dev/null exec bash --noprofile --rcfile rc -i`)
}

func TestZshCompletes(t *testing.T) {
	inTerminal(t, `emurace completion zsh >_emurace
		echo "PS1='ready> '; bindkey -e; fpath=(\$PWD \$fpath); autoload -U compinit; compinit -u -D" >.zshrc; ZDOTDIR=$PWD exec zsh -d -i`)
}

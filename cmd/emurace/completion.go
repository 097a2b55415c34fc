package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/explore/graph"
	"emurace/internal/completion"
	"emurace/internal/logging"
	"emurace/oracle"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/sysroot"
)

var shells = []string{"bash", "zsh", "fish"}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print the script by which a shell completes command lines",
		ArgsUsage: "bash|zsh|fish",
		Description: `The packages bring these scripts with them. Without one, load it when the shell
starts, or put it where the shell looks for it.

Examples:
  source <(emurace completion bash)                      in ~/.bashrc
  source <(emurace completion zsh)                       in ~/.zshrc, after compinit
  emurace completion fish | source                       in ~/.config/fish/config.fish`,
		Action: completionAction,
	}
}

func completionAction(c *cli.Context) error {
	const hint = "for example: source <(emurace completion bash)"
	switch c.NArg() {
	case 0:
		return usage(errors.New("completion: no shell named"), hint)
	case 1:
	default:
		return usage(fmt.Errorf("completion: unexpected argument %q", c.Args().Get(1)), "one shell at a time")
	}
	line := completion.Line{App: c.App, Value: valuesOfFlag, Args: valuesOfArgs}
	script := ""
	switch shell := c.Args().First(); shell {
	case "bash":
		script = line.Bash()
	case "zsh":
		script = line.Zsh()
	case "fish":
		script = line.Fish()
	default:
		return usage(fmt.Errorf("completion: shell %q: not %s", shell, oneOf(shells)), hint)
	}
	_, err := io.WriteString(c.App.Writer, script)
	return err
}

var (
	traces  = completion.Values{Suffix: ".trace"}
	folders = completion.Values{Dirs: true}
	anyFile = completion.Values{Files: true}
)

// valuesOfFlag is what a flag's value completes to.
func valuesOfFlag(command, flag string) completion.Values {
	switch flag {
	case "arch":
		return completion.Values{Words: sysroot.Arches(), Comma: true}
	case "sysroot":
		return completion.Values{Words: append(debians(), "host"), Dirs: true, Comma: command == "test"}
	case "strategy":
		return completion.Values{Words: strategies()}
	case "locks":
		return completion.Values{Words: []string{"raw", "abstract"}}
	case "memory":
		if command == "replay" {
			return completion.Values{} // an address and a size
		}
		return completion.Values{Words: texts(graph.Models()), Comma: true}
	case "timeouts":
		return completion.Values{Words: texts(scenario.AllTimeouts())}
	case "detect":
		return completion.Values{Words: texts(oracle.Kinds())}
	case "color":
		return completion.Values{Words: []string{"auto", "always", "never"}}
	case "format":
		return completion.Values{Words: []string{"text", "json"}}
	case "log":
		return completion.Values{Words: texts(logging.Topics()), Comma: true}
	case "set":
		return completion.Values{Words: parameters()}
	case "describe":
		return shippedOrFile()
	case "script", "scenario":
		return completion.Values{Suffix: scripts.Suffix}
	case "diff":
		return traces
	case "corpus", "resume", "end", "output", "program", "keyring", "env-from", "stdin", "suppressions", "baseline", "junit", "sarif":
		return anyFile
	case "cache", "traces":
		return folders
	}
	return completion.Values{} // a number, a time, a name
}

// valuesOfArgs is what the arguments of a command complete to.
func valuesOfArgs(command string) []completion.Values {
	switch command {
	case "explore":
		return []completion.Values{shippedOrFile()}
	case "test":
		v := shippedOrFile()
		v.Dirs = true
		return []completion.Values{v}
	case "script":
		return []completion.Values{{Words: withSchedule(), Suffix: scripts.Suffix}, shippedOrFile()}
	case "run", "diagnose":
		return []completion.Values{anyFile}
	case "replay", "step", "gdb", "report", "core":
		return []completion.Values{traces}
	case "sysroot pull", "sysroot find", "sysroot remove":
		return []completion.Values{{Words: debians()}}
	case "help":
		var v completion.Values
		for _, c := range newApp(io.Discard, io.Discard).Commands {
			v.Words = append(v.Words, c.Name)
		}
		return []completion.Values{v}
	case "man":
		return []completion.Values{folders}
	case "completion":
		return []completion.Values{{Words: shells}}
	}
	return nil
}

// shippedOrFile is a scenario.
func shippedOrFile() completion.Values {
	v := completion.Values{Suffix: scripts.Suffix}
	for _, s := range scripts.All() {
		v.Words = append(v.Words, s.Name)
	}
	return v
}

// withSchedule are the scenarios that ship with a schedule in words.
func withSchedule() (list []string) {
	for _, s := range scripts.All() {
		if shipsSchedule(s.Name) {
			list = append(list, s.Name)
		}
	}
	return list
}

// debians names the sysroots that can be pulled.
func debians() []string {
	var list []string
	for _, s := range sysroot.Suites() {
		list = append(list, "debian:"+s, fmt.Sprintf("debian:%s/%s", s, sysroot.Musl))
	}
	return list
}

// parameters are those of all scenarios that ship, as --set takes them.
func parameters() []string {
	var list []string
	for _, s := range scripts.All() {
		for _, p := range s.Params {
			list = append(list, p.Name+"=")
		}
	}
	slices.SortFunc(list, strings.Compare)
	return slices.Compact(list)
}

func texts[T ~string](words []T) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return list
}

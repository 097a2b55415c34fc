package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// pageBlock is a block of a page: a file, with its name, or commands with what they show. What has
// neither is there to be read.
var pageBlock = regexp.MustCompile("(?ms)^```(c|python|text|yaml|console)(?: (\\S+))?\n(.*?)^```$")

// pageCommand is a command of a page, and the lines that it shows: those of the command itself, and
// then those of what gdb is told at its prompt, where the command starts one.
type pageCommand struct {
	line string
	want []string
	gdb  []pageCommand
}

// pageCommands takes the text of a block of commands apart.
func pageCommands(text string) (list []pageCommand, err error) {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			list = append(list, pageCommand{line: command})
		} else if told, ok := strings.CutPrefix(line, gdbPrompt); ok && len(list) > 0 {
			c := &list[len(list)-1]
			c.gdb = append(c.gdb, pageCommand{line: told})
		} else if c := lastOf(list); c != nil && len(c.gdb) > 0 {
			told := &c.gdb[len(c.gdb)-1]
			told.want = append(told.want, line)
		} else if last := len(list) - 1; last < 0 {
			return nil, fmt.Errorf("%q stands before a command", line)
		} else {
			list[last].want = append(list[last].want, line)
		}
	}
	return list, nil
}

// gdbPrompt is in front of what gdb is told, and, when that does not come from a terminal, of each
// answer.
const gdbPrompt = "(gdb) "

func lastOf(list []pageCommand) *pageCommand {
	if len(list) == 0 {
		return nil
	}
	return &list[len(list)-1]
}

// askedOf is the shell's line for a command, with what gdb is told in a file.
func (c *pageCommand) askedOf(ts *testscript.TestScript) string {
	if len(c.gdb) == 0 {
		return c.line
	}
	var told strings.Builder
	for _, g := range c.gdb {
		told.WriteString(g.line + "\n")
	}
	ts.Check(os.WriteFile(ts.MkAbs("told"), []byte(told.String()), 0o644))
	return c.line + " <told"
}

// answers compares what a command has printed, and gdb to each that it was told.
func (c *pageCommand) answers(output string) error {
	if len(c.gdb) == 0 {
		return shows(output, c.want)
	}
	parts := strings.Split(output, gdbPrompt)
	if len(parts) < len(c.gdb)+1 {
		return fmt.Errorf("%d answers of gdb to %d commands:\n%s", len(parts)-1, len(c.gdb), output)
	}
	if err := shows(parts[0], c.want); err != nil {
		return err
	}
	for i, g := range c.gdb {
		if err := shows(parts[i+1], g.want); err != nil {
			return fmt.Errorf("(gdb) %s: %w\n%s", g.line, err, parts[i+1])
		}
	}
	return nil
}

// varies is what a page cannot know of a line: numbers, hashes, and where the libc is from.
var varies = regexp.MustCompile(`\b(0x)?[0-9a-f]*[0-9][0-9a-f,.]*|\((host|debian:[a-z]+)[,)]`)

// alike tells whether a line of output is what a page shows, which may end with "...".
func alike(got, want string) bool {
	general := func(line string) string {
		return strings.Join(strings.Fields(varies.ReplaceAllString(line, "#")), " ")
	}
	if begin, open := strings.CutSuffix(want, "..."); open {
		return strings.HasPrefix(general(got), general(begin))
	}
	return general(got) == general(want)
}

// shows tells whether output is what a page shows of it, in which a line "..." stands for any
// number of lines. Each other line is looked for as early as it can be.
func shows(output string, want []string) error { return showsWith(output, want, alike) }

// showsWith is shows with a way of its own to compare lines.
func showsWith(output string, want []string, alike func(got, want string) bool) error {
	var got []string
	if output = strings.TrimRight(output, "\n"); output != "" {
		got = strings.Split(output, "\n")
	}
	skip := false
	for _, w := range want {
		if w == "..." {
			skip = true
			continue
		}
		for skip && len(got) > 0 && !alike(got[0], w) {
			got = got[1:]
		}
		if len(got) == 0 {
			return fmt.Errorf("%q is not there", w)
		}
		if !alike(got[0], w) {
			return fmt.Errorf("%q in place of %q", got[0], w)
		}
		got, skip = got[1:], false
	}
	if len(got) > 0 && !skip {
		return fmt.Errorf("%q is there too", got[0])
	}
	return nil
}

// runPage runs the commands of a page, with a shell, where its files are, and compares what
// they print with what the page shows.
func runPage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: page FILE")
	}
	ran := 0
	for _, b := range pageBlock.FindAllStringSubmatch(ts.ReadFile(args[0]), -1) {
		if b[1] != "console" {
			if b[2] == "" && b[1] != "c" {
				continue
			}
			if !filepath.IsLocal(b[2]) {
				ts.Fatalf("a file has no name, or one of another folder: %q", b[2])
			}
			ts.Check(os.WriteFile(ts.MkAbs(b[2]), []byte(b[3]), 0o644))
			continue
		}
		commands, err := pageCommands(b[3])
		ts.Check(err)
		for _, c := range commands {
			ran++
			err := ts.Exec("sh", "-c", c.askedOf(ts))
			var exit *exec.ExitError
			if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitFound) {
				ts.Fatalf("$ %s\n%v", c.line, err)
			}
			if err := c.answers(ts.ReadFile("stdout")); err != nil {
				ts.Fatalf("$ %s\n%v", c.line, err)
			}
		}
	}
	if ran == 0 {
		ts.Fatalf("%s has no commands", args[0])
	}
}

// TestShows: what a page shows of an output is compared line by line.
func TestShows(t *testing.T) {
	const output = "reload on amd64, glibc 2.36 (host, build-id 93ac61ec..)\nFAILING at schedule 3, 0.1 s: main dies\n    rax = 0x555\nend\n"
	for want, complaint := range map[string]string{
		strings.TrimSuffix(output, "\n"): "",
		"reload on amd64, glibc 2.41 (debian:bookworm, build-id 0a1b2c3d..)\nFAILING at schedule 1,234, 12.5 s: main dies\n    rax = 0x7ffd\nend": "",
		"...\nend":           "",
		"...\n...":           "",
		"reload on ...\n...": "",
		"reload on amd64, glibc 2.36 (host, build-id 93ac61ec..)": `"FAILING at schedule 3, 0.1 s: main dies" is there too`,
		"...\nFAILING at schedule 3, 0.1 s: main dies\nend":       `"    rax = 0x555" in place of "end"`,
		"...\nFAILING at schedule 3, 0.1 s: worker dies\n...":     "worker dies\" is not there",
		"...\nend\n...\nend": `"end" is not there`,
		"...\nen":            `"en" is not there`,
		"fixed on ...\n...":  "in place of",
	} {
		err := shows(output, strings.Split(want, "\n"))
		if (err == nil) != (complaint == "") || err != nil && !strings.Contains(err.Error(), complaint) {
			t.Errorf("%q: %v, want %q", want, err, complaint)
		}
	}
	if err := shows("", nil); err != nil {
		t.Error(err)
	}
	if err := shows("failed\n", nil); err == nil {
		t.Error("a command that shows nothing may print")
	}
	list, err := pageCommands("$ gdb\nhello\n(gdb) p 1\n$1 = 1\n(gdb) set width 0\n(gdb) p 2\n$2 = 2\n")
	if err != nil || len(list) != 1 || len(list[0].gdb) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for output, right := range map[string]bool{
		"hello\n(gdb) $1 = 1\n(gdb) (gdb) $2 = 2\n(gdb) ": true, "hello\n(gdb) $1 = 1\n(gdb) $2 = 2\n(gdb) ": false,
		"hello\n(gdb) one\n(gdb) (gdb) $2 = 2\n(gdb) ": false, "(gdb) $1 = 1\n(gdb) (gdb) $2 = 2\n(gdb) ": false, "hello\n": false,
	} {
		if err := list[0].answers(output); (err == nil) != right {
			t.Errorf("%q: %v", output, err)
		}
	}
	if _, err := pageCommands("out\n$ sh\n"); err == nil {
		t.Error("output before a command")
	}
}

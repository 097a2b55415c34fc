package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// readmeBlock is what of README is tried: commands with the lines that it shows of them, a file,
// or commands for gdb.
type readmeBlock struct {
	command string   // for a shell; "" for a file
	gdb     []string // typed to gdb, when command starts it
	first   int      // the line of what is shown, from 0
	shown   []string // as it stands there; nil for a command that stands without its output
	file    string   // the file's name, when it has one
	text    string   // what is in it
}

var (
	fenced = regexp.MustCompile("^```([a-z]+)(?: (\\S+))?$")
	// told is what stands behind a command in a list of them.
	told = regexp.MustCompile(`\s{2,}.*$`)
)

// readmeBlocks takes README apart. Commands are the indented lines that begin with emurace, or
// with a dollar where output follows; those of make and git are not run.
func readmeBlocks(text string) (list []readmeBlock) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if m := fenced.FindStringSubmatch(lines[i]); m != nil {
			b := readmeBlock{file: m[2]}
			if m[1] == "toml" {
				b.file = "config.toml"
			}
			for i++; i < len(lines) && lines[i] != "```"; i++ {
				b.text += lines[i] + "\n"
			}
			if b.file != "" {
				list = append(list, b)
			}
			continue
		}
		line, ok := strings.CutPrefix(lines[i], "    ")
		switch command, shows := strings.CutPrefix(line, "$ "); {
		case !ok:
		case shows:
			b := readmeBlock{command: command, first: i + 1}
			for i+1 < len(lines) && (strings.HasPrefix(lines[i+1], "    ") && !strings.HasPrefix(lines[i+1], "    $ ") || lines[i+1] == "" && i+2 < len(lines) && strings.HasPrefix(lines[i+2], "    ")) {
				i++
				b.shown = append(b.shown, strings.TrimPrefix(lines[i], "    "))
			}
			list = append(list, b)
		case strings.HasPrefix(line, "emurace "):
			list = append(list, readmeBlock{command: told.ReplaceAllString(line, "")})
		case strings.HasPrefix(line, "(gdb) "):
			b := readmeBlock{command: "emurace gdb --launch", first: i}
			for ; i < len(lines) && strings.HasPrefix(lines[i], "    "); i++ {
				line := strings.TrimPrefix(lines[i], "    ")
				if typed, ok := strings.CutPrefix(line, "(gdb) "); ok {
					b.gdb = append(b.gdb, typed)
				}
				b.shown = append(b.shown, line)
			}
			list = append(list, b)
		}
	}
	return list
}

// fleeting is what differs from run to run of what README shows, and builtAs what does with the
// libc: where that is the one shown, all else has to be as it stands there.
var (
	fleeting = regexp.MustCompile(`\b\d+(\.\d+)? (s|ms)\b|\b[\d,.]+/s\b|\d+ KB\b|sha256:[0-9a-f.]+`)
	builtAs  = regexp.MustCompile(`build-id [0-9a-f]{8}`)
)

// alikeIn tells whether two lines are the same but for times; in a build other than that of
// README, but for all numbers.
func alikeIn(sameBuild bool) func(got, want string) bool {
	if !sameBuild {
		return alike
	}
	general := func(line string) string {
		return strings.Join(strings.Fields(fleeting.ReplaceAllString(line, "#")), " ")
	}
	return func(got, want string) bool {
		if begin, open := strings.CutSuffix(want, "..."); open {
			return strings.HasPrefix(general(got), strings.TrimSpace(general(begin)))
		}
		return general(got) == general(want)
	}
}

// renewed is what README is to show of an output: the lines that it shows already, as they are
// now, between the same dots. Lines that are gone are left out, and new ones are not put in.
func renewed(output string, shown []string) (list []string, lost []string) {
	got := strings.Split(strings.TrimRight(output, "\n"), "\n")
	if !slices.ContainsFunc(shown, isDots) {
		return got, nil
	}
	for len(shown) > 0 {
		if isDots(shown[0]) {
			list, shown = append(list, shown[0]), shown[1:]
			continue
		}
		// Lines that stand together are looked for together.
		n := 1
		for n < len(shown) && !isDots(shown[n]) {
			n++
		}
		i := together(got, shown[:n])
		if i < 0 && n > 1 {
			n = 1 // or what is left of them one by one
			i = together(got, shown[:n])
		}
		if i < 0 {
			lost, shown = append(lost, shown[0]), shown[1:]
			continue
		}
		for k, s := range shown[:n] {
			if !strings.HasSuffix(strings.TrimSpace(s), "...") { // else only its beginning is shown
				s = got[i+k]
			}
			list = append(list, s)
		}
		got, shown = got[i+n:], shown[n:]
	}
	return list, lost
}

func isDots(line string) bool { return strings.TrimSpace(line) == "..." }

// together is where lines stand that are like those shown, one behind the other; -1 for nowhere.
func together(got, shown []string) int {
	for i := range max(0, len(got)-len(shown)+1) {
		same := true
		for k, s := range shown {
			same = same && alike(got[i+k], s)
		}
		if same {
			return i
		}
	}
	return -1
}

// readmeCommand types what is in README, in order, into a shell: usage: readme FILE. What it
// shows has to be what comes, and each command has to end well or with a finding. With -update
// it writes README anew.
func readmeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: readme FILE")
	}
	data, err := os.ReadFile(args[0])
	ts.Check(err)
	lines := strings.Split(string(data), "\n")
	blocks := readmeBlocks(string(data))
	if len(blocks) < 20 {
		ts.Fatalf("%s has %d blocks of commands and files", args[0], len(blocks))
	}
	sameBuild := false
	// From the end on, so that the places of those before stay.
	type change struct {
		block readmeBlock
		lines []string
	}
	var changes []change
	for i, b := range blocks {
		if b.file != "" {
			ts.Check(os.WriteFile(ts.MkAbs(b.file), []byte(b.text), 0o644))
			if b.file == "config.toml" {
				ts.Check(tryConfig(ts, b.text))
			}
			continue
		}
		script := b.command + " </dev/null"
		if b.gdb != nil {
			script = b.command + " <<'END'\nset pagination off\nset width 0\n" + strings.Join(b.gdb, "\n") + "\nkill\nEND"
		}
		err := ts.Exec("sh", "-c", script)
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitFound) {
			ts.Fatalf("$ %s\n%v", b.command, err)
		}
		if b.shown == nil {
			continue
		}
		output := ts.ReadFile("stdout")
		if i == 0 || builtAs.MatchString(output) {
			shown := strings.Join(b.shown, "\n")
			sameBuild = builtAs.FindString(shown) != "" && builtAs.FindString(shown) == builtAs.FindString(output)
		}
		if b.gdb != nil {
			if err := showsGDB(output, b.shown); err != nil {
				ts.Fatalf("$ %s\n%v", b.command, err)
			}
			continue
		}
		if *update {
			list, lost := renewed(output, b.shown)
			for _, l := range lost {
				ts.Logf("$ %s\nnot there any more: %s", b.command, l)
			}
			changes = append(changes, change{b, list})
			continue
		}
		if err := showsIn(output, b.shown, alikeIn(sameBuild)); err != nil {
			ts.Fatalf("$ %s\n%v\nrun: go test ./cmd/emurace -run TestScript/readme -update", b.command, err)
		}
	}
	for _, c := range slices.Backward(changes) {
		for i, l := range c.lines {
			if c.lines[i] = "    " + l; l == "" {
				c.lines[i] = ""
			}
		}
		lines = slices.Replace(lines, c.block.first, c.block.first+len(c.block.shown), c.lines...)
	}
	if *update {
		ts.Check(os.WriteFile(args[0], []byte(strings.Join(lines, "\n")), 0o644))
	}
}

// showsGDB is shows of what gdb prints while commands are typed to it, which stand among its
// lines. Arguments that README leaves out are (...).
func showsGDB(output string, shown []string) error {
	var want []string
	for _, s := range shown {
		if strings.HasPrefix(s, "(gdb) ") {
			s = "..."
		}
		want = append(want, s)
	}
	arguments := regexp.MustCompile(`\(.*\)`)
	var got []string
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(strings.ReplaceAll(line, "(gdb) ", "")); line != "" {
			got = append(got, line)
		}
	}
	return showsWith(strings.Join(got, "\n"), append(want, "..."), func(got, want string) bool {
		if strings.Contains(want, "(...)") {
			got = arguments.ReplaceAllString(got, "(...)")
		}
		return alike(got, want)
	})
}

// showsIn is shows of README's lines: dots may be indented.
func showsIn(output string, shown []string, same func(got, want string) bool) error {
	var want []string
	for _, s := range shown {
		if isDots(s) {
			s = "..."
		}
		want = append(want, s)
	}
	return showsWith(output, want, same)
}

// tryConfig has the config file that README shows be the user's for one search, which has to be
// as quick as an example is to be: it ends by itself, before the time in it is up.
func tryConfig(ts *testscript.TestScript, text string) error {
	name := filepath.Join(ts.Getenv("XDG_CONFIG_HOME"), "emurace", "config.toml")
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		return err
	}
	err := ts.Exec("emurace", "explore")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitFound) {
		return fmt.Errorf("with README's config file: %w", err)
	}
	if out := ts.ReadFile("stdout"); strings.Contains(out, "undecided") || strings.Count(out, "\n") < 5 {
		return fmt.Errorf("with README's config file: %s", out)
	}
	return os.Remove(name)
}

// TestReadmeBlocks: what is a command, what is shown of it, and what is a file.
func TestReadmeBlocks(t *testing.T) {
	const text = "# x\n\n    make explore\n    emurace a --b c   does it\n    emurace d\n                      and that\n\n    $ emurace e\n    one\n        ...\n\n    two\n\ntext\n\n" +
		"    (gdb) watch x\n    hit\n    (gdb) bt\n\n```python x.star\nfile\n```\n\n```python\nno file\n```\n```toml\n[a]\n```\n"
	var got []string
	for _, b := range readmeBlocks(text) {
		got = append(got, fmt.Sprintf("%s|%s|%s|%q|%d", b.command, strings.Join(b.gdb, ","), b.file, b.shown, b.first))
	}
	want := []string{
		`emurace a --b c|||[]|0`, `emurace d|||[]|0`, `emurace e|||["one" "    ..." "" "two"]|8`,
		`emurace gdb --launch|watch x,bt||["(gdb) watch x" "hit" "(gdb) bt"]|15`, `||x.star|[]|0`, `||config.toml|[]|0`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

// TestRenewed: what is written into README is what is there now, where it was shown before.
func TestRenewed(t *testing.T) {
	got, lost := renewed("a 1\nb 2\nc 3\nd 4\n", []string{"a 7", "   ...", "d 8", "e 9"})
	if !slices.Equal(got, []string{"a 1", "   ...", "d 4"}) || !slices.Equal(lost, []string{"e 9"}) {
		t.Errorf("%q, %q", got, lost)
	}
	if got, lost := renewed("a\nb\n", []string{"x"}); !slices.Equal(got, []string{"a", "b"}) || lost != nil {
		t.Errorf("%q, %q", got, lost)
	}
	same, other := alikeIn(true), alikeIn(false)
	for _, c := range []struct {
		got, want    string
		strict, free bool
	}{
		{"x 1 in 0.3 s", "x 1 in 1.25 s", true, true}, {"x 1", "x 2", false, true}, {"x 1", "y 1", false, false}, {"abc def", "abc ...", true, true},
	} {
		if same(c.got, c.want) != c.strict || other(c.got, c.want) != c.free {
			t.Errorf("%q, %q: %t, %t", c.got, c.want, same(c.got, c.want), other(c.got, c.want))
		}
	}
}

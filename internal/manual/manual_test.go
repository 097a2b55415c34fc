package manual

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
	"pgregory.net/rapid"
)

// What a command line says of itself is text, whatever is in it: no line of it becomes a
// request, and man shows it as it is.
func TestTextIsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[-a-z.'\\"^~\x60 ]{1,40}`).Draw(t, "text")
		app := &cli.App{Name: "program", Usage: "do it", Description: "First.\n" + text + "\n\nExamples:\n  " + text, Commands: []*cli.Command{{Name: "command", Usage: "u", Flags: []cli.Flag{&cli.StringFlag{Name: "flag", Usage: text}}}}}
		for _, p := range Pages(app, About{Version: "1.0", Date: time.Unix(0, 0)}) {
			for line := range strings.Lines(string(p.Text)) {
				request, _, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
				if strings.HasPrefix(request, "'") || strings.HasPrefix(request, ".") && !strings.Contains(" .TH .nh .ad .SH .B .I .TP .PP .RS .RE .nf .fi ", " "+request+" ") {
					t.Fatalf("%s: a request: %q", p.File, line)
				}
			}
		}
	})
}

func TestShown(t *testing.T) {
	const odd = `a\b 'c' "d" ^e~ ` + `f-g .h`
	app := &cli.App{
		Name: "program", Usage: "do it", Description: ".Begins with a dot.\n\nExamples:\n  program " + odd + "\n\nExit codes: here.",
		Commands: []*cli.Command{{Name: "one", Usage: "do one", Flags: []cli.Flag{
			&cli.StringFlag{Name: "file", Aliases: []string{"f"}, Usage: "read `FILE`", EnvVars: []string{"PROGRAM_FILE"}, Value: "x"},
		}}},
	}
	pages := Pages(app, About{Version: "1.0", Date: time.Unix(0, 0), Exits: []Exit{{0, "well"}}, Files: []Entry{{"/etc/x", "is read"}}, SeeAlso: []string{"gdb(1)"}})
	if len(pages) != 2 || pages[0].File != "program.1" || pages[1].File != "program-one.1" {
		t.Fatalf("%d pages", len(pages))
	}
	for i, want := range [][]string{
		{"program - do it", "\n       .Begins with a dot.", "program " + odd, "program-one(1)", "do one", "0      well", "1970-01-01", "gdb(1)"},
		{"program-one - do one", "--file FILE, -f FILE", `read FILE (default: "x") [$PROGRAM_FILE]`, "is --file where that is not given", "/etc/x", "program(1), gdb(1)"},
	} {
		cmd := exec.Command("man", "--warnings", "-E", "ascii", "-l", "-")
		cmd.Env = append(cmd.Environ(), "MANWIDTH=100", "LC_ALL=C")
		cmd.Stdin = bytes.NewReader(pages[i].Text)
		var warnings strings.Builder
		cmd.Stderr = &warnings
		out, err := cmd.Output()
		if err != nil || warnings.Len() > 0 {
			t.Fatalf("%v: %s", err, &warnings)
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s: no %q in\n%s", pages[i].File, w, out)
			}
		}
		if strings.Contains(string(out), "Exit codes") {
			t.Errorf("%s: exit codes twice", pages[i].File)
		}
	}
}

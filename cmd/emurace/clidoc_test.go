package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

const docHead = `# The command line

This is what the program's own help says, every command and every flag. It is
made by ` + "`go test ./cmd/emurace -run TestCLIDoc -update`" + `, and a test fails when it is
stale. What the errors mean is in [ERRORS.md](ERRORS.md), the result object in
[result.md](result.md).
`

// TestCLIDoc: docs/cli.md is what the help of every command says now.
func TestCLIDoc(t *testing.T) {
	// A variable would show in the help as a flag's default.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "EMURACE_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	doc := bytes.NewBufferString(docHead)
	app := newApp(io.Discard, io.Discard)
	document(t, doc, app.Commands, nil)
	file := filepath.Join("..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(file, doc.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(have), doc.String()); d != "" {
		t.Errorf("docs/cli.md is stale (-file +help):\n%s\nrun: go test ./cmd/emurace -run TestCLIDoc -update", d)
	}
}

// document writes the help of a command and then of those below it.
func document(t *testing.T, doc *bytes.Buffer, commands []*cli.Command, path []string) {
	t.Helper()
	title := strings.Join(append([]string{"emurace"}, path...), " ")
	help := helpOf(t, path)
	fmt.Fprintf(doc, "\n## %s\n\n```text\n%s```\n", title, help)
	for _, c := range commands {
		below := append(path[:len(path):len(path)], c.Name)
		if c.Usage == "" || c.Hidden || !strings.Contains(help, "   "+c.Name+" ") {
			t.Errorf("%s does not show its command %s", title, c.Name)
		}
		text := helpOf(t, below)
		for _, f := range c.Flags {
			checkFlag(t, strings.Join(below, " "), text, f)
		}
		document(t, doc, c.Subcommands, below)
	}
}

// checkFlag: a flag is in the help, with something said about it and with its
// variable.
func checkFlag(t *testing.T, command, help string, f cli.Flag) {
	t.Helper()
	d, ok := f.(cli.DocGenerationFlag)
	if !ok || d.GetUsage() == "" {
		t.Errorf("%s --%s: nothing is said about it", command, f.Names()[0])
	}
	wanted := []string{"--" + f.Names()[0]}
	if ok && len(d.GetEnvVars()) > 0 {
		wanted = append(wanted, "[$"+strings.Join(d.GetEnvVars(), ", $")+"]")
	}
	for _, text := range wanted {
		if !strings.Contains(help, text) {
			t.Errorf("%s: its help lacks %s", command, text)
		}
	}
}

func helpOf(t *testing.T, path []string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append(append([]string{"emurace"}, path...), "--help")
	if code := doMain(context.Background(), args, &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
		t.Fatalf("%q: exit code %d, %s", args, code, &stderr)
	}
	var text strings.Builder
	for line := range strings.Lines(stdout.String()) {
		text.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return text.String()
}

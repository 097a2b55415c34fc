package layers

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "emurace/"

// layers are all packages. One may import what stands in rows above its own, and nothing
// beside it.
var layers = [][]string{
	{"internal/thorough"},
	{"explore/graph", "explore/target", "internal/crash", "internal/files", "internal/suggest", "internal/ordered", "internal/pool", "internal/printable", "internal/programs", "internal/shell", "internal/testalone", "internal/testseed", "internal/wall", "internal/words"},
	{"internal/completion", "internal/guard", "internal/logging", "internal/manual", "loader", "scripts/sandbox", "sysroot"},
	{"disasm", "emu/internal/linux", "emu/internal/shim", "heap/arena", "internal/guestcode", "internal/testroot", "loader/corefile", "unwind"},
	{"build-aux/measured", "disasm/depend", "emu"},
	{"internal/testsystem", "symbolize"},
	{"diagnose/flow", "diagnose/process", "heap", "program"},
	{"diagnose", "scenario"},
	{"diagnose/draft", "explore/coverage", "internal/litmus"},
	{"explore", "internal/litmus/axioms", "internal/litmus/cycles", "oracle", "replay", "replay/timeline", "scripts/scenariolang", "scripts/portable", "suite"},
	{"replay/execution"},
	{"internal/litmus/table", "oracle/known", "replay/core", "replay/gdb", "replay/lesson", "scripts/strategylang"},
	{"replay/report", "replay/step", "scripts"},
	{"build-aux/peers", "build-aux/programs", "cmd/emurace", "internal/testcores", "internal/testrace"},
}

// never are imports that the order of layers allows, and that would mix what is to stay
// apart: package, what it must not import, why.
var never = [][3]string{
	{"replay", "scripts", "an explanation does not know the languages"},
	{"scripts", "replay", "what a script says is not how a run is shown"},
	{"scripts", "explore", "a language knows the search by interfaces only"},
	{"replay/report", "explore", "an explanation does not know how its run was found"},
	{"replay/step", "explore", "an explanation does not know how its run was found"},
	{"replay/gdb", "explore", "an explanation does not know how its run was found"},
	{"scripts/strategylang", "scripts/scenariolang", "the two languages do not know each other"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// packages asks Go for all packages of the module.
func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// TestImports: imports go up the rows of the table, which has every package.
func TestImports(t *testing.T) {
	row := map[string]int{}
	for i, names := range layers {
		for _, name := range names {
			if _, twice := row[name]; twice {
				t.Errorf("%s stands in the table twice", name)
			}
			row[name] = i
		}
	}
	seen := 0
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "internal/layers" {
			continue
		}
		mine, ok := row[name]
		if !ok {
			t.Errorf("%s has no row: put it below all that it imports", name)
			continue
		}
		seen++
		for _, imported := range p.Imports {
			other, ours := strings.CutPrefix(imported, module)
			if ours && row[other] >= mine {
				t.Errorf("%s imports %s, which does not stand above it", name, other)
			}
			for _, n := range never {
				if n[0] == name && n[1] == other && ours {
					t.Errorf("%s imports %s: %s", name, other, n[2])
				}
			}
		}
	}
	if seen != len(row) {
		t.Errorf("%d packages stand in the table, and there are %d", len(row), seen)
	}
}

// TestDocumented: docs/ARCHITECTURE.md says what every package is for.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := append(slices.Concat(layers...), "internal/layers")
	for _, name := range all {
		if !strings.Contains(string(doc), "| `"+name+"` | ") {
			t.Errorf("docs/ARCHITECTURE.md has no row for %s", name)
		}
	}
	for line := range strings.Lines(string(doc)) {
		name, found := strings.CutPrefix(line, "| `")
		name, _, cell := strings.Cut(name, "` | ")
		if found && cell && strings.Contains(name, "internal/") && !slices.Contains(all, path.Clean(name)) {
			t.Errorf("docs/ARCHITECTURE.md has a row for %s, which is not there", name)
		}
	}
}

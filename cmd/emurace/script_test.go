package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"emurace/internal/testroot"
	"emurace/internal/thorough"
)

// testSaveEvery is an environment variable: how often the program under test
// saves a search, so that a test needs not wait for it.
const testSaveEvery = "TEST_SAVE_EVERY"

// testFileSize is another one: how large a file the program under test may
// write, in bytes. Beyond that a write fails, as on a full disk.
const testFileSize = "TEST_FILE_SIZE"

func TestMain(m *testing.M) {
	if text := os.Getenv(testSaveEvery); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		saveEvery = d
	}
	if text := os.Getenv(testFileSize); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			panic(err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			panic(err)
		}
	}
	if orders := os.Getenv(testWalled); orders != "" {
		walledIn = func() { lookAround(orders) }
	}
	testscript.Main(m, map[string]func(){"emurace": main})
}

// TestScript runs testdata/cli/*.txtar, each in a folder and a home of its
// own, with the sysroots of the user's cache. Beside testscript's own commands
// there are
//
//	code N COMMAND ARG...   runs a command, which must exit with N
//	fails N COMMAND ARG...  the same; it must print nothing but an error with its hint
//	[!] json PATH [VALUE]   looks into the last line of standard output, a JSON object
//	setjson FILE PATH VALUE changes a JSON file; the value - takes the field out
//	untimed FILE            takes the durations out of a result in a file
//	cut FILE N              leaves the first N bytes of a file, or adds zeros up to N
//	lib64 SPEC ARCH LAYOUT DIR  makes a sysroot that is laid out as CentOS is
//	libraries SPEC ARCH DIR copies the shared libraries of a sysroot
//	page FILE               runs the commands of a page of docs, which must show what it says
//	readme FILE             runs README's commands, which must show what it says
//	spin FILE               makes an ELF file one that does nothing but loop where it begins
//
// and the condition [thorough], which holds when tests are to run all their cases.
func TestScript(t *testing.T) {
	cache := testroot.Cache(t).Path()
	docs, err := filepath.Abs(filepath.Join("..", "..", "docs"))
	if err != nil {
		t.Fatal(err)
	}
	bookworm := testroot.Dir(t, "debian:bookworm", "arm64") // says what to do when it is not there
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("..", "..", "testdata", "cli"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			e.Setenv("EMURACE_CACHE", cache)
			e.Setenv("DOCS", docs)
			e.Setenv("README", filepath.Join(filepath.Dir(docs), "README.md"))
			e.Setenv("BOOKWORM", bookworm)
			e.Setenv("TERM", "xterm")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": codeCommand, "fails": failsCommand, "json": jsonCommand, "setjson": setJSONCommand,
			"untimed": untimedCommand, "cut": cutCommand, "libraries": librariesCommand, "lib64": lib64Command, "spin": spinCommand, "page": runPage, "readme": readmeCommand,
		},
		Condition: func(name string) (bool, error) {
			if name != "thorough" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return thorough.On(), nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// runCode runs a command and checks its exit code.
func runCode(ts *testscript.TestScript, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: N COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func codeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! code")
	}
	runCode(ts, args)
}

var errorForm = regexp.MustCompile(`^emurace: [^\n]+\nhint: [^\n]+\n$`)

func failsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! fails")
	}
	runCode(ts, args)
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("there is something on standard output: %q", out)
	}
	if text := ts.ReadFile("stderr"); !errorForm.MatchString(text) {
		ts.Fatalf("not of the form \"emurace: what: why\", \"hint: ...\": %q", text)
	}
}

// lookup walks into a JSON value by names and indices with dots in between.
func lookup(v any, path string) (any, bool) {
	for _, name := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

func jsonCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 2 {
		ts.Fatalf("usage: [!] json PATH [VALUE]")
	}
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	var object map[string]any
	for _, line := range lines {
		object = nil
		d := json.NewDecoder(strings.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&object); err != nil || d.More() {
			ts.Fatalf("a line is no JSON object: %q: %v", line, err)
		}
	}
	v, ok := lookup(object, args[0])
	text := fmt.Sprint(v)
	switch v.(type) {
	case nil, map[string]any, []any:
		b, err := json.Marshal(v)
		ts.Check(err)
		text = string(b)
	}
	holds := ok && (len(args) == 1 || text == args[1])
	if holds == neg {
		ts.Fatalf("%s is %s, there: %v", args[0], text, ok)
	}
}

func setJSONCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: setjson FILE PATH VALUE")
	}
	var object map[string]any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	ts.Check(d.Decode(&object))
	inner, name := object, args[1]
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		at, _ := lookup(object, name[:i])
		if inner, _ = at.(map[string]any); inner == nil {
			ts.Fatalf("no object %s", name[:i])
		}
		name = name[i+1:]
	}
	var value any
	switch {
	case args[2] == "-":
		delete(inner, name)
	case json.Unmarshal([]byte(args[2]), &value) == nil:
		inner[name] = value
	default:
		inner[name] = args[2]
	}
	b, err := json.MarshalIndent(object, "", "  ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(b, '\n'), 0o644))
}

// times are what differs from one run of a search to the next, as text and in
// an object.
var times = regexp.MustCompile(`\b\d+\.\d s\b|"elapsed_s":[0-9.e+-]+,|"schedules_per_s":[0-9.e+-]+,`)

func untimedCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: untimed FILE")
	}
	text := ts.ReadFile(args[0])
	if !times.MatchString(text) {
		ts.Fatalf("no duration in %q", text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), times.ReplaceAll([]byte(text), nil), 0o644))
}

func cutCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE N")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

func librariesCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: libraries SPEC ARCH DIR")
	}
	cached := filepath.Join(cachedRoot(ts, args[0], args[1]), "lib")
	to := ts.MkAbs(args[2])
	ts.Check(os.MkdirAll(to, 0o755))
	ts.Check(os.CopyFS(filepath.Join(to, "lib"), os.DirFS(cached)))
}

func spinCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: spin FILE")
	}
	name := ts.MkAbs(args[0])
	data, err := os.ReadFile(name)
	ts.Check(err)
	ts.Check(spin(data))
	ts.Check(os.WriteFile(name, data, 0o755))
}

// spin puts a jump to itself where an ELF file begins to run.
func spin(data []byte) error {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return err
	}
	loop := map[elf.Machine][]byte{elf.EM_X86_64: {0xeb, 0xfe}, elf.EM_AARCH64: {0, 0, 0, 0x14}}[f.Machine]
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && f.Entry-p.Vaddr < p.Filesz {
			copy(data[p.Off+f.Entry-p.Vaddr:], loop)
			return nil
		}
	}
	return errors.New("it begins nowhere")
}

// TestLookup: what the scripts look into objects with.
func TestLookup(t *testing.T) {
	var v any
	if err := json.Unmarshal([]byte(`{"a":[{"b":"c"},null]}`), &v); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]any{"a.0.b": "c", "a.1": nil} {
		if got, ok := lookup(v, path); !ok || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %v", path, got, ok)
		}
	}
	for _, path := range []string{"b", "a.2", "a.-1", "a.x", "a.0.b.c", ""} {
		if got, ok := lookup(v, path); ok {
			t.Errorf("%s: %v", path, got)
		}
	}
}

package scripts

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"emurace/explore/target"
)

// TestEnd: a file declares the end that searches look for, by hand or as an end writes itself, beside a
// scenario and beside a program.
func TestEnd(t *testing.T) {
	at := func(n uint64) *uint64 { return &n }
	code := 3
	getenv := target.Frame{Function: "getenv", Offset: at(0x94), Module: "libc.so.6", BuildID: "6f26", ModuleOffset: at(0x3dbe4)}
	whole := target.End{
		Kind: "segv", Arch: "arm64", Thread: "main \"é", Backtrace: []target.Frame{getenv, {}, {Function: "main"}, {Module: "app", ModuleOffset: at(8)}},
		Access: "read", Register: "x19", Value: target.MallocSize,
	}
	stuck := target.End{Kind: "deadlock", Message: "a\x00\n\"b", Waits: []target.Wait{
		{Thread: "a", What: "mutex", Backtrace: []target.Frame{getenv}}, {What: "semaphore"}, {},
	}}
	for _, c := range []struct {
		text string
		want target.End
	}{
		{`end(function = "getenv", offset = 0x94, kind = "segv", value = "malloc-size")`, target.End{Kind: "segv", Value: target.MallocSize, Backtrace: []target.Frame{{Function: "getenv", Offset: at(0x94)}}}},
		{`end("abort", message = "x", function = "f", module = "libc.so.6", build_id = "aa")`, target.End{Kind: "abort", Message: "x", Backtrace: []target.Frame{{Function: "f", Module: "libc.so.6", BuildID: "aa"}}}},
		{`end("signal", signal = 8)`, target.End{Kind: "signal", Signal: 8}},
		{`end("exit", code = 3)`, target.End{Kind: "exit", Code: &code}},
		{`end("deadlock")`, target.End{Kind: "deadlock"}},
		{whole.Declaration(), whole},
		{stuck.Declaration(), stuck},
	} {
		s, err := Compile("a.star", "thread(\"main\", lambda t: None)\n"+c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		sc, err := s.Scenario()
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if d := cmp.Diff(&c.want, sc.End); d != "" {
			t.Errorf("%s: %s", c.text, d)
		}
		if s, err = Compile("a.star", "program(\"./a.out\")\n"+c.text); err != nil {
			t.Fatal(err)
		}
		named, err := s.Named()
		if err != nil || named == nil || !cmp.Equal(&c.want, named.End) {
			t.Errorf("%s: beside a program: %+v, %v", c.text, named, err)
		}
	}
}

// TestEndErrors: what cannot be looked for is refused, at its place.
func TestEndErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`end()`, `missing argument for kind`},
		{`end("crash")`, `kind: "crash": not segv, illegal`},
		{`end("segv")`, `a segv is looked for by where it is`},
		{`end("segv", function = "f", value = "large")`, `value: "large": not null, malloc-size`},
		{`end("segv", function = "f", offset = -1)`, `offset: not a number of bytes`},
		{`end("segv", function = "f", offset = "1")`, `offset: not a number of bytes`},
		{`end("segv", offset = 1)`, `of a function, and there is none`},
		{`end("segv", function = "f", backtrace = ["g"])`, `backtrace says itself`},
		{`end("segv", backtrace = [1])`, `backtrace: it has a int, not a text`},
		{`end("segv", backtrace = ["f+0xz"])`, `the offset is no hexadecimal number`},
		{`end("exit", code = "x")`, `code: `},
		{`end("deadlock", waits = ["f"])`, `waits: it has a string, not \{"thread"`},
		{`end("deadlock", waits = [{"for": "mutex"}])`, `"for": not a text thread`},
		{`end("deadlock", waits = [{"backtrace": ["+0x1"]}])`, `an offset without a name`},
		{"end(\"deadlock\")\nend(\"deadlock\")", `there are two; the first is at a.star:2`},
	} {
		s, err := Compile("a.star", "thread(\"main\", lambda t: None)\n"+c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		_, err = s.Scenario()
		if err == nil || !regexp.MustCompile(`a\.star:[0-9]+:[0-9]+: end: |missing argument`).MatchString(err.Error()) || !regexp.MustCompile(c.want).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}

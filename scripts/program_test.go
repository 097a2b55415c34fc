package scripts

import (
	"errors"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"emurace/scripts/scenariolang"
	"emurace/scripts/strategylang"
)

// A file names a program in full, and says nothing of a scenario by that.
func TestNamed(t *testing.T) {
	for _, c := range []struct {
		text string
		want *scenariolang.Program
	}{
		{`run("main")`, nil},
		{`thread("main", lambda t: None)`, nil},
		{`program("./a.out")`, &scenariolang.Program{Path: "./a.out", Argv: []string{"./a.out"}}},
		{`program("a", "b c", name = "z", env = ["A=1", "B="], cwd = "/tmp", stdin = "in", files = {"/x": "y", "/d": "."}, expect = ["exit=3", "stdout=^a$"])`,
			&scenariolang.Program{Path: "a", Argv: []string{"z", "b c"}, Env: []string{"A=1", "B="}, Folder: "/tmp", Stdin: "in",
				Files: []scenariolang.Given{{At: "/x", Host: "y"}, {At: "/d", Host: "."}}, Expect: []string{"exit=3", "stdout=^a$"}}},
		{`program("a", input = b"\x00\xff")`, &scenariolang.Program{Path: "a", Argv: []string{"a"}, Input: []byte{0, 255}}},
	} {
		s, err := Compile("a.star", c.text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Named()
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if d := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(scenariolang.Program{})); d != "" {
			t.Errorf("%s: %s", c.text, d)
		}
		if _, err := s.Scenario(); c.want != nil && !errors.Is(err, scenariolang.ErrNone) {
			t.Errorf("%s: a scenario: %v", c.text, err)
		}
		if _, err := s.Schedule(); c.want != nil && !errors.Is(err, strategylang.ErrNone) {
			t.Errorf("%s: a schedule: %v", c.text, err)
		}
	}
}

// What no process can be made of is refused, at its place.
func TestNamedErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`program()`, `which one\?`},
		{`program("")`, `which one\?`},
		{`program("a", 1)`, `arguments: number 2 is int`},
		{`program("a", "b\x00")`, `number 2 is string, not a text without a NUL`},
		{`program("a", name = "b\x00")`, `a name holds a NUL`},
		{`program("a", env = "A=1")`, `got string, want list`},
		{`program("a", env = ["=1"])`, `env: "=1" is not NAME=VALUE`},
		{`program("a", env = [b"A=1"])`, `env: number 1 is bytes`},
		{`program("a", env = ["A=" + "x" * 600000] * 2)`, `take more than`},
		{`program("a", cwd = "tmp")`, `cwd: "tmp" is not a path from the root on`},
		{`program("a", cwd = "/tmp/../etc")`, `cwd: `},
		{`program("a", files = {"x": "y"})`, `files: "x": "y" is not a path of the guest`},
		{`program("a", files = {"/x": 1})`, `files: number 2 is int`},
		{`program("a", files = {"/x": ""})`, `files: "/x"`},
		{`program("a", stdin = "x", input = "y")`, `both stdin, a file, and input`},
		{`program("a", input = 3)`, `input is int`},
		{`program("a", expect = ["exit=x"])`, `expect: "exit=x": "x" is no number`},
		{`program("a", more = 1)`, `unexpected keyword argument "more"`},
		{"program(\"a\")\nprogram(\"b\")", `there are two; the first is at a\.star:1:8`},
		{"program(\"a\")\nparam(\"n\", 1, \"help\")", `declares a scenario too`},
		{"program(\"a\")\nfile(\"/x\", \"y\")", `declares a scenario too`},
	} {
		s, err := Compile("a.star", c.text)
		if err == nil {
			_, err = s.Named()
		}
		if err == nil || !regexp.MustCompile(`^a\.star:\d+:\d+: .*(`+c.want+`)`).MatchString(err.Error()) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}

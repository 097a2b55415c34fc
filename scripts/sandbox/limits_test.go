package sandbox

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// run compiles and runs a script, without any names of a host's.
func run(text string, h Host) (starlark.StringDict, error) {
	p, err := Compile(Source{Name: "test.star", Text: text}, nil)
	if err != nil {
		return nil, err
	}
	return p.Run(h)
}

// wrong runs a script that has to be refused, in good time, and returns why.
func wrong(t *testing.T, text, pattern string) *Error {
	t.Helper()
	began := time.Now()
	_, err := run(text, Host{Steps: 2_000_000})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("%.60q took %v", text, took)
	}
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%.60q: %v, not an *Error", text, err)
		return &Error{}
	}
	if !regexp.MustCompile(pattern).MatchString(e.Error()) {
		t.Errorf("%.60q: %v, want %q", text, e, pattern)
	}
	return e
}

// What cannot be read, and what would go on for ever.
func TestRefused(t *testing.T) {
	deep := strings.Repeat("[", 300) + strings.Repeat("]", 300)
	blocks := ""
	for i := range 300 {
		blocks += strings.Repeat(" ", i) + "if True:\n"
	}
	for _, c := range []struct{ text, want string }{
		{"x = = 1", `^test\.star:1:5: .*=`},
		{"def f(:\n  pass", `^test\.star:1:8: `},
		{"x = 1\n\ny = nothing\n", `^test\.star:3:5: undefined: nothing`},
		{"a = no1\nb = no2\nc = no3", `undefined: no1 \(and 2 more\)`},
		{"while True:\n  pass", `^test\.star:\d+:\d+: it takes more than 2000000 steps`},
		{"for i in range(1 << 20):\n  for j in range(1 << 20):\n    pass", `it takes more than`},
		{"def f(): return f()\nf()", `function f called recursively`},
		{"f = lambda g: g(g)\nf(f)", `called recursively`},
		{"x = " + deep, `brackets or blocks are more than`},
		{blocks + strings.Repeat(" ", 300) + "pass", `brackets or blocks are more than`},
		{"x = '\xff'", `not UTF-8`},
		{"x = '\x00'", `holds a NUL`},
		{"#" + strings.Repeat("x", MaxSource), `more than \d+ bytes`},
		{`load("other.star", "x")`, `no module "other.star", and none can be loaded`},
		{"1 // 0", `division by zero`},
		{`fail("it", 1, [2])`, `^test\.star:1:5: it 1 \[2\]$`},
	} {
		_ = wrong(t, c.text, c.want)
	}
}

// Every operation of which the result could take all memory says so instead.
func TestTooLarge(t *testing.T) {
	const mega = "s = 'abcdefgh' * (1 << 16)\n"
	for i, text := range []string{
		`"a" * (1 << 40)`,
		`(1 << 40) * "a"`,
		`[0] * (1 << 40)`,
		`(0,) * (1 << 30)`,
		`b"ab" * (1 << 30)`,
		"x = [1]\nwhile True:\n  x = x + x",
		"x = [1]\nwhile True:\n  x += x",
		"x = [1]\nwhile True:\n  x *= 2",
		"x = [1]\nwhile True:\n  x.extend(x)",
		"x = (1,)\nwhile True:\n  x += x",
		"x = 'a'\nwhile True:\n  x += x",
		"x = 'a'\nwhile True:\n  x = '%s%s' % (x, x)",
		"x = 'a'\nwhile True:\n  x = '{0}{0}{0}'.format(x)",
		"x = '%s'\nwhile True:\n  x *= 3\n  x %= (x,) * x.count('%s')",
		"x = 'a'\nfor _ in range(60):\n  x = (x, x)",
		"x = 'a'\nfor _ in range(60):\n  x = (x, x)\ny = [x]",
		"x = 'a'\nfor _ in range(60):\n  x = (x, x)\ndef f(p = x): return p\nx = 1",
		"def g():\n  x = 'a'\n  for _ in range(60):\n    x = (x, x)\n  return lambda: x\nf = g()",
		mega + "s.join([s] * 1000)",
		mega + "s.replace('a', s)",
		mega + "'a'.replace('', s).replace('', s)",
		mega + "getattr(s, 'replace')('a', s)",
		mega + "f = s.join\nf([s] * 1000)",
		mega + "('{0}' * 1000).format(s)",
		mega + "('{x}' * 1000).format(x = s)",
		mega + "'%s%s%s' % (s, s, s)",
		"x = 'a' * 1000\nfor _ in range(30):\n  x = [x, x]\nstr(x)",
		"x = 'a' * 1000\nfor _ in range(30):\n  x = [x, x]\nrepr(x)",
		"x = 'a' * 1000\nfor _ in range(30):\n  x = {1: x, 2: x}\n'%r' % [x]",
		"x = 'a' * 1000\nfor _ in range(30):\n  x = (x, x)\nprint(x)",
		"x = 'a' * 1000\nfor _ in range(30):\n  x = (x, x)\nfail(x)",
		"x = 3\nwhile True:\n  x = x * x",
		"x = 3\nwhile True:\n  x *= x",
		"range(1 << 60)",
		"range(1 << 30)",
		"zip(*[range(1 << 20)] * 1000)",
		"int('9' * (1 << 20))",
		"int(base = 10, x = '9' * (1 << 20))",
	} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		e := wrong(t, text, `too large|write x = x|it takes more than|too long|out of range|repeat|more than \d+`)
		if len(e.Msg) > maxMessage+3 {
			t.Errorf("%.60q: a message of %d bytes", text, len(e.Msg))
		}
	}
}

// What is not too large is as it was.
func TestStillThere(t *testing.T) {
	for text, want := range map[string]string{
		`zip(range(3), "ab".elems(), [7, 8, 9])`: `[(0, "a", 7), (1, "b", 8)]`,
		`zip()`:                                  `[]`,
		`zip([])`:                                `[]`,
		`zip(range(1 << 19))[-1]`:                `(524287,)`,
		`int("-0x1f", 16)`:                       `-31`,
		`int("1011", base = 2)`:                  `11`,
		`int("z", 36) + int(True)`:               `36`,
	} {
		globals, err := run("x = "+text, Host{})
		if err != nil || globals["x"].String() != want {
			t.Errorf("%s: %v, %v, want %s", text, globals["x"], err, want)
		}
	}
}

// A value that a function has handed out is frozen, unless that would take for ever:
// a tuple that holds another one twice, and so on, in whatever holds it.
func TestFreeze(t *testing.T) {
	p, err := Compile(Source{Name: "test.star", Text: `
def tower():
  x = (1,)
  for _ in range(60):
    x = (x, x)
  return x
def fine():
  x = []
  x.append(struct(a = x, b = [x.append]))
  return x
def hidden(): return struct(a = tower())
def kept(): return [1, [tower()].append]
def defaults():
  x = tower()
  return lambda y = x: y
`}, starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)})
	if err != nil {
		t.Fatal(err)
	}
	globals, err := p.Run(Host{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tower", "fine", "hidden", "kept", "defaults"} {
		v, err := p.Call(Host{}, globals[name].(starlark.Callable))
		if err != nil {
			t.Fatal(err)
		}
		if err := Freeze(v); (err == nil) != (name == "fine") {
			t.Errorf("%s: %v", name, err)
		}
		if l, ok := v.(*starlark.List); ok && name == "fine" && l.Append(starlark.None) == nil {
			t.Error("a list that can still be changed")
		}
	}
}

// A struct is as large as what is in it.
func TestStructText(t *testing.T) {
	for _, use := range []string{"str(x)", "'%s' % [x]", "fail(x)", "print(x)", "'{}'.format(x)"} {
		p, err := Compile(Source{Name: "test.star", Text: "x = struct(a = 1)\nfor _ in range(60):\n  x = struct(a = x, b = x)\n" + use},
			starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Run(Host{}); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("%s: %v", use, err)
		}
	}
}

// Modules are run once each, and cannot load each other in a circle.
func TestLoads(t *testing.T) {
	modules := map[string]string{
		"a.star":    `load("b.star", "y")` + "\nx = y + 1",
		"b.star":    "print('b')\ny = 1",
		"self.star": `load("self.star", "x")` + "\nx = 1",
		"one.star":  `load("two.star", "x")` + "\nz = x",
		"two.star":  `load("one.star", "z")` + "\nx = z",
		"bad.star":  "x = 1\ny = nothing",
		"dead.star": "def f():\n  fail('dead')\nf()\nx = 1",
	}
	for _, c := range []struct{ text, want string }{
		{`load("a.star", "x")` + "\n" + `load("b.star", "y")` + "\nz = x + y", ""},
		{`load("self.star", "x")`, "self.star loads itself"},
		{`load("one.star", "z")`, "one.star loads itself|two.star loads itself"},
		{`load("main.star", "z")`, `no module "main.star", only a.star, b.star`},
		{`load("../b.star", "y")`, `no module "../b.star"`},
		{`load("a.star", "nothing")`, "nothing"},
		{`load("bad.star", "x")`, `^bad.star:2:5: undefined: nothing`},
		{`load("dead.star", "x")`, `^dead.star:2:7: .*dead`},
	} {
		printed := 0
		err := func() error {
			p, err := Compile(Source{Name: "main.star", Text: c.text, Modules: modules}, nil)
			if err != nil {
				return err
			}
			globals, err := p.Run(Host{Print: func(pos, _ string) {
				if pos != "b.star:1:6" {
					t.Errorf("printed at %s", pos)
				}
				printed++
			}})
			if err == nil && globals["z"] != nil && fmt.Sprint(globals["z"]) != "3" {
				t.Errorf("z is %v", globals["z"])
			}
			return err
		}()
		switch {
		case c.want == "" && (err != nil || printed != 1):
			t.Errorf("%s: %v, printed %d times", c.text, err, printed)
		case c.want != "" && (err == nil || !regexp.MustCompile(c.want).MatchString(err.Error())):
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

// An error has the calls that led to it, and the line.
func TestTrace(t *testing.T) {
	e := wrong(t, "def inner(x):\n    return [1][x]\n\ndef outer():\n    return inner(7) + 1\n\nouter()\n", `^test\.star:2:15: .*out of range`)
	var funcs []string
	for _, f := range e.Trace {
		funcs = append(funcs, f.Func+" "+f.Pos)
	}
	if got := strings.Join(funcs, ", "); got != "<toplevel> test.star:7:6, outer test.star:5:17, inner test.star:2:15" {
		t.Error(got)
	}
	if e.Line != "return [1][x]" || !strings.Contains(e.Detail(), "in outer\n") {
		t.Errorf("%q %q", e.Line, e.Detail())
	}
	// What stands in for an operation is not one of the calls.
	e = wrong(t, "def f(x):\n    return x + 1\nf('a')", `^test\.star:2:14: unknown binary op: string \+ int`)
	if len(e.Trace) != 2 {
		t.Errorf("%v", e.Trace)
	}
	var f *Failure
	if _, err := run("fail('a', 'b', sep = '-')", Host{}); !errors.As(err, &f) || f.Msg != "a-b" {
		t.Error(err)
	}
}

// Only so many lines are shown.
func TestPrint(t *testing.T) {
	n := 0
	_, err := run(fmt.Sprintf("for i in range(%d):\n  print('line', i)", 3*maxPrint), Host{Print: func(pos, text string) {
		if want := fmt.Sprintf("line %d", n); text != want || pos != "test.star:2:8" {
			t.Errorf("%s %q, want %q", pos, text, want)
		}
		n++
	}})
	if err != nil || n != maxPrint {
		t.Errorf("%d lines, %v", n, err)
	}
}

// The globals of a run cannot be changed by what is called later.
func TestFrozen(t *testing.T) {
	p, err := Compile(Source{Name: "test.star", Text: "x = [1]\ndef f():\n  x.append(2)\n"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	globals, err := p.Run(Host{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Call(Host{}, globals["f"].(starlark.Callable)); err == nil || !strings.Contains(err.Error(), "frozen") {
		t.Error(err)
	}
}

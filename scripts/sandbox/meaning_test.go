package sandbox

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"emurace/internal/testseed"
)

// plain runs a program as the library does, without any guard.
func plain(text string) string {
	t := &starlark.Thread{}
	t.SetMaxExecutionSteps(maxSteps)
	globals, err := starlark.ExecFileOptions(options, t, "test.star", text, nil)
	return outcome(globals, err)
}

// outcome is the value of r, or the message of an error.
func outcome(globals starlark.StringDict, err error) string {
	if err != nil {
		return "error: " + strings.TrimPrefix(err.Error(), "fail: ")
	}
	return fmt.Sprint(globals["r"])
}

func guardedRun(text string) string {
	globals, err := run(text, Host{})
	var e *Error
	if errors.As(err, &e) {
		err = fmt.Errorf("%s", e.Msg)
	}
	return outcome(globals, err)
}

// The guards change nothing in what a program means, case by case.
func TestMeaning(t *testing.T) {
	for _, text := range []string{
		"x = [1]\ny = x\nx += [2]\nr = (x, y)",
		"x = [1]\ny = x\nx = x + [2]\nr = (x, y)",
		"x = [1]\nx += (2, 3)\nr = x",
		"x = [1, 2]\ny = x\nx *= 2\nr = (x, y)",
		"x = '%d-%s'\nx %= (1, 'a')\nr = x",
		"x = {1: 'a'}\nx[1] += 'b'\nr = x",
		"x = {1: 2}\nx[1] *= 3\nr = x",
		"x = {1: '%d'}\nx[1] %= 3\nr = x",
		"r = []\ndef i():\n  r.append(1)\n  return 0\nx = ['a']\nx[i()] += 'b'\nx[i()] *= 2\nr = (r, x)",
		"def f(a, b = 'x' * 3, *c, d = 1 + 1, **e): return (a, b, c, d, e)\nr = [f(1), f(1, 2, 3), f(*[1 + 1, 2], **{'z': 2 * 2}), f(b = 1 + 2, a = '%d' % 4)]",
		"r = [x * y for x in range(3) for y in [x + 1] if x % 2 == 0]",
		"r = {k + 'a': v * 2 for k, v in {'x': 1}.items()}",
		"f = lambda x, y = 2 * 3: x + y\nr = f(1) + f(1, y = 1)",
		"range = 3\nr = range + 1",
		"def str(x): return 'mine' + x\nr = str('a')",
		"def f():\n  getattr = lambda a, b: a + b\n  return getattr(1, 2)\nr = f()",
		"r = getattr('a-b', 'replace')('-', '+')",
		"r = getattr('a', 'nothing', 7)",
		"r = hasattr('a', 'join')",
		"r = '-'.join(['a', 'b']) + 'abab'.replace('a', 'x', 1) + '{} {a}'.format(1, a = 2)",
		"f = '-'.join\nr = [f(['a', 'b']), type(f)]",
		"r = 3 * [1] + [2] * 2",
		"r = [-1 * 'a', 'a' * -1, 0 * (1,)]",
		"r = 5 % 3 + -5 % 3",
		"r = 1.5 * 2 + 1",
		"r = '%s %r %d %x %%' % ('a', 'b', 3, 255)",
		"r = b'ab' + b'c'",
		"r = set([1]) | set([2])",
		"x, y = 1 + 1, 2 * 2\n(a, [b]) = (x, [y])\nr = (a, b)",
		"r = [1, 2, 3][1 + 0:1 + 1:1 * 1]",
		"r = 'yes' if 1 + 1 == 2 else 'n' + 'o'",
		"r = 1 + 'a'", "r = [1] * 'a'", "r = '%d' % 'a'", "r = None.join([])", "r = 'a'.nothing", "r = '-'.join([1])",
		"x = 1\nx += 'a'", "r = range('a')", "r = 'a'.replace('a')", "fail('x')", "x = [1]\nx.extend([2])\nr = (x, x.extend((3,)))", "r = [].extend(1)", "x = [3]\nf = x.extend\nf(x)\nr = x",
		"x = (1 << 200) * 3\nr = x % 1000",
		"x = [1]\nx += x\nr = x",
	} {
		if got, want := guardedRun(text), plain(text); got != want {
			t.Errorf("%s\n  is %s\nplain %s", text, got, want)
		}
	}
}

// writer writes small programs at random.
type writer struct{ *rand.Rand }

func (w writer) pick(list ...string) string { return list[w.IntN(len(list))] }

func (w writer) expr(depth int) string {
	if depth == 0 {
		return w.pick("1", "-2", "3", "'ab'", "'%s'", "'{}'", "[]", "[1]", "(1, 'x')", "{'k': 1}", "True", "a", "b", "c", "b'z'", "2.5")
	}
	x := func() string { return w.expr(depth - 1) }
	switch w.IntN(14) {
	case 0, 1, 2:
		return "(" + x() + w.pick(" + ", " * ", " % ", " - ", " == ", " and ", " or ", " | ") + x() + ")"
	case 3:
		return "[" + x() + ", " + x() + "]"
	case 4:
		return "[" + x() + " for " + w.pick("a", "b", "c") + " in [" + x() + "] if " + x() + "]"
	case 5:
		return "(lambda a, b = " + x() + ": " + x() + ")(" + x() + ")"
	case 6:
		return "f(" + w.pick("", "q = ", "*", "**") + x() + ")"
	case 7:
		return "str(" + x() + ")." + w.pick("replace('a', ", "join(", "format(", "split(") + x() + ")"
	case 8:
		return "(" + x() + " if " + x() + " else " + x() + ")"
	case 9:
		return w.pick("str", "repr", "type", "list", "len", "sorted") + "(" + x() + ")"
	case 10:
		return x() + "[" + x() + "]"
	case 11:
		return "{" + w.pick("'k'", "1") + ": " + x() + "}"
	case 12:
		return "getattr(" + x() + ", '" + w.pick("join", "replace", "keys", "nothing") + "', " + x() + ")"
	}
	return x()
}

func (w writer) program() string {
	text := "a, b, c = 1, 'ab', [1, 'x']\n"
	text += "def f(p = 1, *args, q = 'q' * 2, **more):\n  return [p, args, q, more]\n"
	text += "a, b, c = " + w.expr(1) + ", " + w.expr(1) + ", [" + w.expr(0) + ", " + w.expr(0) + "]\n"
	for range 1 + w.IntN(5) {
		switch w.IntN(5) {
		case 0, 1:
			text += w.pick("a", "b", "c", "c[0]", "c[1 - 1]") + w.pick(" += ", " *= ", " %= ", " = ", " -= ") + w.expr(2) + "\n"
		case 2:
			text += "for b in [" + w.expr(1) + ", " + w.expr(1) + "]:\n  a = " + w.expr(2) + "\n  c += [a]\n"
		case 3:
			text += "if " + w.expr(1) + ":\n  b = " + w.expr(2) + "\nelse:\n  a = " + w.expr(2) + "\n"
		case 4:
			text += "def g(a, b = " + w.expr(1) + "):\n  c = [a]\n  c += [" + w.expr(2) + "]\n  return c\na = g(" + w.expr(1) + ")\n"
		}
	}
	return text + "r = [a, b, c]\n"
}

// The same of programs at random. Many end in an error, which is to be the same too.
func TestMeaningAtRandom(t *testing.T) {
	n, seed := 8000, testseed.Of(t, 0)
	if testing.Short() {
		n = 1000
	}
	w := writer{rand.New(rand.NewPCG(seed, 0))}
	fine, refused := 0, 0
	for range n {
		text := w.program()
		got, want := guardedRun(text), plain(text)
		if strings.Contains(got, "write x = x * y") {
			refused++ // x[i] *= y, where x and i may be evaluated only once
			continue
		}
		if got != want {
			t.Fatalf("seed %d:\n%s\n  is %s\nplain %s", seed, text, got, want)
		}
		if !strings.HasPrefix(got, "error: ") {
			fine++
		}
	}
	if fine < n/100 || refused > n/10 {
		t.Errorf("seed %d: of %d programs only %d have a value, and %d are refused", seed, n, fine, refused)
	}
}

// Any text at all is refused or run, and neither panics nor hangs.
func FuzzRun(f *testing.F) {
	for _, text := range []string{"x = 1", "def f(): return f()\nf()", "x = [1]\nwhile True:\n  x += x", "'%s' % ('a' * 100)", "load('a', 'b')", "[x for x in range(10)]", "{}[1]", "\"\"\"doc\"\"\""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := run(text, Host{Steps: 100_000, Print: func(string, string) {}})
		var e *Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("%T: %v", err, err)
			}
			_ = e.Detail()
		}
	})
}

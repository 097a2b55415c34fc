package scenariolang

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// scenarioOf makes a scenario of a text.
func scenarioOf(text string) (*scenario.Scenario, error) {
	p, err := sandbox.Compile(sandbox.Source{Name: "test.star", Text: text}, Names())
	if err != nil {
		return nil, err
	}
	return Scenario(p, Host{})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func system(t testing.TB, arch string) *emu.System {
	t.Helper()
	a, err := loader.ParseArch(arch)
	must(t, err)
	return testsystem.Of(t, "bookworm", a)
}

// starter makes sessions of a text's scenario.
func starter(t testing.TB, sys *emu.System, text string, settings ...string) func() (*scenario.Session, error) {
	t.Helper()
	sc, err := scenarioOf(text)
	must(t, err)
	v, err := sc.Settle(settings)
	must(t, err)
	return func() (*scenario.Session, error) {
		plan, err := sc.Build(v)
		if err != nil {
			return nil, err
		}
		return scenario.Start(sys, plan, 1)
	}
}

// What is wrong with a declaration is said, at the line of it.
func TestErrors(t *testing.T) {
	all, err := os.ReadFile("testdata/errors.txt")
	must(t, err)
	due := regexp.MustCompile(`### "(.*)"`)
	for _, chunk := range strings.Split(string(all), "---\n") {
		line, want := 0, ""
		for i, l := range strings.Split(chunk, "\n") {
			if m := due.FindStringSubmatch(l); m != nil {
				line, want = i+1, m[1]
			}
		}
		_, err := scenarioOf(chunk)
		var e *sandbox.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", chunk, err)
			continue
		}
		var at int
		if m := regexp.MustCompile(`^test\.star:(\d+):`).FindStringSubmatch(e.Pos); m != nil {
			for _, c := range m[1] {
				at = 10*at + int(c-'0')
			}
		}
		if at != line || !regexp.MustCompile(want).MatchString(e.Msg) {
			t.Errorf("%s: line %d: %s", chunk, at, e.Msg)
		}
	}
}

// A file without threads is no scenario, and one that declares something but no
// thread is a mistake.
func TestNone(t *testing.T) {
	if _, err := scenarioOf("x = 1"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	if _, err := scenarioOf(`env("A", "b")`); err == nil || errors.Is(err, ErrNone) || !strings.Contains(err.Error(), "no threads race") {
		t.Error(err)
	}
}

// Parameters of each type take what they should and nothing else.
func TestParams(t *testing.T) {
	sc, err := scenarioOf(`
n = param("n", 3, "a number", min = -1, max = 10)
on = param("on", False, "a switch")
text = param("text", "a", "a text", check = lambda s: "too long" if len(s) > 3 else None)
pick = param("pick", 2, "a choice", choices = [2, 4])
thread("main", lambda t: [n, on, text, pick])
`)
	must(t, err)
	for _, c := range []struct {
		setting string
		ok      bool
	}{
		{"n=10", true}, {"n=11", false}, {"n=-1", true}, {"n=-2", false}, {"n=x", false}, {"n=", false}, {"n=99999999999999999999", false},
		{"on=on", true}, {"on=false", true}, {"on=2", false},
		{"text=abc", true}, {"text=abcd", false}, {"text=", true},
		{"pick=4", true}, {"pick=3", false}, {"other=1", false},
	} {
		if _, err := sc.Settle([]string{c.setting}); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.setting, err)
		}
	}
}

// outcomeOf runs the threads after each other.
func outcomeOf(t *testing.T, sys *emu.System, text string) (scenario.Outcome, error) {
	t.Helper()
	sc, err := scenarioOf(text)
	must(t, err)
	plan, err := sc.Build(nil)
	must(t, err)
	s, err := scenario.Start(sys, plan, 1)
	if err != nil {
		return scenario.Outcome{}, err
	}
	defer s.Close()
	for i := range s.Names() {
		if _, err := s.Run(i, 0); err != nil {
			return scenario.Outcome{}, err
		}
	}
	o, over := s.Outcome()
	if !over {
		t.Errorf("%s: not over", text)
	}
	return o, nil
}

// What setup, threads and checks do to memory is what they see of it.
func TestMachine(t *testing.T) {
	const text = `
d = data("hello")
zero = data(32)
getpid = symbol("getpid")

def prepare(p):
    a = p.alloc(16)
    p.put_u64(a, -1)
    p.put_u8(a + 1, 0x180)
    if p.u64(a) != 0xffffffffffff80ff or p.u16(a) != 0x80ff or p.u32(a + 4) != 0xffffffff:
        fail("a is %x" % p.u64(a))
    p.put(zero, b"xyz")
    if p.bytes(zero, 4) != b"xyz\0" or p.cstring(d + 1) != "ello":
        fail("bytes")
    if p.call("memchr", b"a\0b", ord("b"), 3) == 0 or p.call("strlen", b"ab") != 2:
        fail("bytes as an argument")
    if p.call("strlen", d) != 5 or p.call(getpid) != p.call("getpid") or p.address(getpid) != p.address("getpid"):
        fail("calls")
    return {"a": a}

def main(t, given):
    t.put_u16(zero + 8, 0x12345)
    t.put_u32(zero + 16, -2)
    own = t.alloc("own")
    old = t.add(given["a"] + 8, 5)
    seen = t.cas(given["a"] + 8, 5, 7)
    return [t.name, t.u16(zero + 8), t.u8(zero + 9), i32(t.u32(zero + 16)), t.cstring(own), t.cstring(zero), old, seen,
            i32(t.call("abs", -3)), t.call("strtol", "-7", None, 10)]

def look(p, given):
    want = ["main", 0x2345, 0x23, -2, "own", "xyz", 0, 5, 3, (1 << 64) - 7]
    if p.returned("main") != want:
        return "main returned %s" % p.returned("main")
    if p.u64(given["a"] + 8) != 7 or i64(p.results("main")[-1]) != -7 or u32(-1) != 0xffffffff:
        fail("memory")

setup(prepare)
thread("main", main)
check(look)
`
	for _, arch := range []string{"arm64", "amd64"} {
		if o, err := outcomeOf(t, system(t, arch), text); err != nil || o.Kind != scenario.OK {
			t.Errorf("%s: %v, %v", arch, o, err)
		}
	}
}

// tower is a function that makes what cannot be frozen in a life.
const tower = `
def tower():
    x = (1,)
    for _ in range(60):
        x = (x, x)
    return x
`

// Mistakes of functions that run later are errors and no findings, but for fail.
func TestMistakes(t *testing.T) {
	sys := system(t, "arm64")
	for _, c := range []struct{ text, want string }{
		{`thread("main", lambda t: t.call("no_such_function"))`, "no_such_function"},
		{`x = symbol("no_such_symbol")` + "\n" + `thread("main", lambda t: 1)`, "no_such_symbol"},
		{`thread("main", lambda t: t.call("abs", *range(65)))`, "65 arguments, at most 64"},
		{`thread("main", lambda t: t.call("abs", 1, result = "int"))`, `result is "int", not "double" or "float"`},
		{`thread("main", lambda t: t.call("abs", 1, result = 1))`, "result is 1"},
		{`thread("main", lambda t: t.u64(1.0))`, "got a floating point number"},
		{`setup(lambda p: p.put_u8(data, 1.0))` + "\n" + `thread("main", lambda t: 1)`, "is no argument for C"},
		{`d = data(8)` + "\n" + `setup(lambda p: p.put_u64(d, 1.0))` + "\n" + `thread("main", lambda t: 1)`, "got a floating point number"},
		{`d = data(8)` + "\n" + `thread("main", lambda t: t.put_f64(d, "x"))`, "got string, want a number"},
		{`thread("main", lambda t: [t.alloc(4096) for _ in range(9)])`, "main places data: the texts and data"},
		// What setup and threads are given is good for as long as they run.
		{`setup(lambda p: p)` + "\n" + `thread("main", lambda t, p: p.u64(8))`, "setup is over"},
		{`setup(lambda p: p.alloc)` + "\n" + `thread("main", lambda t, alloc: alloc(8))`, "setup is over"},
		{`setup(lambda p: [p])` + "\n" + `thread("main", lambda t: 1)` + "\n" + `check(lambda p, old: old[0].put_u64(8, 1))`, "setup is over"},
		{`setup(lambda p: p)` + "\n" + `thread("main", lambda t: 1)` + "\n" + `check(lambda p, old: old.arch)`, "setup is over"},
		{`thread("main", lambda t: t)` + "\n" + `check(lambda p: p.returned("main").call("abs", 1))`, "its function has returned"},
		{tower + `setup(lambda p: tower())` + "\n" + `thread("main", lambda t: 1)`, "lambda returned: too large"},
		{tower + `thread("main", lambda t: tower())`, "lambda returned: too large"},
		{`thread("main", lambda t: t.call("strlen", "a\0b"))`, "holds a NUL"},
		{`thread("main", lambda t: t.call("abs", [1]))`, "list is no argument for C"},
		{`thread("main", lambda t: t.call("abs", 1 << 64))`, "does not fit into 64 bits"},
		{`thread("main", lambda t: t.call("abs", x = 1))`, "unexpected keyword"},
		{`thread("main", lambda t: t.call())`, "which function"},
		{`thread("main", lambda t: env("A", "b"))`, "only the file itself can do"},
		{`thread("main", lambda t: data(8))`, "only the file itself can do"},
		{`thread("main", lambda t: t.u64("text"))`, "want an address"},
		{`thread("main", lambda t: t.put_u64(1))`, "want an address and 1 values"},
		{"x = []\n" + `thread("main", lambda t: x.append(1))`, "frozen"},
		{`setup(lambda p: p.u64(8))` + "\n" + `thread("main", lambda t: 1)`, "nothing is mapped at 0x8"},
		{`setup(lambda p: p.returned("main"))` + "\n" + `thread("main", lambda t: 1)`, "have not run yet"},
		{`setup(lambda p: p.call("abs", 1, thread = "other"))` + "\n" + `thread("main", lambda t: 1)`, `no thread "other"`},
		{`thread("main", lambda t: 1)` + "\n" + `check(lambda p: p.call("abs", 1))`, "a check can only look"},
		{`thread("main", lambda t: 1)` + "\n" + `check(lambda p: p.returned("other"))`, `no thread "other", only main`},
		{`thread("main", lambda t: 1)` + "\n" + `check(lambda p: p.results("other"))`, `no thread "other", only main`},
		{`thread("main", lambda t: 1)` + "\n" + `check(lambda p: p.results("main")[0])`, "out of range"},
		{`thread("main", lambda t: 1)` + "\n" + `check(lambda p: 3)`, "returned int"},
	} {
		if o, err := outcomeOf(t, sys, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %q", c.text, o, err, c.want)
		}
	}
	for _, text := range []string{
		`thread("main", lambda t: fail("bad"))`,
		`thread("main", lambda t: [t.call("abs", 1), fail("bad")])`,
		`thread("main", lambda t: 1)` + "\n" + `check(lambda p: fail("bad"))`,
		`thread("main", lambda t: 1)` + "\n" + `check(lambda p: "bad")`,
		`thread("main", lambda t: t.call("abs", 1))` + "\n" + `after_call(lambda p, c: "bad" if c.func == "abs" and c.result == 1 else None)`,
	} {
		if o, err := outcomeOf(t, sys, text); err != nil || o.Kind != scenario.Check || o.Message != "bad" {
			t.Errorf("%s: %v, %v", text, o, err)
		}
	}
}

// Asked again with the same results, also by another process, a thread makes the
// same call.
func TestPure(t *testing.T) {
	sc, err := scenarioOf(`
def main(t):
    seen = {}
    while len(seen) < 5:
        seen[t.call("abs", len(seen))] = sorted(seen)
    return seen
thread("main", main)
`)
	must(t, err)
	build := func() scenario.Body {
		plan, err := sc.Build(nil)
		must(t, err)
		return plan.Threads[0].Body
	}
	one := build()
	for _, results := range [][]uint64{nil, {1}, {1, 1}, {3, 2, 1}, {1}, nil, {1, 2, 3, 4, 5}} {
		got, more, err := one.Next(results)
		again, more2, err2 := build().Next(results)
		if got.String() != again.String() || more != more2 || err != nil || err2 != nil {
			t.Errorf("%v: %v %v %v, and %v %v %v", results, got, more, err, again, more2, err2)
		}
		if more == (len(results) == 5) {
			t.Errorf("%v: more is %v", results, more)
		}
	}
}

// An invariant that only breaks between two calls of a thread: at the end all is
// well. The systematic search and the one that preempts everywhere agree on it.
func TestBetweenCalls(t *testing.T) {
	const text = `
equal = param("equal", True, "whether a and b have to be equal; otherwise b may not be ahead")
a, b = data(8), data(8)

def main(t):
    t.put_u64(a, 1)
    t.put_u64(b, 1)

def worker(t):
    return t.u64(a)

def invariant(p, call):
    wrong = p.u64(a) != p.u64(b) if equal else p.u64(b) > p.u64(a)
    if call.thread == "worker" and wrong:
        fail("a is %d and b is %d" % (p.u64(a), p.u64(b)))

thread("main", main)
thread("worker", worker)
after_call(invariant)
`
	for _, arch := range []string{"arm64", "amd64"} {
		sys := system(t, arch)
		for _, c := range []struct {
			setting string
			verdict explore.Verdict
		}{{"equal=on", explore.Failing}, {"equal=off", explore.Clean}} {
			d, err := explore.DPOR(t.Context(), starter(t, sys, text, c.setting), explore.Options{KeepGoing: true, Jobs: 1})
			must(t, err)
			brute, err := explore.Bounded(t.Context(), starter(t, sys, text, c.setting), explore.Options{Preemptions: 3, KeepGoing: true, Jobs: 1})
			must(t, err)
			if d.Verdict != c.verdict || brute.Verdict != c.verdict || !d.Complete || !brute.Complete {
				t.Errorf("%s, %s: dpor %+v, bounded %+v", arch, c.setting, d, brute)
			}
		}
	}
}

// Any text is refused or makes a plan, without a panic.
func FuzzBuild(f *testing.F) {
	all, err := os.ReadFile("testdata/errors.txt")
	must(f, err)
	for _, chunk := range strings.Split(string(all), "---\n") {
		f.Add(chunk)
	}
	f.Add(`thread("main", lambda t: t.call("abs", data(8) + 1))`)
	f.Fuzz(func(t *testing.T, text string) {
		sc, err := scenarioOf(text)
		if err != nil {
			return
		}
		plan, err := sc.Build(nil)
		if err != nil {
			return
		}
		for _, th := range plan.Threads {
			_, _, _ = th.Body.Next(nil)
			_, _, _ = th.Body.Next([]uint64{0, 1})
		}
	})
}

// A process binds all functions when it is made, unless the file has a word in it.
func TestLazyBinding(t *testing.T) {
	const rest = `
def work(t):
    t.call("getpid")
thread("main", work)
`
	for text, now := range map[string]bool{
		"": true, `env("A", "b")`: true, "lazy_binding()": false,
		`env("LD_BIND_NOW", "")`: false, `env("LD_BIND_NOW", "1")`: false, // which says it itself
	} {
		sc, err := scenarioOf(text + rest)
		must(t, err)
		plan, err := sc.Build(nil)
		must(t, err)
		if plan.BindNow != now {
			t.Errorf("%q: %v", text, plan.BindNow)
		}
	}
}

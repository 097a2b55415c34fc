package strategylang_test

import (
	"errors"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts/portable"
	"emurace/scripts/sandbox"
	"emurace/scripts/strategylang"
)

// What is wrong with a file is said with its place.
func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		"\nrun(1)":                               "s.star:2:4: run: thread is int, not a name",
		"run()":                                  "s.star:1:4: run: missing argument for thread",
		`run("a", "b", 1, 2, True, 3)`:           "s.star:1:4: run: got 6 arguments, want at most 5",
		`run("a", when = 1)`:                     `s.star:1:4: run: unexpected keyword argument "when"`,
		`run("a", hit = -1, until = "f")`:        "s.star:1:4: run: hit = -1: not a number from 1 to 1073741824",
		`run("a", hit = 1 << 31)`:                "run: hit = 2147483648: not a number from 1 to",
		`run("a", hit = "x")`:                    "run: hit is string, not a number",
		`run("a", n = -1)`:                       "run: n = -1: not a number from 1 to 1099511627776",
		`run("a", n = 1 << 64)`:                  "not a number from 1 to 1099511627776",
		`run("a", n = 1.5)`:                      "run: n is float, not a number",
		`run("a", hit = 2)`:                      "run: hit = 2: there is no condition to come true",
		`run("a", "f", n = 2)`:                   "run: both a condition and a number of instructions",
		`run("a", [])`:                           `run: until is list, not a condition such as returns("setenv")`,
		`run("a", -1)`:                           "run: until = -1: not an address",
		`run("a", "f g")`:                        `run: place "f g": not a symbol's name`,
		`run("a", calls(1))`:                     "s.star:1:15: calls: for parameter function: got int, want string",
		`run("a", calls("f", "g", "h"))`:         "calls: got 3 arguments, want at most 2",
		`run("a", calls("f+1"))`:                 `calls: function "f+1": not a name alone`,
		`run("a", calls("f", in_ = "1"))`:        "calls: in_: function \"1\": not a symbol's name",
		`run("a", returns())`:                    "s.star:1:17: returns: missing argument for function",
		`run("a", returns("0x10"))`:              "not a name alone",
		`run("a", reads([]))`:                    "reads: got list, want the name of a variable, an address or word(...)",
		`run("a", reads(-1))`:                    "reads: -1 is not an address",
		`run("a", reads("f", size = -1))`:        "reads: size is -1, not a number from 0 up",
		`run("a", reads("f", size = "x"))`:       "reads: size is \"x\", not a number from 0 up",
		`run("a", reads("f", 1, 256))`:           "value = 0x100: does not fit into 1 bytes",
		`run("a", reads("f", 9, 1))`:             "size = 9: a value has at most 8 bytes",
		`run("a", writes("f", in_ = "+"))`:       "writes: in_: function \"+\"",
		`run("a", touches(word(None)))`:          "word: got NoneType, want the name of a variable",
		"x = 1":                                  "it holds no schedule: no run(...), no function next(point) and no function search(s)",
		"def next(p, q):\n    return None":       "s.star:1:1: next has to take one argument",
		"def next(*p):\n    return None":         "s.star:1:1: next has to take one argument",
		"\ndef search():\n    pass":              "s.star:2:1: search has to take one argument",
		"def next(p): pass\ndef search(s): pass": "s.star:2:1: it has both next(point) and search(s)",
		"run(\"main\")\ndef search(s): pass":     "s.star:2:1: it has both run(...) and search(s)",
		"run(\"main\"":                           "s.star:1:11: got end of file, want ')'",
		"run(\"main\", until = red(\"x\"))":      "s.star:1:21: undefined: red",
		"while True: pass":                       "it takes more than",
	} {
		_, err := tryRead(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v, want\n%s", text, err, want)
		}
		var bad *sandbox.Error
		if !errors.As(err, &bad) && !errors.Is(err, strategylang.ErrNone) {
			t.Errorf("%s: the error is %T", text, err)
		}
	}
}

// What is wrong with a schedule shows where it is played, and is the line's.
func TestPlayErrors(t *testing.T) {
	s, err := starter(t, loader.ARM64)()
	testrace.Must(t, err)
	defer s.Close()
	for text, want := range map[string]string{
		"run(\"main\", n = 3)\nrun(\"wurker\")":                         `s.star:2:4: run 2: run("wurker"): no thread "wurker", only main, worker`,
		`run("main", until = calls("getnev"))`:                          `s.star:1:4: run 1: run("main", until = calls("getnev")): "getnev": the process has no such symbol`,
		"\n\nrun(\"main\")\nrun(\"main\")":                              `s.star:4:4: run 2: run("main"): main cannot run: it has made all its calls`,
		`run("main", until = returns("abort"))`:                         `s.star:1:4: run 1: run("main", until = returns("abort")): main has made all its calls`,
		"def f():\n    run(\"main\", until = \"getenv\", hit = 2)\nf()": "s.star:2:8: run 1: ",
		`run("main", reads(word(word(0x8))))`:                           "s.star:1:4: run 1: ",
	} {
		_, err := read(t, text).Play(s)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n%v, want\n%s", text, err, want)
		}
	}
	_, err = read(t, `run("main", until = calls("getnev"))`).Play(s)
	var unknown *portable.UnknownError
	if !errors.As(err, &unknown) || !strings.Contains(unknown.Hint(), "getenv") {
		t.Errorf("no hint in %v", err)
	}
	// The same file finds the crash after all that went wrong.
	r, err := read(t, "run(\"main\", until = reads(\"environ\"))\nrun(\"worker\", until = returns(\"setenv\"))\nrun(\"main\")").Play(s)
	testrace.Must(t, err)
	if o, over := s.Outcome(); !over || o.Kind != scenario.Segv || len(r.Schedule) != 3 {
		t.Errorf("%v, %v", r.Schedule, o)
	}
}

// A function that asks for what cannot be is told so, with its place.
func TestFunctionErrors(t *testing.T) {
	for text, want := range map[string]string{
		"def next(p):\n    return 7":                                "s.star:1:1: next: returned int, not a thread, a run(...) or None",
		"def next(p):\n    return p.threads":                        "next: returned list, not a thread",
		"def next(p):\n    return \"nobody\"":                       `s.star:1:1: next: no thread "nobody"`,
		"run(\"main\")\ndef next(p):\n    return \"main\"":          "s.star:2:1: next: main cannot run now: choose one of point.threads",
		"def next(p):\n    return run(\"x\")":                       `s.star:1:1: next: run("x"): no thread "x", only main, worker`,
		"def next(p):\n    return run(\"main\", calls(\"getnev\"))": `s.star:1:1: next: run("main", until = calls("getnev")): "getnev": the process has no such symbol`,
		"run(\"main\")\ndef next(p):\n    return run(\"main\")":     `s.star:2:1: next: run("main"): main cannot run: it has made all its calls`,
		"def next(p):\n    return p.thread(1)":                      "s.star:2:20: thread: for parameter 1: got int, want string",
		"def next(p):\n    return p.nothing":                        "s.star:2:13: point has no .nothing",
		"def next(p):\n    return p.threads[0].nothing":             "thread has no .nothing",
		"def next(p):\n    return p.choice([])":                     "s.star:2:20: choice: got list, want a list that is not empty",
		"def next(p):\n    return p.random(0)":                      "s.star:2:20: random: ",
		"def next(p):\n    p.threads.append(1)":                     "frozen",
		"old = []\ndef next(p):\n    old.append(p)":                 "frozen",
		"def next(p):\n    if \"p\" in p.memory:\n        return p.memory[\"p\"].threads[0]\n    p.memory[\"p\"] = p\n    return p.threads[0]":         "s.star:3:29: the point is past",
		"def next(p):\n    if \"t\" in p.memory:\n        return p.memory[\"t\"].pending\n    p.memory[\"t\"] = p.threads[0]\n    return p.threads[0]": "s.star:3:29: the point is past",
		"def next(p):\n    if \"t\" in p.memory:\n        return p.memory[\"t\"](\"main\")\n    p.memory[\"t\"] = p.thread\n    return p.threads[0]":   "the point is past",
		"def next(p):\n    while True:\n        pass":            "it takes more than",
		"def next(p):\n    return next(p)":                       "s.star:2:12: function next called recursively",
		"def search(s):\n    while True:\n        pass":          "it takes more than",
		"def search(s):\n    s.run(order = [\"nobody\"])":        `s.star:2:10: run: order: "nobody" is no thread's name`,
		"def search(s):\n    s.run(order = 5)":                   "for parameter \"order\": got int, want iterable",
		"def search(s):\n    s.run(runs = [1])":                  "run: runs: int is no run(...)",
		"def f(a, b): pass\ndef search(s):\n    s.run(next = f)": "s.star:3:10: run: next: f has to take one argument",
		"def search(s):\n    s.more(1)":                          "s.star:2:11: more: got 1 arguments, want 0",
		"def search(s):\n    s.choice(4)":                        "choice: got int",
		"def search(s):\n    return s.nothing":                   "search has no .nothing",
	} {
		if err := once(t, loader.ARM64, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v, want\n%s", text, err, want)
		}
	}
}

// A search that asks for no schedule is over, and has shown nothing.
func TestEmptySearch(t *testing.T) {
	if err := once(t, loader.ARM64, "def search(s):\n    pass"); err != nil {
		t.Error(err)
	}
}

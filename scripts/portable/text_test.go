package portable_test

import (
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/scripts/portable"
)

func TestText(t *testing.T) {
	five := uint64(5)
	environ := loc(t, "environ")
	for _, c := range []struct {
		run  portable.Run
		want string
	}{
		{portable.Run{Thread: "main"}, `run("main")`},
		{portable.Run{Thread: `a"b\c`}, `run("a\"b\\c")`},
		{portable.Run{Thread: "main", N: 412}, `run("main", n = 412)`},
		{portable.Run{Thread: "main", Until: at(t, "getenv+0x8c"), Hit: 66}, `run("main", until = "getenv+0x8c", hit = 66)`},
		{portable.Run{Thread: "main", Until: at(t, "getenv+140"), Hit: 1}, `run("main", until = "getenv+0x8c")`},
		{portable.Run{Thread: "main", Until: at(t, "libfoo-1+2.so.6!f")}, `run("main", until = "libfoo-1+2.so.6!f")`},
		{portable.Run{Thread: "main", Until: at(t, "0x7ffff7e3dbe4")}, `run("main", until = 0x7ffff7e3dbe4)`},
		{portable.Run{Thread: "w", Until: calls("malloc")}, `run("w", until = calls("malloc"))`},
		{portable.Run{Thread: "w", Until: portable.Calls{Func: name("malloc"), In: name("setenv")}}, `run("w", until = calls("malloc", in_ = "setenv"))`},
		{portable.Run{Thread: "w", Until: returns("setenv"), Hit: 2}, `run("w", until = returns("setenv"), hit = 2)`},
		{portable.Run{Thread: "w", Until: writes(wordAt(environ, 528))}, `run("w", until = writes(word("environ") + 528))`},
		{portable.Run{Thread: "w", Until: writes(wordAt(environ, -8))}, `run("w", until = writes(word("environ") - 8))`},
		{portable.Run{Thread: "w", Until: reads(wordAt(wordAt(loc(t, "environ-0x8"), 8), 0))}, `run("w", until = reads(word(word("environ-0x8") + 8)))`},
		{portable.Run{Thread: "w", Until: reads(loc(t, "0xfff0"))}, `run("w", until = reads(0xfff0))`},
		{portable.Run{Thread: "w", Until: portable.Access{Way: portable.Touches, Loc: loc(t, "environ+16"), Size: 4, Value: &five, In: name("f")}}, `run("w", until = touches("environ+0x10", size = 4, value = 0x5, in_ = "f"))`},
		{portable.Run{Thread: "w", Until: portable.NextEvent{}}, `run("w", until = next_event)`},
	} {
		if got := c.run.String(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got, want := portable.Text([]portable.Run{{Thread: "main"}, {Thread: "worker", N: 2}}), "run(\"main\")\nrun(\"worker\", n = 2)\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, place, loc string }{
		{"f", `"f"`, `"f"`},
		{"f+0x1F", `"f+0x1f"`, `"f+0x1f"`},
		{"f+010", `"f+0x8"`, `"f+0x8"`},
		{"f+0", `"f"`, `"f"`},
		{"f-8", "before the function", `"f-0x8"`},
		{"_int_free.constprop.0+4", `"_int_free.constprop.0+0x4"`, `"_int_free.constprop.0+0x4"`},
		{"memcpy@GLIBC_2.14", `"memcpy@GLIBC_2.14"`, `"memcpy@GLIBC_2.14"`},
		{"0xffffffffffffffff", "0xffffffffffffffff", "0xffffffffffffffff"},
		{"0x10000000000000000", "not an address", "not an address"},
		{"0x", "not an address", "not an address"},
		{"", "not a symbol's name", "not a symbol's name"},
		{"12", "not a symbol's name", "not a symbol's name"},
		{"f g", "not a symbol's name", "not a symbol's name"},
		{`f"`, "not a symbol's name", "not a symbol's name"},
		{"f+", "not a number", "not a number"},
		{"f+1+2", "not a number", "not a number"},
		{"f+1_0", "not a number", "not a number"},
		{"f+0x8000000000000000", "not a number", "not a number"},
		{"!f", "no library", "no library"},
		{"a b!f", "no library", "no library"},
		{"a!", "not a symbol's name", "not a symbol's name"},
		{"a!b!c", "not a symbol's name", "not a symbol's name"},
		{"ld-linux-x86-64.so.2!f+2", `"ld-linux-x86-64.so.2!f+0x2"`, `"ld-linux-x86-64.so.2!f+0x2"`},
	} {
		p, err := portable.ParsePlace(c.text)
		judge(t, "place", c.text, p.String(), err, c.place)
		l, err := portable.ParseLoc(c.text)
		judge(t, "location", c.text, l.String(), err, c.loc)
	}
	for _, text := range []string{"f+1", "0x10", "f-1", ""} {
		if s, err := portable.ParseSymbol(text); err == nil {
			t.Errorf("function %q is %v", text, s)
		}
	}
	if s, err := portable.ParseSymbol("a!f"); err != nil || s != (portable.Symbol{Module: "a", Name: "f"}) {
		t.Errorf("%v, %v", s, err)
	}
}

// judge compares what was read, or else the error.
func judge(t *testing.T, what, text, got string, err error, want string) {
	t.Helper()
	if isError := !strings.HasPrefix(want, `"`) && !strings.HasPrefix(want, "0x"); isError != (err != nil) || err != nil && !strings.Contains(err.Error(), want) || err == nil && got != want {
		t.Errorf("%s %q: %s, %v, want %s", what, text, got, err, want)
	}
}

// What is read of a text is written as a text that means the same, and is in quotes
// that end where they should.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"f", "getenv+0x8c", "libc.so.6!f-1", "0x1234", "a!b+9", "f+0x", "\"", "é.1@V"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := portable.ParsePlace(text); err == nil {
			again, err := portable.ParsePlace(unquoted(t, p.String()))
			testrace.Must(t, err)
			if again != p {
				t.Errorf("place %q: %v, then %v", text, p, again)
			}
		}
		if l, err := portable.ParseLoc(text); err == nil {
			again, err := portable.ParseLoc(unquoted(t, l.String()))
			testrace.Must(t, err)
			if again != l {
				t.Errorf("location %q: %v, then %v", text, l, again)
			}
		}
	})
}

// unquoted takes the text out of its quotes. No character of a name needs an escape.
func unquoted(t *testing.T, s string) string {
	inside, ok := strings.CutPrefix(s, `"`)
	if !ok {
		return s
	}
	inside, ok = strings.CutSuffix(inside, `"`)
	if !ok || strings.ContainsAny(inside, "\"\n") {
		t.Fatalf("%s is no string", s)
	}
	return inside
}

package known

import (
	"bytes"
	"path"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"emurace/internal/printable"
	"emurace/oracle"
	"emurace/scenario"
	"emurace/symbolize"
)

func problem(kind scenario.Kind, places ...oracle.Place) oracle.Problem {
	p := oracle.Problem{Kind: kind}
	copy(p.Places[:], places)
	return p
}

var (
	getenv = oracle.Place{Function: "getenv", Module: "libc.so.6", File: "getenv.c"}
	add    = oracle.Place{Function: "__add_to_environ", Module: "libc.so.6", File: "setenv.c"}
	bare   = oracle.Place{Module: "libx.so"}
)

// TestSuppressions: a pattern is of a whole name, of any of a problem's.
func TestSuppressions(t *testing.T) {
	race := problem(oracle.DataRace, getenv, add)
	report := &oracle.Report{
		Problem: race,
		Accesses: []oracle.Access{{
			Report: symbolize.Report{
				Function: "getenv", Source: "getenv.c:84", Script: "mine.star:12",
				Backtrace: []symbolize.Frame{{Function: "getenv", Module: "libc.so.6"}, {Function: "my_init", Module: "libmine.so", Source: "init.c:7"}},
			},
			Place: "environ",
		}, {Place: "_IO_2_1_stdout_.file._flags"}},
		Block: &oracle.Block{PointedBy: []string{"last_environ"}},
	}
	for line, want := range map[string]struct{ place, report bool }{
		"data-race:getenv":           {true, true},
		"data-race:get*":             {true, true},
		"data-race:*env":             {true, true},
		"*:libc.so.*":                {true, false}, // of the accesses' own libraries Place knows
		"data-race:setenv.c":         {true, false},
		"data-race:env":              {false, false},
		"data-race:getenvx":          {false, false},
		"use-after-free:getenv":      {false, false},
		"data-race:my_init":          {false, true},
		"data-race:libmine*":         {false, true},
		"data-race:init.c":           {false, true},
		"data-race:environ":          {false, true},
		"data-race:_IO_2_1_stdout_":  {false, true},
		"data-race:mine.star":        {false, true},
		"*:last_environ":             {false, true},
		"data-race: __add_to_* ":     {true, false},
		"data-race:**get**env**":     {true, true},
		"data-race:init.c:7":         {false, false},
		"data-race:_IO_2_1_stdout_*": {false, true},
	} {
		list, err := ParseSuppressions([]byte("# x\n\n" + line + "\n"))
		if err != nil || len(list) != 1 || list[0].Line != 3 {
			t.Fatalf("%q: %v, %v", line, list, err)
		}
		_, place := list.Place(race)
		_, all := list.Report(report)
		if place != want.place || all != want.report && line != "*:libc.so.*" {
			t.Errorf("%q: %v, %v, want %+v", line, place, all, want)
		}
		if asks := list.Asks("data-race"); asks != !strings.HasPrefix(line, "use") {
			t.Errorf("%q: asks is %v", line, asks)
		}
	}
	// The first one counts.
	list, err := ParseSuppressions([]byte("data-race:nobody\ndata-race:*\n*:getenv"))
	if s, ok := list.Place(race); err != nil || !ok || s.String() != "data-race:*" {
		t.Errorf("%v, %v, %v", s, ok, err)
	}
}

// TestWrongLines: what is wrong with a file is told with its line.
func TestWrongLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	many := strings.Repeat("*:x\n", maxList+1)
	for text, want := range map[string]string{
		"\nrace:x":                     `line 2: kind "race": not * and none of those of --detect`,
		"data-race":                    `line 1: "data-race": not KIND:PATTERN`,
		"data-race: ":                  `line 1: "data-race:": not KIND:PATTERN`,
		"*:\x1b[2J":                    "line 1: ",
		"*:\xff":                       "line 1: ",
		"*:" + long:                    "line 1: more than 1024 bytes",
		many:                           "line 10001: more than 10000 lines",
		strings.Repeat("#\n", MaxFile): "larger than 1048576 bytes",
	} {
		if _, err := ParseSuppressions([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	for _, text := range []string{"getenv (libc.so.6)", "data-race:", "data-race: ", "race: a (b)"} {
		if _, err := ParseBaseline([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestKey: a key names no address and no offset, and is a line of a baseline.
func TestKey(t *testing.T) {
	for want, p := range map[string]oracle.Problem{
		"data-race: getenv (libc.so.6) and __add_to_environ (libc.so.6)": problem(oracle.DataRace, getenv, add),
		"use-after-free: ? (libx.so)":                                    problem(oracle.UseAfterFree, bare),
		"double-free: ? (?)":                                             problem(oracle.DoubleFree),
		`data-race: \x1b[2J a (x)`:                                       problem(oracle.DataRace, oracle.Place{Function: "\x1b[2J\na", Module: "x"}),
	} {
		got := Key(p)
		if strings.ReplaceAll(got, `\na`, " a") != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestBaseline: what was added is in the file, and what was in it stays.
func TestBaseline(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z_]{1,9}|operator <<|\x1b|`)
		var b Baseline
		want := map[string]bool{}
		for range rapid.IntRange(0, 20).Draw(t, "problems") {
			key := Key(problem(rapid.SampledFrom(oracle.Kinds()).Draw(t, "kind"), oracle.Place{Function: name.Draw(t, "function"), Module: name.Draw(t, "module")}))
			if b.Add(key) == want[key] {
				t.Fatalf("%q is new and is not", key)
			}
			want[key] = true
		}
		text, err := b.Text()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseBaseline(text)
		if err != nil || again.Len() != len(want) {
			t.Fatalf("%v\n%s", err, text)
		}
		for key := range want {
			if !again.Has(key) {
				t.Fatalf("%q is not in\n%s", key, text)
			}
		}
		if same, err := again.Text(); err != nil || !bytes.Equal(same, text) {
			t.Fatalf("%s\n%s", text, same)
		}
	})
	if (&Baseline{}).Has("data-race: a (b)") {
		t.Error("an empty one has something")
	}
}

// TestMatches compares with another way to say the same.
func TestMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "name")
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(name)
		if got := matches(pattern, name); got != want {
			t.Fatalf("%q, %q: %v", pattern, name, got)
		}
		if ok, err := path.Match(pattern, name); err == nil && ok != matches(pattern, name) {
			t.Fatalf("%q, %q: path.Match says %v", pattern, name, ok)
		}
	})
}

// FuzzSuppressions: whatever a file holds there is an answer, and what is taken is what stands
// there.
func FuzzSuppressions(f *testing.F) {
	for _, s := range []string{"data-race:f*\n# c\n*:lib.so", "race:x", "", "a:\n\n::", "*:*\x00", "data-race:\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ParseSuppressions(data)
		if err != nil {
			if len(list) > maxList {
				t.Errorf("%d lines", len(list))
			}
			return
		}
		lines := strings.Split(string(data), "\n")
		for _, s := range list {
			again, err := ParseSuppressions([]byte(s.String()))
			if err != nil || len(again) != 1 || again[0].Kind != s.Kind || again[0].Pattern != s.Pattern || !strings.Contains(lines[s.Line-1], s.Pattern) {
				t.Errorf("%+v of %q: %+v, %v", s, lines[s.Line-1], again, err)
			}
			if printable.Line(s.String()) != s.String() {
				t.Errorf("%q is no text to be shown", s)
			}
			list.Place(problem(oracle.DataRace, getenv, add))
		}
	})
}

// FuzzBaseline: what is read is written again, and then the same.
func FuzzBaseline(f *testing.F) {
	for _, s := range []string{"data-race: a (b) and c (d)\n# x", "data-race:", "use-after-free: ? (?)", "\x1b", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBaseline(data)
		if err != nil {
			return
		}
		text, err := b.Text()
		if err != nil {
			return // it is as large as it can be, and the first line is too much
		}
		again, err := ParseBaseline(text)
		if err != nil || again.Len() != b.Len() {
			t.Fatalf("%q: %v, %d", text, err, again.Len())
		}
	})
}

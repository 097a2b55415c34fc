package strategylang_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"emurace/internal/testrace"
	"emurace/scripts/portable"
)

func number(v uint64) *uint64 { return &v }

func symbol(name string) portable.Symbol { return portable.Symbol{Name: name} }

func variable(name string, off int64) portable.Loc {
	return portable.Loc{Symbol: symbol(name), Off: off}
}

// Each word means the run that it is to mean.
func TestRuns(t *testing.T) {
	environ := variable("environ", 0)
	for text, want := range map[string]portable.Run{
		`run("main")`:                                     {Thread: "main"},
		`run(thread = "a\"b")`:                            {Thread: `a"b`},
		`run("main", None)`:                               {Thread: "main"},
		`run("main", n = 412)`:                            {Thread: "main", N: 412},
		`run("main", n = 4, half = True)`:                 {Thread: "main", N: 4, Half: true},
		`run("main", "getenv", half = True)`:              {Thread: "main", Until: portable.At{Place: portable.Place{Symbol: symbol("getenv")}}, Half: true},
		`run("main", until = "getenv+0x8c", hit = 66)`:    {Thread: "main", Until: portable.At{Place: portable.Place{Symbol: symbol("getenv"), Off: 0x8c}}, Hit: 66},
		`run("main", "getenv")`:                           {Thread: "main", Until: portable.At{Place: portable.Place{Symbol: symbol("getenv")}}},
		`run("main", "libc.so.6!getenv")`:                 {Thread: "main", Until: portable.At{Place: portable.Place{Symbol: portable.Symbol{Module: "libc.so.6", Name: "getenv"}}}},
		`run("main", 0x7fff12345678)`:                     {Thread: "main", Until: portable.At{Place: portable.Place{Addr: 0x7fff12345678}}},
		`run("main", "0x10")`:                             {Thread: "main", Until: portable.At{Place: portable.Place{Addr: 0x10}}},
		`run("w", calls("malloc"))`:                       {Thread: "w", Until: portable.Calls{Func: symbol("malloc")}},
		`run("w", calls("malloc", in_ = "setenv"))`:       {Thread: "w", Until: portable.Calls{Func: symbol("malloc"), In: symbol("setenv")}},
		`run("w", returns("setenv"), 2)`:                  {Thread: "w", Until: portable.Returns{Func: symbol("setenv")}, Hit: 2},
		`run("w", reads("environ"))`:                      {Thread: "w", Until: portable.Access{Way: portable.Reads, Loc: environ}},
		`run("w", writes("environ+8", size = 4))`:         {Thread: "w", Until: portable.Access{Way: portable.Writes, Loc: variable("environ", 8), Size: 4}},
		`run("w", touches("environ-0x8", value = 0))`:     {Thread: "w", Until: portable.Access{Way: portable.Touches, Loc: variable("environ", -8), Value: number(0)}},
		`run("w", touches(0x1000, 1, 0xff, "f"))`:         {Thread: "w", Until: portable.Access{Way: portable.Touches, Loc: portable.Loc{Addr: 0x1000}, Size: 1, Value: number(255), In: symbol("f")}},
		`run("w", reads(word("environ")))`:                {Thread: "w", Until: portable.Access{Way: portable.Reads, Loc: portable.Loc{Word: &environ}}},
		`run("w", reads(word("environ") + 528))`:          {Thread: "w", Until: portable.Access{Way: portable.Reads, Loc: portable.Loc{Word: &environ, Off: 528}}},
		`run("w", reads(8 + word("environ") - 24))`:       {Thread: "w", Until: portable.Access{Way: portable.Reads, Loc: portable.Loc{Word: &environ, Off: -16}}},
		`run("w", reads(word(word("environ") + 8)))`:      {Thread: "w", Until: portable.Access{Way: portable.Reads, Loc: portable.Loc{Word: &portable.Loc{Word: &environ, Off: 8}}}},
		`run("w", until = next_event, hit = 3)`:           {Thread: "w", Until: portable.NextEvent{}, Hit: 3},
		`[run("w", n = n) for n in [7]]`:                  {Thread: "w", N: 7},
		"def f(n):\n    return run(\"w\", n = n)\nf(8)\n": {Thread: "w", N: 8},
	} {
		s, err := tryRead(text)
		switch {
		case err != nil:
			t.Errorf("%s: %v", text, err)
		case len(s.Runs) != 1 || !reflect.DeepEqual(s.Runs[0], want):
			t.Errorf("%s: %+v, want %+v", text, s.Runs, want)
		case !s.Fixed() || s.Sequential():
			t.Errorf("%s: not one schedule", text)
		}
	}
}

// randomRun draws any run that can be written.
func randomRun(r *rand.Rand) portable.Run {
	run := portable.Run{Thread: []string{"main", "worker", "a b", `q"\`, "日本"}[r.IntN(5)]}
	switch r.IntN(4) {
	case 0:
		return run
	case 1:
		run.N, run.Half = 1+r.Uint64N(1<<40), r.IntN(2) == 0
		return run
	}
	run.Half = r.IntN(4) == 0
	run.Until = randomUntil(r)
	if r.IntN(2) == 0 {
		run.Hit = 2 + r.IntN(100)
	}
	return run
}

func randomSymbol(r *rand.Rand) portable.Symbol {
	return portable.Symbol{
		Module: []string{"", "", "libc.so.6", "ld-linux-x86-64.so.2", "libfoo-1+2.so"}[r.IntN(5)],
		Name:   []string{"getenv", "_int_free.constprop.0", "memcpy@GLIBC_2.14", "x", "$d"}[r.IntN(5)],
	}
}

func randomUntil(r *rand.Rand) portable.Until {
	in := portable.Symbol{}
	if r.IntN(2) == 0 {
		in = randomSymbol(r)
	}
	switch r.IntN(6) {
	case 0:
		return portable.At{Place: portable.Place{Symbol: randomSymbol(r), Off: r.Uint64N(1 << r.IntN(40))}}
	case 1:
		return portable.At{Place: portable.Place{Addr: r.Uint64()}}
	case 2:
		return portable.Calls{Func: randomSymbol(r), In: in}
	case 3:
		return portable.Returns{Func: randomSymbol(r)}
	case 4:
		return portable.NextEvent{}
	}
	a := portable.Access{Way: portable.Way(1 + r.IntN(3)), Loc: randomLoc(r), In: in}
	if r.IntN(2) == 0 {
		a.Size = []uint64{1, 2, 4, 7, 16, 4096}[r.IntN(6)]
	}
	if r.IntN(2) == 0 && a.Size <= 8 {
		size := a.Size
		if size == 0 {
			size = 8
		}
		a.Value = number(r.Uint64() >> (64 - 8*size))
	}
	return a
}

func randomLoc(r *rand.Rand) portable.Loc {
	off := r.Int64N(1<<30) - 1<<29
	switch r.IntN(4) {
	case 0:
		return portable.Loc{Addr: r.Uint64()}
	case 1:
		inner := randomLoc(r)
		for depth, l := 0, &inner; l != nil; l = l.Word {
			if depth++; depth > 8 {
				return portable.Loc{Symbol: randomSymbol(r), Off: off}
			}
		}
		return portable.Loc{Word: &inner, Off: off}
	}
	return portable.Loc{Symbol: randomSymbol(r), Off: off}
}

// What portable.Text writes is read back as the same runs.
func TestTextReadsBack(t *testing.T) {
	r := testrace.Randomness(t)
	for range 200 {
		want := make([]portable.Run, 1+r.IntN(6))
		for i := range want {
			want[i] = randomRun(r)
		}
		text := portable.Text(want)
		if got := read(t, text).Runs; !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nis read as\n%s", text, portable.Text(got))
		}
	}
}

// A run that next makes is not one of the file's, and those of the file come first.
func TestRunsBeginTheSchedule(t *testing.T) {
	s := read(t, "run(\"main\", n = 1)\nrun(\"worker\", n = 2)\ndef next(p):\n    return run(\"main\", n = 3)\n")
	if len(s.Runs) != 2 || s.Fixed() || s.Sequential() {
		t.Errorf("%+v", s.Runs)
	}
	s = read(t, "def search(s):\n    s.run(runs = [run(\"main\")])\n")
	if len(s.Runs) != 0 || s.Fixed() || !s.Sequential() {
		t.Errorf("%+v", s.Runs)
	}
}

// More runs, deeper words and larger numbers than anybody needs are refused.
func TestBounds(t *testing.T) {
	for text, want := range map[string]string{
		"for i in range(70000):\n    run(\"main\", n = 1)":                                       "s.star:2:8: run: more than 65536",
		"w = \"environ\"\nfor i in range(17):\n    w = word(w)\nrun(\"main\", until = reads(w))": "s.star:3:13: word: more than 16 inside of each other",
		`run("main", reads(word("environ") + (1 << 41)))`:                                        "nothing is this far off in a process",
		`run("main", reads(word("environ") + (1 << 40) + (1 << 40)))`:                            "nothing is this far off in a process",
	} {
		if _, err := tryRead(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	text := fmt.Sprintf("run(\"main\", reads(%sword(\"environ\")%s))", strings.Repeat("word(", 15), strings.Repeat(")", 15))
	read(t, text)
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"emurace/build-aux/measured"
	"emurace/explore"
	"emurace/internal/programs"
)

// drawn are searches that have found a bug at these schedules; 0 is one that has not.
func drawn(at ...uint64) (list []search) {
	for _, n := range at {
		s := search{Strategy: explore.POS, Verdict: explore.Failing, Schedules: n, Fails: "abort"}
		if n == 0 {
			s = search{Strategy: explore.POS, Verdict: explore.Undecided, Schedules: most}
		}
		list = append(list, s)
	}
	return list
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list   []search
		median uint64
		found  int
		cell   string
	}{
		{nil, 0, 0, "–"},
		{drawn(7), 7, 1, "7"},
		{drawn(0), 0, 0, "–"},
		{drawn(9, 1, 1200), 9, 3, "9"},
		{drawn(9, 1, 0), 9, 2, "9, 2 of 3"},
		{drawn(9, 0, 0), 0, 1, "1 of 3"},
		{drawn(1, 2, 3, 4), 3, 4, "3"},
		{drawn(4, 1, 0, 2), 3, 3, "3, 3 of 4"},
		{drawn(4, 0, 0, 2), 0, 2, "2 of 4"}, // the middle lies between one that has found it and one that has not
		{drawn(1000, 2000), 1500, 2, "1,500"},
	} {
		if m, found := median(c.list); m != c.median || found != c.found {
			t.Errorf("%v: %d of %d, want %d of %d", c.list, m, found, c.median, c.found)
		}
		if got := bugCell(c.list); got != c.cell {
			t.Errorf("%v: %q, want %q", c.list, got, c.cell)
		}
	}
}

func TestTwin(t *testing.T) {
	quiet := search{Strategy: explore.POS, Verdict: explore.Undecided, Schedules: 20000}
	for want, c := range map[string]cell{
		"**clean**, 1,436 schedules":                {Twin: []search{{Strategy: dpor, Verdict: explore.Clean, Schedules: 1436}}},
		"quiet, 20,000 schedules":                   {Twin: []search{quiet}},
		"no proof in 60 s; quiet, 20,000 schedules": {Twin: []search{{Strategy: dpor, Verdict: explore.Undecided, Schedules: 9, Seconds: 60.1, Limit: 60}, quiet}},
		"no proof; timeouts-due: sem_wait":          {Twin: []search{{Strategy: dpor, Verdict: explore.Undecided, Seconds: 3, Limit: 60, Doubts: []string{"timeouts-due: sem_wait"}}}},
		"**abort** at schedule 12 of pos":           {Twin: drawn(12)},
	} {
		if got := c.twin(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if c.proved() != strings.Contains(want, "clean") || c.alarms() != strings.Contains(want, "abort") {
			t.Errorf("%q: proved %v, alarms %v", want, c.proved(), c.alarms())
		}
	}
}

// all are the results of programs, of which each place has the same.
func all(list []programs.Program, bug map[explore.Strategy][]search, change func(at, *cell)) *results {
	r := &results{Jobs: 1}
	for _, a := range places(list) {
		c := &cell{Program: a.program.Name, Arch: a.arch.String(), Build: a.build.name, Bug: bug, Twin: []search{{Strategy: dpor, Verdict: explore.Clean, Schedules: 5}}}
		change(a, c)
		r.Cells = append(r.Cells, c)
	}
	return r
}

// TestMissed: what is missed is named, with where it is found, and nothing is said of what is not
// missed.
func TestMissed(t *testing.T) {
	list := []programs.Program{{Name: "one", File: "one.c", Title: "One"}, {Name: "two", File: "two.rs", Title: "Two"}}
	found := map[explore.Strategy][]search{explore.POS: drawn(3, 5, 9), explore.Fuzz: drawn(0, 0, 2)}
	const steps = "To emurace that is one step"
	page := func(change func(at, *cell)) string {
		text, err := all(list, found, change).page(list)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	text := page(func(at, *cell) {})
	for _, want := range []string{"\nNothing: in each build", "| arm64 | `-O0` | 2 of 2 | 0 of 2 | 0 of 2 | 0 of 2 | **2 of 2** | 2 of 2 | 0 of 2 |", "| `one.c`<br>One | `-O0` | 5 | – | 1 of 3 | – | abort | **clean**, 5 schedules |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, steps) {
		t.Error("nothing is missed, and it is said why")
	}
	text = page(func(a at, c *cell) {
		if a.program.Name == "one" && a.arch.String() == "amd64" && a.build.name == "-O2" {
			c.Bug = map[explore.Strategy][]search{explore.POS: drawn(0, 0)}
		}
	})
	for _, want := range []string{"- `one.c` on amd64 with `-O2`: from no seed and by no strategy; it is found on arm64 `-O0`, arm64 `-O2`, arm64 `-O2 -static`, amd64 `-O0`, amd64 `-O2 -static`.", steps, "| amd64 | `-O2` | 1 of 2 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	// Found by chance alone: it is in the instructions, so these are not to blame.
	text = page(func(a at, c *cell) {
		if a.program.Name == "one" && a.build.name == "-O2" {
			c.Bug = map[explore.Strategy][]search{explore.PCT: drawn(0, 8, 0)}
		}
		if a.program.Name == "two" && a.arch.String() == "arm64" {
			c.Bug, c.Twin, c.Cannot = nil, nil, "no Rust"
		}
	})
	for _, want := range []string{"- `one.c` on arm64 with `-O2`: found from 1 of 10 seeds at most; it is found on arm64 `-O0`, arm64 `-O2 -static`, amd64 `-O0`, amd64 `-O2 -static`.", "- `two.rs` was not built: no Rust.", "| arm64 | `-O0` | 1 of 1 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, steps) {
		t.Error("it is found now and then, and instructions are to blame")
	}
	if _, err := all(list, nil, func(at, *cell) {}).page(list); err == nil || !strings.Contains(err.Error(), "one.c arm64 -O0 was not measured; run: make programs") {
		t.Errorf("nothing was measured: %v", err)
	}
}

// TestPage: docs/programs.md is made from the results, and has a row of each program for each
// architecture. Each failure is one that the program may have.
func TestPage(t *testing.T) {
	list, err := programs.List(filepath.Join("..", "..", "testdata", "programs"))
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := measured.Read("measured.json", &r); err != nil {
		t.Fatal(err)
	}
	want, err := r.page(list)
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "programs.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want != string(page) {
		t.Error("docs/programs.md is not what the results say; run: make programs ONLY=none")
	}
	for _, p := range list {
		if row := "\n| `" + p.File + "`<br>" + p.Title + " |"; strings.Count(want, row) != len(arches) {
			t.Errorf("docs/programs.md has %d of %q", strings.Count(want, row), row)
		}
	}
	if len(r.Cells) != len(places(list)) {
		t.Errorf("%d results, and there are %d places: some are of programs that are no more", len(r.Cells), len(places(list)))
	}
	for _, c := range r.Cells {
		if c.Cannot == "" && (len(c.Bug) != len(strategies) || len(c.Bug[explore.POS]) != seeds || c.alarms()) {
			t.Errorf("%s %s %s: %v %v", c.Program, c.Arch, c.Build, c.Bug, c.Twin)
		}
	}
}

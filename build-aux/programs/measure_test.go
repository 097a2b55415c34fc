package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"emurace/explore"
	"emurace/internal/programs"
)

// TestMeasure: a program is searched for each architecture, in each build, from each seed; what
// was found is kept in the file, and another measurement of a part leaves the rest. One that
// fails in another way than its head comment says, and a twin that fails, are errors.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("TestPairs in explore searches the same")
	}
	const source = `// Title
//
// Summary.
//
// Fails: %
#include <pthread.h>
#include <stdlib.h>
static volatile int here;
static void *work(void *a) { here = 1; return a; }
int main(void) {
	pthread_t t;
	pthread_create(&t, NULL, work, NULL);
	int seen = here;
	pthread_join(t, NULL);
	if (seen)
		FAIL;
	return 0;
}
`
	write := func(fails, fail string) []programs.Program {
		dir := t.TempDir()
		text := strings.Replace(strings.Replace(source, "%", fails, 1), "FAIL", fail, 1)
		if err := os.WriteFile(filepath.Join(dir, "one.c"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := programs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	m, err := newMeter(1, time.Minute, 50)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	}()
	ctx := context.Background()
	list := write("exit code", "\n#ifdef FIXED\nreturn 0;\n#else\nreturn 3;\n#endif\n")
	name := filepath.Join(t.TempDir(), "measured.json")
	r, err := readResults(name, list)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.measure(ctx, m, places(list), true, true, name); err != nil {
		t.Fatal(err)
	}
	again, err := readResults(name, list)
	if err != nil || len(again.Cells) != len(arches)*len(builds) {
		t.Fatalf("%d cells, %v", len(again.Cells), err)
	}
	for _, a := range places(list) {
		c := again.cell(a)
		for _, s := range strategies {
			if n, found := median(c.Bug[s]); n == 0 || n > 20 || found != seeds || c.fails() != "exit code" {
				t.Errorf("%v %s: after %d schedules, from %d seeds, %s", a, s, n, found, c.fails())
			}
		}
		if !c.proved() || c.Twin[len(c.Twin)-1].Verdict == explore.Failing {
			t.Errorf("%v: twin %v", a, c.Twin)
		}
	}
	text, err := again.page(list)
	if err != nil || !strings.Contains(text, "| `one.c`<br>Title | `-O0` |") {
		t.Errorf("%v: %s", err, text)
	}
	// The twins again, of which no proof comes to its end in no time.
	m.proof = time.Nanosecond
	if err := again.measure(ctx, m, places(list)[:1], false, true, name); err != nil {
		t.Fatal(err)
	}
	c := again.cell(places(list)[0])
	if len(c.Bug) != len(strategies) || len(c.Twin) != 2 || c.Twin[1].Schedules < 50 || c.Twin[1].Schedules > 60 {
		t.Errorf("%+v", c)
	}

	for _, bad := range []struct{ fails, fail, want string }{
		{"abort", "return 3", `one.c arm64 -O0: fails by exit code, and its head comment says ["abort"]`},
		{"exit code", "return 3", "the repaired twin fails by exit code at schedule "},
	} {
		list := write(bad.fails, bad.fail)
		r := &results{Jobs: 1}
		if err := r.measure(ctx, m, places(list)[:1], bad.fails == "abort", true, name); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v, want %q", err, bad.want)
		}
	}
}

package strategylang_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/loader"
	"emurace/scenario"
	"emurace/scripts/sandbox"
	"emurace/scripts/strategylang"
)

// What a search is told of itself and of its schedules is what has happened.
func TestSearch(t *testing.T) {
	compare(t, says(t, loader.ARM64, `
def search(s):
    r = s.run(order = ["main"] * 3 + ["worker"])
    again = s.run(order = r.order)
    other = s.run(order = ["worker"])
    fail("SAID " + "|".join([str(x) for x in [
        s.threads, s.ran, s.more(), dir(s), dir(r),
        r.failed, r.text == other.text, r.order[:4], set(r.order) == set(s.threads), r.steps > 1000, len(r.pairs) > 0,
        again.order == r.order, again.pairs == r.pairs, again.steps == r.steps,
        other.order[0], other.order == r.order, other.pairs == r.pairs,
    ]]))
`), []string{
		`["main", "worker"]`, "3", "True", `["choice", "more", "ran", "random", "run", "save", "saved", "threads"]`, `["failed", "kind", "met", "order", "pairs", "steps", "text"]`,
		"True", "False", `["main", "main", "main", "worker"]`, "True", "True", "True",
		"True", "True", "True", "worker", "False", "False",
	})
}

// A search can run schedules in words, hand its own next to one of them, and sees how
// it ended.
func TestSearchRuns(t *testing.T) {
	compare(t, says(t, loader.ARM64, `
def last(p):
    return p.threads[-1]
def search(s):
    clean = s.run(next = last)
    crash = s.run(runs = [run("main", until = reads("environ")), run("worker", until = returns("setenv")), run("main")])
    fail("SAID " + "|".join([str(x) for x in [clean.order[0], clean.failed, crash.failed, crash.kind, crash.text, crash.order[-1]]]))
`), []string{"worker", "False", "True", "segv", "segv: read at 0x220 faults...", "main"})
}

// more ends a loop at the number of schedules asked for, and a search that loops
// without asking is ended there as well.
func TestSearchEnds(t *testing.T) {
	for text, want := range map[string]uint64{
		"def search(s):\n    while s.more():\n        s.run()":         inOrder + 4,
		"def search(s):\n    while True:\n        s.run()":             inOrder + 4,
		"def search(s):\n    for _ in range(2):\n        s.run()":      inOrder + 2,
		"def search(s):\n    s.run(order = [\"worker\"])\n    s.run()": inOrder + 2,
	} {
		r, err := sample(t, loader.ARM64, read(t, text), explore.Options{Schedules: inOrder + 4, Seed: 1, KeepGoing: true})
		testrace.Must(t, err)
		if r.Schedules != want {
			t.Errorf("%s: %d schedules, want %d", text, r.Schedules, want)
		}
	}
}

// The script sees every one of its schedules, the last too, and comes to its own end:
// when enough have run, when one fails, and when it goes on by itself. What goes wrong
// there is an error like any other.
func TestSearchSeesItsLast(t *testing.T) {
	for _, x := range []struct {
		name, loop string
		going      bool
		saw        string
	}{
		{"enough", "while s.more():\n        r = s.run()", true, "4 False False"},
		{"crash", "while s.more():\n        r = s.run(runs = crash)", false, "1 True False"},
		{"own", "for _ in range(2):\n        r = s.run()", true, "2 False True"},
	} {
		const form = `
def search(s):
    crash = [run("main", until = reads("environ")), run("worker", until = returns("setenv")), run("main")]
    LOOP
    s.save(" ".join([str(s.ran), str(r.failed), str(s.more())]))
    END
`
		text := strings.ReplaceAll(strings.ReplaceAll(form, "LOOP", x.loop), "END", "pass")
		saved := ""
		search := func(text string) error {
			walk, end := read(t, text).Walk(strategylang.SearchOptions{Seed: 1, Save: func(data []byte) error { saved = string(data); return nil }})
			_, err := explore.Sample(t.Context(), starter(t, loader.ARM64), explore.Script, explore.Options{
				Schedules: inOrder + 4, Seed: 1, Jobs: 1, KeepGoing: x.going,
				Walk: func(w *explore.Walk) error {
					if err := walk(w); !errors.Is(err, strategylang.ErrEnd) {
						return err
					}
					return explore.ErrStop
				},
			})
			testrace.Must(t, err)
			return end()
		}
		testrace.Must(t, search(text))
		if want := strconv.Quote(x.saw); saved != want {
			t.Errorf("%s: saved is %s, want %s", x.name, saved, want)
		}
		if x.name == "own" {
			continue // its end comes while the search goes on
		}
		if err := search(strings.ReplaceAll(text, "pass", "s.run()")); err != nil {
			t.Errorf("%s: a schedule too many is an error: %v", x.name, err)
		}
		if err := search(strings.ReplaceAll(text, "pass", "fail(\"at the end\")")); err == nil || !strings.Contains(err.Error(), "at the end") {
			t.Errorf("%s: the error behind the loop is lost: %v", x.name, err)
		}
	}
}

// Runs that a search has made up need not come to their ends: result.met tells, and the
// schedule goes on. What means nothing is an error, at the call of s.run.
func TestSearchRunsUnmet(t *testing.T) {
	compare(t, says(t, loader.ARM64, `
def search(s):
    all = [
        s.run(runs = [run("main", until = returns("abort")), run("main"), run("worker", until = returns("setenv"))]),
        s.run(runs = [run("main", until = returns("getenv"), hit = 2), run("worker")]),
        s.run(runs = [run("main"), run("worker", n = 10)]),
        s.run(runs = [run("main", n = 1 << 30)]),
        s.run(runs = [run("main"), run("main"), run("worker")]),
    ]
    fail("SAID " + "|".join(["%s %s %s" % (r.met, r.order[0], r.failed) for r in all]))
`), []string{"False main False", "False main False", "True main False", "False main False", "False main False"})
	for text, want := range map[string]string{
		`run("main", until = calls("getnev"))`: `s.star:2:10: run 2: run("main", until = calls("getnev")): "getnev": the process has no such symbol`,
		`run("mian")`:                          `s.star:2:10: run 2: run("mian"): no thread "mian", only main, worker`,
	} {
		err := once(t, loader.ARM64, "def search(s):\n    s.run(runs = [run(\"main\", n = 2), "+text+"])")
		var bad *sandbox.Error
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.As(err, &bad) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A fuzzer of a dozen lines, as the package's documentation shows it, and a search
// by preemptions, find the crash.
func TestSearchFinds(t *testing.T) {
	for name, text := range map[string]string{
		"fuzz": `
def search(s):
    corpus, seen = [[]], set()
    while s.more():
        order = list(s.choice(corpus))
        for _ in range(1 + s.random(2)):
            if order:
                at = s.random(len(order))
                order = order[:at] + [s.choice(s.threads)] * (1 + s.random(40)) + order[at + 1:]
        r = s.run(order = order)
        if [p for p in r.pairs if p not in seen]:
            corpus.append(r.order)
            seen.update(r.pairs)
`,
		"preemption": `
def search(s):
    n = 0
    while s.more():
        n += 1
        s.run(order = ["main"] * n + ["worker"] * 10000)
`,
	} {
		r, err := sample(t, loader.ARM64, read(t, text), explore.Options{Schedules: 500, Seed: 1})
		testrace.Must(t, err)
		if len(r.Findings) != 1 || r.Findings[0].Outcome.Kind != scenario.Segv {
			t.Errorf("%s: nothing in %d schedules", name, r.Schedules)
			continue
		}
		t.Logf("%s: schedule %d", name, r.Findings[0].Number)
	}
}

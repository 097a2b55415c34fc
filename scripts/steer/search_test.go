package steer_test

import (
	"testing"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/loader"
	"emurace/scenario"
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
		`["main", "worker"]`, "3", "True", `["choice", "more", "ran", "random", "run", "save", "saved", "threads"]`, `["failed", "kind", "order", "pairs", "steps", "text"]`,
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

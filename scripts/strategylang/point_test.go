package strategylang_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// All that a point tells at the start of the race is so on a real machine: main is
// about to read environ, which is where getenv begins.
func TestPoint(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		compare(t, says(t, arch, `
def next(p):
    main, worker = p.threads
    e = main.pending
    a = e.accesses[0]
    fail("SAID " + "|".join([str(x) for x in [
        p.last, p.met, p.steps, p.events, p.memory, p.thread("main") == main, p.thread("x"), type(p), dir(p),
        main.name, main.symbol, main.offset, main.place, main.call, main.pc > 4096, main.instruction != "", str(main), type(main), dir(main),
        worker.name, worker.call,
        e.thread, e.steps > 0, e.ends, len(e.accesses), e.place.startswith("getenv"), dir(e),
        a.write, a.size, a.symbol, a.address > 4096, a.block, dir(a),
    ]]))
`), []string{
			"None", "True", "0", "[]", "{}", "True", "None", "point", `["choice", "events", "last", "memory", "met", "random", "steps", "thread", "threads"]`,
			"main", "getenv", "0", "getenv", `getenv("LANGUAGE")`, "True", "True", "<thread main>", "thread",
			`["call", "instruction", "name", "offset", "pc", "pending", "place", "symbol"]`,
			"worker", `setenv("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", 1)`,
			"main", "True", "False", "1", "True", `["accesses", "ends", "pc", "place", "steps", "thread"]`,
			"False", "8", "environ", "True", "None", `["address", "block", "size", "symbol", "write"]`,
		})
	})
}

// What environ points to is a block of main's heap: 67 words, one for each of the 66
// variables and the NULL, which malloc has served with the article's 0x220 bytes.
func TestPendingBlock(t *testing.T) {
	testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
		compare(t, says(t, arch, `
def next(p):
    main = p.thread("main")
    a = main.pending.accesses[0]
    if a.block == None:
        p.memory["passed"] = p.memory.get("passed", 0) + 1
        return main
    b = a.block
    fail("SAID " + "|".join([str(x) for x in [p.memory["passed"] > 0, a.write, a.symbol == "", b.size, b.thread, b.freed, a.address - b.address < b.size, a.address >= b.address, p.last, p.steps > 0, len(p.events), dir(b)]]))
`), []string{"True", "False", "True", "536", "main", "False", "True", "True", "main", "True", "1", `["address", "freed", "size", "thread"]`})
	})
}

// To ask what a thread is about to do changes nothing: the same schedule comes out,
// and what happened is what was announced.
func TestPendingIsTakenBack(t *testing.T) {
	const script = `
def next(p):
    for e in p.events[-1:]:
        if LOOK:
            was = p.memory["announced"]
            if (e.place, e.steps, [a.address for a in e.accesses]) != was:
                fail("%s: announced were %s" % (e.place, was))
    t = p.threads[-1 if p.steps % 3 else 0]
    if LOOK:
        for other in p.threads:
            other.pending
        e = t.pending
        p.memory["announced"] = (e.place, e.steps, [a.address for a in e.accesses])
    return t
`
	var results []*explore.Result
	for _, look := range []string{"True", "False"} {
		r, err := sample(t, loader.ARM64, read(t, strings.ReplaceAll(script, "LOOK", look)), explore.Options{Schedules: inOrder + 1, Seed: 1, KeepGoing: true})
		testrace.Must(t, err)
		results = append(results, r)
	}
	if a, b := results[0], results[1]; a.Instructions != b.Instructions || a.Failing != b.Failing {
		t.Errorf("%+v, without looking %+v", a, b)
	}
}

// The memory of a point lasts for a schedule and no longer, and so do events.
func TestMemory(t *testing.T) {
	const script = `
def next(p):
    n = p.memory.get("n", 0)
    if n != len(p.events):
        fail("asked %d times, after %d events" % (n, len(p.events)))
    if (n == 0) != (p.last == None):
        fail("last is %s the time number %d" % (p.last, n))
    p.memory["n"] = n + 1
    return p.choice(p.threads)
`
	_, err := sample(t, loader.ARM64, read(t, script), explore.Options{Schedules: inOrder + 5, Seed: 1, KeepGoing: true, Jobs: 2})
	testrace.Must(t, err)
}

// A function goes on where the file's runs have come to.
func TestRunsThenNext(t *testing.T) {
	compare(t, says(t, loader.AMD64, `
run("main", until = returns("getenv"))
run("worker", until = reads("environ"))
def next(p):
    worker = p.thread("worker")
    fail("SAID " + "|".join([str(x) for x in [p.thread("main"), p.last, p.met, len(p.threads), worker.symbol in ["setenv", "__add_to_environ"], p.events[-1].thread, p.events[-1].accesses[0].symbol]]))
`), []string{"None", "worker", "True", "1", "True", "worker", "environ"})
}

// A run that next asks for and that does not get to its end is no error: met tells.
func TestMet(t *testing.T) {
	compare(t, says(t, loader.ARM64, `
def next(p):
    if p.last == None:
        return run("worker", until = returns("setenv"))
    if p.last == "worker" and "met" not in p.memory:
        p.memory["met"] = p.met
        return run(p.thread("worker"), until = calls("abort"))
    fail("SAID " + "|".join([str(x) for x in [p.memory["met"], p.met, p.thread("worker"), p.thread("main").symbol]]))
`), []string{"True", "False", "None", "getenv"})
}

// What next leaves open is run as well: None, and whichever thread it names by name.
func TestRest(t *testing.T) {
	crash := "run(\"main\", until = reads(\"environ\"))\nrun(\"worker\", until = returns(\"setenv\"))\n"
	for name, text := range map[string]string{
		"None": crash + "def next(p):\n    return None\n",
		"name": crash + "def next(p):\n    return \"main\"\n",
		"run":  crash + "def next(p):\n    return run(\"main\")\n",
		"all":  "def next(p):\n    runs = [run(\"main\", reads(\"environ\")), run(\"worker\", returns(\"setenv\")), run(\"main\")]\n    n = p.memory.get(\"n\", 0)\n    p.memory[\"n\"] = n + 1\n    return runs[n]\n",
	} {
		r, err := sample(t, loader.ARM64, read(t, text), explore.Options{Schedules: inOrder + 1, Seed: 1})
		testrace.Must(t, err)
		// After None worker, which ran last, goes on to its end first.
		if len(r.Findings) != 1 || r.Findings[0].Outcome.Kind != scenario.Segv || r.Findings[0].Number != inOrder+1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// Chance follows from the seed and the number of the schedule, not from the number
// of machines.
func TestRandomIsRepeatable(t *testing.T) {
	const script = "def next(p):\n    return p.threads[p.random(len(p.threads))] if p.random(2) else p.choice(p.threads)\n"
	search := func(seed uint64, jobs int) []string {
		var lock sync.Mutex
		var ran []string
		_, err := sample(t, loader.ARM64, read(t, script), explore.Options{Schedules: 30, Seed: seed, Jobs: jobs, KeepGoing: true,
			Inspect: func(_ []string, s scenario.Schedule) ([]explore.Problem, error) {
				lock.Lock()
				defer lock.Unlock()
				ran = append(ran, fmt.Sprint(s))
				return nil, nil
			}})
		testrace.Must(t, err)
		slices.Sort(ran) // side by side they end in any order
		return ran
	}
	one := search(1, 1)
	if len(slices.Compact(slices.Clone(one))) < 10 {
		t.Errorf("hardly anything is drawn: %q", one)
	}
	for _, jobs := range []int{2, 3} {
		if got := search(1, jobs); !slices.Equal(got, one) {
			t.Errorf("%d jobs: %q, want %q", jobs, got, one)
		}
	}
	if slices.Equal(search(2, 1), one) {
		t.Error("another seed draws the same")
	}
}

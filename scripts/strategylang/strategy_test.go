package strategylang_test

import (
	"testing"

	"emurace/explore"
	"emurace/internal/testrace"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/scenario"
)

// strategies are published ones, in the language of schedules.
var strategies = map[string]string{
	// Each event has a priority, drawn when it is first seen; when one has run, those
	// that race with it draw anew (Yuan, Yang, Gu: Partial Order Aware Concurrency
	// Sampling, CAV 2018).
	"pos": `
def races(a, b):
    for x in a.accesses:
        for y in b.accesses:
            if (x.write or y.write) and x.address < y.address + y.size and y.address < x.address + x.size:
                return True
    return False

def next(p):
    priority = p.memory
    for t in p.threads:
        if t.name not in priority:
            priority[t.name] = p.random(1 << 30)
    best = p.threads[0]
    for t in p.threads:
        if priority[t.name] > priority[best.name]:
            best = t
    ran = best.pending
    for t in p.threads:
        if t != best and races(ran, t.pending):
            priority.pop(t.name)
    priority.pop(best.name)
    return best
`,
	// Threads have priorities, and the one that runs gets the lowest at a few places
	// drawn before (Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized
	// Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010).
	"pct": `
EVENTS, DEPTH = 400, 3

def next(p):
    m = p.memory
    if "order" not in m:
        m["order"] = [t.name for t in p.threads]
        if p.random(2):
            m["order"] = m["order"][::-1]
        m["changes"] = [p.random(EVENTS) for _ in range(DEPTH - 1)]
        m["n"] = 0
    m["n"] += 1
    can = [name for name in m["order"] if p.thread(name)]
    if m["n"] in m["changes"]:
        m["order"].remove(can[0])
        m["order"].append(can[0])
        can = can[1:] + can[:1]
    return can[0]
`,
}

// Strategies that are written in the language find the crash within some hundred
// schedules, on both architectures.
func TestStrategies(t *testing.T) {
	for name, text := range strategies {
		testsystem.EachArch(t, func(t *testing.T, arch loader.Arch) {
			r, err := sample(t, arch, read(t, text), explore.Options{Schedules: 600, Seed: 1, Jobs: 2})
			testrace.Must(t, err)
			if len(r.Findings) != 1 || r.Findings[0].Outcome.Kind != scenario.Segv {
				t.Errorf("%s: nothing in %d schedules", name, r.Schedules)
				return
			}
			t.Logf("%s: schedule %d", name, r.Findings[0].Number)
		})
	}
}

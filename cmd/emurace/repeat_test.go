package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/testroot"
	"emurace/loader"
	"emurace/oracle"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts"
)

// TestUnrepeated: what a search says to have found, and what does not show when it is run
// again, is no failure.
func TestUnrepeated(t *testing.T) {
	inProcess(t, t.Context(), "version") // a folder of its own
	text := `
w = data(8)
thread("main", lambda t: t.u64(w))
thread("other", lambda t: t.put_u64(w, 1))
check(lambda p: "late" if p.returned("main") else None)
`
	if err := os.WriteFile("one.star", []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	script, err := scripts.Read("one.star")
	if err != nil {
		t.Fatal(err)
	}
	sc, err := script.Scenario()
	if err != nil {
		t.Fatal(err)
	}
	values, err := sc.Settle(nil)
	if err != nil {
		t.Fatal(err)
	}
	sys, err := emu.OpenLibc(testroot.Dir(t, "debian:bookworm", "arm64"), loader.ARM64, loader.Glibc)
	if err != nil {
		t.Fatal(err)
	}
	defer sys.Close()
	late := scenario.Outcome{Kind: scenario.Check, Thread: -1, Message: "late"}
	fine, fails := scenario.Schedule{{Thread: 0}, {Thread: 1}}, scenario.Schedule{{Thread: 1}, {Thread: 0}}
	once := explore.Finding{Outcome: late, Schedule: fine, Preemptions: -1, Number: 1, Count: 2}
	again := explore.Finding{Outcome: late, Schedule: fails, Preemptions: -1, Number: 3, Count: 1}
	unseen := explore.Finding{Outcome: scenario.Outcome{Kind: oracle.UseAfterFree, Thread: -1}, Problem: "here", Schedule: fine, Preemptions: -1, Number: 1, Count: 2}
	short := once
	short.Schedule = scenario.Schedule{{Thread: 0, N: 1 << 20}, {Thread: 1}}
	const said = "schedules failed, and did not when they were run again"
	for name, c := range map[string]struct {
		found   []explore.Finding
		verdict explore.Verdict
		failing uint64
		says    []string
	}{
		"once":       {[]explore.Finding{once}, explore.Undecided, 0, []string{"\nUNDECIDED: " + said, " (check); of 3 schedules, ", "\n    2 schedules failed only once: check: late\n"}},
		"not as far": {[]explore.Finding{short}, explore.Undecided, 0, []string{"\nUNDECIDED: " + said}},
		"problem":    {[]explore.Finding{unseen}, explore.Undecided, 0, []string{"\nUNDECIDED: " + said, " (use-after-free); of "}},
		"both":       {[]explore.Finding{once, unseen, again}, explore.Failing, 1, []string{"\nFAILING: 1 of 3 schedules", ": a check fails\n", "\nnote: " + said, " (check, use-after-free)\n"}},
	} {
		for _, minimizing := range []bool{false, true} {
			o := &outcome{
				job:     job{recipe: replay.Recipe{Scenario: sc, Values: values, Arch: loader.ARM64, Source: "debian:bookworm", Seed: 1}, detect: []scenario.Kind{oracle.UseAfterFree}},
				ctx:     t.Context(),
				result:  &explore.Result{Verdict: explore.Failing, Complete: true, Preemptions: -1, Schedules: 3, Findings: c.found},
				elapsed: time.Second, minimizing: minimizing, keepGoing: true,
			}
			for _, f := range c.found {
				o.result.Failing += f.Count
			}
			if err := o.explain(sys, name+".trace"); err != nil {
				t.Fatal(err)
			}
			if r := o.result; r.Verdict != c.verdict || r.Failing != c.failing || r.Complete || len(o.objects) != int(c.failing) {
				t.Errorf("%s: %+v, %d findings", name, r, len(o.objects))
			}
			if _, err := os.Stat(name + ".trace"); (err == nil) != (c.failing > 0) {
				t.Errorf("%s: its trace: %v", name, err)
			}
			var out bytes.Buffer
			if err := o.print(replay.NewPrinter(&out, false)); err != nil {
				t.Fatal(err)
			}
			for _, says := range c.says {
				if !strings.Contains(out.String(), says) {
					t.Errorf("%s: no %q in %s", name, says, &out)
				}
			}
			if strings.Contains(out.String(), "nothing failed") || c.failing == 0 && strings.Contains(out.String(), "FAILING") {
				t.Errorf("%s: %s", name, &out)
			}
		}
	}
}

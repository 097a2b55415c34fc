package explore

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"emurace/explore/graph"
	herd "emurace/internal/litmus"
	"emurace/internal/litmus/axioms"
	"emurace/internal/litmus/table"
	"emurace/internal/testsystem"
	"emurace/internal/thorough"
	"emurace/loader"
	"emurace/scenario"
)

// models are the same ones of the search and of the oracle.
var models = map[axioms.Model]graph.Model{axioms.SC: graph.SC, axioms.TSO: graph.TSO, axioms.ARM: graph.ARM}

// againstOracle has the machine explore tests under a model, and compares what is seen and how many executions
// there are with what the axioms say.
func againstOracle(t *testing.T, tests []*herd.Test, model axioms.Model) {
	t.Helper()
	// The emulated processor is one without LDAPR.
	tests = slices.DeleteFunc(slices.Clone(tests), func(test *herd.Test) bool { return test.Uses("LDAPR") })
	// Under sequential consistency an exclusive store that fails is an execution of its own, as it is a
	// trace of dpor's; the axioms know of those that succeed only.
	fails := func(test *herd.Test) bool { return model == axioms.SC && test.Uses("LDXR", "LDAXR") }
	var traces sync.Map // of such tests, how many there are
	found, failed := herd.RunAll(t, tests, func(code *herd.Code, n int) (herd.Found, error) {
		start := func() (*scenario.Session, error) {
			s, err := scenario.Start(testsystem.Of(t, "bookworm", code.Test(n).Arch), code.Plan(n), 1)
			if err == nil {
				s.Limit = 100_000
			}
			return s, err
		}
		o := Options{Jobs: 1, KeepGoing: true, trusted: true}
		r, err := Graphs(t.Context(), start, models[model], o)
		if err != nil {
			return herd.Found{}, err
		}
		if fails(code.Test(n)) {
			other, err := DPOR(t.Context(), start, o)
			if err != nil {
				return herd.Found{}, err
			}
			traces.Store(code.Test(n), int(other.Schedules))
		}
		if r.Failing == 0 && r.Verdict != Clean {
			err = fmt.Errorf("the verdict is %s: %v", r.Verdict, r.Doubts)
		}
		for _, f := range r.Findings {
			if f.Outcome.Message != herd.Message {
				err = fmt.Errorf("it ends otherwise: %v", f.Outcome)
			}
		}
		return herd.Found{Seen: r.Failing > 0, Graphs: int(r.Schedules)}, err
	})
	wrong := 0
	for i, test := range tests {
		if err := failed[i]; err != nil {
			wrong++
			t.Errorf("%s %s under %s: %v", test.Path, test.Name, model, err)
			continue
		}
		want, err := axioms.Judge(test)
		must(t, err)
		w := want[model].Causal
		if n, ok := traces.Load(test); ok {
			w.Graphs = max(w.Graphs, n.(int))
		}
		if found[i].Seen != w.Seen || found[i].Graphs != w.Graphs {
			wrong++
			t.Errorf("%s %s under %s: %+v, and by the axioms %+v", test.Path, test.Name, model, found[i], w)
		}
	}
	t.Logf("%s: %d tests, %d not as by the axioms", model, len(tests), wrong)
}

// TestLitmusTable: what is known of litmus tests comes out on the machine.
func TestLitmusTable(t *testing.T) {
	for _, arch := range testsystem.Arches() {
		rows, err := table.Rows(arch)
		must(t, err)
		for _, m := range axioms.Models() {
			if arch == loader.AMD64 && m == axioms.ARM {
				continue
			}
			var tests []*herd.Test
			for i, row := range rows {
				if thorough.On() || testing.Short() && i%8 == 0 || !testing.Short() && (i+int(m))%3 == 0 {
					tests = append(tests, row.Test)
				}
			}
			againstOracle(t, tests, m)
		}
	}
}

// TestLitmusFolder: the tests of a folder have as many executions on the machine as by the axioms, and what they look for
// is seen where it is by these. Usually one in twenty is run, under its architecture's model; else all under
// all models.
func TestLitmusFolder(t *testing.T) {
	folder := os.Getenv(herd.Variable)
	if folder == "" || testing.Short() {
		t.Skipf("%s names no folder, or -short", herd.Variable)
	}
	for name, own := range map[string]axioms.Model{"aarch64": axioms.ARM, "x86": axioms.TSO} {
		for _, m := range axioms.Models() {
			if m > own || m != own && !thorough.On() {
				continue
			}
			t.Run(name+"/"+m.String(), func(t *testing.T) {
				var tests []*herd.Test
				for i, k := range herd.Folder(t, folder, name) {
					if thorough.On() || i%20 == 7 {
						tests = append(tests, k.Test)
					}
				}
				againstOracle(t, tests, m)
			})
		}
	}
}

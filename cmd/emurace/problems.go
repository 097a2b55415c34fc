package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/emu"
	"emurace/explore"
	"emurace/oracle"
	"emurace/replay"
	"emurace/scenario"
)

// detectFlag asks for more than failing runs.
func detectFlag() cli.Flag {
	var names []string
	for _, k := range oracle.Kinds() {
		names = append(names, string(k))
	}
	return &cli.StringSliceFlag{
		Name: "detect", EnvVars: []string{"EMURACE_DETECT"},
		Usage: "count a run as failing also when it has a `KIND` of problem: " + strings.Join(names, ", ") + "; may be given several times (default: none)",
	}
}

// detected reads the flag, each kind once and in the oracle's order.
func detected(c *cli.Context) ([]scenario.Kind, error) {
	var asked, list []scenario.Kind
	for _, name := range c.StringSlice("detect") {
		k, err := oracle.ParseKind(name)
		if err != nil {
			return nil, usage(fmt.Errorf("--%w", err), "")
		}
		asked = append(asked, k)
	}
	for _, k := range oracle.Kinds() {
		if slices.Contains(asked, k) {
			list = append(list, k)
		}
	}
	return list, nil
}

// inspections makes the search look for problems. The pool is nil when none were
// asked for.
func (j job) inspections(sys *emu.System, o *explore.Options) *oracle.Pool {
	if len(j.detect) == 0 {
		return nil
	}
	pool := oracle.NewPool(j.traced(sys), j.detect...)
	o.Inspect = func(made []string, schedule scenario.Schedule) ([]explore.Problem, error) {
		problems, err := pool.Inspect(made, schedule)
		if err != nil {
			return nil, err
		}
		return j.known.judge(pool, problems, made, schedule)
	}
	return pool
}

// traced starts sessions as an oracle wants them.
func (j job) traced(sys *emu.System) oracle.Starter {
	return func(prepare func(*emu.Process) error) (*scenario.Session, error) {
		plan, err := j.recipe.Scenario.Build(j.recipe.Values)
		if err != nil {
			return nil, err
		}
		return scenario.StartWith(sys, plan, j.recipe.Seed, prepare)
	}
}

// problem is a problem that the search has found, and what is known of it.
type problem struct {
	explore.Finding
	report *oracle.Report // nil beyond the ones that are explained
}

// problemObject is what a problem has in the result object beside what every
// finding has.
type problemObject struct {
	Accesses []oracle.Access `json:"accesses"`
	Block    *oracle.Block   `json:"block,omitempty"`
}

// findingObject is a failure or a problem.
type findingObject struct {
	replay.Finding
	*problemObject
}

// setProblemsApart takes what inspections found out of the findings, whose runs
// failed by themselves.
func (o *outcome) setProblemsApart() {
	var failures []explore.Finding
	for _, f := range o.result.Findings {
		if f.Problem == "" {
			failures = append(failures, f)
		} else {
			o.problems = append(o.problems, problem{Finding: f})
		}
	}
	o.result.Findings = failures
}

// explainProblems runs the problems' schedules again. The first one's trace is
// written when no failure has a trace.
func (o *outcome) explainProblems(sys *emu.System, s *scenario.Session, output string) error {
	reports := map[string][]oracle.Report{}
	found := o.problems
	o.problems = nil
	var gone []explore.Finding
	for i, p := range found {
		if i >= maxExplained {
			o.problems = append(o.problems, found[i:]...)
			break
		}
		key := strings.Join(p.Schedule.Texts(s.ScheduleNames()), "\n")
		if reports[key] == nil {
			var err error
			if reports[key], err = oracle.Explain(o.traced(sys), s.Made(), p.Schedule, o.detect...); err != nil {
				if len(o.problems) == 0 && len(o.result.Findings) == 0 {
					o.traceErr = o.writeTrace(sys, s, p.Finding, output)
				}
				return err
			}
		}
		k := slices.IndexFunc(reports[key], func(r oracle.Report) bool {
			return r.Kind == p.Outcome.Kind && r.Site == p.Problem
		})
		if k < 0 {
			gone = append(gone, p.Finding)
			continue
		}
		p.report = &reports[key][k]
		if o.problems = append(o.problems, p); len(o.problems) == 1 && len(o.result.Findings) == 0 {
			o.traceErr = o.writeTrace(sys, s, p.Finding, output)
		}
	}
	for _, f := range gone {
		o.unrepeated(f)
	}
	return nil
}

// recordProblems has a trace tell which kinds of problems were looked for, and those that its run has.
func (o *outcome) recordProblems(t *replay.Trace, sys *emu.System, s *scenario.Session, schedule scenario.Schedule) error {
	if len(o.detect) == 0 {
		return nil
	}
	for _, k := range o.detect {
		t.Detect = append(t.Detect, string(k))
	}
	reports, err := oracle.Explain(o.traced(sys), s.Made(), schedule, o.detect...)
	if err != nil {
		return err
	}
	for _, r := range reports[:min(len(reports), replay.MostProblems)] {
		t.Problems = append(t.Problems, replay.TraceProblem{Kind: r.Kind, Site: r.Site})
	}
	return nil
}

// missing says which of a trace's problems are not among those that its run has; "" for none.
func missing(t *replay.Trace, reports []oracle.Report) string {
	for _, p := range t.Problems {
		if !slices.ContainsFunc(reports, func(r oracle.Report) bool { return r.Kind == p.Kind && r.Site == p.Site }) {
			return fmt.Sprintf("the trace has a %s at %s, and the run has none there", p.Kind, strings.ReplaceAll(p.Site, " ", " and "))
		}
	}
	return ""
}

// findingObjects are failures and problems as findings of the result object.
func (o *outcome) findingObjects(names []string) []findingObject {
	var list []findingObject
	for _, f := range o.findings {
		list = append(list, findingObject{Finding: f})
	}
	for i, p := range o.problems {
		f := replay.Finding{Kind: p.Outcome.Kind, Switches: p.Schedule.Switches(), Schedule: p.Schedule.Texts(names), Count: p.Count, Hole: p.Hole}
		if p.Preemptions >= 0 {
			f.Preemptions = &p.Preemptions
		}
		if i == 0 && len(o.result.Findings) == 0 {
			f.Trace = o.trace
		}
		out := findingObject{Finding: f}
		if p.report != nil {
			out.report(p.report)
		}
		list = append(list, out)
	}
	return list
}

// report adds what is known of a problem.
func (f *findingObject) report(r *oracle.Report) {
	a := r.Accesses[0]
	f.Thread, f.Function, f.Offset, f.Source = a.Thread, a.Function, &a.Offset, a.Source
	f.Instruction, f.Access, f.Backtrace = a.Instruction, a.Access, a.Backtrace
	f.problemObject = &problemObject{Accesses: r.Accesses, Block: r.Block}
}

// head is a problem in a line.
func (p *problem) head() string {
	if p.report == nil {
		return fmt.Sprintf("%s at %s", p.Outcome.Kind, strings.ReplaceAll(p.Problem, " ", " and "))
	}
	var parts []string
	for _, a := range p.report.Accesses {
		parts = append(parts, fmt.Sprintf("%s in %s+%#x", a.Thread, a.Function, a.Offset))
	}
	return fmt.Sprintf("%s: %s", p.Outcome.Kind, strings.Join(parts, " and "))
}

// problemOf is a problem as an explanation has it.
func problemOf(r oracle.Report) replay.Problem {
	p := replay.Problem{Kind: r.Kind, Race: r.Kind == oracle.DataRace}
	for _, a := range r.Accesses {
		p.Accesses = append(p.Accesses, replay.ProblemAccess{Report: a.Report, Access: a.Access, Addr: number(a.Address), Place: a.Place})
	}
	if b := r.Block; b != nil {
		p.Block = &replay.ProblemBlock{Addr: number(b.Address), Size: b.Size}
		for from, to := range map[*oracle.Call]**replay.ProblemCall{b.Allocated: &p.Block.Allocated, b.Freed: &p.Block.Freed} {
			if from != nil {
				*to = &replay.ProblemCall{Thread: from.Thread, Function: from.Function, Call: from.Call, Step: from.Step, Backtrace: from.Backtrace}
			}
		}
	}
	return p
}

// number is an address that words.Hex has written.
func number(text string) uint64 {
	n, _ := strconv.ParseUint(text, 0, 64)
	return n
}

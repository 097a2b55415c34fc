package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/internal/files"
	"emurace/internal/printable"
	"emurace/internal/words"
	"emurace/oracle"
	"emurace/oracle/known"
	"emurace/replay"
	"emurace/scenario"
	"emurace/suite"
)

// What says that a problem is known, as the result object has it.
const (
	bySuppression = "suppression"
	byBaseline    = "baseline"
)

func suppressionsFlag() cli.Flag {
	return &cli.StringFlag{Name: "suppressions", Usage: "do not count problems of --detect that a line of `FILE` names, KIND:PATTERN: * stands for any characters, and the pattern is of a function, library, object or source file of the accesses or their backtraces", EnvVars: []string{"EMURACE_SUPPRESSIONS"}}
}

func baselineFlag() cli.Flag {
	return &cli.StringFlag{Name: "baseline", Usage: "do not count problems of --detect that are in `FILE`, as --update-baseline writes it", EnvVars: []string{"EMURACE_BASELINE"}}
}

func updateBaselineFlag() cli.Flag {
	return &cli.BoolFlag{Name: "update-baseline", Usage: "count no problem of --detect, and add to the baseline those that are new"}
}

// knownProblems are the problems that do not count.
type knownProblems struct {
	suppressions known.Suppressions
	baseline     *known.Baseline
	update       bool   // every problem is to be in the baseline
	hash         string // of all that, "" for nothing
}

// knownOf reads the files of --suppressions and --baseline; nil without either.
func knownOf(c *cli.Context) (*knownProblems, error) {
	name, base, update := c.String("suppressions"), c.String("baseline"), c.Bool("update-baseline")
	if name == "" && base == "" && !update {
		return nil, nil
	}
	if update && base == "" {
		return nil, usage(errors.New("--update-baseline: which one? There is no --baseline FILE"), "name the file with --baseline; it need not exist yet")
	}
	if len(c.StringSlice("detect")) == 0 {
		flag := "--baseline"
		if name != "" {
			flag = "--suppressions"
		}
		return nil, usage(fmt.Errorf("%s is about the problems of --detect, and none are asked for", flag), "add --detect data-race, or another kind")
	}
	k := &knownProblems{update: update, baseline: &known.Baseline{}}
	h := sha256.New()
	// A hash takes everything.
	_, _ = fmt.Fprintf(h, "%v", update)
	if name != "" {
		data, err := files.Read(name, known.MaxFile)
		if err != nil {
			return nil, environmentError(fmt.Errorf("suppressions: %s: %w", name, err), "name a file that is there")
		}
		if k.suppressions, err = known.ParseSuppressions(data); err != nil {
			return nil, usage(fmt.Errorf("suppressions: %s: %w", name, err), "a line is KIND:PATTERN, as data-race:my_function; # begins a comment")
		}
		_, _ = fmt.Fprintf(h, " suppressions %d %s", len(data), data)
	}
	if base != "" {
		data, err := files.Read(base, known.MaxFile)
		if errors.Is(err, fs.ErrNotExist) && update {
			data, err = nil, nil
		}
		if err != nil {
			return nil, environmentError(fmt.Errorf("baseline: %s: %w", base, err), "name a file that is there, or make it with --update-baseline")
		}
		if k.baseline, err = known.ParseBaseline(data); err != nil {
			return nil, usage(fmt.Errorf("baseline: %s: %w", base, err), "make it anew with --update-baseline")
		}
		if update {
			if err := files.CheckWritable(base); err != nil {
				return nil, baselineError(base, err)
			}
		}
		_, _ = fmt.Fprintf(h, " baseline %d %s", len(data), data)
	}
	k.hash = hex.EncodeToString(h.Sum(nil))
	return k, nil
}

func baselineError(name string, err error) error {
	return environmentError(fmt.Errorf("baseline: %s: %w", name, err), "name a file that can be written with --baseline FILE")
}

// judge tells which problems of a run are known. What a problem's instructions do not say by
// themselves, its explanation may.
func (k *knownProblems) judge(pool *oracle.Pool, problems []oracle.Problem, made []string, schedule scenario.Schedule) ([]explore.Problem, error) {
	var list []explore.Problem
	var reports []oracle.Report
	for _, p := range problems {
		out := explore.Problem{Kind: p.Kind, Site: p.Site}
		if k == nil {
			list = append(list, out)
			continue
		}
		s, ok := k.suppressions.Place(p)
		if !ok && k.suppressions.Asks(string(p.Kind)) {
			if reports == nil {
				var err error
				if reports, err = pool.Explain(made, schedule); err != nil {
					return nil, err
				}
			}
			for i := range reports {
				if r := &reports[i]; !ok && r.Kind == p.Kind && r.Site == p.Site {
					s, ok = k.suppressions.Report(r)
				}
			}
		}
		key := known.Key(p)
		switch {
		case ok:
			out.Known = explore.Known{By: bySuppression, Text: s.String()}
		case k.update || k.baseline.Has(key):
			out.Known = explore.Known{By: byBaseline, Text: key}
		}
		list = append(list, out)
	}
	return list, nil
}

// knownObject is a known problem in the result object.
type knownObject struct {
	Kind      scenario.Kind `json:"kind,omitempty"`
	By        string        `json:"by"`
	Text      string        `json:"text"`
	Schedules uint64        `json:"schedules"`
}

func (o *outcome) knownObjects() []knownObject {
	var list []knownObject
	for _, m := range o.result.Met {
		list = append(list, knownObject{m.Kind, m.By, m.Text, m.Schedules})
	}
	return list
}

// suite's form of what was known, for its lines.
func (o *outcome) knownOnes() []suite.Known {
	var list []suite.Known
	for _, m := range o.result.Met {
		list = append(list, suite.Known{Kind: string(m.Kind), By: m.By, Text: m.Text, Schedules: m.Schedules})
	}
	return list
}

// knownText says what was known and not counted.
func knownText(list []suite.Known) string {
	n := map[string]uint64{}
	for _, k := range list {
		n[k.By]++
	}
	var parts []string
	if b := n[byBaseline]; b > 0 {
		parts = append(parts, words.Count(b, "problem")+" of the baseline")
	}
	if s := n[bySuppression]; s > 0 {
		verb := " names"
		if s > 1 {
			verb = " name"
		}
		parts = append(parts, "what "+words.Count(s, "suppression")+verb)
	}
	if len(parts) == 0 {
		return "more problems that are known"
	}
	return strings.Join(parts, " and ")
}

// printKnown tells of the problems that did not count, and of suppressions that were of no use.
func (o *outcome) printKnown(p *replay.Printer) {
	if len(o.result.Met) > 0 {
		p.Printf("%s     %s, not counted:\n", p.Head("known"), knownText(o.knownOnes()))
		const most = 8
		for i, m := range o.result.Met {
			if i == most {
				p.Printf("    and %d more, which --json lists\n", len(o.result.Met)-most)
				break
			}
			p.Printf("    %s, in %s\n", printable.Line(m.Text), plural(m.Schedules, "schedule", "schedules"))
		}
	}
	for _, s := range o.unused() {
		p.Printf("note: line %d of the suppressions, %s, has matched nothing here\n", s.Line, printable.Line(s.String()))
	}
}

// unused are the suppressions that have matched nothing in a search.
func (o *outcome) unused() known.Suppressions {
	if !o.raced.Load() {
		return nil
	}
	return o.known.unused(o.knownOnes())
}

// unused are the suppressions that are not among what was met. Beyond a number of known
// problems it is not kept which they are, and then nothing is said.
func (k *knownProblems) unused(met []suite.Known) (list known.Suppressions) {
	if k == nil || slices.ContainsFunc(met, func(m suite.Known) bool { return m.By != bySuppression && m.By != byBaseline }) {
		return nil
	}
	for _, s := range k.suppressions {
		if !slices.ContainsFunc(met, func(m suite.Known) bool { return m.By == bySuppression && m.Text == s.String() }) {
			list = append(list, s)
		}
	}
	return list
}

// suppressionTexts are suppressions as they are written.
func suppressionTexts(list known.Suppressions) (texts []string) {
	for _, s := range list {
		texts = append(texts, s.String())
	}
	return texts
}

// writeBaseline adds to the file of --baseline what searches have met.
func (k *knownProblems) writeBaseline(name string, met []suite.Known) error {
	for _, m := range met {
		if m.By == byBaseline {
			k.baseline.Add(m.Text)
		}
	}
	text, err := k.baseline.Text()
	if err == nil {
		if real, linked := filepath.EvalSymlinks(name); linked == nil {
			name = real // a link is not to be replaced by a file
		}
		err = files.Replace(name, text)
	}
	if err != nil {
		return baselineError(name, err)
	}
	return nil
}

// updateBaseline adds what the searches of tests have met.
func updateBaseline(c *cli.Context, results []suite.Result) error {
	if !c.Bool("update-baseline") {
		return nil
	}
	k, err := knownOf(c)
	if err != nil {
		return err
	}
	var met []suite.Known
	for i := range results {
		met = append(met, results[i].Known...)
	}
	return k.writeBaseline(c.String("baseline"), met)
}

// outcomesBaseline adds what searches have met.
func outcomesBaseline(c *cli.Context, list []*outcome) error {
	if !c.Bool("update-baseline") || len(list) == 0 {
		return nil
	}
	var met []suite.Known
	for _, o := range list {
		met = append(met, o.knownOnes()...)
	}
	return list[0].known.writeBaseline(c.String("baseline"), met)
}

// knownHash is of what is known, "" for nothing.
func (j job) knownHash() string { return cmp.Or(j.known, &knownProblems{}).hash }

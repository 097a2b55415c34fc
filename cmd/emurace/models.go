package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/explore/graph"
	"emurace/explore/target"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
	"emurace/symbolize"
)

func memoryModelFlag() cli.Flag {
	return &cli.StringFlag{Name: "memory", Usage: "cover every execution that a memory model allows: sc, tso or arm, or several, as in sc,tso,arm", DefaultText: "sc, by schedules", EnvVars: []string{"EMURACE_MEMORY"}}
}

// models are those of --memory, the strongest first.
func models(c *cli.Context) (list []graph.Model, err error) {
	if !c.IsSet("memory") {
		return []graph.Model{graph.SC}, nil
	}
	for _, name := range strings.Split(c.String("memory"), ",") {
		m := graph.Model(strings.TrimSpace(name))
		if !slices.Contains(graph.Models(), m) {
			return nil, usage(fmt.Errorf("--memory %q: not sc, tso or arm", name), "sc is sequential consistency, tso what x86 processors do, arm what ARMv8 processors do; several with commas between them")
		}
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b graph.Model) int { return slices.Index(graph.Models(), a) - slices.Index(graph.Models(), b) })
	return list, nil
}

// checkMemory refuses flags that do not go with a memory model.
func checkMemory(c *cli.Context, strategy string) error {
	if _, err := models(c); err != nil {
		return err
	}
	if !underModel(c, strategy) {
		return nil
	}
	if draws := modelStrategies(); !slices.Contains(draws, strategy) {
		return usage(fmt.Errorf("--memory does not go with --strategy %s: %s know memory models", strategy, strings.Join(draws, ", ")), "leave --strategy out for a search that covers everything")
	}
	for _, name := range []string{"resume", "only", "focus"} {
		if strategy != strategyGraphs && c.IsSet(name) {
			return usage(fmt.Errorf("--%s does not go with --memory and --strategy %s", name, strategy), "leave one of them out")
		}
	}
	if isProgram(c) {
		return usage(errors.New("--memory is of scenarios, and this is a program"), "write its race as a scenario: docs/libraries.md shows how")
	}
	if c.IsSet("detect") {
		return usage(errors.New("--detect does not go with --memory"), "leave one of the two out")
	}
	return nil
}

// underModel tells whether executions of a memory model are looked for.
func underModel(c *cli.Context, strategy string) bool {
	return strategy == strategyGraphs || c.IsSet("memory")
}

// modelStrategies are those that know memory models: the one that goes through all executions, and those that draw them.
func modelStrategies() []string {
	list := []string{strategyGraphs}
	for _, s := range explore.GraphStrategies() {
		list = append(list, string(s))
	}
	return list
}

// withModels makes of each search one for each memory model that its architecture can be asked about.
func withModels(c *cli.Context, jobs []job) ([]job, error) {
	if !underModel(c, strategy(c)) {
		return jobs, nil
	}
	list, err := models(c)
	if err != nil {
		return nil, err
	}
	var all []job
	for _, j := range jobs {
		j.models = list
		if j.recipe.Arch == loader.AMD64 {
			j.models = slices.DeleteFunc(slices.Clone(list), func(m graph.Model) bool { return m == graph.ARM })
		}
		if len(j.models) == 0 {
			return nil, usage(fmt.Errorf("--memory arm: %v code does not run on ARMv8 processors", j.recipe.Arch), "use --memory tso, or --arch arm64")
		}
		j.begun = map[graph.Model]*explore.State{}
		for _, m := range j.models {
			j.memory = m
			all = append(all, j)
		}
	}
	return all, nil
}

// systems numbers the systems that searches are of: those under several memory models of one system go together, and keep
// their states in one file.
func systems(jobs []job) []int {
	numbers := make([]int, len(jobs))
	for i := 1; i < len(jobs); i++ {
		numbers[i] = numbers[i-1]
		if a, b := jobs[i-1], jobs[i]; a.memory == "" || a.recipe.Arch != b.recipe.Arch || a.recipe.Source != b.recipe.Source {
			numbers[i]++
		}
	}
	return numbers
}

// modelNames is how models are written behind --memory.
func modelNames(list []graph.Model) string {
	if len(list) == 0 {
		return "left out"
	}
	var names []string
	for _, m := range list {
		names = append(names, string(m))
	}
	return strconv.Quote(strings.Join(names, ","))
}

// modelName is the memory model in the result object.
func (o *outcome) modelName() string {
	if o.memory == "" {
		return string(graph.SC)
	}
	return string(o.memory)
}

// modelTitle is how people call a memory model.
func modelTitle(m graph.Model) string {
	switch m {
	case graph.TSO:
		return "TSO"
	case graph.ARM:
		return "ARMv8"
	default: // and what is no search by graphs
		return "SC"
	}
}

// modelCovers is the model with what a search leaves out of it.
func (o *outcome) modelCovers() string {
	if o.memory == graph.ARM {
		return "ARMv8, but for load buffering,"
	}
	return modelTitle(o.memory)
}

// modelText says what a clean result takes for granted of memory.
func (o *outcome) modelText() string {
	const fetched = "; instructions are fetched as they are, and pages are mapped at once for all"
	switch o.memory {
	case graph.TSO:
		text := "memory is as on x86 (TSO): a thread may read past its own writes that others do not see yet"
		if o.recipe.Arch == loader.ARM64 {
			text += ", and arm64's atomic instructions are barriers as they would be there"
		}
		return text + "; a system call is a barrier" + fetched
	case graph.ARM:
		return "memory is as on ARMv8, where accesses are ordered by barriers, acquire and release, dependencies and coherence alone, but for executions in which a read waits for a later write of its thread (load buffering); store exclusives succeed; a system call that uses what threads share is a barrier" + fetched
	default:
		return "memory is sequentially consistent: a write is seen by all threads at once, and none out of order"
	}
}

// missingObject is a barrier that a program does not have, in the result object.
type missingObject struct {
	Barrier  string `json:"barrier"` // what it is: a barrier's instruction, acquire or release
	Function string `json:"function,omitempty"`
	Offset   uint64 `json:"offset"`
	PC       string `json:"pc"`
	Source   string `json:"source,omitempty"`
	place    string
}

// nameMissing names the barriers that the search has found to be missing.
func (o *outcome) nameMissing(s *scenario.Session) {
	if o.result.Missing == nil {
		return
	}
	for _, b := range o.result.Missing.Barriers {
		l := symbolize.Locate(s.Process(), b.Place, false)
		o.missing = append(o.missing, missingObject{
			Barrier: barrierName(b.Kind, o.recipe.Arch), Function: l.Function, Offset: l.Offset, PC: words.Hex(b.Place), Source: l.Source(), place: l.String(),
		})
	}
}

// barrierName is how a barrier is written.
func barrierName(k graph.BarrierKind, arch loader.Arch) string {
	switch k {
	case graph.MakeAcquire:
		return "acquire"
	case graph.MakeRelease:
		return "release"
	case graph.AddStore:
		return "dmb ishst"
	case graph.AddLoad:
		return "dmb ishld"
	case graph.AddFull:
	}
	if arch == loader.AMD64 {
		return "mfence"
	}
	return "dmb ish"
}

// text says what to add, and where.
func (m missingObject) text() string {
	switch m.Barrier {
	case "acquire":
		return "the load at " + m.place + " as an acquire load"
	case "release":
		return "the store at " + m.place + " as a store-release"
	}
	return m.Barrier + " before " + m.place
}

// printMissing says which barriers would do.
func (o *outcome) printMissing(p *replay.Printer) {
	if len(o.missing) == 0 {
		return
	}
	var list []string
	for _, m := range o.missing {
		list = append(list, m.text())
	}
	proof := "; whether they are enough was not shown"
	if o.result.Missing.Proved {
		proof = "; with that no execution fails"
		if o.ends != nil {
			proof = "; with that no execution comes to this " + o.ends.what()
		}
	}
	p.Printf("%s   %s%s\n", p.Head("missing"), strings.Join(list, ", and "), proof)
}

// printComparison says of each system what its memory models have to do with a failure.
func printComparison(p *replay.Printer, list []*outcome) {
	for i := 0; i < len(list); {
		n := i + 1
		for n < len(list) && list[n].recipe.Arch == list[i].recipe.Arch && list[n].recipe.Source == list[i].recipe.Source {
			n++
		}
		if text := comparison(list[i:n]); text != "" {
			if n-i < len(list) {
				text = fmt.Sprintf("%v, %s: %s", list[i].recipe.Arch, list[i].recipe.Source, text)
			}
			p.Printf("%s    %s\n", p.Head("memory"), text)
		}
		for _, o := range list[i:n] {
			o.printMissing(p)
		}
		i = n
	}
}

// comparison is what the searches of one system under several memory models say together.
func comparison(list []*outcome) string {
	if len(list) < 2 || list[0].memory == "" {
		return ""
	}
	none, fails := "clean", "fails"
	if e := list[0].ends; e != nil {
		none, fails = "no way to this "+e.what(), "a way"
	}
	var clean []string
	for _, o := range list {
		title := modelTitle(o.memory)
		switch o.cameTo() {
		case explore.Clean:
			clean = append(clean, title)
			continue
		case explore.Failing:
		default:
			return fmt.Sprintf("undecided under %s", title)
		}
		switch {
		case o.memory == graph.SC:
			return fails + o.toThis() + " under SC already: it is no matter of the memory model"
		case len(clean) == 0:
			return fails + o.toThis() + " under " + title
		}
		return fmt.Sprintf("%s under %s, %s under %s: it is a matter of the memory model", none, strings.Join(clean, " and "), fails, title)
	}
	return none + " under " + strings.Join(clean, ", ")
}

// cameTo is the verdict, or where an end is looked for, what it would be if nothing else was a failure.
func (o *outcome) cameTo() explore.Verdict {
	switch {
	case o.ends == nil:
		return o.result.Verdict
	case o.nearest.Grade > target.None:
		return explore.Failing
	case o.result.Complete:
		return explore.Clean
	}
	return explore.Undecided
}

// toThis names the end that is looked for, if one is.
func (o *outcome) toThis() string {
	if o.ends == nil {
		return ""
	}
	return " to this " + o.ends.what()
}

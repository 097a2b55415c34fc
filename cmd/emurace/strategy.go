package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/scenario"
)

// The strategies that are no matter of chance. Those that are, are
// explore.Strategies.
const (
	strategyDPOR    = "dpor"
	strategyBounded = "bounded"
	strategyScript  = "script" // a script's, see script.go
	strategyGraphs  = "graphs" // of executions under a memory model, see models.go
)

func strategies() []string {
	list := []string{strategyDPOR, strategyGraphs, strategyBounded}
	for _, s := range explore.Strategies() {
		list = append(list, string(s))
	}
	return append(list, strategyScript)
}

// strategy is the one asked for, or the one that goes with the other flags: a
// limit of preemptions is bounded's, though dpor takes one too, a depth is pct's, abstract locks are dpor's.
// Within a budget, schedules drawn at random find more than the first of a
// systematic search, which all begin alike; half of the budget is dpor's before that, see
// proofFirst. Without any of these it is dpor, whose search ends with a proof.
func strategy(c *cli.Context) string {
	switch {
	case c.IsSet("strategy"):
		return c.String("strategy")
	case c.IsSet("script"):
		return strategyScript
	case c.IsSet("memory"):
		return strategyGraphs
	case c.IsSet("preemptions"):
		return strategyBounded
	case c.IsSet("depth"):
		return string(explore.PCT)
	case c.String("locks") == "abstract":
		return strategyDPOR
	case isProgram(c):
		return string(explore.POS)
	case c.IsSet("schedules") || c.IsSet("time") || aims(c):
		return string(explore.SURW)
	}
	return strategyDPOR
}

// drawn tells whether a strategy draws its schedules at random.
func drawn(s string) bool {
	return s == strategyScript || slices.Contains(explore.Strategies(), explore.Strategy(s))
}

// checkStrategy refuses flags that do not go together.
func checkStrategy(c *cli.Context) error {
	s := strategy(c)
	if !slices.Contains(strategies(), s) {
		return usage(fmt.Errorf("--strategy %q: not %s", s, oneOf(strategies())), "emurace explore --help says what each of them does")
	}
	if c.IsSet("script") && s != strategyScript {
		return usage(fmt.Errorf("--script does not go with --strategy %s", s), "leave --strategy out")
	}
	if c.IsSet("corpus") && s != strategyScript {
		return usage(fmt.Errorf("--corpus does not go with --strategy %s", s), "only a script's search(s) saves one; --resume keeps those of the others")
	}
	if c.IsSet("preemptions") && s != strategyBounded && s != strategyDPOR {
		return usage(fmt.Errorf("--preemptions does not go with --strategy %s: only bounded and dpor count preemptions", s), "use --strategy bounded or dpor, or leave --preemptions out")
	}
	if n := c.Int("preemptions"); n < 0 && c.IsSet("preemptions") {
		return usage(fmt.Errorf("--preemptions %d: not a number from 0 up", n), "leave the flag out for no bound")
	}
	if c.IsSet("depth") && s != string(explore.PCT) {
		return usage(fmt.Errorf("--depth does not go with --strategy %s", s), "only pct has a depth")
	}
	if n := c.Int("depth"); n < 1 || n > maxDepth {
		return usage(fmt.Errorf("--depth %d: not a number from 1 to %d", n, maxDepth), "pct finds most failures with 3; every further one makes its schedules rarer")
	}
	if err := checkAim(c, s); err != nil {
		return err
	}
	if err := checkMemory(c, s); err != nil {
		return err
	}
	switch l := c.String("locks"); {
	case l != "raw" && l != "abstract":
		return usage(fmt.Errorf("--locks %q: not raw or abstract", l), "")
	case l == "abstract" && s != strategyDPOR:
		return usage(fmt.Errorf("--locks abstract does not go with --strategy %s", s), "only dpor knows abstract locks")
	case l == "abstract" && c.IsSet("preemptions"):
		return usage(errors.New("--locks abstract does not go with --preemptions: where threads only seem to wait for a lock, preemptions cannot be counted"), "leave one of the two out")
	}
	if c.IsSet("timeouts") {
		if _, err := scenario.ParseTimeouts(c.String("timeouts")); err != nil {
			return usage(fmt.Errorf("--%w", err), "any lets them end at any moment, due when a thread's clock has come to them, idle when nothing else can happen")
		}
	}
	if d := c.Duration("time"); d < 0 || d == 0 && c.IsSet("time") {
		return usage(fmt.Errorf("--time %v: not a time above 0", d), "leave the flag out for no limit")
	}
	if c.Uint64("schedules") == 0 && c.IsSet("schedules") {
		return usage(errors.New("--schedules 0: not a number from 1 up"), "leave the flag out for no limit")
	}
	return nil
}

// maxDepth bounds what --depth takes: the chance of any one schedule falls with
// the events of a run to the power of the depth.
const maxDepth = 1000

// oneOf lists words as a choice.
func oneOf(words []string) string {
	n := len(words) - 1
	return strings.Join(words[:n], ", ") + " or " + words[n]
}

// search runs the strategy.
func (j job) search(ctx context.Context, name string, start func() (*scenario.Session, error), o explore.Options) (*explore.Result, error) {
	switch {
	case j.memory != "" && drawn(name):
		return explore.SampleGraphs(ctx, start, j.memory, explore.Strategy(name), o)
	case name == strategyScript:
		return j.searchScript(ctx, start, o)
	case name == strategyDPOR:
		return explore.DPORWithin(ctx, start, o)
	case name == strategyGraphs:
		return explore.Graphs(ctx, start, j.memory, o)
	case name == strategyBounded:
		return explore.Bounded(ctx, start, o)
	}
	return explore.Sample(ctx, start, explore.Strategy(name), o)
}

package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/internal/words"
	"emurace/replay"
	"emurace/scenario"
)

func requireProofFlag() cli.Flag {
	return &cli.BoolFlag{Name: "require-proof", Usage: "end with exit code 5 when nothing failed and not every schedule was covered; with --preemptions, every one within that bound", EnvVars: []string{"EMURACE_REQUIRE_PROOF"}}
}

// exitOf is the exit code for what searches have found. Of several reasons the first of these
// counts: one was interrupted, one has found a failing schedule, one has no proof where
// that is asked for.
func exitOf(c *cli.Context, list []*outcome) int {
	code := exitOK
	for _, o := range list {
		switch {
		case o.interrupted:
			return exitInterrupted
		case o.result.Failing > 0:
			code = exitFound
		case !o.result.Complete && c.Bool("require-proof") && code == exitOK:
			code = exitNoProof
		}
	}
	return code
}

// printUnproved says why the exit code is not 0 although nothing has failed.
func (o *outcome) printUnproved(p *replay.Printer) {
	if o.proofWanted && o.result.Failing == 0 && !o.result.Complete && !o.interrupted {
		p.Printf("note: this is no proof, and --require-proof asks for one\n")
	}
}

// proofFirst tells whether dpor is tried before schedules are drawn: where a limit alone has
// chosen to draw, and not somebody who has named a strategy, or something that only drawing
// takes.
func proofFirst(c *cli.Context) bool {
	limited := c.IsSet("schedules") || c.IsSet("time")
	return limited && !c.IsSet("resume") && !aims(c) && !isProgram(c) && strategy(c) == string(explore.SURW) && !c.IsSet("strategy")
}

// searchBy runs the search that the command line asks for, and notes which one has come to the
// result.
func (j job) searchBy(c *cli.Context, o *outcome, show *progress, start func() (*scenario.Session, error), options explore.Options) (*explore.Result, error) {
	ctx := searchContext(c)
	if j.staged(c) {
		return j.searchStaged(ctx, o, show, start, options)
	}
	if j.end != nil || !proofFirst(c) {
		return j.search(ctx, o.strategy, start, options)
	}
	show.drawn = false
	r, proved, err := explore.ProofFirst(ctx, start, explore.Strategy(o.strategy), options, func() { show.finish(); show.drawn = true })
	if proved {
		o.strategy = strategyDPOR
	}
	return r, err
}

// triedObject is what dpor did before schedules were drawn, in the result object.
type triedObject struct {
	Strategy     string  `json:"strategy"`
	Schedules    uint64  `json:"schedules"`
	Instructions uint64  `json:"instructions"`
	Elapsed      float64 `json:"elapsed_s"`
	Finished     bool    `json:"finished"` // all were covered, and something keeps that from being a proof
}

// triedBefore is what dpor did before, nil where it was not tried or has come to the result.
func (o *outcome) triedBefore() *triedObject {
	x := o.result.Tried
	if x == nil {
		return nil
	}
	return &triedObject{strategyDPOR, x.Schedules, x.Instructions, x.Elapsed.Seconds(), x.Finished}
}

// printTried tells of what dpor did before schedules were drawn.
func (o *outcome) printTried(p *replay.Printer) {
	x := o.result.Tried
	if x == nil {
		return
	}
	end := "not finished"
	if x.Finished {
		end = "finished without a proof"
	}
	p.Printf("%s\n", p.Faint(fmt.Sprintf("Tried before: dpor, %s, %s, %.1f s; then schedules were drawn.", words.Count(x.Schedules, "schedule"), end, x.Elapsed.Round(time.Millisecond).Seconds())))
}

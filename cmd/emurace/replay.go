package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"emurace/internal/printable"
	"emurace/replay"
)

func replayCommand() *cli.Command {
	return &cli.Command{
		Name:      "replay",
		Usage:     "run a trace again, prove that it is the same run, and dump its end",
		ArgsUsage: "[TRACE]",
		Description: `Without a name the trace that was written last is used.
With --as-script it writes the schedule down in words that mean the same on another
build of libc, for emurace script to run; what is specific to this build is said.
Asked a question, by --from, --to, --thread, --memory, --follow or --diff, it
prints the answer in place of the end. A trace that passes, for --diff, is what emurace
script FILE.star --output FILE writes of a schedule in words that does not fail.

Examples:
  emurace replay
  emurace replay --full
  emurace replay --last 200 getenv-setenv-arm64-2.36.trace
  emurace replay --from 2480 --to 2500
  emurace replay --memory environ
  emurace replay --follow x19
  emurace replay --diff in-order
  emurace replay --diff passing.trace failing.trace
  emurace replay --as-script > crash.star
  emurace replay --json --sysroot ./my-sysroot crash.trace`,
		Flags: append([]cli.Flag{
			traceSysrootFlag(),
			&cli.Uint64Flag{Name: "last", Value: 40, Usage: "show the last `N` instructions of the interleaving", EnvVars: []string{"EMURACE_LAST"}},
			&cli.BoolFlag{Name: "full", Usage: "show the code around the end, all registers, memory and the environment too", EnvVars: []string{"EMURACE_FULL"}},
			&cli.BoolFlag{Name: "json", Usage: "print the result as a JSON object, an answer as one in each line before it"},
			&cli.StringFlag{Name: "format", Value: "text", Usage: "text or json; json is the same as --json", EnvVars: []string{"EMURACE_FORMAT"}},
			&cli.BoolFlag{Name: "as-script", Usage: "write the schedule in words, as a script"},
			memoryFlag("the trace's, at most " + usualMemory), cacheFlag(), colorFlag(), logFlag(),
		}, queryFlags()...),
		Action: replayAction,
	}
}

func replayAction(c *cli.Context) error {
	p, err := printer(c)
	if err != nil {
		return err
	}
	if err := checkQuery(c); err != nil {
		return err
	}
	var g grants
	if name := c.String("diff"); name != "" && name != inOrderName {
		g.Read = append(g.Read, name)
	}
	r, err := openRun(c, g)
	if err != nil {
		return err
	}
	defer r.close()
	if c.Bool("as-script") {
		return r.asScript(c, p)
	}
	var x *replay.Explanation
	var h *replay.History
	if r.verification.Match {
		if x, h, err = r.explain(); err != nil {
			return err
		}
	}
	asJSON := c.Bool("json") || c.String("format") == "json"
	if asks(c) && r.verification.Match {
		if err := answer(c, p, r, x, h); err != nil || !asJSON {
			return err
		}
	}
	if asJSON {
		return r.printJSON(c, x)
	}
	if v := r.verification; !v.Match {
		p.Printf("%s: %s\n", p.Bad("DIVERGED"), v.Difference)
		return errors.Join(p.Err(), exit(exitDiverged))
	}
	p.Printf("%s  the run is the same, bit for bit: %s\n\n", p.Good("MATCH"), r.verification.Digest)
	p.Printf("%s on %v, %s (%s)\n", p.Head(r.trace.Scenario), r.recipe.Arch, r.session.Libc(), r.recipe.Source)
	known := unusual(r.session, r.recipe)
	known.print(p)
	if err := replay.Dump(p, h, x, replay.DumpOptions{Last: c.Uint64("last"), Full: c.Bool("full")}); err != nil || c.Bool("full") {
		return err
	}
	p.Printf("\n%s\n", p.Faint("emurace replay --full shows registers, code, memory and the environment too; emurace replay --help what else can be asked"))
	return p.Err()
}

// replayResult is the object that replay --json ends with.
type replayResult struct {
	Event      string          `json:"event"`
	Schema     int             `json:"schema"`
	Match      bool            `json:"match"`
	Digest     string          `json:"digest"`
	Difference string          `json:"difference,omitempty"`
	Steps      uint64          `json:"steps"`
	Outcome    replay.Outcome  `json:"outcome"` // as the trace says
	Finding    *replay.Finding `json:"finding,omitempty"`
	Problems   []findingObject `json:"problems,omitempty"` // of the kinds that the trace was looked through for
}

func (r *run) printJSON(c *cli.Context, x *replay.Explanation) error {
	t, v := r.trace, r.verification
	result := replayResult{Event: "result", Schema: 1, Match: v.Match, Digest: v.Digest, Difference: v.Difference, Steps: t.Steps, Outcome: t.Outcome}
	if x != nil {
		f := x.Finding()
		result.Finding = &f
	}
	for i := range r.reports {
		o := findingObject{Finding: replay.Finding{Kind: r.reports[i].Kind}}
		o.report(&r.reports[i])
		result.Problems = append(result.Problems, o)
	}
	if err := printable.JSON(c.App.Writer, result); err != nil {
		return err
	}
	if !v.Match {
		return exit(exitDiverged)
	}
	return nil
}

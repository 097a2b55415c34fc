package main

import (
	"github.com/urfave/cli/v2"

	"emurace/explore"
	"emurace/explore/target"
	"emurace/internal/printable"
	"emurace/replay"
	"emurace/scripts/portable"
)

// result object of --json; its schema is in docs/result.md.
type resultObject struct {
	Event                string          `json:"event"`
	Schema               int             `json:"schema"`
	Scenario             string          `json:"scenario"`
	Settings             []string        `json:"settings"`
	Tunables             []string        `json:"tunables,omitempty"`       // of glibc, that the process is given
	WithoutEffect        []string        `json:"without_effect,omitempty"` // settings that change nothing with this libc
	Program              *programObject  `json:"program,omitempty"`        // in place of a scenario
	Arch                 string          `json:"arch"`
	Libc                 replay.Libc     `json:"libc"`
	Strategy             string          `json:"strategy"`
	Depth                int             `json:"depth,omitempty"` // of pct
	Only                 []string        `json:"only,omitempty"`
	Focus                []string        `json:"focus,omitempty"`
	Seed                 uint64          `json:"seed"`
	Preemptions          *int            `json:"preemptions"` // the bound asked for; null is none
	PreemptionsCompleted *int            `json:"preemptions_completed,omitempty"`
	Locks                string          `json:"locks"`
	Timeouts             string          `json:"timeouts"`
	MemoryModel          string          `json:"memory_model"`
	MissingBarriers      []missingObject `json:"missing_barriers,omitempty"`        // with which a failure of the memory model is none
	MissingProved        bool            `json:"missing_barriers_proved,omitempty"` // a search with them has covered everything
	Verdict              explore.Verdict `json:"verdict"`
	Complete             bool            `json:"complete"`
	Interrupted          bool            `json:"interrupted,omitempty"`
	Endless              bool            `json:"endless,omitempty"`
	ProofTried           *triedObject    `json:"proof_tried,omitempty"` // before schedules were drawn
	RawLocks             int             `json:"raw_locks,omitempty"`
	Schedules            uint64          `json:"schedules"`
	Failing              uint64          `json:"failing"`
	DrawnFirst           uint64          `json:"drawn_first,omitempty"` // before a systematic search of a program
	Closed               uint64          `json:"closed,omitempty"`      // schedules that came to where the window of a program ends
	Blocked              uint64          `json:"blocked"`
	Pairs                *int            `json:"pairs,omitempty"`    // of fuzz
	Corpus               *int            `json:"corpus,omitempty"`   // likewise
	Traits               *int            `json:"traits,omitempty"`   // of deep
	Moments              *int            `json:"moments,omitempty"`  // likewise
	Coverage             *coverageObject `json:"coverage,omitempty"` // of a drawn search
	Instructions         uint64          `json:"instructions"`
	Elapsed              float64         `json:"elapsed_s"`
	Rate                 float64         `json:"schedules_per_s"`
	Runs                 []runObject     `json:"runs,omitempty"` // of a schedule in words
	UnknownSyscalls      []string        `json:"unknown_syscalls,omitempty"`
	Assumes              []string        `json:"assumes,omitempty"`           // of a clean result
	SelfCheck            *checkObject    `json:"self_check,omitempty"`        // of a search that came to a proof
	UndecidedBecause     []doubtObject   `json:"undecided_because,omitempty"` // beside the search's own limits
	Known                []knownObject   `json:"known,omitempty"`             // problems that do not count
	UnusedSuppressions   []string        `json:"unused_suppressions,omitempty"`
	Expected             *expectedObject `json:"expected,omitempty"` // where the result differs from it
	End                  *target.End     `json:"end,omitempty"`      // that was looked for
	EndGrade             string          `json:"end_grade,omitempty"`
	EndPossible          string          `json:"end_possible,omitempty"`
	EndDiffers           []string        `json:"end_differs,omitempty"`
	OtherFailures        *uint64         `json:"other_failures,omitempty"`
	Endings              []endingObject  `json:"endings,omitempty"` // that the scenario expects
	Findings             []findingObject `json:"findings"`
}

// runObject is how a run of a schedule in words stopped.
type runObject struct {
	Thread       string       `json:"thread"`
	Stopped      portable.Why `json:"stopped"`
	Where        string       `json:"where,omitempty"`
	Instructions uint64       `json:"instructions"`
}

func (o *outcome) object(c *cli.Context) resultObject {
	r := resultObject{
		Event: "result", Schema: 1, Scenario: o.recipe.Scenario.Name, Settings: o.recipe.Scenario.Settings(o.recipe.Values), Tunables: o.settings.tunables, WithoutEffect: o.settings.idle,
		Arch: o.recipe.Arch.String(), Strategy: o.strategy, Only: o.only, Focus: o.focus, Seed: o.recipe.Seed, Locks: o.locks, Timeouts: string(o.recipe.Timeouts), MemoryModel: o.modelName(),
		Libc:    replay.Libc{Name: o.libc.Name, Version: o.libc.Version, BuildID: o.libc.BuildID, SHA256: o.libc.SHA256, Source: o.recipe.Source},
		Verdict: o.result.Verdict, Complete: o.result.Complete, Interrupted: o.interrupted, Endless: o.result.Endless, RawLocks: o.result.RawLocks,
		DrawnFirst: o.result.Drawn, Closed: o.result.Closed, Schedules: o.result.Schedules, Failing: o.result.Failing, Blocked: o.result.Blocked, Instructions: o.result.Instructions,
		Elapsed: o.elapsed.Seconds(), Rate: float64(o.result.Schedules) / o.elapsed.Seconds(),
		UnknownSyscalls: o.unknown(), UndecidedBecause: o.because(), Coverage: o.coverage, Endings: o.endingObjects(), Findings: o.objects,
	}
	if r.MissingBarriers = o.missing; o.result.Missing != nil {
		r.MissingProved = o.result.Missing.Proved
	}
	if x := o.recipe.Program; x != nil {
		r.Program = &programObject{x.Path, x.Argv, x.Expect, x.From, x.To}
	}
	if r.Verdict == explore.Clean {
		r.Assumes = o.assumes()
	}
	r.ProofTried, r.Known, r.UnusedSuppressions, r.Expected = o.triedBefore(), o.knownObjects(), suppressionTexts(o.unused()), o.differs()
	if o.ends != nil {
		r.End, r.EndGrade, r.EndDiffers, r.OtherFailures = o.ends.want, o.nearest.Grade.String(), o.nearest.Differs, &o.result.Unlike
		if o.raced.Load() {
			r.EndPossible = o.ends.best.String()
		}
	}
	if x := o.result.SelfCheck; x != nil {
		r.SelfCheck = &checkObject{x.Orders, x.Drawn, x.Instructions}
	}
	if o.fixed() {
		for i, st := range o.played.Stops {
			r.Runs = append(r.Runs, runObject{o.schedule.Runs[i].Thread, st.Why, st.Where, st.Ran})
		}
	}
	if n := c.Int("preemptions"); n >= 0 {
		r.Preemptions = &n
	}
	switch o.strategy {
	case string(explore.PCT):
		r.Depth = c.Int("depth")
	case string(explore.Fuzz):
		r.Pairs, r.Corpus = &o.result.Pairs, &o.result.Corpus
	case string(explore.Deep):
		r.Traits, r.Moments = &o.result.Traits, &o.result.Moments
	}
	if n := o.result.Preemptions; n >= 0 {
		r.PreemptionsCompleted = &n
	}
	if r.Findings == nil {
		r.Findings = []findingObject{}
	}
	return r
}

func (o *outcome) printJSON(c *cli.Context) error {
	return printable.JSON(c.App.Writer, o.object(c))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/guestcode"
	"emurace/internal/programs"
	"emurace/loader"
	"emurace/scenario"
	"emurace/sysroot"
)

// The measurement's size.
const (
	// seeds is from how many seeds a bug is searched: 1, 2 and so on.
	seeds = 10
	// most is after how many schedules without it a bug counts as missed.
	most = 1000
	// suite is whose glibc the programs run on.
	suite = "debian:bookworm"
)

// strategies are those that draw, in the order of the page: the default first.
var strategies = []explore.Strategy{explore.POS, explore.SURW, explore.Fuzz, explore.PCT}

// dpor names the proof among the strategies.
const dpor explore.Strategy = "dpor"

// build is a way to compile a program.
type build struct {
	name  string
	flags []string
	// cxx and rust are further flags for these languages.
	cxx, rust []string
}

// The C++ library is linked in everywhere, since the sysroots have C's alone.
var builds = []build{
	{name: "-O0", flags: []string{"-O0"}, cxx: []string{"-static-libstdc++", "-static-libgcc"}, rust: []string{"-C", "opt-level=0"}},
	{name: "-O2", flags: []string{"-O2"}, cxx: []string{"-static-libstdc++", "-static-libgcc"}, rust: []string{"-C", "opt-level=2"}},
	{name: "-O2 -static", flags: []string{"-O2", "-static"}, rust: []string{"-C", "opt-level=2", "-C", "target-feature=+crt-static"}},
}

// flagsFor are the compiler's flags for a program.
func (b *build) flagsFor(p *programs.Program) []string {
	switch p.Language {
	case programs.Rust:
		return b.rust
	case programs.Cxx:
		return append(slices.Clone(b.flags), b.cxx...)
	case programs.C:
	}
	return b.flags
}

// cell is one build of a program for one architecture, and what was found in it.
type cell struct {
	Program string `json:"program"`
	Arch    string `json:"arch"`
	Build   string `json:"build"`
	Cannot  string `json:"cannot,omitempty"` // why it was not built
	// Bug has, by strategy, what was found from each seed, in their order.
	Bug map[explore.Strategy][]search `json:"bug,omitempty"`
	// Twin is what was made of the repaired program: the proof, and, where that has not
	// come to its end or was not tried, drawn schedules.
	Twin []search `json:"twin,omitempty"`
}

// search is one search.
type search struct {
	Strategy  explore.Strategy `json:"strategy"`
	Verdict   explore.Verdict  `json:"verdict"`
	Schedules uint64           `json:"schedules"`       // run; of a failing one, up to the failure
	Fails     string           `json:"fails,omitempty"` // the kind of the failure
	Seconds   float64          `json:"seconds"`
	// Limit is how long a proof might take, in seconds.
	Limit float64 `json:"limit,omitempty"`
	// Doubts are why nothing is proved, beside the limits.
	Doubts []string `json:"doubts,omitempty"`
}

// at is where a cell is in the measurement.
type at struct {
	program programs.Program
	arch    loader.Arch
	build   build
}

func (a at) String() string { return fmt.Sprintf("%s %v %s", a.program.File, a.arch, a.build.name) }

// meter measures.
type meter struct {
	systems map[loader.Arch]*emu.System
	jobs    int // searches at a time
	proof   time.Duration
	quiet   uint64 // schedules of a twin of which no proof came to its end
}

// newMeter opens the sysroots.
func newMeter(jobs int, proof time.Duration, quiet uint64) (*meter, error) {
	m := &meter{systems: map[loader.Arch]*emu.System{}, jobs: jobs, proof: proof, quiet: quiet}
	cache, err := sysroot.Open("")
	if err != nil {
		return nil, err
	}
	spec, err := sysroot.Parse(suite)
	if err != nil {
		return nil, err
	}
	for _, arch := range arches {
		dir, err := cache.Dir(spec, arch.String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w; run: make sysroots", err), m.close())
		}
		if m.systems[arch], err = emu.OpenLibc(dir, arch, loader.Glibc); err != nil {
			return nil, errors.Join(err, m.close())
		}
	}
	return m, nil
}

func (m *meter) close() error {
	var errs []error
	for _, s := range m.systems {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// compile compiles a program or its twin. Where there is no compiler for it, it says why.
func (a at) compile(more ...string) (file []byte, cannot string, err error) {
	file, err = guestcode.Compile(a.arch, a.program.File, a.program.Source, append(slices.Clone(a.build.flagsFor(&a.program)), more...)...)
	if errors.Is(err, guestcode.ErrNoRust) {
		why, _, _ := strings.Cut(err.Error(), ";") // what to install is of no interest to readers
		return nil, why, nil
	}
	return file, "", err
}

// bug searches the program with each strategy from each seed.
func (m *meter) bug(ctx context.Context, a at, c *cell) error {
	file, cannot, err := a.compile()
	if c.Cannot = cannot; err != nil || cannot != "" {
		return err
	}
	c.Bug = map[explore.Strategy][]search{}
	for _, strategy := range strategies {
		for seed := range uint64(seeds) {
			s, err := m.search(ctx, a, file, strategy, explore.Options{Seed: seed + 1, Schedules: most, Jobs: 1})
			if err != nil {
				return err
			}
			if s.Fails != "" && !slices.Contains(a.program.Fails, programs.Failure(s.Fails)) {
				return fmt.Errorf("%v: fails by %s, and its head comment says %q", a, s.Fails, a.program.Fails)
			}
			c.Bug[strategy] = append(c.Bug[strategy], s)
		}
	}
	return nil
}

// twin has the repaired program proved right, or else runs many schedules of it.
func (m *meter) twin(ctx context.Context, a at, c *cell) error {
	file, cannot, err := a.compile(a.program.FixedFlag())
	if c.Cannot = cannot; err != nil || cannot != "" {
		return err
	}
	var tried []search
	if m.proof > 0 {
		s, err := m.search(ctx, a, file, dpor, explore.Options{Preemptions: -1, Jobs: 1, Seed: 1, Time: m.proof, AbstractLocks: true})
		if err != nil {
			return err
		}
		s.Limit = m.proof.Seconds()
		tried = append(tried, s)
	}
	if len(tried) == 0 || tried[0].Verdict != explore.Clean {
		s, err := m.search(ctx, a, file, explore.POS, explore.Options{Seed: 1, Schedules: m.quiet, Jobs: 1})
		if err != nil {
			return err
		}
		tried = append(tried, s)
	}
	for _, s := range tried {
		if s.Verdict == explore.Failing {
			return fmt.Errorf("%v: the repaired twin fails by %s at schedule %d of %s", a, s.Fails, s.Schedules, s.Strategy)
		}
	}
	c.Twin = tried
	return nil
}

// search is one search of a program.
func (m *meter) search(ctx context.Context, a at, file []byte, strategy explore.Strategy, o explore.Options) (search, error) {
	// As emurace explore has it: what races is the process from its second thread on.
	endings, _, err := scenario.ParseExpect([]string{scenario.Expecting})
	if err != nil {
		return search{}, err
	}
	plan := &scenario.Plan{
		Files: map[string][]byte{"/program": file}, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
		Endings: endings, Timeouts: scenario.WhenDue, Program: &scenario.Program{Path: "/program", Argv: []string{a.program.Name}},
	}
	if strategy == dpor { // as its hint says: else each order of binding functions is one to prove
		plan.Env = []string{"LD_BIND_NOW=1"}
	}
	start := func() (*scenario.Session, error) { return scenario.Start(m.systems[a.arch], plan, o.Seed) }
	began := time.Now()
	var r *explore.Result
	if strategy == dpor {
		r, err = explore.DPOR(ctx, start, o)
	} else {
		r, err = explore.Sample(ctx, start, strategy, o)
	}
	var deep string
	if errors.Is(err, explore.ErrDeep) { // what it has run by then stays its result
		deep, err = err.Error(), nil
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return search{}, fmt.Errorf("%v: %s: %w", a, strategy, err)
	}
	s := search{Strategy: strategy, Verdict: r.Verdict, Schedules: r.Schedules, Seconds: time.Since(began).Seconds()}
	if deep != "" {
		s.Doubts = append(s.Doubts, deep)
	}
	for _, d := range r.Doubts {
		s.Doubts = append(s.Doubts, string(d.Kind)+": "+d.String())
	}
	if r.Verdict == explore.Failing {
		f := r.Findings[0]
		if f.Hole {
			return s, fmt.Errorf("%v: %s: what it has missed was found beside it: %v", a, strategy, f.Outcome)
		}
		s.Schedules, s.Fails = f.Number, string(failureOf(f.Outcome.Kind))
	}
	return s, nil
}

// failureOf says an outcome as the programs' head comments do.
func failureOf(kind scenario.Kind) programs.Failure {
	switch kind {
	case scenario.Abort:
		return programs.Abort
	case scenario.Deadlock, scenario.Livelock:
		return programs.Deadlock
	case scenario.Exit:
		return programs.ExitCode
	case scenario.Segv, scenario.Illegal, scenario.Signal:
		return programs.Crash
	case scenario.OK, scenario.Unfinished, scenario.Unjudged, scenario.Check, scenario.MemoryLimit, scenario.OutputLimit, scenario.MappingLimit, scenario.FileLimit, scenario.LogLimit:
	}
	return programs.Failure(kind) // which no head comment names
}

package testcores

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"emurace/emu"
	"emurace/explore"
	"emurace/internal/testsystem"
	"emurace/loader"
	"emurace/replay"
	"emurace/replay/core"
	"emurace/scenario"
	"emurace/scripts"
	"emurace/scripts/strategylang"
)

// searched is how many schedules are drawn for one that fails.
const searched = 2000

// Emulated is the cause's core by the emulator, on the glibc of a suite of Debian's.
func (c *Cause) Emulated(t testing.TB, suite string, arch loader.Arch) *Core {
	t.Helper()
	if !c.IsProgram() {
		text, err := Source(c.File)
		if err != nil {
			t.Fatal(err)
		}
		return FromScenario(t, suite, arch, text, c.Settings...)
	}
	return FromProgram(t, suite, arch, c.File, c.Flags)
}

// FromScenario is the core at the end of a scenario's first run that fails, by its source in
// Starlark: of the schedule in words that stands in it, or else of one that is searched. The
// settings are KEY=VALUE.
func FromScenario(t testing.TB, suite string, arch loader.Arch, star string, settings ...string) *Core {
	t.Helper()
	sys := testsystem.Of(t, suite, arch)
	return once(t, fmt.Sprint("scenario-", suite, "-", arch, "-", hash(star, settings)), func(dir string) (*Core, error) {
		script, err := scripts.Compile("known.star", star)
		if err != nil {
			return nil, err
		}
		return fromScript(sys, suite, dir, script, settings)
	})
}

// FromShipped is FromScenario for a scenario that ships with emurace.
func FromShipped(t testing.TB, suite string, arch loader.Arch, name string, settings ...string) *Core {
	t.Helper()
	sys := testsystem.Of(t, suite, arch)
	return once(t, fmt.Sprint(name, "-", suite, "-", arch, "-", hash("", settings)), func(dir string) (*Core, error) {
		script, found := scripts.Shipped(name)
		if !found {
			return nil, errors.New("no such scenario")
		}
		return fromScript(sys, suite, dir, script, settings)
	})
}

func fromScript(sys *emu.System, suite, dir string, script *scripts.Script, settings []string) (*Core, error) {
	sc, err := script.Scenario()
	if err != nil {
		return nil, err
	}
	values, err := sc.Settle(settings)
	if err != nil {
		return nil, err
	}
	f := failing{sys: sys, suite: suite, plan: func() (*scenario.Plan, error) { return sc.Build(values) }}
	words, err := script.Schedule()
	switch {
	case errors.Is(err, strategylang.ErrNone):
		err = f.search()
	case err == nil:
		err = f.play(words)
	}
	if err != nil {
		return nil, err
	}
	return f.write(dir)
}

// FromProgram is the core of a program of testdata/diagnose in the emulator, at the end of the first
// schedule in which it fails. The variables are those of its environment, NAME=VALUE.
func FromProgram(t testing.TB, suite string, arch loader.Arch, file string, flags []string, env ...string) *Core {
	t.Helper()
	return emulatedProgram(t, suite, arch, recipe{file: file, flags: flags, env: env})
}

func emulatedProgram(t testing.TB, suite string, arch loader.Arch, m recipe) *Core {
	t.Helper()
	sys := testsystem.Of(t, suite, arch)
	return once(t, fmt.Sprint(m.file, "-", suite, "-", arch, "-", m.hash()), func(dir string) (*Core, error) {
		program, err := compile(arch, m.file, m.flags...)
		if err != nil {
			return nil, err
		}
		at := "/srv/" + strings.TrimSuffix(m.file, filepath.Ext(m.file))
		f := failing{sys: sys, suite: suite, plan: func() (*scenario.Plan, error) {
			return &scenario.Plan{
				Files: map[string][]byte{at: program}, Env: m.env, Threads: []scenario.Thread{{Name: scenario.Main, Body: scenario.Calls(nil)}},
				Endings: []scenario.Ending{{Kind: scenario.Exit}}, Timeouts: scenario.WhenDue,
				Program: &scenario.Program{Path: at, Argv: append([]string{at}, m.args...)},
			}, nil
		}}
		if err := f.search(); err != nil {
			return nil, err
		}
		return f.write(dir)
	})
}

// failing is a scenario or program, and the run of it that fails.
type failing struct {
	sys      *emu.System
	suite    string
	plan     func() (*scenario.Plan, error)
	made     []string
	schedule scenario.Schedule
}

func (f *failing) start(prepare func(*emu.Process) error) (*scenario.Session, error) {
	plan, err := f.plan()
	if err != nil {
		return nil, err
	}
	return scenario.StartWith(f.sys, plan, 1, prepare)
}

// search finds a schedule that fails.
func (f *failing) search() error {
	return f.take(explore.Sample(context.Background(), func() (*scenario.Session, error) { return f.start(nil) }, explore.POS,
		explore.Options{Seed: 1, Jobs: 1, Schedules: searched}))
}

// play runs the schedule in words.
func (f *failing) play(words *strategylang.Schedule) error {
	return f.take(explore.One(context.Background(), func() (*scenario.Session, error) { return f.start(nil) }, func(s *scenario.Session) (scenario.Schedule, error) {
		r, err := words.Play(s)
		return r.Schedule, err
	}, explore.Options{Jobs: 1}))
}

func (f *failing) take(r *explore.Result, err error) error {
	if err != nil {
		return err
	}
	if len(r.Findings) == 0 {
		return fmt.Errorf("none of %d schedules fails", r.Schedules)
	}
	f.made, f.schedule = r.Made, r.Findings[0].Schedule
	return nil
}

// write runs it once more, finds out why it fails, and writes the core.
func (f *failing) write(dir string) (*Core, error) {
	s, err := f.start(nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := s.SetMade(f.made); err != nil {
		return nil, err
	}
	h, err := replay.NewHistory(s, f.schedule)
	if err != nil {
		return nil, err
	}
	c := &Core{Arch: f.sys.Arch, Sysroot: f.sys.Root.Dir(), Spec: "debian:" + f.suite, Schedule: f.schedule}
	if c.Why, err = f.explain(h); err != nil {
		return nil, err
	}
	if err := h.SeekEnd(); err != nil {
		return nil, err
	}
	outcome, _ := s.Outcome()
	c.Outcome = outcome
	p, err := core.Of(s, outcome.Thread)
	if err != nil {
		return nil, err
	}
	files, err := p.Save(filepath.Join(dir, "core"))
	if err != nil {
		return nil, err
	}
	c.Path, c.Program = files.Core, files.Program
	for _, t := range p.Threads {
		c.Threads = append(c.Threads, Thread{t.Name, t.ID, t.PC()})
	}
	return c, nil
}

// explain is what emurace replay knows of the run.
func (f *failing) explain(h *replay.History) (*replay.Explanation, error) {
	x, err := replay.Explain(h)
	if err != nil || x.Load == nil {
		return x, err
	}
	tracer, err := replay.NewHeapTracer(f.start)
	if err != nil {
		return nil, err
	}
	defer tracer.Close()
	blocks, err := tracer.Run(f.made, f.schedule)
	if err != nil {
		return nil, err
	}
	return x, x.AddHeap(h, blocks)
}

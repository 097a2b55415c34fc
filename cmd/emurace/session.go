package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/logging"
	"emurace/loader"
	"emurace/oracle"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts/sandbox"
	"emurace/sysroot"
)

// sourceOf is a sysroot as a trace names it, which may be replayed from anywhere.
func sourceOf(spec sysroot.Spec) (string, error) {
	if spec.Kind == sysroot.Folder {
		path, err := filepath.Abs(spec.Path)
		if err != nil {
			return "", err
		}
		spec.Path = path
	}
	return spec.String(), nil
}

// system opens the sysroot of a recipe.
func system(cache *sysroot.Cache, spec sysroot.Spec, arch loader.Arch, log *logging.Log) (*emu.System, error) {
	dir, err := cache.Dir(spec, arch.String())
	if err != nil {
		return nil, err
	}
	sys, err := emu.OpenLibc(dir, arch, libcOf(spec))
	if err != nil {
		return nil, environmentError(err, "use --sysroot debian:bookworm, or a folder that holds an ld.so and a libc for "+arch.String())
	}
	sys.SetLog(log)
	log.Printf(logging.Boot, "sysroot %s", dir)
	return sys, nil
}

// libcOf is what processes of a sysroot run on, none in particular for a folder
// that may hold one or the other.
func libcOf(spec sysroot.Spec) loader.Libc {
	switch {
	case spec.Libc == sysroot.Musl:
		return loader.Musl
	case spec.Kind == sysroot.Debian:
		return loader.Glibc
	}
	return 0
}

// start makes a session of a recipe.
func start(sys *emu.System, r replay.Recipe) (*scenario.Session, error) {
	return startWith(sys, r, nil)
}

// startKnowing is start of a session that knows which threads its process makes.
func startKnowing(sys *emu.System, r replay.Recipe, made []string) (*scenario.Session, error) {
	s, err := start(sys, r)
	if err != nil {
		return nil, err
	}
	if err := s.SetMade(made); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// startWith is start, and calls prepare when the machine has booted.
func startWith(sys *emu.System, r replay.Recipe, prepare func(*emu.Process) error) (*scenario.Session, error) {
	return startPlan(r, func(plan *scenario.Plan) (*scenario.Session, error) {
		return scenario.StartWith(sys, plan, r.Seed, prepare)
	})
}

// starter makes sessions for a search. Problems with the heap depend on when
// blocks are freed and handed out, so a search for them that goes by events
// needs events there.
func (j job) starter(sys *emu.System, strategy string) func() (*scenario.Session, error) {
	if strategy == strategyScript && !j.schedule.Fixed() {
		return func() (*scenario.Session, error) {
			return startPlan(j.recipe, func(plan *scenario.Plan) (*scenario.Session, error) {
				return scenario.StartBlocks(sys, plan, j.recipe.Seed, nil)
			})
		}
	}
	if len(j.detect) == 0 || strategy == strategyBounded || strategy == strategyScript {
		return func() (*scenario.Session, error) { return start(sys, j.recipe) }
	}
	return func() (*scenario.Session, error) {
		return startPlan(j.recipe, func(plan *scenario.Plan) (*scenario.Session, error) {
			return scenario.StartHeap(sys, plan, j.recipe.Seed, slices.Contains(j.detect, oracle.OutOfBounds), nil)
		})
	}
}

// startPlan makes a session of a recipe's plan.
func startPlan(r replay.Recipe, begin func(*scenario.Plan) (*scenario.Session, error)) (*scenario.Session, error) {
	plan, err := r.Scenario.Build(r.Values)
	if err != nil {
		return nil, scriptError(err)
	}
	if r.Timeouts != "" {
		plan.Timeouts = r.Timeouts
	}
	plan.Memory = r.Memory
	s, err := begin(plan)
	var script *sandbox.Error
	var call *scenario.CallError
	if errors.As(err, &script) || errors.As(err, &call) {
		return nil, setupError(r, err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	var limit *emu.LimitError
	if errors.As(err, &limit) {
		return nil, environmentError(err, limitHint(limit))
	}
	if errors.Is(err, emu.ErrAddresses) {
		return nil, environmentError(err, "lift the limit, or use fewer --jobs: a machine takes addresses, and no memory by that")
	}
	var missing *emu.MissingLibrary
	if errors.As(err, &missing) {
		return nil, environmentError(err, fmt.Sprintf("emurace sysroot pull debian:SUITE PACKAGE --arch %v adds the Debian package that has it, as zlib1g has libz.so.1", r.Arch))
	}
	var bound *scenario.BoundError
	if errors.As(err, &bound) {
		return nil, usage(err, bound.Hint())
	}
	if err != nil && r.Program != nil {
		return nil, environmentError(err, startHint(err, r.Arch))
	}
	if err != nil {
		return nil, environmentError(err, "try --sysroot debian:bookworm or other values of --set; if that helps nothing, the machine may lack memory or limit address space")
	}
	return s, nil
}

// setupError is the error of a script while it sets the stage. What a scenario
// needs may be missing in the sysroot.
func setupError(r replay.Recipe, err error) error {
	if packages := r.Scenario.Packages; len(packages) > 0 && strings.HasPrefix(r.Source, "debian:") {
		err = scriptError(err)
		var f *failure
		if !errors.As(err, &f) {
			return err
		}
		f.hint = fmt.Sprintf("if it is not there, fetch what the scenario needs: emurace sysroot pull %s %s --arch %s", r.Source, strings.Join(packages, " "), r.Arch)
		return err
	}
	return scriptError(err)
}

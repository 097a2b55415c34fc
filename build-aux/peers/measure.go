package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"emurace/internal/guestcode"
	"emurace/internal/programs"
)

// result is what a tool has made of a program and of its twin.
type result struct {
	Cannot string        `json:"cannot,omitempty"` // why it was not run
	First  finding       `json:"first"`
	Runs   int           `json:"runs,omitempty"` // up to the first finding, or all
	Wall   time.Duration `json:"wall,omitempty"`
	Twin   twin          `json:"twin"`
}

// twin is what it has made of the repaired program.
type twin struct {
	Runs     int     `json:"runs,omitempty"`
	Reported int     `json:"reported,omitempty"` // runs with a report or a failure, all of them false
	Kinds    finding `json:"kinds"`
}

// measure runs a tool on a program until the first finding, and on its twin.
func measure(ctx context.Context, t *tool, p programs.Program) (r result, err error) {
	if why := t.cannot[p.Language]; why != "" {
		return result{Cannot: why}, nil
	}
	dir, err := os.MkdirTemp("", "peers-")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for name, flags := range map[string][]string{"bug": t.flags, "twin": append([]string{p.FixedFlag()}, t.flags...)} {
		file, err := guestcode.Compile(t.arch, p.File, p.Source, flags...)
		if errors.Is(err, guestcode.ErrNoRust) {
			why, _, _ := strings.Cut(err.Error(), ";") // what to install is of no interest to readers
			return result{Cannot: why}, nil
		}
		if err != nil {
			return r, fmt.Errorf("%s: %s: %w", t.name, p.File, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), file, 0o700); err != nil {
			return r, err
		}
	}
	once := func(name string, command command) (finding, error) {
		if err := ctx.Err(); err != nil {
			return finding{}, err
		}
		argv, env := command(p, "./"+name)
		e, err := run(dir, reportName, argv, env, t.limit)
		if err != nil {
			return finding{}, err
		}
		f, err := t.read(e)
		if err != nil {
			return f, fmt.Errorf("%s: %s: %w", t.name, p.File, err)
		}
		return f, nil
	}
	start := time.Now()
	for n := 0; n < t.runs && (n == 0 || time.Since(start) < t.budget) && !r.First.found(); n++ {
		if r.First, err = once("bug", t.command); err != nil {
			return r, err
		}
		r.Runs += max(r.First.runs, 1)
	}
	r.Wall = time.Since(start)
	onTwin := t.command
	if t.onTwin != nil {
		onTwin = t.onTwin
	}
	for range t.twinRuns {
		f, err := once("twin", onTwin)
		if err != nil {
			return r, err
		}
		r.Twin.Runs += max(f.runs, 1)
		if f.found() {
			r.Twin.Reported++
		}
		for _, kind := range f.Reports {
			r.Twin.Kinds.add(kind)
		}
		if f.Fails != "" {
			r.Twin.Kinds.Fails, r.Twin.Kinds.Code = f.Fails, f.Code
		}
	}
	return r, nil
}

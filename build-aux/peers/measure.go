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
	cannot string // why it was not run
	first  finding
	runs   int // up to the first finding, or all
	wall   time.Duration
	twin   twin
}

// twin is what it has made of the repaired program.
type twin struct {
	runs     int
	reported int // runs with a report or a failure, all of them false
	kinds    finding
}

// measure runs a tool on a program until the first finding, and on its twin.
func measure(ctx context.Context, t *tool, p programs.Program) (r result, err error) {
	if why := t.cannot[p.Language]; why != "" {
		return result{cannot: why}, nil
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
			return result{cannot: why}, nil
		}
		if err != nil {
			return r, fmt.Errorf("%s: %s: %w", t.name, p.File, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), file, 0o700); err != nil {
			return r, err
		}
	}
	once := func(name string) (finding, error) {
		if err := ctx.Err(); err != nil {
			return finding{}, err
		}
		argv, env := t.command(p, "./"+name)
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
	for r.runs < t.runs && (r.runs == 0 || time.Since(start) < t.budget) && !r.first.found() {
		if r.first, err = once("bug"); err != nil {
			return r, err
		}
		r.runs++
	}
	r.wall = time.Since(start)
	for r.twin.runs < t.twinRuns {
		f, err := once("twin")
		if err != nil {
			return r, err
		}
		r.twin.runs++
		if f.found() {
			r.twin.reported++
		}
		for _, kind := range f.reports {
			r.twin.kinds.add(kind)
		}
		if f.fails != "" {
			r.twin.kinds.fails, r.twin.kinds.code = f.fails, f.code
		}
	}
	return r, nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"emurace/internal/programs"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := peers(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "make: peers: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// peers measures, and writes the page.
func peers(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("peers", flag.ContinueOnError)
	dir := set.String("programs", filepath.Join("testdata", "programs"), "`FOLDER` of the programs")
	page := set.String("o", filepath.Join("docs", "peers.md"), "`FILE` to write")
	jobs := set.Int("jobs", 2, "so many programs run at a time")
	only := set.String("only", "", "`NAMES` of programs, with commas; all without it")
	if err := set.Parse(args); err != nil {
		return err
	}
	list, err := programs.List(*dir)
	if err != nil {
		return err
	}
	if *only != "" {
		list = slices.DeleteFunc(list, func(p programs.Program) bool { return !slices.Contains(strings.Split(*only, ","), p.Name) })
	}
	host, err := hostArch()
	if err != nil {
		return err
	}
	all := &comparison{programs: list, tools: tools(host), host: host.String(), jobs: *jobs, processors: runtime.NumCPU()}
	for _, t := range all.tools {
		v, err := versionOf(t.version)
		if err != nil {
			return err
		}
		all.versions = append(all.versions, v)
	}
	if all.libc, err = versionOf([]string{"getconf", "GNU_LIBC_VERSION"}); err != nil {
		return err
	}
	if all.rust, err = versionOf([]string{"rustc", "--version"}); err != nil {
		return err
	}
	start := time.Now()
	if err := all.measure(ctx); err != nil {
		return err
	}
	all.took = time.Since(start)
	if err := os.WriteFile(*page, []byte(all.page()), 0o644); err != nil {
		return err
	}
	return all.check()
}

// comparison is what was measured, and where.
type comparison struct {
	programs         []programs.Program
	tools            []*tool
	versions         []string // of the tools
	host, libc, rust string   // the architecture, and versions
	jobs, processors int
	took             time.Duration
	results          [][]result // by program, then tool
}

// measure fills in the results, jobs of them at a time. The first error ends all.
func (c *comparison) measure(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.results = make([][]result, len(c.programs))
	type cell struct{ program, tool int }
	cells := make(chan cell)
	go func() {
		defer close(cells)
		for p := range c.programs {
			for t := range c.tools {
				select {
				case cells <- cell{p, t}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	for p := range c.results {
		c.results[p] = make([]result, len(c.tools))
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range c.jobs {
		wait.Go(func() {
			for at := range cells {
				p, t := c.programs[at.program], c.tools[at.tool]
				r, err := measure(ctx, t, p)
				mu.Lock()
				if err == nil {
					fmt.Printf("%-15s %-15s %s\n", p.Name, t.name, strings.ReplaceAll(r.cell(), "<br>", "; "))
				} else if failed == nil {
					failed = err
					cancel()
				}
				mu.Unlock()
				c.results[at.program][at.tool] = r
			}
		})
	}
	wait.Wait()
	if failed != nil {
		return failed // which has ended the others
	}
	return context.Cause(ctx)
}

// check compares what was seen with what the head comments say: programs fail only as theirs
// says, and twins do not fail.
func (c *comparison) check() error {
	var errs []error
	for i, p := range c.programs {
		for j, t := range c.tools {
			r := c.results[i][j]
			if f := r.first.fails; f != "" && !slices.Contains(p.Fails, f) {
				errs = append(errs, fmt.Errorf("%s: %s: fails by %s, and its head comment says %q", p.File, t.name, f, p.Fails))
			}
			if f := r.twin.kinds.fails; f != "" {
				errs = append(errs, fmt.Errorf("%s: %s: the repaired twin fails by %s", p.File, t.name, f))
			}
		}
	}
	return errors.Join(errs...)
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"emurace/build-aux/measured"
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
	file := set.String("results", filepath.Join("build-aux", "peers", "measured.json"), "`FILE` of what was measured")
	page := set.String("o", filepath.Join("docs", "peers.md"), "`FILE` to write")
	jobs := set.Int("jobs", 2, "so many programs run at a time")
	names := set.String("tools", "", "`NAMES` of the tools to measure, with commas, or none; all without it. Of the others what was measured last stays")
	if err := set.Parse(args); err != nil {
		return err
	}
	list, err := programs.List(*dir)
	if err != nil {
		return err
	}
	host, err := measured.HostArch()
	if err != nil {
		return err
	}
	all := &comparison{programs: list, tools: tools(host)}
	if err := measured.Read(*file, &all.kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	chosen, err := choose(all.tools, *names)
	if err != nil {
		return err
	}
	if len(chosen) > 0 {
		if err := all.measure(ctx, chosen, *jobs); err != nil {
			return err
		}
		if err := measured.Write(*file, &all.kept); err != nil {
			return err
		}
	}
	if err := all.lacks(); err != nil {
		return err
	}
	if err := os.WriteFile(*page, []byte(all.page()), 0o644); err != nil {
		return err
	}
	return all.check()
}

// choose finds tools by their names.
func choose(all []*tool, names string) ([]*tool, error) {
	switch names {
	case "":
		return all, nil
	case "none":
		return nil, nil
	}
	var chosen []*tool
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(t *tool) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-tools %s: no such tool", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// comparison is what was measured, of which programs and tools.
type comparison struct {
	programs []programs.Program
	tools    []*tool
	kept     kept
}

// kept is the file of results.
type kept struct {
	Sessions []session                    `json:"sessions"`
	Results  map[string]map[string]result `json:"results"` // by program, then tool
}

// session is what was measured at a time: on which machine, and which versions of which tools.
type session struct {
	Machine measured.Machine  `json:"machine"`
	Jobs    int               `json:"jobs"`
	Took    time.Duration     `json:"took"`
	Tools   map[string]string `json:"tools"`
}

// version is that of a tool when it was measured.
func (k *kept) version(tool string) string {
	for _, s := range k.Sessions {
		if v, ok := s.Tools[tool]; ok {
			return v
		}
	}
	return ""
}

// of is what a tool has made of a program.
func (c *comparison) of(p programs.Program, t *tool) result { return c.kept.Results[p.Name][t.name] }

// lacks says which result is not there.
func (c *comparison) lacks() error {
	for _, p := range c.programs {
		for _, t := range c.tools {
			if _, ok := c.kept.Results[p.Name][t.name]; !ok {
				return fmt.Errorf("%s was not measured with %s; run: make peers", p.File, t.name)
			}
		}
	}
	return nil
}

// measure measures with some of the tools, so many programs at a time. The first error ends all.
func (c *comparison) measure(ctx context.Context, chosen []*tool, jobs int) error {
	here, err := measured.Here()
	if err != nil {
		return fmt.Errorf("%w; run: make peers", err)
	}
	s := session{Machine: here, Jobs: jobs, Tools: map[string]string{}}
	for _, t := range chosen {
		if s.Tools[t.name], err = measured.Version(t.version[0], t.version[1:]...); err != nil {
			return fmt.Errorf("%w; run: make peers", err)
		}
	}
	type cell struct {
		p programs.Program
		t *tool
	}
	var cells []cell
	for _, p := range c.programs {
		for _, t := range chosen {
			cells = append(cells, cell{p, t})
		}
	}
	var mu sync.Mutex
	fresh := map[[2]string]result{}
	start := time.Now()
	err = measured.Each(ctx, jobs, cells, func(ctx context.Context, at cell) error {
		r, err := measure(ctx, at.t, at.p)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%-15s %-15s %s\n", at.p.Name, at.t.name, strings.ReplaceAll(r.cell(at.t), "<br>", "; "))
		fresh[[2]string{at.p.Name, at.t.name}] = r
		return nil
	})
	if err != nil {
		return err
	}
	s.Took = time.Since(start)
	c.keep(s)
	for at, r := range fresh {
		name, tool := at[0], at[1]
		if c.kept.Results[name] == nil {
			c.kept.Results[name] = map[string]result{}
		}
		c.kept.Results[name][tool] = r
	}
	return nil
}

// keep notes a session, in place of what was measured with its tools before.
func (c *comparison) keep(s session) {
	if c.kept.Results == nil {
		c.kept.Results = map[string]map[string]result{}
	}
	for _, old := range c.kept.Sessions {
		for name := range s.Tools {
			delete(old.Tools, name)
		}
	}
	c.kept.Sessions = slices.DeleteFunc(c.kept.Sessions, func(old session) bool { return len(old.Tools) == 0 })
	c.kept.Sessions = append(c.kept.Sessions, s)
}

// check compares what was seen with what the head comments say: programs fail only as theirs
// says, and twins do not fail.
func (c *comparison) check() error {
	var errs []error
	for _, p := range c.programs {
		for _, t := range c.tools {
			r := c.of(p, t)
			if f := r.First.Fails; f != "" && !slices.Contains(p.Fails, f) {
				errs = append(errs, fmt.Errorf("%s: %s: fails by %s, and its head comment says %q", p.File, t.name, f, p.Fails))
			}
			if f := r.Twin.Kinds.Fails; f != "" {
				errs = append(errs, fmt.Errorf("%s: %s: the repaired twin fails by %s", p.File, t.name, f))
			}
		}
	}
	return errors.Join(errs...)
}

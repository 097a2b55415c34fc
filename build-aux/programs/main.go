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
	"emurace/loader"
)

// arches are the architectures, in the order of the page.
var arches = []loader.Arch{loader.ARM64, loader.AMD64}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "make: programs: %v\n", err)
		stop()
		os.Exit(1)
	}
}

// results are what was measured, and with what.
type results struct {
	Machine measured.Machine `json:"machine"`
	GCC     string           `json:"gcc"`
	Jobs    int              `json:"jobs"`
	Cells   []*cell          `json:"cells"`
}

// run measures what the flags say, and writes the page.
func run(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("programs", flag.ContinueOnError)
	dir := set.String("programs", filepath.Join("testdata", "programs"), "`FOLDER` of the programs")
	file := set.String("results", filepath.Join("build-aux", "programs", "measured.json"), "`FILE` of what was measured")
	page := set.String("o", filepath.Join("docs", "programs.md"), "`FILE` to write")
	jobs := set.Int("jobs", 1, "so many searches at a time")
	only := set.String("only", "", "`NAMES` of programs to measure, with commas, or none; all without it")
	arch := set.String("arch", "", "the architecture to measure; both without it")
	of := set.String("build", "", "the build to measure, as in -O2; all without it")
	bugs := set.Bool("bugs", true, "search the programs")
	twins := set.Bool("twins", true, "search the repaired twins")
	proof := set.Duration("proof", time.Minute, "how long a proof may take; 0 tries none")
	quiet := set.Uint64("quiet", 20_000, "how many schedules to run of a twin whose proof takes longer")
	if err := set.Parse(args); err != nil {
		return err
	}
	list, err := programs.List(*dir)
	if err != nil {
		return err
	}
	left := func(a at) bool {
		return *only != "" && !slices.Contains(strings.Split(*only, ","), a.program.Name) || *arch != "" && *arch != a.arch.String() || *of != "" && *of != a.build.name
	}
	r, err := readResults(*file, list)
	if err != nil {
		return err
	}
	if *only != "none" {
		m, err := newMeter(*jobs, *proof, *quiet)
		if err != nil {
			return err
		}
		r.Jobs = max(r.Jobs, *jobs)
		err = r.measure(ctx, m, slices.DeleteFunc(places(list), left), *bugs, *twins, *file)
		if err := errors.Join(err, m.close()); err != nil {
			return err
		}
	}
	text, err := r.page(list)
	if err != nil {
		return err
	}
	return os.WriteFile(*page, []byte(text), 0o644)
}

// places are all cells that there are to be, in the order of the page.
func places(list []programs.Program) (all []at) {
	for _, arch := range arches {
		for _, p := range list {
			for _, b := range builds {
				all = append(all, at{p, arch, b})
			}
		}
	}
	return all
}

// readResults reads the file of results. What another compiler or machine has given, or what is
// of a program that there is no more, is left out.
func readResults(name string, list []programs.Program) (*results, error) {
	here, err := measured.Here()
	if err != nil {
		return nil, err
	}
	gcc, err := measured.Version("gcc", "--version")
	if err != nil {
		return nil, err
	}
	var r results
	if err := measured.Read(name, &r); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if r.Machine != here || r.GCC != gcc {
		r = results{Machine: here, GCC: gcc}
	}
	r.Cells = slices.DeleteFunc(r.Cells, func(c *cell) bool {
		return !slices.ContainsFunc(places(list), c.is)
	})
	return &r, nil
}

// is tells whether a cell is the one at a place.
func (c *cell) is(a at) bool {
	return c.Program == a.program.Name && c.Arch == a.arch.String() && c.Build == a.build.name
}

// cell is that at a place, nil if nothing was measured there.
func (r *results) cell(a at) *cell {
	for _, c := range r.Cells {
		if c.is(a) {
			return c
		}
	}
	return nil
}

// measure measures places anew, and keeps what it has after each of them.
func (r *results) measure(ctx context.Context, m *meter, list []at, bugs, twins bool, file string) error {
	var mu sync.Mutex
	return measured.Each(ctx, m.jobs, list, func(ctx context.Context, a at) error {
		c := &cell{Program: a.program.Name, Arch: a.arch.String(), Build: a.build.name}
		mu.Lock()
		if old := r.cell(a); old != nil {
			c.Bug, c.Twin = old.Bug, old.Twin
		}
		mu.Unlock()
		if bugs {
			if err := m.bug(ctx, a, c); err != nil {
				return err
			}
		}
		if twins {
			if err := m.twin(ctx, a, c); err != nil {
				return err
			}
		}
		mu.Lock()
		defer mu.Unlock()
		r.Cells = slices.DeleteFunc(r.Cells, func(c *cell) bool { return c.is(a) })
		r.Cells = append(r.Cells, c)
		slices.SortFunc(r.Cells, func(a, b *cell) int {
			return strings.Compare(a.Program+" "+a.Arch+" "+a.Build, b.Program+" "+b.Arch+" "+b.Build)
		})
		fmt.Println(a, c.row(), c.twin())
		return measured.Write(file, r)
	})
}

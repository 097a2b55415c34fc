package main

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"emurace/internal/files"
	"emurace/loader"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts"
)

// traceLibraries finds the libraries of a trace's scenario: files of this machine, which have to
// be as they were.
func traceLibraries(t *replay.Trace) (scripts.Libraries, error) {
	var all []scenario.Library
	for _, g := range t.Libraries {
		content, err := files.Read(g.Host, loader.MaxFile)
		if err == nil {
			err = g.CheckLibrary(content)
		}
		if err != nil {
			return nil, environmentError(fmt.Errorf("the trace: library %s: %w", strings.TrimPrefix(g.Path, scenario.LibraryRoot+"/"), err),
				"the library has to be where it was, and as it was; find the failure again with emurace explore")
		}
		all = append(all, scenario.Library{At: g.Path, Host: g.Host, Content: content})
	}
	// It was found with what it needs: all of it is in the process anyway.
	return func(name string) ([]scenario.Library, error) {
		at := path.Join(scenario.LibraryRoot, name)
		for i, l := range all {
			if l.At == at {
				return append([]scenario.Library{l}, append(all[:i:i], all[i+1:]...)...), nil
			}
		}
		return nil, fmt.Errorf("./%s: not among the trace's libraries", name)
	}, nil
}

// libraryDirs are the folders of this machine with a trace's libraries of the user's own.
func libraryDirs(t *replay.Trace) []string {
	var dirs []string
	for _, g := range t.Libraries {
		if dir := filepath.Dir(g.Host); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// libraryArch is the architecture of a scenario's own libraries, 0 if it has none. All are read
// by then, and so they need not be readable behind the walls.
func libraryArch(sc *scenario.Scenario, values scenario.Values) (arch loader.Arch, host string, err error) {
	plan, err := sc.Build(values)
	if err != nil || len(plan.Libraries) == 0 {
		return 0, "", scriptError(err)
	}
	first := plan.Libraries[0]
	im, err := loader.Parse(first.At, first.Content)
	if err != nil {
		return 0, "", err
	}
	return im.Arch, first.Host, nil
}

// checkLibraryArch refuses an architecture that a scenario's own libraries are not for.
func checkLibraryArch(of loader.Arch, host string, asked loader.Arch) error {
	if of == 0 || of == asked {
		return nil
	}
	return usage(fmt.Errorf("explore: --arch %v: %s is a library for %v", asked, host, of),
		fmt.Sprintf("use --arch %v, or build it for %v, with %s-gcc", of, asked, asked.Triplet()))
}

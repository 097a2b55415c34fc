package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"emurace/explore"
	"emurace/replay"
	"emurace/scenario"
)

// stateVersion is the version of the state files that are written and read.
const stateVersion = 1

// stateFile is a search that was broken off, and what it was a search of.
type stateFile struct {
	Version   int             `json:"emurace_state"`
	Scenario  string          `json:"scenario"`
	Settings  []string        `json:"settings"`
	Arch      string          `json:"arch"`
	LibcHash  string          `json:"libc_sha256"`
	Seed      uint64          `json:"seed"`
	KeepGoing bool            `json:"keep_going"`
	Locks     string          `json:"locks"`
	Detect    []scenario.Kind `json:"detect,omitempty"`
	State     *explore.State  `json:"state"`
}

// maxState bounds what is read of a state file.
const maxState = 1 << 30

// describeSearch is a state file for a search, without its state.
func describeSearch(r replay.Recipe, libc scenario.LibcID, o *explore.Options) stateFile {
	locks := "raw"
	if o.AbstractLocks {
		locks = "abstract"
	}
	return stateFile{
		Version: stateVersion, Scenario: r.Scenario.Name, Settings: r.Scenario.Settings(r.Values),
		Arch: r.Arch.String(), LibcHash: libc.SHA256, Seed: r.Seed, KeepGoing: o.KeepGoing, Locks: locks,
	}
}

// readState reads a state file and checks that it is of the search wanted. A
// file that is not there yet is a search not begun yet.
func readState(name string, want stateFile) (*explore.State, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, surroundings(fmt.Errorf("resume: %w", err), "")
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return nil, surroundings(fmt.Errorf("resume: %w", err), "")
	}
	const damaged = "remove the file to begin the search anew"
	var have stateFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&have); err != nil {
		return nil, surroundings(fmt.Errorf("resume: %s: not a state file, or a damaged one: %w", name, err), damaged)
	}
	if have.Version != stateVersion {
		return nil, surroundings(fmt.Errorf("resume: %s: version %d, this emurace reads %d", name, have.Version, stateVersion), damaged)
	}
	if what := have.differs(want); what != "" {
		return nil, surroundings(fmt.Errorf("resume: %s: of another search: its %s", name, what), "name another file, or search with what that one has")
	}
	if have.State == nil {
		return nil, surroundings(fmt.Errorf("resume: %s: it holds no state", name), damaged)
	}
	return have.State, nil
}

// differs says in what a state file is of another search, "" when it is not.
func (s *stateFile) differs(want stateFile) string {
	switch {
	case s.Scenario != want.Scenario:
		return fmt.Sprintf("scenario is %s, not %s", s.Scenario, want.Scenario)
	case !slices.Equal(s.Settings, want.Settings):
		return fmt.Sprintf("settings are %q, not %q", s.Settings, want.Settings)
	case s.Arch != want.Arch:
		return fmt.Sprintf("architecture is %s, not %s", s.Arch, want.Arch)
	case s.LibcHash != want.LibcHash:
		return "libc is another file"
	case s.Seed != want.Seed:
		return fmt.Sprintf("seed is %d, not %d", s.Seed, want.Seed)
	case s.Locks != want.Locks:
		return fmt.Sprintf("--locks is %s, not %s", s.Locks, want.Locks)
	case !slices.Equal(s.Detect, want.Detect):
		return fmt.Sprintf("--detect is %q, not %q", s.Detect, want.Detect)
	case s.KeepGoing != want.KeepGoing:
		return fmt.Sprintf("--keep-going is %v, not %v", s.KeepGoing, want.KeepGoing)
	}
	return ""
}

// writeState replaces the file in one step, so that a death in the middle
// leaves the old one.
func writeState(name string, s stateFile) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".emurace-*.state")
	if err == nil {
		defer func() {
			if err != nil {
				_ = os.Remove(f.Name()) // the first error is the one to report
			}
		}()
		err = errors.Join(json.NewEncoder(f).Encode(s), f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return surroundings(fmt.Errorf("save the search: %w", err), "name a file that can be written with --resume FILE")
	}
	return nil
}

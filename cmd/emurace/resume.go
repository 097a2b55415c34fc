package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"emurace/emu"
	"emurace/explore"
	"emurace/explore/graph"
	"emurace/internal/files"
	"emurace/replay"
	"emurace/scenario"
	"emurace/scripts/sandbox"
)

// stateVersion is the version of the state files that are written and read.
const stateVersion = 5

// stateFile is a search that was broken off, and what it was a search of.
type stateFile struct {
	Version     int             `json:"emurace_state"`
	Scenario    string          `json:"scenario"`
	Settings    []string        `json:"settings"`
	Source      string          `json:"source_sha256"`           // of the scenario
	Script      string          `json:"script_sha256,omitempty"` // of strategy script
	Arch        string          `json:"arch"`
	LibcHash    string          `json:"libc_sha256"`
	Strategy    string          `json:"strategy"`
	Preemptions *int            `json:"preemptions,omitempty"` // the bound of bounded or dpor, when there is one
	Depth       int             `json:"depth,omitempty"`       // of pct
	Seed        uint64          `json:"seed"`
	Only        []string        `json:"only,omitempty"`
	Focus       []string        `json:"focus,omitempty"`
	KeepGoing   bool            `json:"keep_going"`
	Locks       string          `json:"locks"`
	Timeouts    string          `json:"timeouts"`
	Detect      []scenario.Kind `json:"detect,omitempty"`
	Memory      uint64          `json:"guest_memory,omitempty"` // 0 is the usual one
	Known       string          `json:"known_sha256,omitempty"` // of --suppressions and --baseline
	State       *explore.State  `json:"state,omitempty"`
	// In place of State, of --memory: the models, and the searches that were begun.
	Models []graph.Model                  `json:"memory_models,omitempty"`
	States map[graph.Model]*explore.State `json:"states,omitempty"`
}

// maxState bounds what is read of a state file, and so what is written. States
// have some kilobytes, and some megabytes when there are many ways to fail.
const maxState = 64 << 20

// saveEvery is how often a search is saved, 0 for as often as explore thinks
// right.
var saveEvery time.Duration

// resume makes a search go on from a state file, if there is one, and keep its
// state there.
func (j job) resume(sys *emu.System, name, strategy string, o *explore.Options) error {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // a link is not to be replaced by a file
	}
	s, err := start(sys, j.recipe)
	if err != nil {
		return err
	}
	search := j.describeSearch(s.Libc(), strategy, o)
	s.Close()
	have, err := readState(name, search)
	if err != nil {
		return err
	}
	o.Resume = have.of(j.memory)
	// Better now than when the search has lasted for a while.
	if err := replay.CheckWritable(name); err != nil {
		return saveError(err)
	}
	o.SaveEvery = saveEvery
	o.Save = func(state *explore.State) error {
		return writeState(name, search.with(j.memory, have.States, state))
	}
	return nil
}

// of is the search under a memory model, nil for one not begun yet.
func (s *stateFile) of(m graph.Model) *explore.State {
	if m == "" {
		return s.State
	}
	return s.States[m]
}

// with is the file with the search under a memory model, beside those under others.
func (s stateFile) with(m graph.Model, others map[graph.Model]*explore.State, state *explore.State) stateFile {
	if m == "" {
		s.State = state
		return s
	}
	s.States = map[graph.Model]*explore.State{}
	maps.Copy(s.States, others)
	s.States[m] = state
	return s
}

// describeSearch is a state file for a search, without its state.
func (j job) describeSearch(libc scenario.LibcID, strategy string, o *explore.Options) stateFile {
	r := j.recipe
	f := stateFile{
		Version: stateVersion, Scenario: r.Scenario.Name, Settings: r.Scenario.Settings(r.Values), Source: sourceHash(r.Scenario.Source),
		Arch: r.Arch.String(), LibcHash: libc.SHA256, Strategy: strategy, Seed: r.Seed, KeepGoing: o.KeepGoing,
		Locks: "raw", Timeouts: string(r.Timeouts), Detect: j.detect, Memory: r.Memory,
	}
	if f.Memory == emu.DefaultMemory {
		f.Memory = 0
	}
	if r.Program != nil {
		f.Source = programHash(r.Program)
	}
	f.Only, f.Focus, f.Known, f.Models = j.only, j.focus, j.knownHash(), j.models
	if j.script != nil {
		f.Script = sourceHash(j.script.Source())
	}
	if o.AbstractLocks {
		f.Locks = "abstract"
	}
	if (strategy == strategyBounded || strategy == strategyDPOR) && o.Preemptions >= 0 {
		f.Preemptions = &o.Preemptions
	}
	if strategy == string(explore.PCT) {
		f.Depth = o.Depth
	}
	return f
}

// sourceHash is the SHA-256 of a script and of what it loads.
func sourceHash(files []scenario.File) string {
	h := sha256.New()
	for _, f := range files {
		// A hash takes everything.
		_, _ = fmt.Fprintf(h, "%d %s %d %s", len(f.Name), f.Name, len(f.Text), f.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

const damagedHint = "remove the file to begin the search anew"

// readState reads a state file and checks that it is of the search wanted. A
// file that is not there yet is a search not begun yet.
func readState(name string, want stateFile) (*stateFile, error) {
	data, err := readBounded(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &stateFile{}, nil
	}
	if err != nil {
		return nil, environmentError(fmt.Errorf("resume: %w", err), "name a file that emurace has written with --resume, or one that does not exist yet")
	}
	have, err := parseState(data)
	if err != nil {
		return nil, environmentError(fmt.Errorf("resume: %s: %w", name, err), damagedHint)
	}
	if what := have.differs(want); what != "" {
		return nil, environmentError(fmt.Errorf("resume: %s: of another search: its %s", name, what), "name another file, or search with what that one has")
	}
	return have, nil
}

// readBounded reads a file that is not too large to be a state.
func readBounded(name string) ([]byte, error) {
	data, err := files.Read(name, maxState)
	var large *files.TooLarge
	if errors.As(err, &large) {
		err = fmt.Errorf("%w, which no state is", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// parseState reads the text of a state file. The state itself is checked when
// the search goes on.
func parseState(data []byte) (*stateFile, error) {
	const what = "not a state file, or a damaged one"
	var version struct {
		N *int `json:"emurace_state"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if version.N == nil {
		return nil, fmt.Errorf("%s: no field emurace_state", what)
	}
	if *version.N != stateVersion {
		return nil, fmt.Errorf("version %d, this emurace reads %d", *version.N, stateVersion)
	}
	have := &stateFile{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(have); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if (have.State == nil) == (len(have.States) == 0) || (have.State == nil) != (len(have.Models) > 0) {
		return nil, fmt.Errorf("%s: it holds no state", what)
	}
	for m, state := range have.States {
		if state == nil || !slices.Contains(have.Models, m) {
			return nil, fmt.Errorf("%s: it holds no state of memory model %q", what, m)
		}
	}
	return have, nil
}

// differs says in what a state file is of another search, "" when it is not.
func (s *stateFile) differs(want stateFile) string {
	switch {
	case s.Scenario != want.Scenario:
		return fmt.Sprintf("scenario is %q, not %s", s.Scenario, want.Scenario)
	case !slices.Equal(s.Settings, want.Settings):
		return fmt.Sprintf("settings are %q, not %q", s.Settings, want.Settings)
	case s.Source != want.Source:
		return "scenario's script is another"
	case s.Script != want.Script:
		return "--script is another"
	case s.Arch != want.Arch:
		return fmt.Sprintf("architecture is %q, not %s", s.Arch, want.Arch)
	case s.LibcHash != want.LibcHash:
		return "libc is another file"
	case s.Strategy != want.Strategy:
		return fmt.Sprintf("--strategy is %q, not %s", s.Strategy, want.Strategy)
	case !slices.Equal(s.Models, want.Models):
		return fmt.Sprintf("--memory is %s, not %s", modelNames(s.Models), modelNames(want.Models))
	case bound(s.Preemptions) != bound(want.Preemptions):
		return fmt.Sprintf("--preemptions is %s, not %s", bound(s.Preemptions), bound(want.Preemptions))
	case s.Depth != want.Depth:
		return fmt.Sprintf("--depth is %d, not %d", s.Depth, want.Depth)
	case s.Seed != want.Seed:
		return fmt.Sprintf("seed is %d, not %d", s.Seed, want.Seed)
	case !slices.Equal(s.Only, want.Only):
		return fmt.Sprintf("--only is %q, not %q", s.Only, want.Only)
	case !slices.Equal(s.Focus, want.Focus):
		return fmt.Sprintf("--focus is %q, not %q", s.Focus, want.Focus)
	case s.Locks != want.Locks:
		return fmt.Sprintf("--locks is %q, not %s", s.Locks, want.Locks)
	case s.Timeouts != want.Timeouts:
		return fmt.Sprintf("--timeouts is %q, not %s", s.Timeouts, want.Timeouts)
	case !slices.Equal(s.Detect, want.Detect):
		return fmt.Sprintf("--detect is %q, not %q", s.Detect, want.Detect)
	case s.Known != want.Known:
		return "--suppressions, --baseline or --update-baseline are others"
	case s.Memory != want.Memory:
		return fmt.Sprintf("--guest-memory is %s, not %s", memoryText(s.Memory), memoryText(want.Memory))
	case s.KeepGoing != want.KeepGoing:
		return fmt.Sprintf("--keep-going is %v, not %v", s.KeepGoing, want.KeepGoing)
	}
	return ""
}

func memoryText(n uint64) string {
	if n == 0 {
		return usualMemory
	}
	return sizeText(n)
}

func bound(n *int) string {
	if n == nil {
		return "without bound"
	}
	return strconv.Itoa(*n)
}

// writeState replaces the file in one step, so that a death in the middle
// leaves the old one.
func writeState(name string, s stateFile) error {
	data, err := json.Marshal(s)
	if err == nil && len(data) > maxState {
		err = fmt.Errorf("%s: it would have %d bytes, more than %d MiB are not read", name, len(data), maxState>>20)
	}
	if err == nil {
		err = replaceFile(name, data)
	}
	if err != nil {
		return saveError(err)
	}
	return nil
}

func replaceFile(name string, data []byte) error {
	return replay.Save(name, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

func saveError(err error) error {
	return environmentError(fmt.Errorf("save the search: %w", err), "make room, or name a file that can be written with --resume FILE; the same command goes on from what was saved last")
}

// searched sorts out how a search has ended: one whose state was refused has no
// result; one whose state could not be saved has, and so has one that came to a run
// too long for it, or has found failures before its script failed. Those are shown like
// any other, with the error after them.
func (j job) searched(result *explore.Result, err error, name string) (interrupted bool, late, fatal error) {
	var save *explore.SaveError
	var script *sandbox.Error
	switch {
	case errors.Is(err, explore.ErrState):
		return false, nil, environmentError(fmt.Errorf("resume: %s: %w", name, err), damagedHint)
	case errors.As(err, &save):
		return errors.Is(err, context.Canceled), save.Err, nil
	case errors.Is(err, explore.ErrDeep):
		return false, environmentError(err, "use --strategy surw, which holds one run at a time, or --strategy bounded"), nil
	case errors.Is(err, context.Canceled):
		return true, nil, nil
	case errors.As(err, &script) && result != nil && result.Failing > 0:
		return false, scriptError(err), nil
	}
	return false, nil, scriptError(err)
}

// unwritten is why the trace or the state was not written. Both are there when
// the disk is full.
func (o *outcome) unwritten() error {
	if o.traceErr != nil && o.stateErr != nil {
		return environmentError(fmt.Errorf("%w; %w", o.traceErr, o.stateErr), "make room; the same command goes on from what was saved last")
	}
	return errors.Join(o.traceErr, o.stateErr)
}

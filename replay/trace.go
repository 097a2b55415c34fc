package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"emurace/emu"
	"emurace/internal/words"
	"emurace/loader"
	"emurace/scenario"
)

// FormatVersion is the version of the trace format that is written of a scenario. A reader
// takes it and ProgramVersion, and refuses every other one.
const FormatVersion = 2

// maxTrace bounds the size of a trace file, in bytes.
const maxTrace = 64 << 20

// Trace is a run that can be repeated anywhere. Its file is JSON.
type Trace struct {
	Format   int      `json:"emurace_trace"`
	Scenario string   `json:"scenario"`
	Settings []string `json:"settings"` // NAME=VALUE, every parameter
	// Script is the scenario's source, with what it loads, as it was when the trace
	// was made.
	Script []scenario.File `json:"script"`
	// Program is what the process runs in place of a scenario's calls; of ProgramVersion alone.
	Program *Program `json:"program,omitempty"`
	Arch    string   `json:"arch"`
	Libc    Libc     `json:"libc"`
	// Modules are the libraries in the process when the race begins, and then those
	// that the race loads. In traces of before that was noted they are the ones that
	// were there when the race was over.
	Modules []File `json:"modules"`
	// Libraries are files of the machine where it was run that a scenario has as libraries.
	Libraries []Given `json:"libraries,omitempty"`
	Seed      uint64  `json:"seed"`
	// BindNow is that of the plan. In traces from before there was a choice it is
	// missing: ld.so then found functions when they were first called.
	BindNow bool `json:"bind_now,omitempty"`
	// Timeouts is when the clock may be moved on. In traces from before there was a choice
	// it moved by itself, when nobody could run.
	Timeouts scenario.Timeouts `json:"timeouts,omitempty"`
	// GuestMemory is Plan.Memory, in bytes; 0 is the usual one.
	GuestMemory uint64 `json:"guest_memory,omitempty"`
	// Made are the threads that the process makes itself, as far as they are known: no
	// others run. Traces from before such threads were run have none.
	Made []string `json:"made,omitempty"`
	// Detect are the kinds of problems that were looked for in the run, which is told with those that it has.
	Detect []string `json:"detect,omitempty"`
	// Problems are those of these kinds that the run has. Who runs the trace again has to find them
	// again.
	Problems []TraceProblem `json:"problems,omitempty"`
	// Races, Together and Sections are what had to come first, as Essential has it.
	Races    [][2]TracePoint   `json:"races,omitempty"`
	Together bool              `json:"together,omitempty"`
	Sections [][2]TraceSection `json:"sections,omitempty"`
	Schedule []string          `json:"schedule"` // as scenario.Slice.Text writes it
	Outcome  Outcome           `json:"outcome"`
	Steps    uint64            `json:"steps"`  // instructions from the race's start
	Digest   string            `json:"digest"` // of the final state; see emu.Machine.Digest
}

// TraceProblem is a problem of a run in its trace, by its kind and by the threads and instructions
// that it is about, as an inspection of runs names these.
type TraceProblem struct {
	Kind scenario.Kind `json:"kind"`
	Site string        `json:"site"`
}

// MostProblems bounds the problems of a trace.
const MostProblems = 1 << 10

// Libc says which C library a trace belongs to.
type Libc struct {
	Version string `json:"version,omitempty"`
	BuildID string `json:"build_id,omitempty"`
	SHA256  string `json:"sha256"`
	Source  string `json:"source"`         // the sysroot as the user named it
	Name    string `json:"name,omitempty"` // "glibc" or "musl", where it is known
}

// String is the name and the version. A trace from before libcs had names is of a
// glibc.
func (l Libc) String() string {
	name := l.Name
	if name == "" && l.Version != "" {
		name = "glibc"
	}
	return strings.TrimSpace(name + " " + l.Version)
}

// File is a library by its content.
type File struct {
	Path    string `json:"path"`
	BuildID string `json:"build_id,omitempty"`
	SHA256  string `json:"sha256"`
	Loaded  bool   `json:"loaded,omitempty"` // by the race
}

// Outcome is scenario.Outcome as text. Addresses are hexadecimal.
type Outcome struct {
	Kind    scenario.Kind `json:"kind"`
	Thread  string        `json:"thread,omitempty"`
	PC      string        `json:"pc,omitempty"`
	Access  string        `json:"access,omitempty"`  // of a segv: read, write, execute
	Address string        `json:"address,omitempty"` // of a segv
	Signal  int           `json:"signal,omitempty"`
	Code    *int          `json:"code,omitempty"`   // of an exit
	Detail  string        `json:"detail,omitempty"` // of an exception, and what a check has said
	// Expected tells that the scenario says that this ending is right.
	Expected bool `json:"expected,omitempty"`
}

// outcomeText writes an outcome with the names of its session.
func outcomeText(o scenario.Outcome, names []string) Outcome {
	t := Outcome{Kind: o.Kind, Detail: o.Message, Expected: o.Expected}
	if o.Thread >= 0 {
		t.Thread = names[o.Thread]
	}
	if o.End == nil {
		return t
	}
	t.PC = words.Hex(o.End.PC)
	switch o.End.Kind {
	case emu.EndFault:
		t.Access, t.Address = o.End.Access.String(), words.Hex(o.End.Addr)
	case emu.EndSignal:
		t.Signal = o.End.Signal
	case emu.EndExit:
		t.Code = &o.End.Code
	default:
		t.Detail = o.End.Detail
	}
	return t
}

func (o Outcome) equal(p Outcome) bool {
	a, errA := json.Marshal(o)
	b, errB := json.Marshal(p)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

// Recipe is what a trace keeps of how its session was made.
type Recipe struct {
	Scenario *scenario.Scenario
	Values   scenario.Values
	Arch     loader.Arch
	Source   string // the sysroot as the user named it
	Seed     uint64
	Timeouts scenario.Timeouts
	Memory   uint64 // that the process may take; see scenario.Plan.Memory
	// Program is what the process runs, nil for a scenario of calls; what follows from running it
	// is not filled in.
	Program *Program
}

// Record plays a schedule from the start of the race and makes a trace of it.
// The session is left at the end of the run.
func Record(s *scenario.Session, r Recipe, schedule scenario.Schedule) (*Trace, error) {
	if err := s.Restart(); err != nil {
		return nil, err
	}
	files := modules(s)
	program, err := recordProgram(s, r.Program)
	if err != nil {
		return nil, err
	}
	outcome, digest, err := run(s, schedule)
	if err != nil {
		return nil, err
	}
	loaded, err := loads(s, files)
	if err != nil {
		return nil, err
	}
	t := &Trace{
		Format: FormatVersion, Scenario: r.Scenario.Name, Settings: r.Scenario.Settings(r.Values), Script: r.Scenario.Source,
		Arch: r.Arch.String(), Seed: r.Seed, BindNow: s.Plan().BindNow, Timeouts: s.Timeouts(), Made: s.Made(), Schedule: schedule.Texts(s.ScheduleNames()),
		Outcome: outcomeText(outcome, s.Names()), Steps: s.Steps(), Digest: digest,
		Modules: slices.Concat(files, loaded),
	}
	if s.Plan().Memory != emu.DefaultMemory {
		t.GuestMemory = s.Plan().Memory
	}
	for _, l := range s.Plan().Libraries {
		t.Libraries = append(t.Libraries, NewGiven(l.At, l.Host, l.Content))
	}
	if program != nil {
		program.Opened = opened(s)
		t.Format, t.Program = ProgramVersion, program
	}
	id := s.Libc()
	t.Libc = Libc{Name: id.Name, Version: id.Version, BuildID: id.BuildID, SHA256: id.SHA256, Source: r.Source}
	return t, nil
}

// modules are the libraries that are mapped now.
func modules(s *scenario.Session) []File {
	var files []File
	for _, m := range s.Process().Modules() {
		files = append(files, File{Path: m.Path, BuildID: m.Image.BuildID, SHA256: m.Image.SHA256()})
	}
	return files
}

// loads are the libraries that the race has loaded so far, in order, each once, but
// for those that were there before.
func loads(s *scenario.Session, before []File) ([]File, error) {
	var files []File
	for _, path := range s.Loads() {
		if named(before, path) || named(files, path) {
			continue
		}
		im, err := s.Process().Image(path)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: path, BuildID: im.BuildID, SHA256: im.SHA256(), Loaded: true})
	}
	return files, nil
}

func named(files []File, path string) bool {
	return slices.ContainsFunc(files, func(f File) bool { return f.Path == path })
}

// run plays a schedule from the start to the end of the race.
func run(s *scenario.Session, schedule scenario.Schedule) (scenario.Outcome, string, error) {
	if err := s.Restart(); err != nil {
		return scenario.Outcome{}, "", err
	}
	if err := s.Play(schedule); err != nil {
		return scenario.Outcome{}, "", err
	}
	o, over := s.Outcome()
	if !over {
		return o, "", errors.New("the schedule ends before the race is over")
	}
	digest, err := s.Digest()
	return o, digest, err
}

// Encode writes the trace.
func (t *Trace) Encode(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(t)
}

// ErrVersion is wrapped by the error about a trace of another format version.
var ErrVersion = errors.New("trace of another format version")

// ErrFormat is wrapped by errors about files that are no trace, or a damaged one.
var ErrFormat = errors.New("not a readable trace")

// Decode reads a trace and checks its form; whether the scenario and the libc
// are at hand is not its concern. Its errors are one line and wrap ErrFormat or
// ErrVersion, unless r itself fails.
func Decode(r io.Reader) (*Trace, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTrace+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTrace {
		return nil, fmt.Errorf("%w: larger than %s", ErrFormat, words.Count(maxTrace, "byte"))
	}
	// The version comes first: the fields of another one are not known here.
	var head struct {
		Format *int `json:"emurace_trace"`
	}
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&head); err != nil {
		return nil, formatError(data, err)
	}
	if head.Format == nil {
		return nil, fmt.Errorf("%w: no field emurace_trace", ErrFormat)
	}
	if *head.Format != FormatVersion && *head.Format != ProgramVersion {
		return nil, fmt.Errorf("%w: %d, this emurace reads %d and %d", ErrVersion, *head.Format, FormatVersion, ProgramVersion)
	}
	t := &Trace{}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, formatError(data, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%w: text after the end", ErrFormat)
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

func formatError(data []byte, err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends too early, after %s", ErrFormat, words.Count(uint64(len(data)), "byte"))
	case errors.As(err, &wrong) && wrong.Field == "":
		return fmt.Errorf("%w: a JSON %s, not an object", ErrFormat, wrong.Value)
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: field %s is a JSON %s, not %s", ErrFormat, wrong.Field, wrong.Value, kindName(wrong.Type.Kind()))
	}
	return fmt.Errorf("%w: %s", ErrFormat, strings.TrimPrefix(err.Error(), "json: "))
}

// kindName says what the format has where Go has a type of the kind.
func kindName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list"
	case reflect.Struct:
		return "an object"
	case reflect.Uint64:
		return "a whole number from 0 to 2^64-1"
	}
	return "a whole number"
}

// timeouts is when the clock may be moved on.
func (t *Trace) timeouts() scenario.Timeouts {
	if t.Timeouts == "" {
		return scenario.WhenIdle
	}
	return t.Timeouts
}

// Memory is what the process may take of the host's memory, in bytes, as far as the trace
// has it to say.
func (t *Trace) Memory() uint64 {
	if t.GuestMemory == 0 {
		return emu.DefaultMemory
	}
	return t.GuestMemory
}

// Settle makes a plan of the trace's scenario the one that the trace was made with, in
// what the settings do not say.
func (t *Trace) Settle(plan *scenario.Plan) {
	plan.BindNow, plan.Timeouts = t.BindNow, t.timeouts()
}

func (t *Trace) check() error {
	missing := ""
	switch {
	case t.Scenario == "":
		missing = "scenario"
	case t.Arch == "":
		missing = "arch"
	case t.Libc.SHA256 == "":
		missing = "libc.sha256"
	case t.Schedule == nil || len(t.Schedule) == 0 && t.Steps > 0: // only of a race that is over at once it is empty
		missing = "schedule"
	case t.Outcome.Kind == "":
		missing = "outcome.kind"
	case t.Digest == "":
		missing = "digest"
	}
	if _, err := scenario.ParseTimeouts(string(t.timeouts())); err != nil {
		return fmt.Errorf("%w: field timeouts: %w", ErrFormat, err)
	}
	if (t.Format == ProgramVersion) != (t.Program != nil) {
		missing = "program"
		if t.Program != nil {
			return fmt.Errorf("%w: field program in a trace of format %d", ErrFormat, t.Format)
		}
	}
	if missing != "" {
		return fmt.Errorf("%w: field %s is missing", ErrFormat, missing)
	}
	if err := checkLibraries(t.Libraries); err != nil {
		return err
	}
	if t.Program != nil {
		return t.Program.check()
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"emurace/internal/files"
	"emurace/internal/ordered"
	"emurace/internal/shell"
	"emurace/suite"
)

// Bounds of what the search of a test may print.
const (
	maxTestOutput = 64 << 20
	maxTestErrors = 64 << 10
)

// testWork is a test while it is at work.
type testWork struct {
	testCase
	number int
	result *suite.Result // nil until it is there
}

// runTests runs tests side by side, and shows each when it and those before it are done. Of tests
// that were interrupted there are no results.
func runTests(c *cli.Context, tests []testCase, show *testShow) (results []suite.Result, interrupted bool, err error) {
	dir, err := os.MkdirTemp("", "emurace-test-")
	if err != nil {
		return nil, false, environmentError(fmt.Errorf("test: %w", err), "set TMPDIR to a folder that can be written to")
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is below the folder for what is temporary
	work := make([]*testWork, len(tests))
	for i := range tests {
		work[i] = &testWork{testCase: tests[i], number: i}
	}
	shown := 0
	tell := func(w *testWork) error {
		shown++
		results = append(results, *w.result)
		return show.result(w.result)
	}
	var failed error
	list := ordered.List[struct{}, *testWork]{
		Items: work, Jobs: c.Int("jobs"),
		Take: func() (struct{}, error) { return struct{}{}, nil },
		Put:  func(struct{}) {},
		Work: func(ctx context.Context, _ struct{}, w *testWork) func() ordered.Outcome[*testWork] {
			show.begins(w)
			r, err := w.run(ctx, c, dir)
			return func() ordered.Outcome[*testWork] {
				w.result = r
				return ordered.Outcome[*testWork]{Err: err}
			}
		},
		InOrder: func(w *testWork) {
			if failed == nil && w.result != nil {
				failed = tell(w)
			}
		},
		Save: func() error { return failed },
	}
	err = list.Run(c.Context)
	if errors.Is(err, context.Canceled) {
		// What is done behind one that is not is told too.
		for _, w := range work[shown:] {
			if w.result != nil && failed == nil {
				failed = tell(w)
			}
		}
		return results, true, failed
	}
	return results, false, err
}

// searchFlagsOf are those that expect(search = ...) may have: what says how to search, and
// nothing that names a file.
var searchFlagsOf = []string{"strategy", "memory", "preemptions", "depth", "schedules", "time", "seed", "keep-going", "locks", "timeouts", "set", "detect", "only", "focus", "guest-memory", "minimize"}

// searchWish is what an expectation's search asks for.
type searchWish struct {
	chooses bool          // a strategy, by itself or by a limit
	time    time.Duration // 0 for no limit
	script  bool          // that what is in the file itself says what is run
}

// checkSearchFlags checks the flags of an expectation's search.
func checkSearchFlags(search string) (wish searchWish, err error) {
	words := strings.Fields(search)
	for _, w := range words {
		if w[0] != '-' {
			continue // the value of one
		}
		name, value, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
		if isNumber(w) {
			continue
		}
		if !slices.Contains(searchFlagsOf, name) {
			return wish, fmt.Errorf("expect: search: %s: not a flag that says how to search", w)
		}
		switch name {
		case "strategy", "memory", "preemptions", "depth", "schedules", "time", "only", "focus":
			wish.chooses = true
		case "locks":
			wish.chooses = wish.chooses || value == "abstract" || slices.Contains(words, "abstract")
		}
	}
	if err := withSearchFlags(search, func(c *cli.Context) error {
		if c.Args().Present() {
			return fmt.Errorf("unexpected argument %q", c.Args().First())
		}
		wish.time, wish.script = c.Duration("time"), strategy(c) == strategyScript
		return checkHow(c)
	}); err != nil {
		return wish, fmt.Errorf("expect: search: %w", err)
	}
	return wish, nil
}

// drawnOfProgram is how many schedules of a program are drawn where nobody says how to search:
// a search that draws has no end of its own.
const drawnOfProgram = "1000"

// flags are those of a test's search: shown are what the command that shows it has, and quiet
// what the test has besides.
func (w *testCase) flags(c *cli.Context) (shown, quiet []string, err error) {
	if w.given {
		shown = append(shown, "--sysroot", w.Sysroot, "--arch", w.Arch)
	}
	for _, k := range c.StringSlice("detect") {
		shown = append(shown, "--detect", k)
	}
	for _, flag := range []string{"suppressions", "baseline", "guest-memory", "cache"} {
		inherited := flag == "cache" && c.String(flag) == os.Getenv("EMURACE_CACHE")
		if c.IsSet(flag) && !inherited && !(flag == "baseline" && c.Bool("update-baseline")) {
			shown = append(shown, "--"+flag, c.String(flag))
		}
	}
	search := ""
	if w.Want != nil {
		search = w.Want.Search
	}
	wish, err := checkSearchFlags(search)
	if err != nil {
		return nil, nil, err
	}
	proof := w.Want != nil && w.Want.Verdict == suite.Clean
	switch {
	case wish.chooses:
	case w.source.program && !proof:
		shown = append(shown, "--schedules", drawnOfProgram)
	case w.source.program:
		shown = append(shown, "--strategy", strategyDPOR)
	default:
		// A limit of time is to make no other search of it.
		quiet = append(quiet, "--strategy", strategyDPOR)
	}
	one := wish.script && w.source.fixed // a schedule, and no search that a time could end
	if budget := c.Duration("time"); !one && (wish.time == 0 || wish.time > budget) {
		quiet = append(quiet, "--time", budget.String())
	}
	quiet = append(quiet, "--json", "--minimize=false", "--jobs", "1", "--color", "never")
	shown = append(shown, strings.Fields(search)...)
	return shown, quiet, nil
}

// run runs a test in a process of its own. The error is that it was interrupted.
func (w *testWork) run(ctx context.Context, c *cli.Context, dir string) (*suite.Result, error) {
	r := &suite.Result{Test: w.Test}
	began := time.Now()
	if w.source.err != nil {
		w.fails(r, scriptError(w.source.err))
		return r, ctx.Err()
	}
	shown, quiet, err := w.flags(c)
	if err != nil {
		w.fails(r, usage(err, "docs/writing-scenarios.md explains what expect(...) takes"))
		return r, ctx.Err()
	}
	own := filepath.Join(dir, fmt.Sprint(w.number))
	if err := os.Mkdir(own, 0o700); err != nil {
		return nil, environmentError(fmt.Errorf("test: %w", err), "set TMPDIR to a folder that can be written to")
	}
	defer func() { _ = os.RemoveAll(own) }()
	trace := filepath.Join(own, "failure.trace")
	command := []string{"explore", w.Name}
	if w.File != "" && strings.HasPrefix(w.Name, "-") {
		command[1] = "./" + w.Name // it is no flag
	}
	if w.source.program {
		command[0] = "script"
	}
	// Of a flag that is given twice the last one counts: a search may have its own --keep-going, and
	// less time than there is, but not more.
	any := []string{"--end", noEnd} // what is expected is said of any failure
	if w.source.end {
		shown = append(shown, any...)
	}
	args := slices.Concat(command, []string{"--keep-going"}, any, shown, quiet, []string{"--output", trace})
	if c.Bool("update-baseline") {
		// A file of the test's own, which takes in what there is; all are joined in the end.
		args = append(args, "--baseline", filepath.Join(own, "baseline"), "--update-baseline")
	}
	r.Command = shell.Line(slices.Concat([]string{"emurace"}, command, shown)...)
	p, err := runSelf(ctx, args, own, c.Duration("time"))
	if err != nil || p.interrupted {
		return nil, err
	}
	r.Took = time.Since(began)
	w.judge(c, r, p)
	if dir := c.String("traces"); dir != "" && r.Status == suite.Differs && r.Got != nil && r.Got.Verdict == suite.Failing {
		return r, w.keepTrace(r, trace, dir)
	}
	return r, nil
}

// judge says what a process of a test has come to.
func (w *testWork) judge(c *cli.Context, r *suite.Result, p *ranSelf) {
	var got struct {
		Event string `json:"event"`
		suite.Shown
		Known []suite.Known `json:"known"`
	}
	line := p.stdout[bytes.LastIndexByte(bytes.TrimRight(p.stdout, "\n"), '\n')+1:]
	if json.Unmarshal(line, &got) == nil && got.Event == "result" {
		r.Got, r.Known = &got.Shown, got.Known
		if r.Version == "" {
			r.Version = got.Libc.Version
		}
	}
	switch {
	case p.late:
		r.Status, r.Reasons = suite.UndecidedTest, []string{fmt.Sprintf("the search did not end when its time of %v was up, and was ended", c.Duration("time"))}
	case (p.code == exitOK || p.code == exitFound) && r.Got != nil:
		if r.Judge(p.code, c.Duration("time")); c.Bool("require-proof") {
			r.RequireProof()
		}
	default:
		r.Status, r.Code = suite.Error, p.code
		r.Reasons, r.Hint = p.complaint()
	}
}

// fails notes that a test could not even begin.
func (w *testWork) fails(r *suite.Result, err error) {
	r.Status, r.Code, r.Reasons = suite.Error, exitEnvironment, []string{oneLine(err.Error())}
	var f *failure
	if errors.As(err, &f) {
		r.Code, r.Hint = f.code, f.hint
	}
}

// keepTrace keeps the trace of a failure under a name that tells the test.
func (w *testWork) keepTrace(r *suite.Result, from, dir string) error {
	data, err := files.Read(from, maxTestOutput)
	if err != nil {
		return nil // none was written, which the result says
	}
	name := strings.TrimSuffix(filepath.ToSlash(filepath.Clean(w.Name)), ".star")
	name = fileName(strings.Trim(strings.ReplaceAll(name, "/", "-"), ".-")) + "-" + w.Arch + "-" + fileName(w.Sysroot) + ".trace"
	r.Trace = filepath.Join(dir, name)
	if err := files.Replace(r.Trace, data); err != nil {
		return environmentError(fmt.Errorf("--traces: %s: %w", r.Trace, err), "name a folder that can be written to")
	}
	return nil
}

// ranSelf is how a process of this program has ended.
type ranSelf struct {
	stdout, stderr []byte
	code           int
	late           bool // it had to be ended when its time was long up
	interrupted    bool
}

// Patience with a search: it has its time, then it explains what it has found and ends. One that
// does not is asked to, and then made to.
const (
	afterTime = 2 * time.Minute
	afterTerm = 20 * time.Second
)

// runSelf runs this program with other arguments. Nothing of the user's settings for searches
// reaches it: neither a config file nor variables.
func runSelf(ctx context.Context, args []string, home string, limit time.Duration) (*ranSelf, error) {
	// It dies with the thread that has started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	late, stop := context.WithTimeout(ctx, limit+afterTime)
	defer stop()
	cmd := exec.CommandContext(late, "/proc/self/exe")
	cmd.Args = append([]string{"emurace"}, args...)
	cmd.Env = append(selfEnvironment(os.Environ()), "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_STATE_HOME="+filepath.Join(home, "state"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = afterTerm
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, errs := &headWriter{most: maxTestOutput}, &headWriter{most: maxTestErrors}
	cmd.Stdout, cmd.Stderr = out, errs
	err := cmd.Run()
	p := &ranSelf{stdout: out.data, stderr: errs.data}
	if err := ctx.Err(); err != nil {
		p.interrupted = true
		return p, err
	}
	p.late = late.Err() != nil
	var status *exec.ExitError
	switch {
	case cmd.ProcessState == nil:
		return nil, environmentError(fmt.Errorf("test: start a search: %w", err), "the machine may lack processes, files or memory, or have no /proc")
	case err == nil:
	case errors.As(err, &status) && status.Exited():
		p.code = status.ExitCode()
	default:
		p.code = exitEnvironment
		p.stderr = append(p.stderr, fmt.Sprintf("emurace: the search's process ended: %v\n", err)...)
	}
	return p, nil
}

// selfEnvironment is the environment without what would change a search.
func selfEnvironment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "EMURACE_") && name != "EMURACE_CACHE" ||
			name == "XDG_CONFIG_HOME" || name == "XDG_STATE_HOME"
	})
}

// complaint is the error that a process has printed, and its hint.
func (p *ranSelf) complaint() (reasons []string, hint string) {
	for line := range strings.Lines(string(p.stderr)) {
		line = strings.TrimRight(line, "\n")
		if text, ok := strings.CutPrefix(line, "emurace: "); ok {
			reasons = []string{text} // the last one: before it stands progress
		} else if text, ok := strings.CutPrefix(line, "hint: "); ok {
			hint = text
		}
	}
	if reasons == nil {
		reasons = []string{fmt.Sprintf("the search ended with exit code %d and no word", p.code)}
	}
	return reasons, hint
}

// headWriter keeps the beginning of what is written.
type headWriter struct {
	data []byte
	most int
}

// Write takes everything, and keeps what there is room for.
func (h *headWriter) Write(b []byte) (int, error) {
	h.data = append(h.data, b[:min(len(b), h.most-len(h.data))]...)
	return len(b), nil
}

// probeLibc asks a system for the version of its libc; "" where nothing runs there.
func probeLibc(c *cli.Context, on testSystem) string {
	dir, err := os.MkdirTemp("", "emurace-test-")
	if err != nil {
		return ""
	}
	defer func() { _ = os.RemoveAll(dir) }()
	args := []string{"explore", "rand-rand", "--sysroot", on.spec.String(), "--arch", on.arch.String(), "--strategy", "random", "--schedules", "1",
		"--json", "--minimize=false", "--jobs", "1", "--output", filepath.Join(dir, "none.trace")}
	if c.IsSet("cache") {
		args = append(args, "--cache", c.String("cache"))
	}
	p, err := runSelf(c.Context, args, dir, time.Minute)
	if err != nil {
		return ""
	}
	var got suite.Shown
	if json.Unmarshal(p.stdout, &got) != nil {
		return ""
	}
	return got.Libc.Version
}
